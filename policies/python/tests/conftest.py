"""Policies to act with: the demo's, and tiny ones that the command trains in a few seconds."""

import csv
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "results/reference/demo"
# The command; `AAREN` names another build of it.
PROGRAM = Path(os.environ.get("AAREN", ROOT / "target/debug/aaren")).absolute()


def run_aaren(*arguments: object, cwd: Path | None = None) -> str:
    """The command, and what it prints."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def episode(env: gymnasium.Env, act: Callable[[Any, float], Any], seed: int) -> tuple[float, int]:
    """Return and length of an episode."""
    observation, _ = env.reset(seed=seed)
    reward, total, length, over = 0.0, 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(act(observation, reward))
        total, length, over = total + float(reward), length + 1, terminated or truncated
    return total, length


@dataclass
class Trained:
    """A run of a tiny experiment."""

    env: str
    folder: Path

    @property
    def policy(self) -> Path:
        return self.folder / "policy.safetensors"

    def last_evaluation(self) -> list[dict[str, str]]:
        """The rows of `evaluations.csv` that the trained policy made."""
        with (self.folder / "evaluations.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [row for row in rows if row["update"] == rows[-1]["update"]]


def random_data(env_id: str, path: Path, transitions: int) -> None:
    """What random actions bring about, in D4RL's layout."""
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")
    }
    observation, _ = env.reset(seed=0)
    for _ in range(transitions):
        action = env.action_space.sample()
        after, reward, terminated, truncated, _ = env.step(action)
        for name, value in zip(columns, (observation, action, reward, terminated, truncated), strict=True):
            columns[name].append(value)
        observation = env.reset()[0] if terminated or truncated else after
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            array = np.asarray(values)
            file[name] = array.astype(np.float32) if array.dtype == np.float64 else array


def train(folder: Path, env: str, policies: str) -> None:
    random_data(env, folder / "data.hdf5", 600)
    (folder / "tiny.yaml").write_text(f"""
name: tiny
env: {env}
dataset: data.hdf5
policies: {policies}
seeds: [3]
model: {{width: 16, layers: 2, heads: 2}}
context: {{train: 8}}
train: {{updates: 30, batch: 8, learning_rate: 3.0e-3, warmup: 1, threads: 1}}
evaluate: {{every: 30, episodes: 20, target_returns: [150, 60], return_scale: 100, guidance: 1.5}}
""")
    run_aaren("run", "tiny.yaml", "--results", "results", cwd=folder)


@pytest.fixture(scope="session")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """One run of each encoder and of behaviour cloning in Hopper-v5. Guidance is for `asked`, which alone can act freely."""
    folder = tmp_path_factory.mktemp("hopper")
    policies = """
  - aaren
  - recency: {encoder: aaren, recency: learned, norm: pre}
  - gated: {encoder: aaren, recency: gated, heads: 4, tokens: 3}
  - sliding: {encoder: transformer, rollout: {sliding: 9}, tokens: 3}
  - rotary: {encoder: aaren, positions: rotary, rotate: 0.5, tokens: 2}
  - untold: {encoder: aaren, positions: none}
  - reset: {encoder: aaren, rollout: {reset: 7}, past_actions: false}
  - window: {encoder: gru, rollout: {window: 5}, tokens: 3}
  - gru
  - lstm: {tokens: 3}
  - mingru
  - gated-delta: {positions: rotary, rotate: 0.5}
  - keys: {encoder: aaren, recency: gated, positions: rotary, keys: 6}
  - plain-keys: {encoder: aaren, keys: 3, tokens: 2}
  - delta: {encoder: gated-delta, tokens: 3}
  - odd: {encoder: aaren, width: 12, heads: 4, recency: gated, positions: rotary}
  - odd-keys: {encoder: aaren, keys: 3, recency: gated, positions: rotary, tokens: 2}
  - odd-delta: {encoder: gated-delta, width: 12, heads: 4, positions: rotary, tokens: 3}
  - transformer
  - turned: {encoder: transformer, positions: rotary, rollout: {sliding: 9}}
  - alibi: {encoder: transformer, positions: alibi, rollout: unbounded, tokens: 2}
  - asked: {encoder: aaren, tokens: 1, return: head, return_rate: true, return_bins: 16, return_dropout: 0.2, past_actions: true}
  - one-token: {encoder: gru, tokens: 1, return: token, return_bins: 5}
  - bc: {agent: behaviour-cloning}"""
    train(folder, "Hopper-v5", policies)
    names = (
        "aaren", "recency", "gated", "sliding", "window", "rotary", "untold", "reset", "gru", "lstm", "mingru",
        "gated-delta", "keys", "plain-keys", "delta", "odd", "odd-keys", "odd-delta", "transformer", "turned", "alibi", "asked", "one-token", "bc"
    )
    return {name: Trained("Hopper-v5", folder / "results/tiny" / f"{name}-seed3") for name in names}


@pytest.fixture(scope="session")
def cart_pole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """Policies that make a choice."""
    folder = tmp_path_factory.mktemp("cart-pole")
    train(folder, "CartPole-v1", "[aaren, gru, bc: {agent: behaviour-cloning}]")
    return {name: Trained("CartPole-v1", folder / "results/tiny" / f"{name}-seed3") for name in ("aaren", "gru", "bc")}


@pytest.fixture(scope="session")
def demo() -> Iterator[Path]:
    """The folder of the demo's policies."""
    yield DEMO


def evaluate(policy: Path, *arguments: object) -> dict[str, Any]:
    """`aaren evaluate --json`."""
    found: dict[str, Any] = json.loads(run_aaren("evaluate", policy, "--json", *arguments))
    return found

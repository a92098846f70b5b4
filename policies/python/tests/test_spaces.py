"""Data and environments of every kind of space: trained, evaluated by the command, and acted in through the package."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spaces as own
from aaren import Policy
from conftest import evaluate, run_aaren
from gymnasium import spaces

HERE = Path(__file__).parent
SMALL = """
policies: [aaren, bc: {agent: behaviour-cloning}]
model: {width: 8, layers: 1}
train: {updates: 20, batch: 4, threads: 1, warmup: 1, learning_rate: 1.0e-2}
evaluate: {episodes: 3, target_returns: [4], return_scale: 10}
"""


def environment(kind: str) -> str:
    return f'{{python: "spaces:make_env", kwargs: {{kind: {kind}}}, path: {HERE}, interpreter: {sys.executable}}}'


def action_of(space: spaces.Space[Any], given: Any) -> Any:
    """The environment's action for a policy's, whose choices count from 0."""
    if isinstance(space, spaces.Box):
        return np.reshape(given, space.shape).astype(space.dtype)
    if isinstance(space, spaces.Discrete):
        return np.int64(given) + space.start
    return np.reshape(given, space.shape).astype(space.dtype) + getattr(space, "start", np.zeros((), space.dtype))


def played(policy: Policy, kind: str, seed: int, target: float) -> float:
    """The return of one episode, in an environment that this program has and the command has not."""
    env = own.make_env(kind)
    stream = policy.stream(target_return=target)
    observation, _ = env.reset(seed=seed)
    reward, total, over = 0.0, 0.0, False
    while not over:
        given = stream.act(spaces.flatten(env.observation_space, observation), reward)
        observation, reward, _, over, _ = env.step(action_of(env.action_space, given))
        total += reward
    return total


@pytest.mark.parametrize("kind", list(own.KINDS))
def test_data_and_environment_of_the_same_spaces(tmp_path: Path, kind: str) -> None:
    own.collect(kind, tmp_path / "data.hdf5")
    (tmp_path / "tiny.yaml").write_text(f"env: {environment(kind)}\ndataset: data.hdf5\n{SMALL}")
    run_aaren("run", "tiny.yaml", cwd=tmp_path)
    for name in ("aaren", "bc"):
        folder = tmp_path / "results/tiny" / f"{name}-seed0"
        policy = Policy.load(folder / "policy.safetensors")
        with (folder / "evaluations.csv").open() as file:
            rows = list(csv.DictReader(file))[-3:]
        for row in rows:
            assert played(policy, kind, int(row["seed"]), 4.0) == float(row["return"]), (kind, row)
    info = run_aaren("data", "info", "data.hdf5", "--env", environment(kind), cwd=tmp_path)
    size = spaces.flatdim(own.KINDS[kind][0])
    assert f"observation   {size} entries" in info


@pytest.mark.parametrize("kind", ["dict", "multi-discrete", "discrete"])
def test_a_policy_of_data_alone_acts_in_an_environment_that_came_later(tmp_path: Path, kind: str) -> None:
    own.collect(kind, tmp_path / "data.hdf5")
    said = {
        # What the file does not say: that these whole numbers are choices, and from where they count.
        "dict": "{observation: {type: Dict, subspaces: {z: {type: Box, shape: [2, 2]}, a: {type: Dict, subspaces: "
        "{c: {type: Discrete, n: 3, start: 1}, b: {type: MultiBinary, n: 2}}}}}, "
        "action: {type: MultiDiscrete, nvec: [3, 2], start: [0, 4]}}",
        "multi-discrete": "{observation: {type: MultiDiscrete, nvec: [2, 3], start: [5, -1]}, "
        "action: {type: Discrete, n: 3, start: 5}}",
        "discrete": "{observation: {type: Discrete, n: 4, start: -1}, action: {type: Box, shape: [2, 2], low: -1, high: 1}}",
    }[kind]
    (tmp_path / "tiny.yaml").write_text(f"env: {{spaces: {said}}}\ndataset: data.hdf5\n{SMALL}")
    table = run_aaren("run", "tiny.yaml", cwd=tmp_path)
    assert "held-out action error" in table
    for name in ("aaren", "bc"):
        file = tmp_path / "results/tiny" / f"{name}-seed0" / "policy.safetensors"
        found = evaluate(file, "--env", environment(kind), "--episodes", 3, "--target-return", 4)
        policy = Policy.load(file)
        assert policy.observation_size == spaces.flatdim(own.KINDS[kind][0])
        for row in found["episodes"]:
            assert played(policy, kind, row["seed"], 4.0) == row["total_return"], (kind, row)

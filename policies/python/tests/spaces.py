"""Environments with each kind of space, and data of theirs as somebody would write them: nothing is flattened."""

from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
from gymnasium import spaces

STEPS = 8
BOX = spaces.Box(-1, 1, (2, 2), np.float32)
KINDS: dict[str, tuple[spaces.Space[Any], spaces.Space[Any]]] = {
    "dict": (
        spaces.Dict({"z": BOX, "a": spaces.Dict({"c": spaces.Discrete(3, start=1), "b": spaces.MultiBinary(2)})}),
        spaces.MultiDiscrete([3, 2], start=[0, 4]),
    ),
    # Gymnasium sorts the keys of a dictionary, but not those of keywords.
    "unsorted": (spaces.Dict(z=spaces.Discrete(2), a=BOX), spaces.Box(-2, 2, (1, 2), np.float64)),
    "tuple": (spaces.Tuple((spaces.Box(-1, 1, (3,), np.float64), spaces.Discrete(2))), spaces.MultiBinary(3)),
    "multi-discrete": (spaces.MultiDiscrete([2, 3], start=[5, -1]), spaces.Discrete(3, start=5)),
    "discrete": (spaces.Discrete(4, start=-1), BOX),
}


class Kinds(gymnasium.Env[Any, Any]):
    """Observations drawn from their space; a reward that tells observations and actions apart."""

    def __init__(self, kind: str) -> None:
        self.observation_space, self.action_space = KINDS[kind]
        self.weights = np.random.default_rng(0).normal(size=spaces.flatdim(self.action_space))

    def observe(self) -> Any:
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.seen = self.observation_space.sample()
        return self.seen

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        seen = float(np.sum(spaces.flatten(self.observation_space, self.seen), dtype=np.float64))
        reward = seen + float(self.weights @ spaces.flatten(self.action_space, action).astype(np.float64))
        return self.observe(), reward, False, False, {}


def make_env(kind: str) -> gymnasium.Env[Any, Any]:
    return gymnasium.wrappers.TimeLimit(Kinds(kind), STEPS)


def write(file: h5py.Group, name: str, rows: list[Any]) -> None:
    """A group for a dictionary or a tuple, else an array."""
    if isinstance(rows[0], dict):
        for key in rows[0]:
            write(file.require_group(name), key, [row[key] for row in rows])
    elif isinstance(rows[0], tuple):
        for index in range(len(rows[0])):
            write(file.require_group(name), f"_index_{index}", [row[index] for row in rows])
    else:
        file[name] = np.asarray(rows)


def collect(kind: str, path: Path, episodes: int = 12) -> None:
    """What random actions bring about, in D4RL's layout."""
    env = make_env(kind)
    env.action_space.seed(0)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")
    }
    for seed in range(episodes):
        observation, over = env.reset(seed=seed)[0], False
        while not over:
            action = env.action_space.sample()
            after, reward, terminated, over, _ = env.step(action)
            for name, value in zip(columns, (observation, action, reward, terminated, over), strict=True):
                columns[name].append(value)
            observation = after
    with h5py.File(path, "w") as file:
        for name, rows in columns.items():
            write(file, name, rows)

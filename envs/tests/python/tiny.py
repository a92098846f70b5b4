"""Environments for tests: a point on a line, and one of each space."""

import os
import subprocess
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Line(gymnasium.Env):
    """A point that an action pushes; noise from the seed. At step `at` of an episode, of that `seed` alone if there is
    one, it does what `fault` says, or the file that there may be. With `child` it starts a process and writes its number
    there."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, fault=None, at=3, size=2, note=None, fault_file=None, seed=None, child=None, render_mode=None):
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)
        self.action_space = spaces.Box(-0.5, 0.7, (1,), np.float32)
        self.fault, self.at, self.size, self.render_mode = fault, at, size, render_mode
        self.fault_file, self.seed = fault_file, seed
        if child is not None:
            with open(child, "a") as file:
                file.write(f"{subprocess.Popen(['sleep', '1000']).pid}\n")
        if note is not None:
            with open(note, "a") as file:
                file.write(f"{os.getpid()}\n")
        if fault == "make":
            raise RuntimeError("no licence")

    def observation(self):
        if self.fault == "shape" and self.steps == self.at:
            return np.zeros(self.size + 1)
        if self.fault == "nan" and self.steps == self.at:
            return np.full(self.size, np.nan)
        return np.full(self.size, self.where)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        if self.fault == "reset":
            raise ValueError("no room")
        self.where, self.steps, self.seeded = self.np_random.standard_normal(), 0, seed
        return (self.observation() if self.fault != "unseeded" else np.random.rand(self.size)), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps += 1
        if self.fault_file is not None and self.steps == self.at and os.path.exists(self.fault_file):
            self.fault = open(self.fault_file).read()
        if self.fault == "print":
            print("printed by step " * 1000)
            os.write(1, b"\0\1\2\3" * 100)
            assert sys.stdin.read() == ""
        if self.steps == self.at and self.seed in (None, self.seeded):
            if self.fault == "raise":
                {}["the key"]
            if self.fault == "exit":
                sys.exit(3)
            if self.fault == "die":
                print("a last word", flush=True)
                os.abort()
            if self.fault == "hang":
                print("waiting", flush=True)
                time.sleep(1000)
            if self.fault == "four":
                return self.observation(), 0.0, True, {}
        self.where += float(action[0]) + 0.1 * self.np_random.standard_normal()
        return self.observation(), -abs(self.where), abs(self.where) > 3.0, False, {}

    def render(self):
        picture = np.zeros((20, 40, 3), np.uint8)
        picture[:, :20] = (255, 0, 0)
        return picture


class Kind(gymnasium.Env):
    """Always the same observation, of one kind of space; the reward is the sum of the action's entries."""

    def __init__(self, observation, action="discrete"):
        box = spaces.Box(-1, 1, (2, 2), np.float32)
        self.observation_space, self.shown = {
            "matrix": (box, np.array([[1, 2], [3, 4]], np.float32) / 4),
            "discrete": (spaces.Discrete(4, start=-1), 1),
            "multi-discrete": (spaces.MultiDiscrete([2, 3]), np.array([1, 2])),
            "multi-binary": (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8)),
            "tuple": (spaces.Tuple((box, spaces.Discrete(2))), (np.full((2, 2), 0.5, np.float32), 0)),
            "dict": (
                spaces.Dict(
                    {
                        "observation": box,
                        "desired_goal": spaces.Box(-9, 9, (1,), np.float64),
                        "achieved": spaces.Dict({"z": spaces.Discrete(2), "a": spaces.MultiBinary(1)}),
                    }
                ),
                {
                    "observation": np.array([[1, 2], [3, 4]], np.float32) / 4,
                    "desired_goal": np.array([7.0]),
                    "achieved": {"z": 1, "a": np.array([1], np.int8)},
                },
            ),
            "image": (spaces.Box(0, 255, (64, 64, 3), np.uint8), None),
            "text": (spaces.Text(5), "hello"),
        }[observation]
        self.action_space = {
            "discrete": spaces.Discrete(3, start=5),
            "binary": spaces.MultiBinary(2),
            "matrix": spaces.Box(-2, 2, (2, 1), np.float64),
            "narrow": spaces.Box(-0.1, 0.1, (1,), np.float64),
            "several": spaces.MultiDiscrete([3, 2], start=[5, -1]),
            "endless": spaces.Box(-np.inf, np.inf, (1,), np.float32),
            "text": spaces.Text(3),
        }[action]

    def reset(self, seed=None, options=None):
        return self.shown, {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return self.shown, np.sum(action), False, False, {}


number = 3

"""RATE's T-maze (arXiv 2306.09459, after the passive T-maze of Ni et al. 2023) as a Gymnasium environment: the oracle
of `RateTMaze-v0`, written from the description in the papers.

A corridor of `corridor` steps leads to a junction with one arm up and one down. The agent sees its height y, a clue
(at the first step only: the arm to take, 1 up or -1 down), a flag (1 when it reaches the junction) and noise of -1,
0 or 1. Actions: right, up, left, down; walls stop it. A turn into an arm ends the episode, with reward 1 if it is the
right one; otherwise it is cut after corridor + 2 steps. A corridor [low, high] is drawn anew for each episode.
"""
import gymnasium as gym
import numpy as np


class RateTMaze(gym.Env):
    def __init__(self, corridor=148):
        self.lengths = (corridor, corridor) if isinstance(corridor, int) else tuple(corridor)
        self.action_space = gym.spaces.Discrete(4)
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float64)

    def look(self, clue):
        flag = int(self.position == (self.corridor, 0) and not self.flagged)
        self.flagged = self.flagged or flag == 1
        noise = self.np_random.integers(-1, 2)
        return np.array([self.position[1], clue, flag, noise], dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        low, high = self.lengths
        self.corridor = int(self.np_random.integers(low, high + 1))
        self.goal = int(self.np_random.choice([-1, 1]))
        cells = {(x, 0) for x in range(self.corridor + 1)}
        self.cells = cells | {(self.corridor, 1), (self.corridor, -1)}
        self.position, self.time, self.flagged = (0, 0), 0, False
        return self.look(self.goal), {}

    def step(self, action):
        dx, dy = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}[int(action)]
        x, y = self.position
        if (x + dx, y + dy) in self.cells:
            self.position = (x + dx, y + dy)
        self.time += 1
        turned = self.position[1] != 0
        reward = 1.0 if self.position == (self.corridor, self.goal) else 0.0
        return self.look(0), reward, turned, self.time >= self.corridor + 2, {}


gym.register("RateTMaze-v0", RateTMaze)

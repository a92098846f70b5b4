#!/usr/bin/env python3
"""Print where Gymnasium's reset(seed) puts its environments, and where the reset without a seed that follows it does:
what envs/tests/starts.json holds."""
import json

import gymnasium as gym

from rollout import state_of

ROBOTS = """Ant HalfCheetah Hopper Humanoid HumanoidStandup InvertedDoublePendulum InvertedPendulum Pusher Reacher Swimmer
Walker2d""".split()
IDS = "Acrobot-v1 CartPole-v1 MountainCar-v0 MountainCarContinuous-v0 Pendulum-v1".split()
IDS += [f"{robot}-{version}" for robot in ROBOTS for version in ["v4", "v5"]]
IDS.remove("Pusher-v4")  # which refuses MuJoCo 3

rows = []
for name in IDS:
    env = gym.make(name)
    for seed in [7, 2**63 + 5]:
        starts = []
        for reset in [seed, None]:
            observation, _ = env.reset(seed=reset)
            starts.append([state_of(env, reset, False), observation.astype(float).tolist()])
        rows.append({"env": name, "seed": seed, "starts": starts})
print("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")

#!/usr/bin/env python3
"""Steps per second of Python Gymnasium's environments, for `aaren-bench env`.

Reads lines `ID SECONDS` from standard input and answers each with steps per second on one core: uniformly random
actions drawn beforehand, and a reset where an episode ends, as in `gymnasium.make(ID)`. POPGym's ids are known too; an
id that is not is answered with `nan`.
"""
import sys
import time

import gymnasium
import popgym  # registers its ids

environments = {}
for line in sys.stdin:
    name, seconds = line.split()
    if name not in gymnasium.registry:
        print("nan", flush=True)
        continue
    if name not in environments:
        env = gymnasium.make(name)
        env.reset(seed=0)
        env.action_space.seed(0)
        environments[name] = env, [env.action_space.sample() for _ in range(1000)]
    env, actions = environments[name]
    env.reset()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < float(seconds):
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        steps += len(actions)
    print(steps / (time.perf_counter() - start), flush=True)

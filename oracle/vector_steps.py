#!/usr/bin/env python3
"""Steps per second of Python Gymnasium's AsyncVectorEnv, for `aaren-bench env`.

Reads lines `ID COUNT SECONDS` from standard input and answers each with steps per second of all COUNT environments
together: uniformly random actions drawn beforehand, episodes that start anew, as in `gymnasium.make_vec(ID, COUNT,
vectorization_mode="async")`.
"""
import sys
import time

import gymnasium


def main():
    vectors = {}
    for line in sys.stdin:
        name, count, seconds = line.split()
        if (name, count) not in vectors:
            vector = gymnasium.make_vec(name, num_envs=int(count), vectorization_mode="async")
            vector.reset(seed=0)
            vector.action_space.seed(0)
            vectors[name, count] = vector, [vector.action_space.sample() for _ in range(100)]
        vector, actions = vectors[name, count]
        vector.reset()
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < float(seconds):
            for action in actions:
                vector.step(action)
            steps += len(actions) * int(count)
        print(steps / (time.perf_counter() - start), flush=True)
    for vector, _ in vectors.values():
        vector.close()


if __name__ == "__main__":
    main()

"""stable-baselines3's loop in Gymnasium's vector environments: the episodes are those of one environment alone, in each
autoreset mode."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from aaren import Policy
from aaren.wrappers import RewardAwareObservation
from conftest import Trained
from gymnasium.vector import AutoresetMode, SyncVectorEnv

EPISODES = 6


def alone(policy: Policy, env_id: str, seed: int) -> list[float]:
    """Returns of episode after episode in one environment, seeded at the first only."""
    env = RewardAwareObservation(gymnasium.make(env_id))
    returns, seeds = [], [seed, *[None] * (EPISODES - 1)]
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        state, over, total = None, False, 0.0
        while not over:
            action, state = policy.predict(observation, state)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return returns


def together(policy: Policy, env_id: str, mode: AutoresetMode, says_starts: bool) -> list[list[float]]:
    envs: SyncVectorEnv = SyncVectorEnv(
        [lambda: RewardAwareObservation(gymnasium.make(env_id))] * 2, autoreset_mode=mode
    )
    observations, _ = envs.reset(seed=[0, 1])
    state, starts, totals = None, np.ones(2, bool), np.zeros(2)
    returns: list[list[float]] = [[], []]
    while min(map(len, returns)) < EPISODES:
        extra: dict[str, Any] = {"episode_start": starts} if says_starts else {}
        actions, state = policy.predict(observations, state, **extra)
        observations, rewards, terminations, truncations, _ = envs.step(actions)
        totals += rewards
        starts = terminations | truncations
        for i in np.flatnonzero(starts):
            returns[i].append(float(totals[i]))
            totals[i] = 0
        if mode == AutoresetMode.DISABLED and starts.any():
            observations, _ = envs.reset(options={"reset_mask": starts})
    return [one[:EPISODES] for one in returns]


@pytest.mark.parametrize("says_starts", [True, False])
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("name", ["aaren", "transformer", "reset"])
def test_episodes_are_those_of_one_environment(
    hopper: dict[str, Trained], name: str, mode: AutoresetMode, says_starts: bool
) -> None:
    policy, env = Policy.load(hopper[name].policy), hopper[name].env
    expected = [alone(policy, env, 0), alone(policy, env, 1)]
    assert len(set(expected[0])) == EPISODES, "episodes differ, or nothing would be shown"
    assert together(policy, env, mode, says_starts) == expected

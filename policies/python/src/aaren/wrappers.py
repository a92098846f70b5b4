"""A Gymnasium wrapper that hands a policy the reward, which its return-to-go needs, and the beginning of an episode."""

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box, flatdim, flatten
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray


class RewardAwareObservation(gymnasium.Wrapper[NDArray[np.float64], Any, Any, Any], RecordConstructorArgs):
    """Observations with two more entries: the reward of the previous action, 0 after a reset, and 1 after a reset, else 0.
    That is what `Policy.predict` takes. Named as Gymnasium's `TimeAwareObservation`.

    The last entry makes a policy begin an episode at the observation of `reset` itself: in a vector environment
    `terminations | truncations` of the last step point at it in two of Gymnasium's autoreset modes, and in the default
    one, `NEXT_STEP`, at the last observation of the episode before.

    Spaces that are no boxes are flattened by `gymnasium.spaces.flatten`. Observations are float64
    `[observation size + 2]`, so that neither they nor the rewards are rounded.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        size = flatdim(env.observation_space)
        low, high = np.full(size + 2, -np.inf), np.full(size + 2, np.inf)
        low[-1], high[-1] = 0.0, 1.0
        self.observation_space = Box(low, high, dtype=np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with(observation, 0.0, 1.0), info

    def step(self, action: Any) -> tuple[NDArray[np.float64], SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with(observation, reward, 0.0), reward, terminated, truncated, info

    def _with(self, observation: Any, reward: SupportsFloat, begins: float) -> NDArray[np.float64]:
        flat = flatten(self.env.observation_space, observation)
        return np.append(np.asarray(flat, np.float64), [float(reward), begins])

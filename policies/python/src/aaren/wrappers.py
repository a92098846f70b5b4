"""A Gymnasium wrapper that hands a policy the reward, which its return-to-go needs."""

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box, flatdim, flatten
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray


class RewardAwareObservation(gymnasium.Wrapper[NDArray[np.float64], Any, Any, Any], RecordConstructorArgs):
    """Observations with the reward of the previous action as their last entry, 0 after a reset: what
    `Policy.predict` takes. Named as Gymnasium's `TimeAwareObservation`.

    Spaces that are no boxes are flattened by `gymnasium.spaces.flatten`. Observations are float64
    `[observation size + 1]`, so that neither they nor the rewards are rounded.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self.observation_space = Box(-np.inf, np.inf, (flatdim(env.observation_space) + 1,), np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with(observation, 0.0), info

    def step(self, action: Any) -> tuple[NDArray[np.float64], SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with(observation, reward), reward, terminated, truncated, info

    def _with(self, observation: Any, reward: SupportsFloat) -> NDArray[np.float64]:
        flat = flatten(self.env.observation_space, observation)
        return np.append(np.asarray(flat, np.float64), float(reward))

"""A trained policy: its file, what it says of itself, and the streams that follow it."""

from __future__ import annotations

import json
import math
import os
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaren import _library
from aaren._library import Error, Handle
from aaren._stream import Action, Stream, Streams

State: TypeAlias = "tuple[bytes, ...]"
"""What `Policy.predict` remembers: for each environment the bytes of `Stream.state`."""


class Policy:
    """The weights of a trained policy, shared by all its streams. Any number of threads may use it.

    Attributes:
        name: the name it was trained under.
        observation_size: entries of an observation.
        action_size: entries of an action; where it is a choice, 1 for each column of choices.
        discrete: whether it makes one choice.
        multi_discrete: whether it makes a choice in each of several columns.
        target_returns: returns to ask for, the first being the one to start with; infinity is `max`, the most that can be
            had from each timestep on.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._header = _library.handed_out(_library.header, handle.pointer)
        info = self.info
        self.name: str = info["policy"]
        self.discrete: bool = info["action"]["kind"] == "discrete"
        self.multi_discrete: bool = info["action"]["kind"] == "multi-discrete"
        self.target_returns: tuple[float, ...] = tuple(
            math.inf if target == "max" else float(target) for target in info["target_returns"]
        )
        self.observation_size: int = _library.observation_size(handle.pointer)
        self.action_size: int = _library.action_size(handle.pointer)
        # Of `predict`: the streams that acted last, and the state they are in.
        self._lock = Lock()
        self._streams: Streams | None = None
        self._state: State | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policy:
        """Load a `policy.safetensors`.

        Raises:
            Error: if the file cannot be read, or is not a policy in every byte that counts.
        """
        name = os.fsencode(path)
        if b"\0" in name:
            raise Error("the path holds a zero byte")
        return cls(Handle(_library.load(name), _library.policy_free))

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Load a policy from the bytes of its file.

        Raises:
            Error: as `load`.
        """
        return cls(Handle(_library.load_bytes(bytes(data), len(data)), _library.policy_free))

    @property
    def info(self) -> dict[str, Any]:
        """The header of its file: what it was trained on and for, its architecture, its memory."""
        header: dict[str, Any] = json.loads(self._header)
        return header

    def stream(self, target_return: float | None = None, guidance: float | None = None) -> Stream:
        """A stream for one episode at a time, in the roll-out regime that the file names.

        Args:
            target_return: the return to ask for, in the environment's units; the first of
                `target_returns` unless given. Infinity asks, at each timestep, for the most that can be had from
                there, which policies with the return in their head predict.
            guidance: how much an asked return counts, g in a_free + g (a_asked - a_free); the file's unless given.

        Raises:
            Error: for a guidance other than 1 where the policy never acted free of returns in training.
        """
        return Stream(self, self._asked(target_return), guidance)

    def streams(self, n: int, target_return: float | None = None, guidance: float | None = None) -> Streams:
        """`n` streams that are stepped together; see `stream`."""
        return Streams(self, n, self._asked(target_return), guidance)

    def predict(
        self,
        observation: ArrayLike,
        state: State | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
        *,
        target_return: float | None = None,
    ) -> tuple[Action | NDArray[np.float32] | NDArray[np.int64], State]:
        """stable-baselines3's `predict` of a recurrent policy: what acted is in the state, not in the policy.

        Args:
            observation: `[observation_size + 1]`, or `[environments, observation_size + 1]`, as
                `aaren.wrappers.RewardAwareObservation` gives it: the last entry is the previous action's reward.
            state: what the last call returned; `None` begins an episode everywhere.
            episode_start: `[environments]`, true where an episode begins.
            deterministic: the policy always is; there for the signature.
            target_return: what the episodes that begin ask for; the first of
                `target_returns` unless given.

        Returns:
            The action, or one for each environment, as `Stream.act` and `Streams.act` give it; and the state.

        Raises:
            Error: as `Streams.act`, and for a state that is not of this policy or of another number of environments.
        """
        rows = np.asarray(observation, np.float64)
        if rows.ndim not in (1, 2) or rows.shape[-1] != self.observation_size + 1:
            raise Error(
                f"the observation has the shape {rows.shape}, expected [{self.observation_size + 1}] or "
                f"[environments, {self.observation_size + 1}]: the observation and the reward before it, as "
                "aaren.wrappers.RewardAwareObservation gives them"
            )
        single, rows = rows.ndim == 1, np.atleast_2d(rows)
        count = len(rows)
        if state is not None and len(state) != count:
            raise Error(f"found a state of {len(state)} environments, expected {count} as in the observation")
        begins = np.zeros(count, bool) if episode_start is None else np.broadcast_to(episode_start, (count,))
        with self._lock:
            if self._streams is None or len(self._streams) != count:
                self._streams, self._state = self.streams(count), None
            streams, known = self._streams, self._state
            # Until the step has succeeded nobody knows what the streams hold.
            self._state = None
            for i in range(count):
                if state is None or begins[i]:
                    streams.reset(i, self._asked(target_return))
                elif state is not known:
                    streams.restore(i, state[i])
            actions = streams.act(rows[:, :-1], rows[:, -1])
            self._state = tuple(streams.state(i) for i in range(count))
            if not single:
                return actions, self._state
            return int(actions[0]) if self.discrete else actions[0], self._state

    def _asked(self, target_return: float | None) -> float:
        return self.target_returns[0] if target_return is None else target_return

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, {self.info['env']['id']})"

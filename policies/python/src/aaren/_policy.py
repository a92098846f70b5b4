"""A trained policy: its file, what it says of itself, and the streams that follow it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaren import _library
from aaren._library import Error, Handle
from aaren._numbers import number, numbers
from aaren._stream import Action, Stream, Streams

State: TypeAlias = bytes
"""What `Policy.predict` remembers of all environments; it may be kept, pickled and given again."""


class Policy:
    """The weights of a trained policy, shared by all its streams. Any number of threads may use it.

    A policy is the bytes of its file: `pickle` and processes that are spawned carry them. `copy.copy` and
    `copy.deepcopy` make a policy of its own over the same weights.

    Attributes:
        name: the name it was trained under.
        observation_size: entries of an observation.
        action_size: entries of an action; where it is a choice, 1 for each column of choices.
        discrete: whether it makes one choice.
        multi_discrete: whether it makes a choice in each of several columns.
        target_returns: returns to ask for, the first being the one to start with; infinity is `max`, the most that can be
            had from each timestep on.
    """

    def __init__(self, handle: Handle, data: bytes) -> None:
        self._handle = handle
        self._data = data
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
        name = os.fsdecode(path)
        try:
            data = Path(name).read_bytes()
        except ValueError:
            raise Error(f"cannot read policy {name!r}: the path holds a zero byte") from None
        except OSError as error:
            raise Error(f"cannot read policy {name}: {error.strerror}") from error
        return cls.from_bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Load a policy from the bytes of its file.

        Raises:
            Error: as `load`.
        """
        data = bytes(data)
        return cls(Handle(_library.load_bytes(data, len(data)), _library.policy_free), data)

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
        """`n` streams that are stepped together; see `stream`.

        Raises:
            MemoryError: if memory has no room for so many.
        """
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

        An episode begins where the observation says so, which is right in each of Gymnasium's autoreset modes;
        where `episode_start` says so; and everywhere without a state.

        Args:
            observation: `[observation_size + 2]`, or `[environments, observation_size + 2]`, as
                `aaren.wrappers.RewardAwareObservation` gives it: the last two entries are the previous action's
                reward, and 1 where an episode begins.
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
        rows = numbers(observation, "observation")
        entries = self.observation_size + 2
        if rows.ndim not in (1, 2) or rows.shape[-1] != entries:
            raise Error(
                f"the observation has the shape {rows.shape}, expected [{entries}] or [environments, {entries}]: the "
                f"observation ({self.observation_size}), the reward before it and whether it begins an episode, as "
                "aaren.wrappers.RewardAwareObservation gives them"
            )
        single, rows = rows.ndim == 1, np.atleast_2d(rows)
        count = len(rows)
        begins = rows[:, -1] != 0.0
        if episode_start is not None:
            begins = begins | _starts(episode_start, count)
        if state is None:
            begins = np.ones(count, bool)
        target = self._asked(target_return)
        with self._lock:
            if self._streams is None or len(self._streams) != count:
                self._streams, self._state = self.streams(count), None
            streams, known = self._streams, self._state
            # Until the step has succeeded nobody knows what the streams hold.
            self._state = None
            if state is not None and state is not known:
                streams.restore_all(state)
            for i in np.flatnonzero(begins):
                streams.reset(i, target)
            actions = streams.act(rows[:, :-2], rows[:, -2])
            self._state = streams.save_all()
            if not single:
                return actions, self._state
            return int(actions[0]) if self.discrete else actions[0], self._state

    def _asked(self, target_return: float | None) -> float:
        return self.target_returns[0] if target_return is None else number(target_return, "target return")

    def __copy__(self) -> Policy:
        return type(self)(self._handle, self._data)

    def __deepcopy__(self, memo: dict[int, Any]) -> Policy:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self._data,)

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, {self.info['env']['id']})"


def _starts(episode_start: ArrayLike, count: int) -> NDArray[np.bool_]:
    starts = numbers(episode_start, "episode_start")
    if starts.shape not in ((), (1,), (count,)):
        raise Error(f"episode_start has the shape {starts.shape}, expected ({count},): one for each environment")
    return np.broadcast_to(starts != 0.0, (count,))

"""Episodes of a policy: one, or several that are stepped together."""

from __future__ import annotations

import ctypes
import operator
import sys
from threading import Lock
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaren import _library
from aaren._library import Error, Handle
from aaren._numbers import number, numbers

if TYPE_CHECKING:
    from aaren._policy import Policy

Action: TypeAlias = "NDArray[np.float32] | int"
"""What an environment's `step` takes: float32 `[dimensions]`, or the index of a choice."""


class Stream:
    """One episode of a policy; `Policy.stream` makes it.

    Streams of one policy are independent of each other. Threads that share one wait for each other; threads
    with one each act at the same time. A copy, and what `pickle` makes of it, goes on from the same timestep as a
    stream of its own.
    """

    def __init__(self, policy: Policy, target_return: float, guidance: float | None = None) -> None:
        self.policy = policy
        self._handle = Handle(_library.stream_new(policy._handle.pointer), _library.stream_free)
        if guidance is not None:
            _library.check(_library.set_guidance(self._handle.pointer, float(guidance)))
        self._action = np.empty(policy.action_size, np.float32)
        self._lock = Lock()
        self._guidance = guidance
        self._target_return = float(target_return)
        self.reset()

    def reset(self, target_return: float | None = None) -> None:
        """Begin an episode that asks for `target_return`, or for the same as the last one did."""
        with self._lock:
            if target_return is not None:
                self._target_return = number(target_return, "target return")
            _library.check(_library.reset(self._handle.pointer, self._target_return))

    def act(self, observation: ArrayLike, reward: SupportsFloat = 0.0) -> Action:
        """The action for an observation, in the environment's units.

        Args:
            observation: `[observation_size]`, as the environment gives it; a space that is no box flattened as
                `gymnasium.spaces.flatten` does.
            reward: what the previous action earned; the first step of an episode ignores it.

        Returns:
            float32 `[action_size]`; an `int` where the policy makes a choice, int64 `[action_size]` where several.

        Raises:
            Error: for what is no array of numbers, an observation of another size, or a number in it, the reward or
                the answer that is not finite. A refused observation or reward leaves the stream as it was.
        """
        inputs = numbers(observation, "observation")
        earned = number(reward, "reward")
        action = self._action
        with self._lock:
            status = _library.act(
                self._handle.pointer, inputs.ctypes.data, inputs.size, earned, action.ctypes.data, action.size
            )
            _library.check(status)
            if self.policy.discrete:
                return int(action[0])
            return action.astype(np.int64) if self.policy.multi_discrete else action.copy()

    @property
    def state_bytes(self) -> int:
        """Bytes that must be kept of the episode between two steps: of a window its inputs."""
        with self._lock:
            return int(_library.state_size(self._handle.pointer))

    def state(self) -> bytes:
        """The episode so far, as much of it as the policy needs: `restore` goes on from it, bit for bit."""
        with self._lock:
            return _library.handed_out(_library.save, self._handle.pointer)

    def restore(self, state: bytes) -> None:
        """Go on from a `state`, also one of another stream of the same policy, or of one of several streams.

        Raises:
            Error: if the bytes are no such state. The stream is then as it was.
        """
        with self._lock:
            _library.check(_library.restore(self._handle.pointer, bytes(state), len(state)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _stream, (type(self), self.policy, self._target_return, self._guidance, self.state())

    def __repr__(self) -> str:
        return f"Stream({self.policy.name!r}, target_return={self._target_return:g})"


class Streams:
    """Several episodes that share each pass over the weights; `Policy.streams` makes them.

    Each acts, bit for bit, as a `Stream` would. They need not be at the same timestep. Copies are as those of a
    `Stream`.
    """

    def __init__(self, policy: Policy, count: int, target_return: float, guidance: float | None = None) -> None:
        count = operator.index(count)
        if count < 1:
            raise Error(f"found {count} streams, expected at least 1")
        if count > sys.maxsize:
            raise MemoryError(f"{count} streams are more than memory can address")
        pointer = _library.streams_new(policy._handle.pointer, count)
        if not pointer:
            # Nothing else keeps streams of a loaded policy from being made.
            raise MemoryError(str(_library.failure()))
        self.policy = policy
        self._handle = Handle(pointer, _library.streams_free)
        if guidance is not None:
            _library.check(_library.streams_set_guidance(self._handle.pointer, float(guidance)))
        self._actions = np.empty((count, policy.action_size), np.float32)
        self._lock = Lock()
        self._guidance = guidance
        self._target_returns = [float(target_return)] * count
        self._room = ctypes.create_string_buffer(0)
        self.reset()

    def __len__(self) -> int:
        return len(self._target_returns)

    def reset(self, index: SupportsIndex | None = None, target_return: float | None = None) -> None:
        """Begin an episode in stream `index`, or in all, that asks for `target_return`, or for the same as the last
        one did."""
        target = None if target_return is None else number(target_return, "target return")
        with self._lock:
            for i in range(len(self)) if index is None else [self._one(index)]:
                if target is not None:
                    self._target_returns[i] = target
                _library.check(_library.streams_reset(self._handle.pointer, i, self._target_returns[i]))

    def act(self, observations: ArrayLike, rewards: ArrayLike = 0.0) -> NDArray[np.float32] | NDArray[np.int64]:
        """One action for each stream, in the environment's units.

        Args:
            observations: `[streams, observation_size]`.
            rewards: `[streams]`, what the previous actions earned; the first step of an episode ignores its own.

        Returns:
            float32 `[streams, action_size]`, or int64 `[streams]` where the policy makes a choice.

        Raises:
            Error: as `Stream.act`, and for another shape. What is refused leaves all streams as they were.
        """
        inputs = numbers(observations, "observations")
        shape = (len(self), self.policy.observation_size)
        if inputs.shape != shape:
            raise Error(
                f"the observations have the shape {inputs.shape}, expected {shape}: [streams, observation size]"
            )
        earned = numbers(rewards, "rewards")
        if earned.size == 1 and np.ndim(rewards) == 0:
            earned = np.full(len(self), earned)
        actions = self._actions
        with self._lock:
            status = _library.streams_act(
                self._handle.pointer,
                inputs.ctypes.data,
                inputs.size,
                earned.ctypes.data,
                earned.size,
                actions.ctypes.data,
                actions.size,
            )
            _library.check(status)
            if self.policy.discrete:
                return actions[:, 0].astype(np.int64)
            return actions.astype(np.int64) if self.policy.multi_discrete else actions.copy()

    def state(self, index: SupportsIndex) -> bytes:
        """The episode of stream `index` so far; see `Stream.state`."""
        with self._lock:
            return _library.handed_out(_library.streams_save, self._handle.pointer, self._one(index))

    def restore(self, index: SupportsIndex, state: bytes) -> None:
        """Stream `index` goes on from a `state`; see `Stream.restore`."""
        with self._lock:
            pointer = self._handle.pointer
            _library.check(_library.streams_restore(pointer, self._one(index), bytes(state), len(state)))

    def save_all(self) -> bytes:
        """The episodes of all streams: `restore_all` goes on from them, bit for bit."""
        with self._lock:
            while True:
                size = int(_library.streams_save_all(self._handle.pointer, self._room, len(self._room)))
                if size == 0:
                    raise _library.failure()
                if size <= len(self._room):
                    return ctypes.string_at(self._room, size)
                # A Transformer's grow with every timestep.
                self._room = ctypes.create_string_buffer(size + size // 2)

    def restore_all(self, state: bytes) -> None:
        """All streams go on from what `save_all` of as many streams returned.

        Raises:
            Error: if the bytes are no such state. The streams are then as they were.
        """
        if not isinstance(state, bytes):
            raise Error(f"found a state of type {type(state).__name__}, expected the bytes that were returned before")
        with self._lock:
            _library.check(_library.streams_restore_all(self._handle.pointer, state, len(state)))

    def _one(self, index: SupportsIndex) -> int:
        """Checked here: a negative number would reach the library as a huge one."""
        place = operator.index(index)
        if not 0 <= place < len(self):
            raise Error(f"there is no stream {place} among {len(self)}")
        return place

    def __reduce__(self) -> tuple[Any, ...]:
        return _streams, (type(self), self.policy, tuple(self._target_returns), self._guidance, self.save_all())

    def __repr__(self) -> str:
        return f"Streams({self.policy.name!r}, {len(self)})"


def _stream(cls: type[Stream], policy: Policy, target_return: float, guidance: float | None, state: bytes) -> Stream:
    stream = cls(policy, target_return, guidance)
    stream.restore(state)
    return stream


def _streams(
    cls: type[Streams], policy: Policy, target_returns: tuple[float, ...], guidance: float | None, state: bytes
) -> Streams:
    streams = cls(policy, len(target_returns), target_returns[0], guidance)
    streams._target_returns = list(target_returns)
    streams.restore_all(state)
    return streams

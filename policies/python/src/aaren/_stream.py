"""Episodes of a policy: one, or several that are stepped together."""

from __future__ import annotations

import operator
from threading import Lock
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaren import _library
from aaren._library import Error, Handle

if TYPE_CHECKING:
    from aaren._policy import Policy

Action: TypeAlias = "NDArray[np.float32] | int"
"""What an environment's `step` takes: float32 `[dimensions]`, or the index of a choice."""


class Stream:
    """One episode of a policy; `Policy.stream` makes it.

    Streams of one policy are independent of each other. Threads that share one wait for each other; threads
    with one each act at the same time.
    """

    def __init__(self, policy: Policy, target_return: float, guidance: float | None = None) -> None:
        self.policy = policy
        self._handle = Handle(_library.stream_new(policy._handle.pointer), _library.stream_free)
        if guidance is not None:
            _library.check(_library.set_guidance(self._handle.pointer, float(guidance)))
        self._action = np.empty(policy.action_size, np.float32)
        self._lock = Lock()
        self._target_return = float(target_return)
        self.reset()

    def reset(self, target_return: float | None = None) -> None:
        """Begin an episode that asks for `target_return`, or for the same as the last one did."""
        with self._lock:
            if target_return is not None:
                self._target_return = float(target_return)
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
            Error: for an observation of another size, or a number in it, the reward or the answer that is not
                finite. A refused observation or reward leaves the stream as it was.
        """
        inputs = np.ascontiguousarray(observation, np.float64)
        action = self._action
        with self._lock:
            status = _library.act(
                self._handle.pointer, inputs.ctypes.data, inputs.size, float(reward), action.ctypes.data, action.size
            )
            _library.check(status)
            if self.policy.discrete:
                return int(action[0])
            return action.astype(np.int64) if self.policy.multi_discrete else action.copy()

    @property
    def state_bytes(self) -> int:
        """Bytes of what the policy remembers of the episode."""
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

    def __repr__(self) -> str:
        return f"Stream({self.policy.name!r}, target_return={self._target_return:g})"


class Streams:
    """Several episodes that share each pass over the weights; `Policy.streams` makes them.

    Each acts, bit for bit, as a `Stream` would. They need not be at the same timestep.
    """

    def __init__(self, policy: Policy, count: int, target_return: float, guidance: float | None = None) -> None:
        count = operator.index(count)
        if count < 1:
            raise Error(f"found {count} streams, expected at least 1")
        self.policy = policy
        self._handle = Handle(_library.streams_new(policy._handle.pointer, count), _library.streams_free)
        if guidance is not None:
            _library.check(_library.streams_set_guidance(self._handle.pointer, float(guidance)))
        self._actions = np.empty((count, policy.action_size), np.float32)
        self._lock = Lock()
        self._target_returns = [float(target_return)] * count
        self.reset()

    def __len__(self) -> int:
        return len(self._target_returns)

    def reset(self, index: SupportsIndex | None = None, target_return: float | None = None) -> None:
        """Begin an episode in stream `index`, or in all, that asks for `target_return`, or for the same as the last
        one did."""
        with self._lock:
            for i in range(len(self)) if index is None else [self._one(index)]:
                if target_return is not None:
                    self._target_returns[i] = float(target_return)
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
        inputs = np.ascontiguousarray(observations, np.float64)
        shape = (len(self), self.policy.observation_size)
        if inputs.shape != shape:
            raise Error(
                f"the observations have the shape {inputs.shape}, expected {shape}: [streams, observation size]"
            )
        earned = np.asarray(rewards, np.float64)
        earned = np.full(len(self), earned) if earned.ndim == 0 else np.ascontiguousarray(earned)
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

    def _one(self, index: SupportsIndex) -> int:
        """Checked here: a negative number would reach the library as a huge one."""
        number = operator.index(index)
        if not 0 <= number < len(self):
            raise Error(f"there is no stream {number} among {len(self)}")
        return number

    def __repr__(self) -> str:
        return f"Streams({self.policy.name!r}, {len(self)})"

"""Arrays of numbers from whatever a caller has, or a sentence that says what it is instead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aaren._library import Error


def numbers(value: Any, what: str) -> NDArray[np.float64]:
    """`value` as contiguous float64.

    Raises:
        Error: if it is no array of numbers, with what it is and what would help.
    """
    if value is None:
        raise Error(f"{what}: found None, expected numbers")
    try:
        return np.ascontiguousarray(value, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Error(f"{what}: found {_found(value, what)} ({error})") from None


def number(value: Any, what: str) -> float:
    """`value` as a float.

    Raises:
        Error: as `numbers`.
    """
    if value is None:
        raise Error(f"{what}: found None, expected a number; the first step of an episode takes 0.0")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Error(f"{what}: found {_found(value, what)} ({error})") from None


def _found(value: Any, what: str) -> str:
    """What stands where numbers are expected, and the cure."""
    if isinstance(value, tuple) and len(value) > 1 and isinstance(value[-1], dict):
        call = "reset()" if len(value) == 2 else "step()"
        return f"the tuple that `env.{call}` returns, expected its first entry: unpack it, `observation, *_ = env.{call}`"
    if isinstance(value, dict):
        keys = ", ".join(map(repr, value))
        return (
            f"a dict with the keys {keys}, expected one array: flatten it, "
            "`gymnasium.spaces.flatten(env.observation_space, observation)`"
        )
    if getattr(value, "requires_grad", False):
        return f"a tensor that requires a gradient, expected numbers: pass `{what}.detach()`"
    if getattr(value, "is_cuda", False):
        return f"a tensor on {value.device}, expected one in the CPU's memory: pass `{what}.cpu()`"
    if isinstance(value, tuple | list):
        return (
            f"a {type(value).__name__} of {len(value)} entries that make no array, expected one array: flatten it, "
            "`gymnasium.spaces.flatten(env.observation_space, observation)`"
        )
    return f"a {type(value).__name__}, expected numbers"

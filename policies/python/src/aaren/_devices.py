"""Policies for small devices: int8 files, and C files that need nothing."""

from __future__ import annotations

from aaren import _library


def quantise(data: bytes) -> bytes:
    """A policy file with its matrices rounded to int8, one scale for each row: a third to a half of the bytes.

    Args:
        data: the bytes of a `policy.safetensors`.

    Returns:
        The bytes of another, which `Policy.from_bytes` loads. Play the same episodes with both before you rely on it:
        `aaren compare --int8` does.

    Raises:
        Error: as `Policy.from_bytes`, and if the file is int8 already.
    """
    return _library.handed_out(_library.quantise, data, len(data))


def c_file(data: bytes, name: str = "policy") -> str:
    """A policy file as a C99 header that needs nothing else: its weights and one step.

    Args:
        data: the bytes of a `policy.safetensors`, float32 or int8.
        name: what its declarations begin with: `policy_state`, `policy_reset`, `policy_act`.

    Returns:
        The text. It acts as `Stream` does, within 1e-4, but for `keys: n`, whose states magnify rounding.

    Raises:
        Error: as `Policy.from_bytes`, if the encoder is a Transformer, and for a name that begins no C identifier.
    """
    return _library.handed_out(_library.c_file, data, len(data), name.encode()).decode()

"""The C interface (`aaren_streaming.h`) by ctypes: its functions, its errors, and what it hands out."""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any


class Error(ValueError):
    """A file, a number or a saved state that the library refuses, in its own words."""


class _Opaque(ctypes.Structure):
    """What a pointer of the library points to. A pointer object, unlike a number, can't be pickled."""


_library = ctypes.CDLL(str(Path(__file__).with_name("libaaren_streaming_c.so")))
_last_error = _library.aaren_last_error
_last_error.restype, _last_error.argtypes = c_char_p, ()


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(_library, name)
    function.restype, function.argtypes = result, arguments  # type: ignore[attr-defined]
    return function


_handle, _buffer = POINTER(_Opaque), c_void_p

load_bytes = _function("aaren_load_bytes", _handle, _buffer, c_size_t)
policy_free = _function("aaren_policy_free", None, _handle)
observation_size = _function("aaren_observation_size", c_size_t, _handle)
action_size = _function("aaren_action_size", c_size_t, _handle)
header = _function("aaren_header", c_size_t, _handle, _buffer, c_size_t)
quantise = _function("aaren_quantise", c_size_t, _buffer, c_size_t, _buffer, c_size_t)
c_file = _function("aaren_c_file", c_size_t, _buffer, c_size_t, c_char_p, _buffer, c_size_t)

stream_new = _function("aaren_stream_new", _handle, _handle)
stream_free = _function("aaren_stream_free", None, _handle)
reset = _function("aaren_reset", c_int, _handle, c_double)
set_guidance = _function("aaren_set_guidance", c_int, _handle, c_double)
act = _function("aaren_act_double", c_int, _handle, _buffer, c_size_t, c_double, _buffer, c_size_t)
state_size = _function("aaren_state_size", c_size_t, _handle)
save = _function("aaren_save", c_size_t, _handle, _buffer, c_size_t)
restore = _function("aaren_restore", c_int, _handle, _buffer, c_size_t)

streams_new = _function("aaren_streams_new", _handle, _handle, c_size_t)
streams_free = _function("aaren_streams_free", None, _handle)
streams_reset = _function("aaren_streams_reset", c_int, _handle, c_size_t, c_double)
streams_set_guidance = _function("aaren_streams_set_guidance", c_int, _handle, c_double)
streams_act = _function("aaren_streams_act", c_int, _handle, _buffer, c_size_t, _buffer, c_size_t, _buffer, c_size_t)
streams_save = _function("aaren_streams_save", c_size_t, _handle, c_size_t, _buffer, c_size_t)
streams_restore = _function("aaren_streams_restore", c_int, _handle, c_size_t, _buffer, c_size_t)
streams_save_all = _function("aaren_streams_save_all", c_size_t, _handle, _buffer, c_size_t)
streams_restore_all = _function("aaren_streams_restore_all", c_int, _handle, _buffer, c_size_t)


def failure() -> Error:
    """The message of this thread's last failure."""
    return Error((_last_error() or b"").decode())


def check(status: int) -> None:
    """Raise what a function that returns 0 or -1 complains of."""
    if status != 0:
        raise failure()


def handed_out(function: Callable[..., int], *arguments: Any) -> bytes:
    """The bytes of a function that says how many there are when it is given no room."""
    size = function(*arguments, None, 0)
    room = ctypes.create_string_buffer(size)
    if size == 0 or function(*arguments, room, size) != size:
        raise failure()
    return room.raw


class Handle:
    """Owns what the library handed out, and gives it back once nothing refers to it any more."""

    __slots__ = ("_free", "pointer")

    def __init__(self, pointer: Any, free: Callable[[Any], None]) -> None:
        if not pointer:
            raise failure()
        self.pointer, self._free = pointer, free

    def __del__(self) -> None:
        if hasattr(self, "_free"):
            self._free(self.pointer)

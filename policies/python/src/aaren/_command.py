"""The console script `aaren`: finds the command of `aaren[train]` and the libraries it was built for, and becomes it.

It imports neither torch, which takes seconds, nor NumPy.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import NoReturn

EXTRA = 'pip install "aaren[train]"'


class CommandError(RuntimeError):
    """The command can't be started here, or it failed: what was found, what was expected, and the cure."""


class Found:
    """One thing that the command needs: what is there, what must be, and what would help where that differs."""

    def __init__(self, what: str, found: str, expected: str, cure: str | None = None, folder: str | None = None) -> None:
        self.what, self.found, self.expected, self.cure, self.folder = what, found, expected, cure, folder

    def sentence(self) -> str:
        return f"{self.what}: found {self.found}, expected {self.expected}; {self.cure}"


def command() -> tuple[str, dict[str, str]]:
    """The path of the command, and the environment variables to start it with.

    Raises:
        CommandError: if it is not installed, or cannot run with what is.
    """
    # The Python that steps environments, unless an experiment names another one.
    environment = {"AAREN_PYTHON": sys.executable, **os.environ}
    own = os.environ.get("AAREN")
    if own:
        return own, environment
    everything = list(findings())
    for one in everything:
        if one.cure:
            raise CommandError(one.sentence())
    folders = {one.what: one.folder for one in everything if one.folder}
    # The command looks beside its own package, but after LD_LIBRARY_PATH, where another libtorch may lie. A virtual
    # environment that sees the system's packages has them elsewhere.
    libraries = [os.path.join(folders["torch"], "lib"), folders["mujoco"]]
    beside = os.path.dirname(folders["command"])
    there = environment.get("LD_LIBRARY_PATH")
    if there or libraries != [os.path.join(beside, "torch", "lib"), os.path.join(beside, "mujoco")]:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *([there] if there else [])])
    return os.path.join(folders["command"], "aaren"), environment


def findings() -> Iterator[Found]:
    """What the command needs, in the order in which it is needed; what follows something that does not fit may be missing."""
    yield Found("Python", "{}.{}.{}".format(*sys.version_info[:3]), "3.10 or newer")
    machine = os.uname().machine if hasattr(os, "uname") else "another processor"
    system = f"{sys.platform} on {machine}"
    if (sys.platform, machine) != ("linux", "x86_64"):
        cure = "policies act here; train on x86-64 Linux, or build the command from source"
        yield Found("system", system, "linux on x86_64", cure)
        return
    yield _libc(_module())
    module = _module()
    if module is None:
        yield Found("command", "nothing", "the package aaren-command", f"install it: {EXTRA}, with --find-links where wheels are in a folder")
        return
    folder = os.path.dirname(os.path.abspath(module.__file__ or ""))
    yield Found("command", module.VERSION, module.VERSION, folder=folder)
    yield _torch(os.path.dirname(folder), module.TORCH)
    yield _mujoco(os.path.dirname(folder), module.MUJOCO)


def _module() -> ModuleType | None:
    try:
        import aaren_command as module
    except ImportError:
        return None
    found: ModuleType = module
    return found


def _libc(module: ModuleType | None) -> Found:
    expected = f"glibc {module.GLIBC} or newer" if module else "glibc"
    try:
        found = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        found = ""
    if not found.startswith("glibc "):
        cure = "use a system or a container image with glibc (Debian, Ubuntu, Fedora); torch has no wheels for musl either"
        return Found("C library", found or "another C library (musl?)", expected, cure)
    if module and _numbers(found[6:]) < _numbers(module.GLIBC):
        return Found("C library", found, expected, "use a newer system, or build the command from source there")
    return Found("C library", found, expected)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _package(name: str, beside: str) -> str | None:
    """The folder of an installed package, which is not imported."""
    if os.path.isdir(os.path.join(beside, name)):
        return os.path.join(beside, name)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return next(iter(spec.submodule_search_locations or ()), None) if spec else None


def _torch(beside: str, expected: str) -> Found:
    cure = f'install it: pip install "torch=={expected}"'
    folder = _package("torch", beside)
    if folder is None:
        return Found("torch", "nothing", expected, cure)
    try:
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            version = re.search(r"^__version__ = ['\"]([^'\"]+)", file.read(), re.MULTILINE)
    except OSError:
        version = None
    found = version[1] if version else f"no version in {folder}"
    if found.partition("+")[0] != expected:
        return Found("torch", found, expected, f"its libraries differ with every version; {cure}", folder)
    if not os.path.isfile(os.path.join(folder, "lib", "libtorch_cpu.so")):
        return Found("torch", f"{found} without lib/libtorch_cpu.so in {folder}", expected, f"install it anew: {cure}")
    return Found("torch", found, expected, folder=folder)


def _mujoco(beside: str, expected: str) -> Found:
    cure = f'install it: pip install "mujoco=={expected}"'
    folder = _package("mujoco", beside)
    if folder is None:
        return Found("mujoco", "nothing", expected, cure)
    start = "libmujoco.so."
    there = [name[len(start) :] for name in sorted(os.listdir(folder)) if name.startswith(start)]
    if expected not in there:
        found = ", ".join(there) or "a package without the library"
        return Found("mujoco", found, expected, f"trajectories differ with every version; {cure}", folder)
    return Found("mujoco", expected, expected, folder=folder)


def check() -> None:
    """Prints what was found, and whether it fits: the beginning of `aaren check`."""
    everything = list(findings())
    rows = [(one.what, one.found, one.expected, "no" if one.cure else "yes") for one in everything]
    if not any(one.cure for one in everything):
        rows.append(_libraries())
    rows = [("needed", "found", "expected", "fits"), *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if place == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


def _libraries() -> tuple[str, str, str, str]:
    """What the system's loader says of the libraries that the command and torch ask for."""
    import subprocess

    path, environment = command()
    traced = subprocess.run([path], env={**environment, "LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, text=True)
    missing = [line.split()[0] for line in traced.stdout.splitlines() if "not found" in line]
    found = f"{', '.join(missing)} missing" if missing else f"{len(traced.stdout.splitlines())}"
    return "shared libraries", found, "all that torch asks for", "no" if missing else "yes"


def main() -> NoReturn:
    """Becomes the command; exit status 2 and a sentence where that is not possible."""
    try:
        if sys.argv[1:2] == ["check"] and not {"-h", "--help"} & {*sys.argv} and not os.environ.get("AAREN"):
            check()
        path, environment = command()
        try:
            os.execve(path, ["aaren", *sys.argv[1:]], environment)
        except FileNotFoundError:
            there = "its loader is missing, which comes with glibc" if os.path.exists(path) else "it is not there"
            raise CommandError(f"{path} can't be started: {there}; install it anew: {EXTRA}") from None
        except OSError as error:
            raise CommandError(
                f"{path} can't be started: {error.strerror}; install it on a file system that may execute files: {EXTRA}"
            ) from None
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None

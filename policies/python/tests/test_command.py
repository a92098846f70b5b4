"""The console script: what it finds, what it says where something does not fit, and that it becomes the command.

The libraries here are folders of a few bytes: none of them is imported or loaded. `installs.py` starts the real ones.
"""

import ast
import fcntl
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import termios
import time
from pathlib import Path

import aaren
import pytest
from conftest import PROGRAM, ROOT, run_aaren

SOURCE = ROOT / "policies/python/src"


class Site:
    """A folder of packages with a command that says its arguments and where it looks for libraries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("aaren_command/__init__.py", 'VERSION = "0.1.0"\nTORCH = "2.13.0"\nMUJOCO = "3.17.0"\nGLIBC = "2.28"\n')
        command = self.write("aaren_command/aaren", '#!/bin/sh\necho "$0 $* [$LD_LIBRARY_PATH]"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        self.torch("2.13.0+cpu")
        self.mujoco("3.17.0")

    def write(self, path: str, text: str) -> Path:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)
        return self.folder / path

    def torch(self, version: str) -> None:
        self.write("torch/__init__.py", "raise RuntimeError('imported')")
        self.write("torch/version.py", f"__all__ = ['__version__']\n__version__ = '{version}'\ndebug = False\n")
        self.write("torch/lib/libtorch_cpu.so", "")

    def mujoco(self, version: str | None) -> None:
        self.write("mujoco/__init__.py", "raise RuntimeError('imported')")
        for old in (self.folder / "mujoco").glob("lib*"):
            old.unlink()
        if version:
            self.write(f"mujoco/libmujoco.so.{version}", "")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site-packages")


def run(site: Site, *arguments: str, also: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m aaren` with these packages and no others."""
    paths = [str(path) for path in (site.folder, also, SOURCE) if path]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "PATH": os.defpath, **variables}
    command = [sys.executable, "-S", "-m", "aaren", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_it_becomes_the_command(site: Site) -> None:
    done = run(site, "run", "my experiment.yaml", "--set", "x=1")
    assert done.stdout == f"{site.folder}/aaren_command/aaren run my experiment.yaml --set x=1 []\n", done.stderr
    site.write("aaren_command/aaren", "#!/bin/sh\nexit 7\n")
    assert run(site).returncode == 7


def test_its_python_steps_environments_unless_another_one_is_named(site: Site) -> None:
    site.write("aaren_command/aaren", '#!/bin/sh\necho "$AAREN_PYTHON"\n')
    assert run(site).stdout == f"{sys.executable}\n"
    assert run(site, AAREN_PYTHON="/opt/python").stdout == "/opt/python\n"


def test_libraries_that_lie_elsewhere_are_named_to_the_loader(site: Site, tmp_path: Path) -> None:
    """As in a virtual environment that sees the system's packages."""
    system = tmp_path / "system"
    system.mkdir()
    for name in ("torch", "mujoco"):
        (site.folder / name).rename(system / name)
    assert run(site, also=system).stdout.endswith(f" [{system}/torch/lib:{system}/mujoco]\n")


def test_another_libtorch_on_the_loaders_path_comes_after_ours(site: Site) -> None:
    found = run(site, LD_LIBRARY_PATH="/opt/libtorch/lib").stdout
    assert found.endswith(f" [{site.folder}/torch/lib:{site.folder}/mujoco:/opt/libtorch/lib]\n")


def refused(site: Site) -> str:
    done = run(site, "run", "x.yaml")
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    checked = run(site, "check")
    assert checked.returncode == 2 and checked.stderr == done.stderr and "| no " in checked.stdout
    return line.removeprefix("error: ")


def test_each_thing_that_does_not_fit_has_its_sentence(site: Site) -> None:
    site.torch("2.12.1+cu130")
    assert refused(site) == (
        "torch: found 2.12.1+cu130, expected 2.13.0; its libraries differ with every version; "
        'install it: pip install "torch==2.13.0"'
    )
    (site.folder / "torch/version.py").unlink()
    assert re.match("torch: found no version in .*, expected 2.13.0; ", refused(site))
    site.torch("2.13.0")
    (site.folder / "torch/lib/libtorch_cpu.so").unlink()
    assert "without lib/libtorch_cpu.so" in refused(site)
    site.torch("2.13.0")
    shutil.rmtree(site.folder / "torch")
    assert refused(site) == 'torch: found nothing, expected 2.13.0; install it: pip install "torch==2.13.0"'
    site.torch("2.13.0")
    site.mujoco("4.0.1")
    assert refused(site).startswith("mujoco: found 4.0.1, expected 3.17.0; trajectories differ with every version; ")
    # The wheel `mujoco` 4.0.0 is empty.
    site.mujoco(None)
    assert refused(site).startswith("mujoco: found a package without the library, expected 3.17.0; ")
    shutil.rmtree(site.folder / "mujoco")
    assert refused(site) == 'mujoco: found nothing, expected 3.17.0; install it: pip install "mujoco==3.17.0"'
    site.write("aaren_command/__init__.py", 'VERSION = "0.1.0"\nTORCH = "2.13.0"\nMUJOCO = "3.17.0"\nGLIBC = "9.9"\n')
    assert re.match(r"C library: found glibc 2\.\d+, expected glibc 9\.9 or newer; use a newer system", refused(site))
    shutil.rmtree(site.folder / "aaren_command")
    assert refused(site) == 'command: found nothing, expected the package aaren-command; install it: pip install "aaren[train]", with --find-links where wheels are in a folder'


def test_a_command_that_cannot_start_has_its_sentence(site: Site) -> None:
    command = site.write("aaren_command/aaren", "#!/nowhere/ld-musl\n")
    assert "its loader is missing" in run(site).stderr
    command.chmod(0o644)
    assert "Permission denied; install it on a file system that may execute files" in run(site).stderr


@pytest.mark.parametrize("name", ["aarch64", "musl"])
def test_other_systems_have_their_sentence(site: Site, name: str) -> None:
    """By the system's own answers, given by a program around the script."""
    answers = {
        "aarch64": "os.uname = lambda: type('U', (), {'machine': 'aarch64'})",
        "musl": "def no(name): raise ValueError('unrecognized configuration name')\nos.confstr = no",
    }
    code = f"import os, sys\n{answers[name]}\nfrom aaren._command import main\nsys.argv = ['aaren', 'run']\nmain()"
    environment = {"PYTHONPATH": os.pathsep.join([str(site.folder), str(SOURCE)])}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    expected = {
        "aarch64": "error: system: found linux on aarch64, expected linux on x86_64; policies act here; train on x86-64 Linux",
        "musl": "error: C library: found another C library (musl?), expected glibc 2.28 or newer; use a system or a container",
    }
    assert done.stderr.startswith(expected[name])


def old_pythons() -> list[str]:
    """Interpreters older than 3.10: the system's, and those that pyenv keeps."""
    found = [path for name in ("python3.9", "python3.8", "python3.6") for path in Path("/usr/bin").glob(name)]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [str(path) for path in [*found, *sorted(versions.glob("3.[6-9].*/bin/python3"))]]


def test_an_old_python_has_its_sentence() -> None:
    sentence = "ImportError: aaren needs Python 3.10 or newer, found 3."
    told = "import sys; sys.version_info = (3, 9, 18); import runpy; runpy.run_module('aaren', run_name='__main__')"
    # This one with the number of an old one reads what it could not; the old ones there are have to get so far.
    commands = [[sys.executable, "-c", told], *([python, "-m", "aaren"] for python in old_pythons())]
    for command in commands:
        done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
        assert done.returncode != 0, command
        assert sentence in done.stderr.splitlines()[-1], (command, done.stderr)
    # Old grammar, whether an old one is there or not.
    ast.parse((SOURCE / "aaren/__init__.py").read_text(), feature_version=(3, 7))


def test_an_own_build_is_started_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"AAREN": str(PROGRAM), "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-S", "-m", "aaren", "--version"], env=environment, capture_output=True, text=True)
    assert re.fullmatch(r"aaren \d+\.\d+\.\d+ \(libtorch 2\.13\.0, MuJoCo 3\.17\.0\)\n", done.stdout), done.stderr


def test_an_interrupt_of_a_terminal_reaches_the_command_through_python_alone(tmp_path: Path) -> None:
    """The first one has it save, a second one ends it at once: the terminal must not send one of its own."""
    command = tmp_path / "aaren"
    command.write_text(
        f"""#!{sys.executable}
import os, pathlib, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
pathlib.Path(sys.argv[0] + ".ready").touch()
sent = signal.sigtimedwait([signal.SIGINT], 20)
pathlib.Path(sys.argv[0] + ".said").write_text(f"{{os.getsid(0) == os.getpid()}} {{sent.si_pid == os.getppid()}}")
sys.exit(130)
"""
    )
    command.chmod(0o755)
    ours, theirs = os.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", "import aaren; aaren.run('x.yaml')"],
        env={**os.environ, "AAREN": str(command)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    deadline = time.monotonic() + 20
    while not Path(f"{command}.ready").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.write(ours, b"\x03")
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:
        pass  # Of a terminal that nobody has open any more.
    assert child.wait(20) != 0 and b"KeyboardInterrupt" in said, said
    assert Path(f"{command}.said").read_text() == "True True"


def test_the_demo_is_in_the_command_unless_a_file_has_its_name(tmp_path: Path) -> None:
    def listed() -> list[str]:
        sets = ("--set", "seeds=[7]", "--set", "train.threads=1")
        said = run_aaren("run", "demo", "--dry-run", "--json", "--only", "bc", *sets, cwd=tmp_path)
        return [run["run"] for run in json.loads(said)["runs"]]

    # A folder of that name is no experiment.
    (tmp_path / "demo").mkdir()
    assert listed() == ["popgym-repeat-first-medium-expert/bc:7", "hopper-medium-expert/bc:7"]
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("env: Hopper-v4\ndataset: hopper-medium\npolicies: [bc: {agent: behaviour-cloning}]\n")
    assert listed() == ["bc:7"]


def test_bash_completes_commands_and_options() -> None:
    ask = """
complete_at() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aaren aaren "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"; }
complete_at aaren ren
complete_at aaren run my.yaml --dr
"""
    done = subprocess.run(["bash"], input=run_aaren("completions", "bash") + ask, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["render", "--dry-run"], done.stderr
    for shell in ("zsh", "fish"):
        assert "dry-run" in run_aaren("completions", shell)


def test_it_comes_with_the_package() -> None:
    script = Path(sysconfig.get_path("scripts")) / "aaren"
    assert "aaren._command" in script.read_text()
    assert all(getattr(aaren, name) is not None for name in aaren.__all__)
    with pytest.raises(AttributeError, match="module 'aaren' has no attribute 'Polcy'"):
        aaren.Polcy

"""The types of the package hold, and a program that uses it is checked against them."""

import subprocess
import sys
from pathlib import Path

from conftest import ROOT

PACKAGE = ROOT / "policies/python"


def mypy(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--config-file", PACKAGE / "pyproject.toml", "--cache-dir", folder / "cache"]
    return subprocess.run([*map(str, command + list(arguments))], cwd=folder, capture_output=True, text=True)


def test_the_package_holds_its_own_types(tmp_path: Path) -> None:
    done = mypy(PACKAGE / "src/aaren", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_program_sees_them(tmp_path: Path) -> None:
    """`py.typed` is in the wheel: a call that is right passes, and each that is wrong is found."""
    program = tmp_path / "program.py"
    program.write_text("""
import aaren
import numpy as np

policy = aaren.Policy.load("policy.safetensors")
stream = policy.stream(target_return=3600)
action = stream.act(np.zeros(11), 0.5)
saved: bytes = stream.state()
results: aaren.Results = aaren.run("my.yaml", set={"train.updates": 500}, jobs=2)
mean: float = results.policies["aaren"].score.mean
reveal_type(action)

policy.streams("two")
aaren.run("my.yaml", updates=500)
aaren.Polcy
""")
    done = mypy(program, folder=tmp_path)
    wrong = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[1] for line in wrong] == ["13", "14", "15"], done.stdout
    assert "ndarray" in done.stdout and "int" in done.stdout

"""The guides of own data and own environments, copied as they stand into an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_aaren


@pytest.fixture
def guide(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The files of a page, and its remaining Python as `said.py`."""
    text = (ROOT / "docs/src/guides" / f"{request.param}.md").read_text()
    said = []
    for language, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        name = re.match(r"# (\w+\.(?:py|yaml))", block) or re.match(r"# ([\w-]+\.yaml)", block)
        if name:
            (tmp_path / name[1]).write_text(block)
        elif language == "python":
            said.append(block)
    (tmp_path / "said.py").write_text(said[-1] if said else "")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def python(script: str, folder: Path) -> None:
    done = subprocess.run([folder / ".venv/bin/python", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("guide", ["your-data"], indirect=True)
def test_your_data(guide: Path) -> None:
    python("robot.py", guide)
    assert "held-out action error" in run_aaren("run", "robot.yaml", cwd=guide)
    run_aaren("run", "robot-bounds.yaml", "--set", "train.updates=3", "--set", "train.warmup=1", cwd=guide)
    env = '{python: "robot:Robot", max_episode_steps: 50, interpreter: .venv/bin/python}'
    assert env in (ROOT / "docs/src/guides/your-data.md").read_text()
    run_aaren("evaluate", "results/robot/aaren-seed0", "--env", env, "--episodes", "3", cwd=guide)
    python("said.py", guide)


@pytest.mark.parametrize("guide", ["own-environment"], indirect=True)
def test_own_environment(guide: Path) -> None:
    python("my_env.py", guide)
    assert "| aaren " in run_aaren("run", "slope.yaml", cwd=guide)
    run_aaren("evaluate", "results/slope/aaren-seed0", "--episodes", "3", cwd=guide)

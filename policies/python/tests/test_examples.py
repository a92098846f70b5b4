"""The shortest of `experiments/examples`, as its first lines say it, with fewer episodes and updates."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, run_aaren


def test_point_maze(tmp_path: Path) -> None:
    for name in ("collect.py", "point-maze.yaml"):
        shutil.copy(ROOT / "experiments/examples" / name, tmp_path)
    collect = [sys.executable, "collect.py", "point-maze", "point-maze-v0", "6"]
    done = subprocess.run(collect, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    settings = [f"env.interpreter={sys.executable}", "train.updates=60", "train.threads=1", "evaluate.episodes=2"]
    changed = [word for setting in settings for word in ("--set", setting)]
    table = run_aaren("run", "point-maze.yaml", *changed, cwd=tmp_path)
    assert "| aaren " in table and "| bc " in table
    summary = json.loads((tmp_path / "results/point-maze/summary.json").read_text())
    protocol = summary["protocol"]
    assert (protocol["env"]["gymnasium"], protocol["python"]["gymnasium_robotics"]) == ("PointMaze_UMaze-v3", "1.4.2")
    info = run_aaren("data", "info", "point-maze-v0", "--observe", "observation", "desired_goal", cwd=tmp_path)
    assert "episodes      6, of 300 to 300 timesteps" in info and "observation   6 entries" in info

"""An experiment run from Python, and what it left: the numbers of the command's own files."""

import csv
import json
import os
import re
from pathlib import Path

import aaren
import numpy as np
import pytest
from conftest import PROGRAM, Trained, random_data

YAML = """
name: tiny
env: CartPole-v1
dataset: data.hdf5
policies: [aaren, bc: {agent: behaviour-cloning}]
seeds: [3, 4]
model: {width: 16, layers: 1, heads: 2}
context: {train: 8}
train: {updates: 1000, batch: 8, learning_rate: 3.0e-3, warmup: 1, threads: 1}
evaluate: {every: 20, episodes: 5, target_returns: [150, 60], return_scale: 100}
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAREN", str(PROGRAM))
    monkeypatch.chdir(tmp_path)
    random_data("CartPole-v1", tmp_path / "data.hdf5", 300)
    path = tmp_path / "tiny.yaml"
    path.write_text(YAML)
    return path


def test_an_experiment_is_run_and_read(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = aaren.run(experiment, set={"train.updates": np.int64(40), "evaluate.every": 20})
    told = capsys.readouterr().err
    assert "40 updates" in told and "return" in told, "progress where no terminal is"
    assert found == aaren.results("results/tiny")
    assert (found.name, list(found.policies)) == ("tiny", ["aaren", "bc"])
    assert [(run.policy, run.seed) for run in found.runs] == [("aaren", 3), ("aaren", 4), ("bc", 3), ("bc", 4)]
    summary = json.loads(Path("results/tiny/summary.json").read_text())
    of_aaren = summary["policies"]["aaren"]["targets"][0]["raw_return"]
    score = found.policies["aaren"].score
    assert (score.mean, list(score.per_seed)) == (of_aaren["mean"], of_aaren["per_seed"])

    frame = found.frame()
    assert frame[["policy", "target_return"]].values.tolist() == [["aaren", 150], ["aaren", 60], ["bc", 150], ["bc", 60]]
    assert frame["raw_return"][0] == score.mean and frame["step_us"].notna().all()
    episodes = found.episodes()
    last = episodes[(episodes["policy"] == "aaren") & (episodes["update"] == 40) & (episodes["target_return"] == 150)]
    assert np.isclose(last["return"].mean(), score.mean)
    losses = found.metrics().groupby(["policy", "seed"])["train/loss"].count()
    assert (losses > 0).all() and len(losses) == 4
    assert found.runs[0].load().name == "aaren"
    with Path("results/tiny/bc-seed4/evaluations.csv").open() as file:
        assert len(found.runs[3].episodes()) == len(list(csv.DictReader(file)))
    assert "<table" in (found._repr_html_() or "")


def test_a_grid_is_run_and_read(experiment: Path) -> None:
    experiment.write_text(YAML + "grid: {train.learning_rate: [1.0e-3, 3.0e-3]}\n")
    found = aaren.run(
        experiment, set={"train.updates": 20, "seeds": [3], "policies": ["aaren"]}, results="out", jobs=2, progress=False
    )
    assert len(found.experiments) == 2 and len(found.runs) == 2
    assert found.frame()["experiment"].tolist() == [name for name in found.experiments for _ in range(2)]
    assert found == aaren.results("out/tiny")


def test_paths_are_bytes(experiment: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(experiment.parent) + b"/caf\xe9"))
    few = {"train.updates": 20, "seeds": [3], "policies": ["aaren"]}
    found = aaren.run(experiment, set=few, results=folder, progress=False)
    assert found == aaren.results(folder / "tiny")
    assert found.runs[0].load().name == "aaren"


def test_what_goes_wrong_is_said_in_the_commands_words(experiment: Path) -> None:
    with pytest.raises(aaren.CommandError, match=r"was refused: .*train\.updatez"):
        aaren.run(experiment, set={"train.updatez": 20})
    with pytest.raises(aaren.Error, match=r"found no summary.json; give a folder that `aaren run` wrote"):
        aaren.results("results")
    with pytest.raises(aaren.Error, match="no report was made yet: `aaren report results/half`"):
        Path("results/half").mkdir(parents=True)
        Path("results/half/spec.yaml").write_text("name: half\n")
        aaren.results("results/half")
    Path("results/half/summary.json").write_text("{}")
    with pytest.raises(aaren.Error, match=re.escape("summary.json: is not what `aaren run` writes (KeyError: ")):
        aaren.results("results/half")


def test_results_of_many_policies(hopper: dict[str, Trained]) -> None:
    found = aaren.results(hopper["aaren"].folder.parent)
    assert len(found.rows()) == 2 * len(hopper)
    assert all(policy.normalised_score is not None for policy in found.policies.values())

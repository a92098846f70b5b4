"""What an experiment left in its results folder, as plain objects and as pandas frames."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaren._library import Error
from aaren._policy import Policy

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Score:
    """A score over the training seeds, after the last update.

    Attributes:
        mean: over the seeds.
        ci95: its 95 % interval; the summary's protocol says which; none where there is not enough to tell.
        per_seed: mean over the episodes of each seed.
        best: mean over the seeds of the best evaluation.
    """

    mean: float
    ci95: tuple[float, float] | None
    per_seed: tuple[float, ...]
    best: float


@dataclass(frozen=True)
class PolicySummary:
    """One policy of an experiment, over all its seeds, at one target return.

    Attributes:
        policy: its name.
        target_return: what was asked for, in the environment's units.
        normalised_score: 0 for random actions, 100 for the reference's expert; none where the environment has no
            reference scores.
        raw_return: the return itself.
        parameters: trainable ones.
        updates_per_second: of training.
        state_bytes: what the policy remembers of an episode at timestep 1000; none where that was not measured.
        step_us: median µs of a step there.
    """

    policy: str
    target_return: float
    normalised_score: Score | None
    raw_return: Score
    parameters: int
    updates_per_second: float
    state_bytes: int | None
    step_us: float | None

    @property
    def score(self) -> Score:
        """What the policy is judged by: the normalised score where there is one, else the return."""
        return self.normalised_score or self.raw_return

    def row(self) -> dict[str, Any]:
        """Its numbers by name, for a table."""
        row: dict[str, Any] = {"policy": self.policy, "target_return": self.target_return}
        for name, score in (("normalised_score", self.normalised_score), ("raw_return", self.raw_return)):
            low, high = score.ci95 if score and score.ci95 else (None, None)
            row |= {
                name: score.mean if score else None,
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_best": score.best if score else None,
            }
        names = ("parameters", "updates_per_second", "state_bytes", "step_us")
        return row | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Run:
    """One policy and seed.

    Attributes:
        policy: name of the policy.
        seed: of the training.
        folder: what it left.
    """

    policy: str
    seed: int
    folder: Path

    def load(self) -> Policy:
        """The policy that it trained.

        Raises:
            Error: as `Policy.load`.
        """
        return Policy.load(self.folder / "policy.safetensors")

    def metrics(self) -> list[dict[str, float]]:
        """Scalars on the way: for each record `update` and the values by their TensorBoard tag.

        Raises:
            Error: if the file cannot be read.
        """
        lines = _read(self.folder / "metrics.jsonl").splitlines()
        try:
            records = [json.loads(line) for line in lines]
            return [{"update": record["update"], **dict(record["values"])} for record in records]
        except (ValueError, KeyError, TypeError) as error:
            raise Error(f"{self.folder / 'metrics.jsonl'}: {error}") from error

    def episodes(self) -> list[dict[str, float]]:
        """Every episode of every evaluation: the rows of `evaluations.csv`.

        Raises:
            Error: if the file cannot be read.
        """
        rows = csv.DictReader(_read(self.folder / "evaluations.csv").splitlines())
        return [{name: _number(value) for name, value in row.items()} for row in rows]


@dataclass(frozen=True)
class Results:
    """What an experiment, or a grid of experiments, left.

    Attributes:
        folder: where it is.
        name: of the experiment.
        policies: by name, in the order of the experiment, at the first target return; empty for a grid.
        targets: of all policies at all target returns.
        runs: those that are done, of a grid those of all its experiments.
        experiments: those of a grid by name; empty for one experiment.
        summary: `summary.json` as it stands, protocol and comparison included.
    """

    folder: Path
    name: str
    policies: dict[str, PolicySummary]
    targets: tuple[PolicySummary, ...]
    runs: tuple[Run, ...]
    experiments: dict[str, Results]
    summary: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each policy and target return, of a grid with the name of the experiment."""
        if self.experiments:
            return [{"experiment": name, **row} for name, one in self.experiments.items() for row in one.rows()]
        return [target.row() for target in self.targets]

    def frame(self) -> pandas.DataFrame:
        """`rows` as a frame.

        Raises:
            ImportError: without pandas.
        """
        return _frame(self.rows())

    def metrics(self) -> pandas.DataFrame:
        """The metrics of all runs as a frame: a row for each record, with the policy and the seed.

        Raises:
            ImportError: without pandas.
        """
        return _frame({**_of(run), **record} for run in self.runs for record in run.metrics())

    def episodes(self) -> pandas.DataFrame:
        """The episodes of all runs as a frame, with the policy and the seed of the training.

        Raises:
            ImportError: without pandas.
        """
        return _frame({**_of(run), **row} for run in self.runs for row in run.episodes())

    def __repr__(self) -> str:
        names = ", ".join(self.experiments or self.policies)
        return f"Results({str(self.folder)!r}: {names})"

    def _repr_html_(self) -> str | None:
        try:
            return str(self.frame().to_html(index=False, float_format=lambda value: f"{value:.4g}"))
        except ImportError:
            return None


def results(folder: str | os.PathLike[str]) -> Results:
    """What an experiment left in its folder, `results/NAME`; of a grid with the experiments in it.

    Raises:
        Error: if that is no folder of results, or no run of it is done.
    """
    folder = Path(folder)
    if (folder / "grid.json").is_file():
        inside = sorted(path.parent for path in folder.glob("*/summary.json"))
        experiments = {path.name: results(path) for path in inside}
        runs = tuple(run for one in experiments.values() for run in one.runs)
        return Results(folder, folder.name, {}, (), runs, experiments, {})
    path = folder / "summary.json"
    if not path.is_file():
        cure = "give a folder that `aaren run` wrote, results/NAME"
        if (folder / "spec.yaml").is_file():
            cure = f"no report was made yet: `aaren report {folder}` makes one of the runs that are done"
        raise Error(f"{folder}: found no summary.json; {cure}")
    try:
        summary = json.loads(_read(path))
        targets = tuple(_targets(summary))
        asked = _target(summary["protocol"]["target_returns"][0])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Error(f"{path}: is not what `aaren run` writes ({type(error).__name__}: {error})") from error
    policies = {one.policy: one for one in targets if one.target_return == asked}
    runs = tuple(
        Run(policy, seed, run)
        for policy in policies
        for seed in summary["protocol"]["seeds"]
        if (run := folder / f"{policy}-seed{seed}").joinpath("policy.safetensors").is_file()
    )
    return Results(folder, summary["name"], policies, targets, runs, {}, summary)


def _targets(summary: dict[str, Any]) -> Iterable[PolicySummary]:
    in_order = sorted(summary["policies"].items(), key=lambda one: one[1]["place"])
    for name, policy in in_order:
        cost = policy["rollout"] or {}
        for target in policy["targets"]:
            yield PolicySummary(
                policy=name,
                target_return=_target(target["target_return"]),
                normalised_score=_score(target["normalised_score"]) if target["normalised_score"] else None,
                raw_return=_score(target["raw_return"]),
                parameters=policy["parameters"],
                updates_per_second=policy["updates_per_second"],
                state_bytes=cost.get("state_bytes"),
                step_us=cost.get("step_us_p50"),
            )


def _target(asked: float | str) -> float:
    """What is asked for; `max`, the most that can be had, is infinity."""
    return math.inf if asked == "max" else float(asked)


def _score(score: dict[str, Any]) -> Score:
    interval = score["ci95"]
    return Score(
        mean=score["mean"],
        ci95=(interval[0], interval[1]) if interval else None,
        per_seed=tuple(score["per_seed"]),
        best=score["best"],
    )


def _of(run: Run) -> dict[str, Any]:
    return {"experiment": run.folder.parent.name, "policy": run.policy, "seed": run.seed}


def _number(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        # A word, as of how it was played.
        return text  # type: ignore[return-value]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error


def _frame(rows: Iterable[dict[str, Any]]) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError:
        raise ImportError("a frame needs pandas: `pip install pandas`; without it `rows()` gives plain dicts") from None
    return pandas.DataFrame(list(rows))

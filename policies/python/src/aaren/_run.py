"""An experiment trained, played and reported from Python, by the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from aaren import _command
from aaren._command import CommandError
from aaren._results import Results, results as read_results


def run(
    experiment: str | os.PathLike[str],
    *,
    set: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] = "results",
    jobs: int | None = None,
    progress: bool = True,
) -> Results:
    """Train every policy and seed of an experiment, play them, and report: `aaren run`.

    Running it again continues where it stopped; what is done is not done again. An interrupt (Ctrl+C, a notebook's
    stop) saves before it is raised.

    Args:
        experiment: the YAML file, of an experiment or a grid of them.
        set: keys of the experiment to override, as `{"train.updates": 500}`.
        results: folder that gets a folder for this experiment.
        jobs: so many runs at a time, each in a process of its own with one thread.
        progress: show it on `sys.stderr`, as the command does in a terminal.

    Returns:
        What `aaren.results` reads in the experiment's folder.

    Raises:
        CommandError: if the command is not there, refuses the experiment, or a run did not finish, in its own words.
    """
    path, environment = _command.command()
    arguments = [path, "run", os.fspath(experiment), "--results", os.fspath(results), "--json"]
    for key, value in (set or {}).items():
        arguments += ["--set", f"{key}={_yaml(value)}"]
    if jobs is not None:
        arguments += ["--jobs", str(jobs)]
    # A terminal shows the command's own bars; elsewhere, as in a notebook, what it tells is written here.
    own_bars = progress and _is_terminal(sys.stderr)
    if not own_bars:
        arguments.append("--events")
    child = subprocess.Popen(
        arguments,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if own_bars else subprocess.PIPE,
        # A terminal would interrupt both, and a second interrupt ends the command before it has saved.
        start_new_session=True,
    )
    told = ""
    try:
        if child.stderr is not None:
            told = _show(child.stderr, progress)
        said, _ = child.communicate()
    except BaseException:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            child.wait()
        raise
    if child.returncode != 0:
        how = "was refused" if child.returncode == 2 else f"ended with status {child.returncode}"
        raise CommandError(f"`aaren run {os.fspath(experiment)}` {how}{': ' + told if told else '; see its message above'}")
    if not said.strip():
        raise CommandError(f"some runs are in other hands, so there is no report yet: {told or 'see the message above'}")
    return read_results(Path(results) / _folder(json.loads(said)))


def _folder(said: dict[str, Any]) -> str:
    """The name of the folder that an experiment, or a grid of experiments, was written to."""
    if "folder" in said:
        return Path(said["folder"]).name
    return Path(next(iter(said.values()))["folder"]).parent.name


def _show(lines: IO[bytes], progress: bool) -> str:
    """Writes what the command tells to `sys.stderr`; its last words."""
    last, bar = "", False
    for line in lines:
        text = line.decode(errors="replace").rstrip("\n")
        try:
            event = json.loads(text)
        except ValueError:
            event = {"note": text}
        if not isinstance(event, dict):
            event = {"note": text}
        if "update" in event:
            if progress:
                sys.stderr.write(f"\r{event['update']} updates")
                sys.stderr.flush()
                bar = True
            continue
        text = str(next((event[kind] for kind in ("note", "warned", "evaluated") if kind in event), text))
        if text.strip():
            last = text.removeprefix("error: ")
        if progress:
            # Longer than the number of updates that stands there.
            sys.stderr.write(f"\r{text:20}\n" if bar else f"{text}\n")
            sys.stderr.flush()
            bar = False
    if bar:
        sys.stderr.write("\n")
    return last


def _is_terminal(stream: Any) -> bool:
    """Whether it is this process's standard error, and a terminal."""
    try:
        return bool(stream.fileno() == 2 and stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def _yaml(value: Any) -> str:
    """A value as `--set` takes it: JSON is YAML."""
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    return json.dumps(value, default=lambda number: number.item())

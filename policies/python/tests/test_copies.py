"""Copies, pickles and other processes: each goes on by itself, with the actions of the original."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aaren import Policy, Stream, Streams

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
}


def rows(policy: Policy, count: int) -> np.ndarray:
    """As `RewardAwareObservation` gives them, of one episode."""
    rows = np.random.default_rng(0).normal(size=(count, policy.observation_size + 2))
    rows[:, -1] = [1.0] + [0.0] * (count - 1)
    return rows


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", ["aaren", "transformer"])
def test_a_copied_policy_predicts_by_itself(demo: Path, name: str, how: str) -> None:
    policy = Policy.load(demo / f"{name}.safetensors")
    seen = rows(policy, 6)
    alone, state, right = Policy.load(demo / f"{name}.safetensors"), None, []
    for row in seen:
        action, state = alone.predict(row, state)
        right.append(action)
    first = policy.predict(seen[0])[1]
    twin = COPIES[how](policy)
    # The original goes on with an episode of its own.
    policy.predict(seen[5], first)
    after_first = first
    for row, expected in zip(seen[1:], right[1:], strict=True):
        action, after_first = twin.predict(row, after_first)
        np.testing.assert_array_equal(action, expected)
    assert (twin.info, repr(twin)) == (policy.info, repr(policy))


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_stream_goes_on_by_itself(demo: Path, how: str) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    seen = rows(policy, 5)[:, :-2]
    stream, several = policy.stream(target_return=900.0), policy.streams(2, target_return=900.0)
    stream.act(seen[0])
    several.reset(1, 1800.0)
    several.act(seen[:2])
    before = several.save_all()
    other, others = COPIES[how](stream), COPIES[how](several)
    other.act(seen[4], 0.5)
    others.act(seen[3:], 0.5)
    assert several.save_all() == before != others.save_all()
    right = policy.stream(target_return=900.0)
    right.act(seen[0])
    np.testing.assert_array_equal(stream.act(seen[1], 0.25), right.act(seen[1], 0.25))
    # What it asks for at its next reset goes along, and the state does.
    other.reset()
    assert other.state() == policy.stream(target_return=900.0).state()
    others.reset()
    assert others.state(1) == policy.stream(target_return=1800.0).state() != others.state(0)


def test_streams_that_share_a_policy_share_it_after_pickling(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    data = pickle.dumps([policy.stream() for _ in range(10)])
    assert len(data) < 1.1 * (demo / "aaren.safetensors").stat().st_size + 100_000
    streams = pickle.loads(data)
    assert len({id(stream.policy) for stream in streams}) == 1


def play(given: tuple[Policy, Stream, Streams, np.ndarray]) -> list[np.ndarray]:
    policy, stream, streams, row = given
    return [
        np.asarray(policy.predict(row)[0]),
        np.asarray(stream.act(row[:-2], 1.0)),
        np.asarray(streams.act([row[:-2], row[:-2]], 1.0)),
    ]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_get_policies_and_streams(demo: Path, method: str) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    stream, streams, row = policy.stream(), policy.streams(2), rows(policy, 1)[0]
    stream.act(row[:-2])
    streams.act([row[:-2], row[:-2]])
    given = policy, stream, streams, row
    with multiprocessing.get_context(method).Pool(1) as pool:
        found = pool.map(play, [given])[0]
    for theirs, ours in zip(found, play(given), strict=True):
        np.testing.assert_array_equal(theirs, ours)

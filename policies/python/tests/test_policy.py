"""Policies and streams: what they say, save and refuse, and that they give back what they take."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from aaren import Error, Policy
from conftest import Trained


def observations(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, size))


def test_a_policy_says_what_its_header_says(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    assert policy.info["format"] == "aaren-policy"
    assert policy.info["env"]["id"] == "Hopper-v4"
    assert (policy.name, policy.observation_size, policy.action_size, policy.discrete) == ("aaren", 11, 3, False)
    assert policy.target_returns == tuple(policy.info["target_returns"])
    assert Policy.from_bytes((demo / "aaren.safetensors").read_bytes()).info == policy.info
    assert repr(policy) == "Policy('aaren', Hopper-v4)"


def test_a_saved_stream_goes_on_to_the_bit(hopper: dict[str, Trained]) -> None:
    for run in hopper.values():
        policy = Policy.load(run.policy)
        stream, several = policy.stream(target_return=90.0), policy.streams(2, target_return=90.0)
        seen = observations(20, policy.observation_size)
        for row in seen[:10]:
            stream.act(row, 1.0)
        saved = stream.state()
        other = policy.stream()
        other.restore(saved)
        several.restore(1, saved)
        assert several.state(1) == other.state() == saved
        for row in seen[10:]:
            expected = stream.act(row, 0.5)
            assert np.array_equal(other.act(row, 0.5), expected)
            assert np.array_equal(several.act([row, row], [0.0, 0.5])[1], expected)
        stream.reset()
        assert stream.state() == policy.stream(target_return=90.0).state()
        several.reset(1)
        assert several.state(1) == stream.state() != several.state(0)


def test_single_and_double_precision_observations(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    row = observations(1, 11)[0].astype(np.float32)
    assert np.array_equal(policy.stream().act(row), policy.stream().act(row.astype(np.float64)))
    assert np.array_equal(policy.stream().act(row.tolist()), policy.stream().act(row[::-1].copy()[::-1]))


def test_numbers_of_numpy_are_numbers(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    stream, streams = policy.stream(np.float32(7)), policy.streams(np.int64(2), np.float32(7))
    for _ in range(2):
        expected = stream.act(np.zeros(11), np.float32(0.5))
        assert np.array_equal(streams.act(np.zeros((2, 11)), np.float32([0.5, 1]))[0], expected)
    streams.reset(np.int64(1), 3)
    assert streams.state(np.int64(0)) == stream.state() != streams.state(1)


def test_every_damaged_file_raises(demo: Path, tmp_path: Path) -> None:
    good = (demo / "aaren.safetensors").read_bytes()
    header = int.from_bytes(good[:8], "little")
    damaged = {
        "empty": b"",
        "cut in its header": good[:100],
        "cut in its tensors": good[:-1],
        "longer": good + b"\0",
        "another length of header": (header + 1).to_bytes(8, "little") + good[8:],
        "another format": good.replace(b"aaren-policy", b"aaren-polity", 1),
        "another width": good.replace(rb"\"width\":64", rb"\"width\":65", 1),
        "a weight that is no number": good[:-4] + np.float32(np.nan).tobytes(),
        "no policy": b"\x02\0\0\0\0\0\0\0{}",
    }
    for name, data in damaged.items():
        assert data != good, name
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(data)
        with pytest.raises(Error) as by_path:
            Policy.load(path)
        with pytest.raises(Error) as by_bytes:
            Policy.from_bytes(data)
        assert str(by_path.value) == str(by_bytes.value) != "", name
    rng = np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(good[: header + 8])
        data[rng.integers(8, len(data))] ^= 1 << rng.integers(8)
        try:
            Policy.from_bytes(bytes(data) + good[header + 8 :])
        except Error:
            pass


def test_errors_are_the_librarys_own(demo: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(Error, match=f"cannot read policy {missing}: No such file"):
        Policy.load(missing)
    with pytest.raises(Error, match="zero byte"):
        Policy.load("policy\0.safetensors")
    policy = Policy.load(demo / "aaren.safetensors")
    stream, streams = policy.stream(), policy.streams(2)
    before = stream.state()
    with pytest.raises(Error, match="the observation has 10 entries, the policy takes 11"):
        stream.act(np.zeros(10), 0.0)
    with pytest.raises(Error, match="entry 0 of the observation is NaN, expected a finite number"):
        stream.act(np.full(11, np.nan), 0.0)
    assert stream.state() == before
    stream.act(np.zeros(11))
    with pytest.raises(Error, match="the return to go .* is -inf"):
        stream.act(np.zeros(11), np.inf)
    with pytest.raises(Error, match=r"the observations have the shape \(11, 2\), expected \(2, 11\)"):
        streams.act(np.zeros((11, 2)))
    with pytest.raises(Error, match="there are 3 rewards for 2 streams"):
        streams.act(np.zeros((2, 11)), np.zeros(3))
    for index in (-1, 2):
        with pytest.raises(Error, match=f"there is no stream {index} among 2"):
            streams.reset(index)
        with pytest.raises(Error, match="there is no stream"):
            streams.state(index)
    for bad in (b"", before[:-1], before + b"\0", Policy.load(demo / "transformer.safetensors").stream().state()):
        with pytest.raises(Error, match="saved state: found"):
            stream.restore(bad)
        with pytest.raises(Error, match="saved state: found"):
            streams.restore(0, bad)
    with pytest.raises(Error, match="found 0 streams"):
        policy.streams(0)
    with pytest.raises(Error, match=r"the observation has the shape \(11,\), expected \[13\]"):
        policy.predict(np.zeros(11))
    with pytest.raises(Error, match="saved state: found 1 streams, expected 2 streams"):
        policy.predict(np.zeros((2, 13)), policy.predict(np.zeros(13))[1])
    for bad in (b"nonsense", policy.predict(np.zeros(13))[1][:-1], b""):
        with pytest.raises(Error, match="saved state: found"):
            policy.predict(np.zeros(13), bad)


def test_threads_share_a_policy_and_even_a_stream(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    seen = observations(200, 11)
    expected = [policy.stream().act(row) for row in seen[:1]]
    shared, failed = policy.stream(), []

    def play() -> None:
        own = policy.stream()
        if not np.array_equal(own.act(seen[0]), expected[0]):
            failed.append("another action")
        for row in seen:
            shared.act(row, 0.0)
        try:
            own.act(np.zeros(3))
        except Error as error:
            if "3 entries" not in str(error):
                failed.append(str(error))

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert int.from_bytes(shared.state()[32:40], "little") == 4 * len(seen), "every step was taken"


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_streams_leak_nothing(demo: Path) -> None:
    file = demo / "aaren.safetensors"
    policy, row = Policy.load(file), np.zeros(11)
    damaged = file.read_bytes()[:-1]

    def use(count: int) -> None:
        for _ in range(count):
            stream = policy.stream()
            stream.act(row)
            stream.restore(stream.state())
            with pytest.raises(Error):
                stream.restore(b"")
        for _ in range(count // 100):
            several = policy.streams(50)
            several.act(np.zeros((50, 11)))
            Policy.load(file).stream().act(row)
            with pytest.raises(Error):
                Policy.from_bytes(damaged)

    use(1000)
    gc.collect()
    before = resident_bytes()
    use(10_000)
    gc.collect()
    assert resident_bytes() - before < 2 << 20
    # All alive at once, and gone again: the allocator keeps the room, and the next ten thousand need no more.
    taken = []
    for _ in range(3):
        streams = [policy.stream() for _ in range(10_000)]
        taken.append(resident_bytes() - before)
        del streams
        gc.collect()
    assert taken[0] > 10 << 20
    assert taken[2] - taken[0] < 2 << 20


def test_guidance_is_for_policies_that_acted_free_of_returns(hopper: dict[str, Trained]) -> None:
    policy = Policy.load(hopper["asked"].policy)
    observation = np.linspace(-1.0, 1.0, policy.observation_size)

    def acted(**asked: float) -> np.ndarray:
        return np.asarray(policy.stream(**asked).act(observation))

    assert (acted(target_return=100.0) != acted(target_return=200.0)).any()
    # Free of what is asked, whatever that is.
    assert (acted(target_return=100.0, guidance=0.0) == acted(target_return=200.0, guidance=0.0)).all()
    assert np.isfinite(acted(target_return=np.inf)).all()
    deaf = Policy.load(hopper["one-token"].policy)
    with pytest.raises(Error, match="return_dropout"):
        deaf.stream(guidance=2.0)
    with pytest.raises(Error, match="return to go"):
        deaf.stream(np.inf).act(observation)

"""What is no array of numbers gets a sentence; paths are bytes; memory that is not there is a MemoryError."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aaren import Error, Policy
from conftest import ROOT

OBSERVATION = np.zeros(11)
INPUTS: dict[str, tuple[Any, str]] = {
    "reset()": ((OBSERVATION, {}), "the tuple that `env.reset()` returns, expected its first entry"),
    "step()": ((OBSERVATION, 0.0, False, False, {}), "the tuple that `env.step()` returns"),
    "dict": ({"position": OBSERVATION}, "a dict with the keys 'position', expected one array: flatten it, `gymnasium"),
    "tuple": ((OBSERVATION, np.zeros(3)), "a tuple of 2 entries that make no array, expected one array: flatten it"),
    "none": (None, "found None, expected numbers"),
    "word": ("north", "a str, expected numbers"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_no_observation_gets_a_sentence(demo: Path, name: str) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    stream, streams = policy.stream(), policy.streams(2)
    value, sentence = INPUTS[name]
    before = stream.state()
    for act in (stream.act, streams.act, policy.predict):
        with pytest.raises(Error, match=re.escape(sentence)):
            act(value)
    assert stream.state() == before


def test_what_is_no_reward_gets_a_sentence(demo: Path) -> None:
    policy = Policy.load(demo / "aaren.safetensors")
    stream, streams = policy.stream(), policy.streams(2)
    with pytest.raises(Error, match="reward: found None, expected a number; the first step of an episode takes 0.0"):
        stream.act(OBSERVATION, None)  # type: ignore[arg-type]
    with pytest.raises(Error, match="reward: found a dict with the keys 'speed'"):
        stream.act(OBSERVATION, {"speed": 1.0})  # type: ignore[arg-type]
    with pytest.raises(Error, match="rewards: found None, expected numbers"):
        streams.act(np.zeros((2, 11)), None)  # type: ignore[arg-type]
    with pytest.raises(Error, match="target return: found a str, expected numbers"):
        policy.stream("much")  # type: ignore[arg-type]
    with pytest.raises(Error, match=r"episode_start has the shape \(3,\), expected \(2,\)"):
        policy.predict(np.zeros((2, 13)), episode_start=np.ones(3))
    with pytest.raises(Error, match="found a state of type tuple"):
        policy.predict(np.zeros(13), (b"",))  # type: ignore[arg-type]


class Tensor:
    """As torch's, of a module's output."""

    requires_grad = True

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")

    def __len__(self) -> int:
        return 11


def test_a_gradient_gets_a_sentence(demo: Path) -> None:
    """Without torch, which the packages of the tests leave out."""
    policy = Policy.load(demo / "aaren.safetensors")
    sentence = r"a tensor that requires a gradient, expected numbers: pass `observations?\.detach\(\)`"
    for act in (policy.stream().act, policy.streams(2).act, policy.predict):
        with pytest.raises(Error, match=sentence):
            act(Tensor())


def test_tensors_are_numbers_where_they_need_no_gradient(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch: this environment's, or that of `make bench`."""
    own = "python{}.{}/site-packages".format(*sys.version_info)
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / ".deps/python/lib" / own)])
    torch = pytest.importorskip("torch")
    policy = Policy.load(demo / "aaren.safetensors")
    tensor = torch.linspace(-1, 1, 11)
    expected = policy.stream().act(tensor.numpy())
    np.testing.assert_array_equal(policy.stream().act(tensor), expected)
    with pytest.raises(Error, match=r"a tensor that requires a gradient, expected numbers: pass `observation.detach\(\)`"):
        policy.stream().act(tensor.requires_grad_())
    np.testing.assert_array_equal(policy.stream().act(tensor.detach()), expected)


@pytest.mark.parametrize("name", ["aaren", "transformer"])
@pytest.mark.parametrize("count", [10**9, 10**15, 2**63, 10**30])
def test_streams_that_memory_cannot_hold_are_a_memory_error(
    demo: Path, name: str, count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = Policy.load(demo / f"{name}.safetensors")
    with pytest.raises(MemoryError, match="streams"):
        policy.streams(count)
    assert len(policy.streams(3)) == 3
    assert capfd.readouterr() == ("", ""), "the library's own backtrace"


def test_paths_are_bytes(demo: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe policies"
    os.mkdir(folder)
    path = os.fsdecode(folder + b"/caf\xe9.safetensors")
    shutil.copy(demo / "aaren.safetensors", path)
    assert Policy.load(path).name == Policy.load(Path(path)).name == "aaren"
    with pytest.raises(Error, match="No such file"):
        Policy.load(path + "x")
    with pytest.raises(Error, match="Is a directory"):
        Policy.load(os.fsdecode(folder))

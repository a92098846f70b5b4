"""int8 files and C files, driving Gymnasium's environments beside the runtime."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aaren
import gymnasium
import numpy as np
import pytest
from conftest import Trained, episode

SHIM = """
#define POLICY_REAL double
#include "policy.h"
static policy_state state;
void begin(double target_return) { policy_reset(&state, target_return); }
int act(const double *observation, double reward, float *action) {
    return policy_act(&state, observation, reward, action);
}
"""


def compiled(data: bytes, folder: Path) -> Callable[[float], Callable[[Any, float], Any]]:
    """The C file as a library: for a target return, what acts in an episode."""
    (folder / "policy.h").write_text(aaren.c_file(data))
    (folder / "shim.c").write_text(SHIM)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "shim.c", "-o", "policy.so", "-lm"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "policy.so"))
    policy = aaren.Policy.from_bytes(data)
    action = np.zeros(policy.action_size, np.float32)

    def begin(target: float) -> Callable[[Any, float], Any]:
        library.begin(ctypes.c_double(target))

        def act(observation: Any, reward: float) -> Any:
            row = np.ascontiguousarray(observation, np.float64)
            to = action.ctypes.data_as(ctypes.c_void_p)
            assert library.act(row.ctypes.data_as(ctypes.c_void_p), ctypes.c_double(reward), to) == 0
            return int(action[0]) if policy.discrete else action.copy()

        return act

    return begin


def returns(
    data: bytes, env: str, folder: Path, episodes: int, steps: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Of the same episodes with the runtime and with the C file."""
    policy = aaren.Policy.from_bytes(data)
    target = policy.target_returns[0]
    begin = compiled(data, folder)
    environment = gymnasium.make(env, max_episode_steps=steps)
    streams = [policy.stream(target) for _ in range(episodes)]
    ours = [episode(environment, stream.act, seed)[0] for seed, stream in enumerate(streams)]
    theirs = [episode(environment, begin(target), seed)[0] for seed in range(episodes)]
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", ["aaren", "gru", "bc"])
def test_a_c_file_earns_in_the_cart_pole_what_the_runtime_does(
    cart_pole: dict[str, Trained], name: str, int8: bool, tmp_path: Path
) -> None:
    data = cart_pole[name].policy.read_bytes()
    runtime, c = returns(aaren.quantise(data) if int8 else data, "CartPole-v1", tmp_path, 20)
    np.testing.assert_array_equal(runtime, c)


@pytest.mark.parametrize("int8", [False, True])
def test_a_c_file_earns_in_hopper_what_the_runtime_does(demo: Path, int8: bool, tmp_path: Path) -> None:
    data = (demo / "aaren.safetensors").read_bytes()
    # A hop doubles what rounding changes in a few timesteps, so that episodes of a thousand part.
    runtime, c = returns(aaren.quantise(data) if int8 else data, "Hopper-v5", tmp_path, 20, steps=500)
    np.testing.assert_allclose(c, runtime, rtol=1e-3)


def test_what_cannot_be_written_is_refused(demo: Path) -> None:
    data = (demo / "aaren.safetensors").read_bytes()
    with pytest.raises(aaren.Error, match="found int8, expected float32"):
        aaren.quantise(aaren.quantise(data))
    with pytest.raises(aaren.Error, match="a Transformer's cache grows"):
        aaren.c_file((demo / "transformer.safetensors").read_bytes())
    with pytest.raises(aaren.Error, match='found "a b"'):
        aaren.c_file(data, "a b")
    with pytest.raises(aaren.Error, match="not a complete safetensors file"):
        aaren.quantise(b"nothing")
    assert aaren.Policy.from_bytes(aaren.quantise(data)).info["weights"] == "int8"
    # The head keeps float32.
    assert len(aaren.quantise(data)) < 0.45 * len(data)

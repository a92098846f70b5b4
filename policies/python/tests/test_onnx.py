"""One step in ONNX Runtime beside the streaming runtime, 1000 of them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import spaces as own
from aaren import Policy
from conftest import PROGRAM, Trained, run_aaren
from test_spaces import SMALL, environment

STEPS = 1000


def export(run: Path, out: Path) -> tuple[onnxruntime.InferenceSession, dict[str, Any]]:
    said = json.loads(run_aaren("export", "--onnx", run, "--out", out, "--json"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(out, options, providers=["CPUExecutionProvider"]), said


def compare(policy: Policy, session: onnxruntime.InferenceSession, rows: int) -> float:
    """The largest difference of two runs over `STEPS` timesteps, `rows` episodes at once. Each begins with a state of
    nonsense, which must not matter."""
    rng = np.random.default_rng(0)
    ports = {port.name: port for port in session.get_inputs()}
    state = {
        name: np.full([rows, *port.shape[1:]], np.nan, np.float32)
        for name, port in ports.items()
        if name.startswith("state.")
    }
    returns = np.linspace(100.0, 400.0, rows)
    streams = policy.streams(rows)
    for i, target in enumerate(returns):
        streams.reset(i, target)
    rewards, worst, agreed = np.zeros(rows), 0.0, 0
    if policy.info.get("model", {}).get("return") == "head":
        # The last row asks for the most that can be had.
        returns[-1] = np.inf
        streams.reset(rows - 1, np.inf)
    for t in range(STEPS):
        # Like an environment's: each a little off the one before, and now and then far.
        scale = np.where(rng.random((rows, 1)) < 0.01, 3.0, 0.7)
        observations = (scale * rng.normal(size=(rows, policy.observation_size))).astype(np.float32)
        expected = streams.act(observations, rewards)
        if t > 0:
            returns = returns - rewards
        given = {
            "observation": observations,
            "return_to_go": returns.astype(np.float32),
            "timestep": np.full(rows, t, np.int64),
            "reward": rewards.astype(np.float32),
        }
        given = {name: array for name, array in given.items() if name in ports} | state
        found = dict(zip((port.name for port in session.get_outputs()), session.run(None, given), strict=True))
        state = {name: found[name.replace("state.", "next.")] for name in state}
        if policy.discrete:
            agreed += int((found["action"] == expected).sum())
        else:
            worst = max(worst, float(np.abs(found["action"] - expected).max()))
        rewards = rng.normal(size=rows) * 0.3
    # A choice between two logits that are equal to the last digits may fall either way, and the next step sees it.
    return worst if not policy.discrete else 1.0 - agreed / (rows * STEPS)


@pytest.mark.parametrize(
    "name",
    [
        "aaren", "recency", "gated", "rotary", "keys", "plain-keys", "untold", "reset", "gru", "lstm", "mingru",
        "gated-delta", "delta", "odd", "odd-keys", "odd-delta", "asked", "one-token", "bc"
    ],
)
def test_continuous_actions_agree_over_a_thousand_steps(hopper: dict[str, Trained], name: str, tmp_path: Path) -> None:
    run = hopper[name]
    session, said = export(run.folder, tmp_path / "step.onnx")
    assert said["opset"] == 17
    policy = Policy.load(run.policy)
    assert json.loads(session.get_modelmeta().custom_metadata_map["aaren"]) == policy.info
    assert compare(policy, session, rows=3) < 1e-4


@pytest.mark.parametrize("name", ["aaren", "gru", "bc"])
def test_choices_agree_over_a_thousand_steps(cart_pole: dict[str, Trained], name: str, tmp_path: Path) -> None:
    run = cart_pole[name]
    session, _ = export(run.policy, tmp_path / "step.onnx")
    assert compare(Policy.load(run.policy), session, rows=3) < 2e-3


def test_several_choices_at_once_agree_over_a_thousand_steps(tmp_path: Path) -> None:
    own.collect("dict", tmp_path / "data.hdf5")
    (tmp_path / "tiny.yaml").write_text(f"env: {environment('dict')}\ndataset: data.hdf5\n{SMALL}")
    policies = "policies=[aaren: {past_actions: true}]"
    run_aaren("run", "tiny.yaml", "--set", policies, cwd=tmp_path)
    file = tmp_path / "results/tiny/aaren-seed0/policy.safetensors"
    session, said = export(file, tmp_path / "step.onnx")
    action = next(port for port in said["ports"]["outputs"] if port["name"] == "action")
    assert action["shape"] == [2]
    # The largest difference of an index: all choices are the same.
    assert compare(Policy.load(file), session, rows=3) == 0.0


def test_the_demos_policy_agrees(demo: Path, tmp_path: Path) -> None:
    file = demo / "aaren.safetensors"
    session, said = export(file, tmp_path / "step.onnx")
    assert compare(Policy.load(file), session, rows=2) < 1e-4
    shapes = {port["name"]: port["shape"] for port in said["ports"]["inputs"]}
    assert shapes == {
        "observation": [11],
        "return_to_go": [],
        "timestep": [],
        "state.maxima": [2, 4],
        "state.sums": [2, 4],
        "state.weighted": [2, 64],
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "transformer",
            "encoder transformer: its cache grows with every token, and an ONNX step has a state of one size",
        ),
        ("sliding", "encoder transformer: its cache grows"),
        ("window", "roll-out window 5: it recomputes or drops past timesteps"),
    ],
)
def test_what_has_no_step_of_one_size_is_refused(
    hopper: dict[str, Trained], name: str, sentence: str, tmp_path: Path
) -> None:
    out = tmp_path / "step.onnx"
    command = [PROGRAM, "export", "--onnx", hopper[name].folder, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not out.exists()

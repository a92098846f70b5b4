"""Roll-outs in Python's Gymnasium return what the command wrote of its own, to the last bit."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from aaren import Policy, _library
from aaren.wrappers import RewardAwareObservation
from conftest import Trained, episode, evaluate


def assert_same(policy: Policy, env_id: str, rows: list[dict[str, Any]]) -> None:
    env = gymnasium.make(env_id)
    for row in rows:
        stream = policy.stream(target_return=float(row["target_return"]))
        found = episode(env, stream.act, int(row["seed"]))
        assert found == (float(row["return"]), int(row["length"])), row


@pytest.mark.parametrize(
    "name",
    [
        "aaren", "recency", "gated", "sliding", "window", "rotary", "untold", "reset", "gru", "lstm", "mingru", "gated-delta",
        "keys", "plain-keys", "delta", "odd", "odd-keys", "odd-delta", "transformer", "turned", "alibi", "asked", "one-token", "bc"
    ],
)
def test_hopper_returns_what_evaluations_csv_says(hopper: dict[str, Trained], name: str) -> None:
    run = hopper[name]
    rows = run.last_evaluation()
    assert len(rows) == 2 * 20
    assert len({row["return"] for row in rows}) >= 20
    assert_same(Policy.load(run.policy), run.env, rows)


@pytest.mark.parametrize("name", ["aaren", "gru", "bc"])
def test_cart_pole_returns_what_evaluations_csv_says(cart_pole: dict[str, Trained], name: str) -> None:
    run = cart_pole[name]
    assert_same(Policy.load(run.policy), run.env, run.last_evaluation())


def test_a_trained_policy_returns_what_evaluate_says(demo: Path) -> None:
    """Whole episodes of hundreds of timesteps."""
    file = demo / "aaren.safetensors"
    policy = Policy.load(file)
    said = evaluate(file, "--episodes", 20, "--seed", 5, "--target-return", policy.target_returns[0])
    rows = [row | {"return": row["total_return"]} for row in said["episodes"]]
    assert len(rows) == 20
    assert np.mean([row["length"] for row in rows]) > 200
    assert_same(policy, policy.info["env"]["id"], rows)


@pytest.mark.parametrize("name", ["aaren", "reset", "transformer"])
def test_vector_environments_are_acted_in_at_once(hopper: dict[str, Trained], name: str) -> None:
    """Streams that begin anew whenever their environment does, in Gymnasium's own vector environment."""
    run = hopper[name]
    policy, rows = Policy.load(run.policy), run.last_evaluation()[:4]
    env = gymnasium.make_vec(run.env, num_envs=4, vectorization_mode="sync")
    streams = policy.streams(4, target_return=float(rows[0]["target_return"]))
    observations, _ = env.reset(seed=[int(row["seed"]) for row in rows])
    rewards, totals, over = np.zeros(4), np.zeros(4), np.zeros(4, bool)
    while not over.all():
        observations, rewards, terminated, truncated, _ = env.step(streams.act(observations, rewards))
        totals += np.where(over, 0, rewards)
        over |= terminated | truncated
    assert totals.tolist() == [float(row["return"]) for row in rows]


@pytest.mark.parametrize("name", ["aaren", "transformer", "bc"])
def test_predict_plays_what_a_stream_plays(hopper: dict[str, Trained], name: str) -> None:
    """The loop of stable-baselines3's documentation of recurrent policies, one environment and several."""
    run = hopper[name]
    policy, rows = Policy.load(run.policy), run.last_evaluation()[:3]
    assert float(rows[0]["target_return"]) == policy.target_returns[0]
    env = RewardAwareObservation(gymnasium.make(run.env))
    state = None
    for row in rows:
        observation, _ = env.reset(seed=int(row["seed"]))
        total, start, over = 0.0, True, False
        while not over:
            action, state = policy.predict(observation, state=state, episode_start=start, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, start, over = total + float(reward), False, terminated or truncated
        assert total == float(row["return"])

    envs = [RewardAwareObservation(gymnasium.make(run.env)) for _ in rows]
    observations = np.stack([env.reset(seed=int(row["seed"]))[0] for env, row in zip(envs, rows, strict=True)])
    state, starts, over, totals = None, np.ones(3, bool), np.zeros(3, bool), np.zeros(3)
    while not over.all():
        actions, state = policy.predict(observations, state, starts)
        for i in np.flatnonzero(~over):
            observations[i], reward, terminated, truncated, _ = envs[i].step(actions[i])
            totals[i] += reward
            over[i] = terminated or truncated
        starts = np.zeros(3, bool)
    assert totals.tolist() == [float(row["return"]) for row in rows]


@pytest.mark.parametrize("name", ["aaren", "transformer"])
def test_sixty_four_environments_are_one_call(demo: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over the weights, and what each environment alone would get."""
    policy, generator, calls = Policy.load(demo / f"{name}.safetensors"), np.random.default_rng(0), []
    step = _library.streams_act
    monkeypatch.setattr(_library, "streams_act", lambda *given: calls.append(given) or step(*given))
    together, alone = None, [None] * 64
    for t in range(3):
        rows = generator.normal(size=(64, policy.observation_size + 2))
        rows[:, -1] = t == 0
        calls.clear()
        actions, together = policy.predict(rows, together)
        assert len(calls) == 1 and actions.shape == (64, policy.action_size)
        for i, row in enumerate(rows):
            action, alone[i] = policy.predict(row, alone[i])
            np.testing.assert_array_equal(actions[i], action)


def test_predict_keeps_nothing_of_its_own(cart_pole: dict[str, Trained]) -> None:
    """The same state gives the same action whatever was asked in between, and a choice is an `int`."""
    policy = Policy.load(cart_pole["aaren"].policy)
    observation = np.array([0.1, -0.2, 0.03, 0.4, 1.0, 0.0])
    first, state = policy.predict(observation)
    assert isinstance(first, int)
    second = policy.predict(observation, state)
    policy.predict(np.tile(observation, (3, 1)))
    policy.predict(-observation, second[1])
    assert policy.predict(observation, state) == second
    begun_anew = policy.predict(observation, state, episode_start=[True])
    assert begun_anew == (first, begun_anew[1]) and begun_anew[1] == state
    assert policy.predict(observation, target_return=50.0)[1] != state


def test_the_wrapper_hands_on_rewards_and_flattens(cart_pole: dict[str, Trained]) -> None:
    env = RewardAwareObservation(gymnasium.make("CartPole-v1"))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation) and observation[-2:].tolist() == [0.0, 1.0]
    assert env.step(0)[0][-2:].tolist() == [1.0, 0.0]
    lake = RewardAwareObservation(gymnasium.make("FrozenLake-v1"))
    assert lake.reset(seed=0)[0].tolist() == [1.0] + [0.0] * 16 + [1.0]

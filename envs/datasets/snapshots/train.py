"""Trains the behaviour policies of the dataset recipes with sbx-rl, and keeps actors at many points of the training.

    train.py train TASK WORK         train, or go on where a killed training stopped
    train.py select TASK WORK OUT    choose snapshots, evaluate them anew, write OUT/TASK.safetensors
    train.py outputs TASK OUT        for the tests, what the library itself makes of these actors:
                                     OUT/TASK.outputs.safetensors

SAC (Haarnoja et al. 2018) for the robots, PPO (Schulman et al. 2017) for CartPole. WORK/TASK holds `checkpoint.npz`
(weights, optimisers' moments, replay buffer, counters) and `snapshots/`. Training goes chunk by chunk: each begins with
fresh environments and with random numbers keyed by (seed, chunk), so a training that was killed and continued makes the
same actors as one that was not.
"""

import importlib.metadata
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

# One thread: the matrices are small, and several tasks are trained side by side.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import flax.linen as nn
import gymnasium as gym
import jax
import numpy as np
from flax import serialization
from gymnasium.wrappers import DtypeObservation
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sbx import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

ENVIRONMENTS = 8
TRIAL_EPISODES = 5  # that show during the training how it goes, and from which `select` starts
EPISODES = 20  # that `select` chooses by, and as many again for the figures that it writes
CHECKPOINT_SECONDS = 240


@dataclass
class Task:
    env: str
    algorithm: str
    steps: int
    chunk: int  # environment steps between two evaluations
    snapshot: int  # environment steps between two snapshots
    random: float  # returns of D4RL's random and expert policy; the least and the most possible for CartPole
    expert: float
    seed: int = 0


TASKS = {
    "cartpole": Task("CartPole-v1", "PPO", 102_400, 10_240, 1_024, 0.0, 500.0),
    "hopper": Task("Hopper-v4", "SAC", 409_600, 10_240, 2_048, -20.272305, 3234.3),
    "halfcheetah": Task("HalfCheetah-v4", "SAC", 491_520, 10_240, 2_048, -280.178953, 12135.0),
    "walker2d": Task("Walker2d-v4", "SAC", 655_360, 10_240, 2_048, 1.629008, 4592.3),
    "ant": Task("Ant-v4", "SAC", 665_600, 10_240, 2_048, -325.6, 3879.7),
}
# Trained once more, for data that no choice of settings has seen.
TASKS |= {f"{robot}-1": replace(TASKS[robot], seed=1) for robot in ("hopper", "halfcheetah", "walker2d", "ant")}
SAC_SETTINGS = {
    "learning_rate": 3e-4,
    "qf_learning_rate": 1e-3,
    "buffer_size": 1_000_000,
    "learning_starts": 10_000,
    "batch_size": 128,
    "train_freq": 4,  # of ENVIRONMENTS steps each
    "gradient_steps": 32,
}
SAC_NETWORKS = {"net_arch": {"pi": [64, 64], "qf": [128, 128]}}
PPO_SETTINGS = {
    "learning_rate": 3e-4,
    "n_steps": 32,
    "batch_size": 256,
    "n_epochs": 20,
    "gamma": 0.98,
    "gae_lambda": 0.8,
}
PPO_NETWORKS = {"net_arch": {"pi": [64, 64], "vf": [64, 64]}, "activation_fn": nn.relu}


def environments(task, count):
    def make():
        return DtypeObservation(gym.make(TASKS[task].env), np.float32)

    return DummyVecEnv([make] * count)


def build(task):
    envs = environments(task, ENVIRONMENTS)
    if TASKS[task].algorithm == "PPO":
        return PPO("MlpPolicy", envs, policy_kwargs=PPO_NETWORKS, seed=TASKS[task].seed, **PPO_SETTINGS)
    return SAC("MlpPolicy", envs, policy_kwargs=SAC_NETWORKS, seed=TASKS[task].seed, **SAC_SETTINGS)


# ---- what a training consists of between two chunks

BUFFER = ["observations", "next_observations", "actions", "rewards", "dones", "timeouts"]


def states(model):
    if isinstance(model, PPO):
        return {"actor": model.policy.actor_state, "critic": model.policy.vf_state}
    return {"actor": model.policy.actor_state, "critics": model.policy.qf_state, "entropy": model.ent_coef_state}


def save_checkpoint(model, path):
    arrays = {"counters": np.array([model.num_timesteps, model._n_updates])}
    if isinstance(model, SAC):
        buffer = model.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        arrays |= {name: getattr(buffer, name)[:filled] for name in BUFFER}
        arrays["counters"] = np.append(arrays["counters"], [buffer.pos, buffer.full])
    networks = np.frombuffer(serialization.to_bytes(states(model)), np.uint8)
    temporary = path.with_suffix(".partial.npz")
    np.savez(temporary, networks=networks, **arrays)
    temporary.rename(path)


def load_checkpoint(model, path):
    saved = np.load(path)
    networks = serialization.from_bytes(states(model), saved["networks"].tobytes())
    model.policy.actor_state = networks["actor"]
    model.num_timesteps, model._n_updates = (int(counter) for counter in saved["counters"][:2])
    if isinstance(model, PPO):
        model.policy.vf_state = networks["critic"]
        return
    model.policy.qf_state, model.ent_coef_state = networks["critics"], networks["entropy"]
    for name in BUFFER:
        array = saved[name]
        getattr(model.replay_buffer, name)[: len(array)] = array
    position, full = saved["counters"][2:]
    model.replay_buffer.pos, model.replay_buffer.full = int(position), bool(full)


def begin_chunk(model, seed, chunk):
    """Fresh environments, and every random number from (seed, chunk)."""
    model.set_random_seed((seed * 10**6 + chunk) * 100)  # numpy, Python, the action space and the environments
    model.key = jax.random.fold_in(jax.random.PRNGKey(seed), chunk)
    model.key, model.policy.key = jax.random.split(model.key)
    model._last_obs = None


# ---- actors

SAC_LAYERS = ["hidden.0", "hidden.1", "mean", "log_std"]
PPO_LAYERS = ["hidden.0", "hidden.1", "logits"]


def actor_tensors(params):
    """The actor's layers in order, as weights [out, in] and biases [out]."""
    layers = params["params"]
    tensors = {}
    for layer, name in enumerate(SAC_LAYERS if len(layers) == len(SAC_LAYERS) else PPO_LAYERS):
        dense = layers[f"Dense_{layer}"]
        tensors[f"{name}.weight"] = np.ascontiguousarray(np.asarray(dense["kernel"], np.float32).T)
        tensors[f"{name}.bias"] = np.asarray(dense["bias"], np.float32)
    return tensors


def actor_params(tensors):
    names = PPO_LAYERS if "logits.bias" in tensors else SAC_LAYERS
    layers = {}
    for layer, name in enumerate(names):
        layers[f"Dense_{layer}"] = {"kernel": tensors[f"{name}.weight"].T, "bias": tensors[f"{name}.bias"]}
    return {"params": layers}


def write_snapshot(model, folder):
    temporary = folder / "snapshot.partial"
    save_file(actor_tensors(model.policy.actor_state.params), temporary)
    temporary.rename(snapshot_path(folder, model.num_timesteps))


def snapshot_path(folder, steps):
    return folder / "snapshots" / f"{steps:08}.safetensors"


class Snapshots(BaseCallback):
    def __init__(self, folder, every):
        super().__init__()
        self.folder, self.every = folder, every

    def _on_step(self):
        if self.num_timesteps % self.every == 0:
            write_snapshot(self.model, self.folder)
        return True


@jax.jit
def sample(state, params, observations, key):
    return state.apply_fn(params, observations).sample(seed=key)


def to_bounds(space, actions):
    """As sbx's `predict`, and stable-baselines3's `unscale_action`."""
    if isinstance(space, gym.spaces.Discrete):
        return actions
    return space.low + 0.5 * (np.clip(actions, -1, 1) + 1.0) * (space.high - space.low)


def evaluate(model, params, envs, seed, visited=None):
    """Returns of one episode of the stochastic policy in each environment, all stepped side by side."""
    envs.seed(seed)
    observations = envs.reset()
    returns, running = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    key = jax.random.PRNGKey(seed)
    while running.any():
        if visited is not None:
            visited.append(observations[running])
        key, noise = jax.random.split(key)
        actions = np.asarray(sample(model.policy.actor_state, params, observations, noise))
        observations, rewards, done, _ = envs.step(to_bounds(envs.action_space, actions))
        returns += rewards * running
        running &= ~done
    return returns


def normalised(task, value):
    random, expert = TASKS[task].random, TASKS[task].expert
    return 100 * (value - random) / (expert - random)


def train(task, work):
    folder, plan = Path(work) / task, TASKS[task]
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.npz"
    model = build(task)
    if checkpoint.exists():
        load_checkpoint(model, checkpoint)
        print(f"{task}: going on at {model.num_timesteps} steps", flush=True)
    trial = environments(task, TRIAL_EPISODES)
    began = saved = time.time()
    while model.num_timesteps < plan.steps:
        chunk = model.num_timesteps // plan.chunk
        begin_chunk(model, plan.seed, chunk)
        model.learn(plan.chunk, callback=Snapshots(folder, plan.snapshot), reset_num_timesteps=False)
        returns = evaluate(model, model.policy.actor_state.params, trial, 10**6 + 100 * chunk)
        print(
            f"{task} {model.num_timesteps} steps: return {returns.mean():.0f} ± {returns.std():.0f},"
            f" normalised {normalised(task, returns.mean()):.1f}, {time.time() - began:.0f} s since start",
            flush=True,
        )
        if time.time() - saved > CHECKPOINT_SECONDS or model.num_timesteps >= plan.steps:
            save_checkpoint(model, checkpoint)
            saved = time.time()


# ---- the choice of snapshots


def select(task, work, out):
    """About ten snapshots on the way to medium, evenly spaced; medium, a third of the expert's normalised score; eight
    between medium and expert; the expert, the best of all by its mean return."""
    folder, plan = Path(work) / task, TASKS[task]
    model = build(task)
    envs = {count: environments(task, count) for count in (TRIAL_EPISODES, EPISODES)}

    # Kept, so that a choice that was stopped, or repeated after more training, evaluates nothing twice.
    known = folder / "evaluations.json"
    evaluations = json.loads(known.read_text()) if known.exists() else {}

    def score(steps, episodes, seed):
        key = f"{steps} steps, {episodes} episodes, seed {seed}"
        if key not in evaluations:
            params = actor_params(load_file(snapshot_path(folder, steps)))
            evaluations[key] = list(evaluate(model, params, envs[episodes], seed))
            temporary = known.with_suffix(".partial")
            temporary.write_text(json.dumps(evaluations))
            temporary.rename(known)
        returns = np.array(evaluations[key])
        return normalised(task, returns.mean()), returns

    grid = range(plan.snapshot, plan.steps + 1, plan.snapshot)
    coarse = [steps for steps in grid if steps % plan.chunk == 0]
    curve = {steps: score(steps, TRIAL_EPISODES, 2 * 10**6)[0] for steps in coarse}
    best = sorted(coarse, key=lambda steps: -curve[steps])[:8]
    expert, expert_score = max(
        ((steps, score(steps, EPISODES, 3 * 10**6)[0]) for steps in best), key=lambda pair: pair[1]
    )
    # Around the first passing of a third of the way.
    passing = next(steps for steps in coarse if curve[steps] >= expert_score / 3)
    near = [steps for steps in grid if abs(steps - passing) <= plan.chunk and steps < expert]
    medium = min(near, key=lambda steps: abs(score(steps, EPISODES, 4 * 10**6)[0] - expert_score / 3))

    def spaced(first, end, count):
        """So many snapshots, evenly spaced over (first, end], the last at `end`."""
        wanted = [first + (end - first) * (index + 1) / count for index in range(count)]
        return {min(grid, key=lambda steps: abs(steps - want)) for want in wanted}

    chosen = sorted(spaced(0, medium, 10) | spaced(medium, expert, 9))
    snapshots, stacked = [], {}
    for steps in chosen:
        path = snapshot_path(folder, steps)
        value, returns = score(steps, EPISODES, 5 * 10**6)
        snapshots.append(
            {
                "steps": steps,
                "episodes": EPISODES,
                "return_mean": float(returns.mean()),
                "return_std": float(returns.std()),
            }
        )
        if plan.algorithm == "SAC":
            snapshots[-1]["normalised_score"] = float(value)
        print(task, snapshots[-1], flush=True)
        for name, tensor in load_file(path).items():
            stacked.setdefault(name, []).append(tensor)
    training = {
        "env": plan.env,
        "algorithm": plan.algorithm,
        "settings": SAC_SETTINGS if plan.algorithm == "SAC" else PPO_SETTINGS,
        "environments": ENVIRONMENTS,
        "seed": plan.seed,
        "steps": plan.steps,
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("sbx-rl", "stable_baselines3", "jax", "flax", "numpy", "gymnasium", "mujoco")
        },
        "medium": chosen.index(medium),
        "expert": chosen.index(expert),
        "snapshots": snapshots,
    }
    stacked = {name: np.stack(tensors) for name, tensors in stacked.items()}
    write(stacked, Path(out) / f"{task}.safetensors", {"training": json.dumps(training)})


# ---- the library's own outputs


def outputs(task, out, rows=32):
    """What the library's actor makes of states on its own way, of the first snapshot, medium and the expert: the
    parameters of its distribution, computed in float64, and actions with the noise that they were drawn with."""
    path = Path(out) / f"{task}.safetensors"
    with safe_open(path, "numpy") as file:
        training = json.loads(file.metadata()["training"])
    stacked = load_file(path)
    model, envs = build(task), environments(task, TRIAL_EPISODES)
    tensors = {}
    for index in (0, training["medium"], training["expert"]):
        params = actor_params({name: tensor[index] for name, tensor in stacked.items()})
        visited = []
        evaluate(model, params, envs, index, visited)
        visited = np.concatenate(visited)
        observations = visited[np.linspace(0, len(visited) - 1, rows).astype(int)]
        for name, tensor in library_outputs(model, params, observations, index).items():
            tensors[f"{index}.{name}"] = np.asarray(tensor)
    write(tensors, Path(out) / f"{task}.outputs.safetensors", None)


def library_outputs(model, params, observations, seed):
    actor = model.policy.actor_state.apply_fn
    with jax.enable_x64(True):
        exact = actor(jax.tree.map(np.float64, params), np.float64(observations))
        if isinstance(model, PPO):
            return {"observations": observations, "logits": np.asarray(exact.logits)}
        exact = {"mean": np.asarray(exact.distribution.mean()), "std": np.asarray(exact.distribution.stddev())}
    key = jax.random.PRNGKey(seed)
    actions = np.asarray(sample(model.policy.actor_state, params, observations, key))
    distribution = actor(params, observations)
    # The same key at mean 0 and standard deviation 1 gives the draw itself.
    normal = type(distribution.distribution)(np.zeros_like(actions), np.ones_like(actions))
    return {
        "observations": observations,
        **exact,
        "noise": np.asarray(normal.sample(seed=key)),
        "actions": to_bounds(model.action_space, actions),
        "modes": to_bounds(model.action_space, np.asarray(distribution.mode())),
    }


def write(tensors, path, metadata):
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata)
    temporary.rename(path)


if __name__ == "__main__":
    command, task, *paths = sys.argv[1:]
    {"train": train, "select": select, "outputs": outputs}[command](task, *paths)

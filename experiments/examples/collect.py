"""Plays scripted policies in environments of other packages: `python collect.py TASK OUT [EPISODES]`.

OUT is a folder `NAME-vN`, which the minari library writes, or a file `NAME.hdf5` in D4RL's layout.
"""

import os
import pathlib
import sys

import gymnasium
import numpy as np


def point_maze(random):
    """Waypoints through the maze, a PD controller to the next one, and noise of another size in each episode."""
    import gymnasium_robotics  # noqa: F401

    environment = gymnasium.make("PointMaze_UMaze-v3")
    maze = environment.unwrapped.maze
    while True:
        noise = random.uniform(0.0, 1.0)

        def act(observation):
            xy, velocity, goal = observation["observation"][:2], observation["observation"][2:], observation["desired_goal"]
            here, there = (tuple(maze.cell_xy_to_rowcol(place)) for place in (xy, goal))
            target = goal if here == there else maze.cell_rowcol_to_xy(np.array(way(maze.maze_map, here, there)))
            action = 10.0 * (target - xy) - velocity + noise * random.standard_normal(2)
            return np.clip(action, -1, 1).astype(np.float32)

        yield environment, act


def way(cells, here, there):
    """The next cell on a shortest way: breadth first, from the goal."""
    distance, front = {there: 0}, [there]
    for row, column in front:
        for near in [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]:
            if near not in distance and cells[near[0]][near[1]] != 1:
                distance[near] = distance[row, column] + 1
                front.append(near)
    row, column = here
    around = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return min(around, key=lambda near: distance.get(near, len(distance)))


def ant_maze(random):
    """The behaviour policies of this repository's Ant recipes, which run towards +x whatever the maze."""
    import gymnasium_robotics  # noqa: F401

    weights = tensors(pathlib.Path(__file__).parents[2] / "envs/datasets/snapshots/ant.safetensors")
    environment = gymnasium.make("AntMaze_UMaze-v4")
    count = len(weights["mean.bias"])
    while True:
        one = {name: tensor[random.integers(count // 2, count)] for name, tensor in weights.items()}

        def act(observation):
            hidden = observation["observation"]
            for layer in ("hidden.0", "hidden.1"):
                hidden = np.maximum(one[f"{layer}.weight"] @ hidden + one[f"{layer}.bias"], 0)
            mean, log_std = (one[f"{head}.weight"] @ hidden + one[f"{head}.bias"] for head in ("mean", "log_std"))
            drawn = mean + np.exp(np.clip(log_std, -20, 2)) * random.standard_normal(8)
            return np.tanh(drawn).astype(np.float32)

        yield environment, act


def tensors(path):
    import json

    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    entries.pop("__metadata__", None)

    def tensor(entry):
        first, last = entry["data_offsets"]
        return np.frombuffer(data[8 + length :][first:last], "<f4").reshape(entry["shape"])

    return {name: tensor(entry) for name, entry in entries.items()}


def adroit_pen(random):
    """A hand that holds still, jittered by noise of another size in each episode."""
    import gymnasium_robotics  # noqa: F401

    environment = gymnasium.make("AdroitHandPen-v1")
    while True:
        noise = random.uniform(0.0, 1.0)
        yield environment, lambda observation: np.clip(noise * random.standard_normal(24), -1, 1).astype(np.float32)


def meta_world(random):
    """Meta-World's own scripted policy for the task, with noise of another size in each episode."""
    import meta_world
    from metaworld.policies import SawyerReachV3Policy

    environment, script = meta_world.make_env("reach-v3"), SawyerReachV3Policy()
    while True:
        noise = random.uniform(0.0, 2.0)

        def act(observation):
            action = script.get_action(observation) + noise * random.standard_normal(4)
            return np.clip(action, -1, 1).astype(np.float32)

        yield environment, act


TASKS = {"point-maze": (point_maze, 100), "ant-maze": (ant_maze, 40), "adroit-pen": (adroit_pen, 100), "meta-world": (meta_world, 40)}


def main(task, path, episodes=None):
    collect, usual = TASKS[task]
    path, played = pathlib.Path(path), []
    for number, (environment, act) in enumerate(collect(np.random.default_rng(0))):
        if number == int(episodes or usual):
            break
        # Seeds of evaluations are small.
        seed = 2**31 + number
        observation, _ = environment.reset(seed=seed)
        episode = {"seed": seed, "observations": [observation], "actions": [], "rewards": [], "terminations": [], "truncations": []}
        ended = False
        while not ended:
            action = act(observation)
            observation, reward, terminated, truncated, _ = environment.step(action)
            step = zip(["observations", "actions", "rewards", "terminations", "truncations"], [observation, action, reward, terminated, truncated])
            for name, value in step:
                episode[name].append(value)
            ended = terminated or truncated
        played.append(episode)
    write = write_hdf5 if path.suffix == ".hdf5" else write_minari
    write(path, played, environment)
    returns = [sum(episode["rewards"]) for episode in played]
    steps = sum(len(episode["rewards"]) for episode in played)
    print(f"{path}: {len(played)} episodes, {steps} transitions, returns {min(returns):.1f} to {max(returns):.1f}, mean {np.mean(returns):.1f}")


def write_minari(path, episodes, environment):
    os.environ["MINARI_DATASETS_PATH"] = str(path.absolute().parent)
    import minari
    from minari.data_collector import EpisodeBuffer

    def of_keys(rows):
        return {key: of_keys([row[key] for row in rows]) for key in rows[0]} if isinstance(rows[0], dict) else rows

    buffers = [
        EpisodeBuffer(**{**episode, "id": number, "observations": of_keys(episode["observations"]), "infos": {}})
        for number, episode in enumerate(episodes)
    ]
    minari.create_dataset_from_buffers(
        path.name, buffers, env=environment, algorithm_name="a script with noise", author="aaren", author_email="none",
        code_permalink="experiments/examples/collect.py", description="Made to be learned from.",
    )


def write_hdf5(path, episodes, _):
    import h5py

    names = {"actions": "actions", "rewards": "rewards", "terminations": "terminals", "truncations": "timeouts"}
    with h5py.File(path, "w") as file:
        file["observations"] = np.concatenate([episode["observations"][:-1] for episode in episodes]).astype(np.float32)
        for name, theirs in names.items():
            rows = np.concatenate([episode[name] for episode in episodes])
            file[theirs] = rows.astype(bool if theirs in ("terminals", "timeouts") else np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])

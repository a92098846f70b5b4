"""Writes the datasets of this folder, which `tests/forms.rs` reads: the same transitions in every form.

    pip install h5py==3.16.0 numpy==2.4.6 pyarrow==26.0.1 pillow 'minari[hdf5,arrow]==0.5.4' gymnasium==1.4.0
    python write.py

Row i: observation [i, i/4], action [(i % 5 - 2) / 4], reward i; episodes of 4, 3 and 5 rows, the first ended by the
task, the others by a time limit.
"""

import json
import shutil
from pathlib import Path

import gymnasium as gym
import h5py
import minari
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from minari.data_collector import EpisodeBuffer

HERE = Path(__file__).parent
LENGTHS = [4, 3, 5]
ROWS = sum(LENGTHS)
i = np.arange(ROWS, dtype=np.float32)
OBSERVATIONS = np.stack([i, i / 4], 1)
ACTIONS = ((i % 5 - 2) / 4)[:, None]
REWARDS = i.copy()
ENDS = np.cumsum(LENGTHS) - 1
TERMINALS = np.isin(np.arange(ROWS), ENDS[:1])
TIMEOUTS = np.isin(np.arange(ROWS), ENDS[1:])
EPISODE = np.repeat(np.arange(3), LENGTHS)
COLUMNS = dict(observations=OBSERVATIONS, actions=ACTIONS, rewards=REWARDS, terminals=TERMINALS, timeouts=TIMEOUTS)


def hdf5(name, how, libver="earliest", columns=None):
    """Each column with what `how` says of it: keyword arguments of `create_dataset`, or a function that writes it."""
    with h5py.File(HERE / name, "w", libver=libver) as file:
        for key, data in (columns or COLUMNS).items():
            its = how.get(key, how.get("", {}))
            if callable(its):
                its(file, key, data)
            else:
                file.create_dataset(key, data=data, **its)


def soft(file, key, data):
    file.create_dataset(f"elsewhere/{key}", data=data)
    file[key] = h5py.SoftLink(f"/elsewhere/{key}")


def committed(file, key, data):
    file[f"type_of_{key}"] = np.dtype(data.dtype)
    file.create_dataset(key, data=data, dtype=file[f"type_of_{key}"])


def enumeration(base):
    def write(file, key, data):
        kind = h5py.enum_dtype({"no": 0, "yes": 1}, basetype=base)
        file.create_dataset(key, data=data.astype(base), dtype=kind)

    return write


def as_type(kind):
    return lambda file, key, data: file.create_dataset(key, data=data.astype(kind))


def never_written(value):
    def write(file, key, data):
        file.create_dataset(key, data.shape, data.dtype, fillvalue=value)

    return write


def partly(file, key, data):
    """Chunks of which those of ones alone are written, of a dataset that grew."""
    node = file.create_dataset(key, (2,), bool, chunks=(2,), maxshape=(None,))
    node.resize((len(data),))
    for row in np.flatnonzero(data):
        node[row] = True


for libver in ["earliest", "latest"]:
    hdf5(f"plain-{libver}.hdf5", {}, libver)
    hdf5(f"packed-{libver}.hdf5", {
        "observations": dict(chunks=(5, 2), compression="gzip", shuffle=True, fletcher32=True),
        "actions": dict(chunks=(7, 1), compression="lzf", maxshape=(None, 1)),
        "rewards": dict(chunks=(100,), maxshape=(None,), compression="gzip"),
        "terminals": dict(chunks=(1,)),
        "timeouts": dict(chunks=(3,), maxshape=(40,)),
    }, libver)
    hdf5(f"links-{libver}.hdf5", {"observations": soft, "rewards": soft, "actions": committed}, libver)
    hdf5(f"unwritten-{libver}.hdf5", {"terminals": partly, "timeouts": partly}, libver)
    hdf5(f"growing-{libver}.hdf5", {"observations": dict(chunks=(1, 1), maxshape=(None, None)),
                                    "actions": dict(chunks=(2, 1), maxshape=(None, None), compression="gzip")}, libver)
hdf5("types.hdf5", {"observations": as_type("<f2"), "actions": as_type(">f8"), "rewards": as_type(">i2"),
                    "terminals": enumeration("<i4"), "timeouts": enumeration("<u8")})

# Never written: the fill value of rewards is 7, that of flags the usual zero.
hdf5("fill.hdf5", {"rewards": never_written(7), "terminals": never_written(False)})

# Many chunks, for every index: paged arrays, super blocks, trees of several levels. Row j of 1100.
j = np.arange(1100)
many = dict(observations=np.stack([j, -j], 1).astype("<i2"), actions=(j % 3 - 1)[:, None].astype("<f4"),
            rewards=(j % 251).astype("u1"), terminals=j % 10 == 9, timeouts=np.zeros(1100, bool))
for libver in ["earliest", "latest"]:
    hdf5(f"indices-{libver}.hdf5", {
        "observations": dict(chunks=(8, 1), maxshape=(None, None)),
        "rewards": dict(chunks=(1,)),
        "terminals": dict(chunks=(1,), maxshape=(None,)),
        "timeouts": dict(chunks=(1,), maxshape=(None,), compression="gzip"),
        "actions": dict(chunks=(500, 1), compression="gzip"),
    }, libver, many)

# Other projects' names: d3rlpy 1 and 2, no timeouts.
hdf5("d3rlpy-1.hdf5", {}, columns={k: v for k, v in COLUMNS.items() if k != "timeouts"}
     | {"episode_terminals": TERMINALS | TIMEOUTS})
with h5py.File(HERE / "d3rlpy-2.hdf5", "w") as file:
    file["total_size"] = 3
    file["version"] = "2.1"
    for episode, end in enumerate(ENDS):
        rows = slice(end + 1 - LENGTHS[episode], end + 1)
        file[f"observations_{episode}"] = OBSERVATIONS[rows]
        file[f"actions_{episode}"] = ACTIONS[rows]
        file[f"rewards_{episode}"] = REWARDS[rows, None]
        file[f"terminated_{episode}"] = bool(TERMINALS[end])
after = OBSERVATIONS + [1, 0.25]
after[ENDS] += 1000
hdf5("jumps.hdf5", {}, columns={k: v for k, v in COLUMNS.items() if k != "timeouts"}
     | {"next_observations": after.astype("<f4")})

# NumPy.
np.savez(HERE / "plain.npz", **COLUMNS)
np.savez_compressed(HERE / "packed.npz", **{k: np.asfortranarray(v) for k, v in COLUMNS.items()})
last = np.isin(np.arange(ROWS), ENDS)
np.savez_compressed(HERE / "ogbench.npz", observations=OBSERVATIONS, actions=ACTIONS, terminals=last.astype("f4"))

# Tables.
table = pa.table({"a": OBSERVATIONS[:, 0], "b": OBSERVATIONS[:, 1], "u": ACTIONS[:, 0], "r": REWARDS,
                  "id": EPISODE, "ended": TERMINALS})
pq.write_table(table, HERE / "plain.parquet")
with open(HERE / "plain.csv", "w") as file:
    print("a,b,u,r,id,ended", file=file)
    for row in range(ROWS):
        a, b = OBSERVATIONS[row]
        print(f"{a},{b},{ACTIONS[row, 0]},{REWARDS[row]},{EPISODE[row]},{bool(TERMINALS[row])}", file=file)

# Episodes by name and by date, numbers in dictionaries, decimals, an empty table, and a spreadsheet's text.
names = pa.array([f"run {number}" for number in EPISODE])
pq.write_table(table.set_column(4, "id", names.dictionary_encode())
               .set_column(1, "b", table["b"].combine_chunks().dictionary_encode())
               .set_column(3, "r", table["r"].cast(pa.decimal128(9, 2))), HERE / "named.parquet", row_group_size=5)
dates = pa.array(EPISODE.astype("i8") + 1_700_000_000, pa.timestamp("s"))
pq.write_table(table.set_column(4, "id", dates), HERE / "dated.parquet")
pq.write_table(table.slice(0, 0), HERE / "empty.parquet")
pq.write_table(table, HERE / "brotli.parquet", compression="brotli")
with open(HERE / "named.csv", "w", encoding="utf-8-sig", newline="\r\n") as file:
    print('a;b;u;r;"id";ended', file=file)
    for row in range(ROWS):
        a, b = OBSERVATIONS[row]
        print(f'{a};{b};{ACTIONS[row, 0]};{REWARDS[row]};"run {EPISODE[row]}";{bool(TERMINALS[row])}', file=file)
with open(HERE / "stamped.csv", "w") as file:
    print("a,b,u,r,id,ended", file=file)
    for row in range(ROWS):
        a, b = OBSERVATIONS[row]
        print(f"{a},{b},{ACTIONS[row, 0]},{REWARDS[row]},{EPISODE[row] + 1_700_000_000},{TERMINALS[row]}", file=file)

# LeRobot v3.0, as `lerobot.datasets.utils` lays it out; one camera, whose videos are not here.
folder = HERE / "lerobot"
shutil.rmtree(folder, ignore_errors=True)
(folder / "meta").mkdir(parents=True)
(folder / "data/chunk-000").mkdir(parents=True)
feature = lambda kind, size: {"dtype": kind, "shape": [size], "names": None}
(folder / "meta/info.json").write_text(json.dumps({
    "codebase_version": "v3.0", "total_episodes": 3, "total_frames": ROWS, "fps": 10,
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "features": {"observation.state": feature("float32", 2), "action": feature("float32", 1),
                 "observation.images.top": feature("video", 3), "next.reward": feature("float32", 1),
                 "next.done": feature("bool", 1), "episode_index": feature("int64", 1)},
}))
for number, rows in enumerate([slice(0, 7), slice(7, 12)]):
    fixed = lambda data: pa.FixedSizeListArray.from_arrays(pa.array(data[rows].reshape(-1)), data.shape[1])
    pq.write_table(pa.table({
        "observation.state": fixed(OBSERVATIONS),
        "action": pa.array(ACTIONS[rows].tolist(), pa.list_(pa.float32())),
        "next.reward": REWARDS[rows], "next.done": TERMINALS[rows], "episode_index": EPISODE[rows],
    }), folder / f"data/chunk-000/file-{number:03d}.parquet", compression="zstd" if number else "snappy")

# Minari: each form, with spaces of every kind. Ten episodes, so that the HDF5 form keeps its links in a heap.
Box, Discrete, MultiDiscrete, MultiBinary = (getattr(gym.spaces, name) for name in
                                             ["Box", "Discrete", "MultiDiscrete", "MultiBinary"])
SPACES = {
    "dict": (gym.spaces.Dict(z=Box(-9, 9, (2, 2), np.float32), a=gym.spaces.Dict(c=Discrete(3, start=1)),
                             m=MultiDiscrete([2, 3])), Discrete(4, start=-1)),
    "tuple": (gym.spaces.Tuple((Box(-9, 9, (1,), np.float16), MultiBinary(3))), MultiDiscrete([3, 2])),
    "half": (Discrete(5), Box(-1, 1, (2,), np.float16)),
}
minari_root = HERE / "minari"
shutil.rmtree(minari_root, ignore_errors=True)
import os
os.environ["MINARI_DATASETS_PATH"] = str(minari_root)


def at(space, step):
    """What a step holds: the same numbers that the tests expect."""
    if isinstance(space, gym.spaces.Dict):
        return {key: at(child, step) for key, child in space.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(at(child, step) for child in space)
    if isinstance(space, Discrete):
        return space.start + step % space.n
    if isinstance(space, MultiDiscrete):
        return np.array([(step + k) % n for k, n in enumerate(space.nvec)], space.dtype)
    if isinstance(space, MultiBinary):
        return np.array([(step + k) % 2 for k in range(space.n)], space.dtype)
    return np.array([(step % 4) / 4 + k for k in range(np.prod(space.shape))], space.dtype).reshape(space.shape)


def batch(steps):
    if isinstance(steps[0], dict):
        return {key: batch([step[key] for step in steps]) for key in steps[0]}
    if isinstance(steps[0], tuple):
        return tuple(batch(list(part)) for part in zip(*steps))
    return np.array(steps)


for form in ["hdf5", "arrow", "parquet"]:
    for name, (observation, action) in SPACES.items():
        buffers = []
        for episode in range(10 if name == "dict" and form == "hdf5" else 2):
            steps = 3 + episode % 2
            buffers.append(EpisodeBuffer(
                id=episode, observations=batch([at(observation, episode + t) for t in range(steps + 1)]),
                actions=batch([at(action, episode + t) for t in range(steps)]), rewards=[float(t) for t in range(steps)],
                terminations=[t == steps - 1 and episode % 2 == 0 for t in range(steps)],
                truncations=[t == steps - 1 and episode % 2 == 1 for t in range(steps)]))
        minari.create_dataset_from_buffers(
            f"{form}/{name}-v0", buffers, env="CartPole-v1", observation_space=observation, action_space=action,
            data_format=form, algorithm_name="none", author="x", author_email="x", code_permalink="x",
            description="a test")
for path in minari_root.rglob("*"):
    if path.name == "namespace_metadata.json":
        path.unlink()

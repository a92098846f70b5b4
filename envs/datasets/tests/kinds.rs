//! What is no dataset gets the sentence that helps, whatever it is called.

use std::fs;
use std::path::Path;

use aaren_datasets::{Dataset, locate};

#[test]
fn files_and_folders_that_are_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let tar: Vec<u8> = [&[b'x'; 257][..], b"ustar", &[0; 250]].concat();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
    let cases: [(&str, &[u8], &str); 22] = [
        ("a.hdf5", b"\x1f\x8b\x08\0", "a gzip archive; unpack it first: `gunzip"),
        ("b.hdf5", &tar, "a tar archive; unpack it first: `tar xf"),
        ("c", b"7z\xbc\xaf'\x1c", "7z"),
        ("d", b"Rar!\x1a\x07", "RAR"),
        ("e", b"\x04\"M\x18", "LZ4"),
        ("f.pkl", b"(dp0\nVobservations\np1\n", "a Python pickle"),
        ("g.data", b"}q\0X\x0c\0\0\0observations", "a Python pickle"),
        ("h", b"\x80\x05\x95", "a Python pickle"),
        ("i.pkl", b"cnumpy\n_reconstruct", "a Python pickle"),
        ("j.hdf5", pointer, "git lfs pull"),
        ("k.hdf5", b"<!DOCTYPE html><html>", "a web page"),
        ("l.hdf5", b"Access denied\n", "text that begins with `Access denied`"),
        ("m.npy", b"\x93NUMPY\x01\0", "a single NumPy array"),
        ("n.mat", b"MATLAB 5.0 MAT-file", "scipy.io.loadmat"),
        ("o.mcap", b"\x89MCAP0\r\n", "ROS"),
        ("p.db3", b"SQLite format 3\0", "SQLite"),
        ("q.arrow", b"\xff\xff\xff\xff\x10\0\0\0", "a single Arrow file"),
        ("r.tfrecord", b"\x0c\0\0\0\0\0\0\0", "tensorflow_datasets"),
        ("s.xlsx", b"PK\x03\x04\x14\0", "save it as CSV"),
        ("t.json", b"{\"a\": 1}", "this is JSON"),
        ("zarr/.zgroup", b"{}", "a Zarr store"),
        ("rlds/1.0.0/x-train.tfrecord-00000-of-00001", b"\0", "tensorflow_datasets"),
    ];
    let refused = |path: &Path| {
        let error = Dataset::load(path).unwrap_err();
        let message = error.to_string();
        assert!(error.is_refusal() && message.lines().count() == 1, "{message}");
        message
    };
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let given = if name.contains('/') { path.parent().unwrap() } else { &path };
        let message = refused(given);
        assert!(message.contains(expected), "{name}: {message}");
    }
    // Those inside of a folder too.
    for (name, bytes) in [
        ("minari/data/metadata.json", &pointer[..]),
        ("bare/data/main_data.hdf5", pointer),
        ("lerobot/data/chunk-000/file-000.parquet", pointer),
        ("lerobot/meta/info.json", b"{}"),
        ("several/a.csv", b"a,b"),
        ("several/b.csv", b"a,b"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (name, expected) in [
        ("minari", "git lfs pull"),
        ("bare", "git lfs pull"),
        ("lerobot", "git lfs pull"),
        ("several", "a folder with 2 files of data; give one file"),
        ("empty", "an empty folder"),
    ] {
        let message = refused(&folder.path().join(name));
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn ids_and_addresses_are_told_how_to_come_here() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("hopper-medium-v2", "`aaren data fetch hopper-medium-v2`"),
        ("d4rl/hopper-medium-v2", "`aaren data fetch hopper-medium-v2`"),
        ("hopper-medium-v0", "has version 2, which was recorded anew: `aaren data fetch hopper-medium-v2`"),
        ("d4rl:walker2d-medium-replay-v1", "`aaren data fetch walker2d-medium-replay-v2`"),
        ("HalfCheetah-medium-v2", "`aaren data fetch halfcheetah-medium-v2`"),
        ("hopper_mediumexpert-v2", "`aaren data fetch hopper-medium-expert-v2`"),
        ("hopper-medum-v2", "did you mean `hopper-medium-v2`?"),
        ("hoper-medium-v2", "did you mean `hopper-medium-v2`?"),
        ("mujoco/hoper/medium-v0", "did you mean `mujoco/hopper/medium-v0`?"),
        ("D4RL/pen/human", "`aaren data fetch D4RL/pen/human-v2`"),
        ("pointmaze/umaze-v2", "`aaren data fetch D4RL/pointmaze/umaze-v2`"),
        ("door-cloned-longhorizon-v1", "of door `aaren data fetch` has human, cloned, expert"),
        ("hopper-simple-v0", "of hopper `aaren data fetch` has random, medium"),
        ("carla-lane-v0", "has no set of carla"),
        ("my-robot/walks-v0", "`aaren data fetch my-robot/walks-v0`"),
        ("hopper_medium-v2.hdf5", "`aaren data fetch hopper-medium-v2`"),
        ("hopper-medium-expert-v2.hdf5", "`aaren data fetch hopper-medium-expert-v2`"),
        ("antmaze-umaze-v2", "`aaren data fetch D4RL/antmaze/umaze-v1`"),
        ("antmaze-medium-play-v0", "`aaren data fetch D4RL/antmaze/medium-play-v1`"),
        ("maze2d-umaze-dense-v1", "`aaren data fetch D4RL/pointmaze/umaze-dense-v2`"),
        ("minigrid-fourrooms-v0", "`aaren data fetch D4RL/minigrid/fourrooms-v0`"),
        ("kitchen-complete-v0", "`aaren data fetch D4RL/kitchen/complete-v2`"),
        ("mujoco/hopper/expert-v0", "`aaren data fetch mujoco/hopper/expert-v0`"),
        ("antmaze-medium-navigate-v0", "download_datasets(['antmaze-medium-navigate-v0'])"),
        ("cube-single-play-singletask-task2-v0", "`dataset: ~/.ogbench/data/cube-single-play-v0.npz`"),
        ("Hopper-v4", "write `env: Hopper-v4`"),
        ("lerobot/pusht", "`hf download lerobot/pusht --repo-type dataset"),
        ("hf://lerobot/pusht", "`hf download lerobot/pusht"),
        ("hf://farama-minari/D4RL/pen/human-v2", "minari download D4RL/pen/human-v2"),
        ("https://huggingface.co/datasets/lerobot/pusht", "`hf download lerobot/pusht"),
        ("https://github.com/x/y/blob/main/z.hdf5", "curl -LO https://github.com/x/y/raw/main/z.hdf5"),
        ("https://x.org/a/z.hdf5", "curl -LO https://x.org/a/z.hdf5"),
        ("s3://b/x.hdf5", "aws s3 cp s3://b/x.hdf5"),
        ("$DATA/x.hdf5", "`~` and `$HOME` are expanded"),
        ("~somebody/x.hdf5", "`~` and `$HOME` are expanded"),
        (r"C:\data\x.hdf5", "`/mnt/c/data/x.hdf5`"),
    ] {
        let missing = locate(text, folder.path()).unwrap_err();
        assert!(missing.cure.as_ref().is_some_and(|cure| cure.contains(expected)), "{text}: {missing:?}");
    }
    for text in ["no/such/file.hdf5", "~/no-such-file.hdf5"] {
        assert_eq!(locate(text, folder.path()).unwrap_err().cure, None, "{text}");
    }
}

//! Behaviour policies of the dataset recipes: stochastic networks at many points of their training.
//!
//! `envs/datasets/snapshots/train.py` trains them with sbx-rl, by SAC (Haarnoja et al. 2018, arXiv 1812.05905) and for
//! CartPole by PPO (Schulman et al. 2017, arXiv 1707.06347); [`recipe`](crate::recipe) replays them.

mod actor;
mod snapshots;

pub use actor::{Actor, Distribution};
pub use snapshots::{Snapshot, Snapshots};

/// A training of behaviour policies.
pub struct Task {
    /// Its name in the names of datasets: for robots D4RL's, with `-1` where they were trained once more, from another seed.
    pub name: &'static str,
    /// Its environment.
    pub env: &'static str,
    snapshots: &'static [u8],
}

macro_rules! task {
    ($name:literal, $env:literal) => {
        Task {
            name: $name,
            env: $env,
            snapshots: include_bytes!(concat!("../../snapshots/", $name, ".safetensors")),
        }
    };
}

/// All of them.
pub const TASKS: [Task; 9] = [
    task!("cartpole", "CartPole-v1"),
    task!("hopper", "Hopper-v4"),
    task!("halfcheetah", "HalfCheetah-v4"),
    task!("walker2d", "Walker2d-v4"),
    task!("ant", "Ant-v4"),
    task!("hopper-1", "Hopper-v4"),
    task!("halfcheetah-1", "HalfCheetah-v4"),
    task!("walker2d-1", "Walker2d-v4"),
    task!("ant-1", "Ant-v4"),
];

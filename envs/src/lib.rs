//! Gymnasium environments in Rust.
//!
//! An [`EnvSpec`] (id and keyword arguments, as in Gymnasium) is what [`make`] makes an [`Environment`] of, which also is a
//! `gymnasium_rs::core::Env`; a [`VectorEnv`] steps many of them at once. [`check`] replays a trajectory
//! of the Python environment and reports the largest difference.

mod check;
mod classic_control;
mod environment;
mod error;
mod gymnasium;
mod kwargs;
mod mujoco;
mod numpy;
mod picture;
mod popgym;
mod rate_t_maze;
mod scores;
pub mod seeds;
mod spec;
mod t_maze;
mod vector;

pub use aaren_format::{ActionSpace, EnvSpec};
pub use check::{Check, check};
pub use environment::{EnvState, Environment, Step};
pub use error::Error;
pub use mujoco::mujoco_version;
pub use picture::{Camera, Picture};
pub use scores::{ReferenceScores, reference_scores, return_range};
pub use spec::{ids, make, register, registered_ids};
pub use vector::VectorEnv;

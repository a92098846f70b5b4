//! Gymnasium environments in Rust.
//!
//! An [`EnvSpec`] (id and keyword arguments, as in Gymnasium) is what [`make`] makes an [`Environment`] of, which also is a
//! `gymnasium_rs::core::Env`; a [`VectorEnv`] steps many of them at once, those of Python in processes of an interpreter.
//! [`describe`] says what spaces an environment has. [`check`] replays a trajectory
//! of the Python environment and reports the largest difference. An environment of your own implements [`Dynamics`].

mod check;
mod classic_control;
mod description;
mod drawing;
mod dynamics;
mod environment;
mod error;
mod gymnasium;
mod kwargs;
mod mujoco;
mod nearest;
mod numpy;
mod picture;
mod popgym;
mod python;
mod rate_t_maze;
mod scores;
pub mod seeds;
mod spec;
mod state;
mod t_maze;
mod table;
mod vector;

pub use aaren_format::{ActionSpace, EnvSpec, OfData, PythonEnv, Spaces};
pub use check::{Check, check};
pub use description::{Description, describe};
pub use drawing::{Drawing, Shape, colour};
pub use dynamics::{Dynamics, Scene, Step};
pub use environment::Environment;
pub use error::Error;
pub use mujoco::mujoco_models;
pub use mujoco_rs::mujoco_version;
pub use nearest::nearest;
pub use numpy::Generator;
pub use picture::{Camera, Picture};
pub use python::stop_waiting_when;
pub use scores::ReferenceScores;
pub use spec::{ids, make, reference_scores, register, registered_ids, return_range};
pub use state::EnvState;
pub use vector::VectorEnv;

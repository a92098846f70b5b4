//! The decision agent: offline reinforcement learning as sequence modelling (Chen et al. 2021), with
//! either encoder of `aaren-policies`.
//!
//! Data flows from a dataset through [`Windows`] into a [`Trainer`], whose [`Model`] becomes a
//! [`Checkpoint`] (to continue) and a [`PolicyFile`] (to act); an [`Actor`] rolls a model out.

mod actor;
mod checkpoint;
mod chunks;
mod model;
mod optimizer;
mod policy_file;
mod trainer;
mod windows;

pub use actor::Actor;
pub use checkpoint::Checkpoint;
pub use model::{Model, ModelConfig};
pub use optimizer::{AdamW, Schedule};
pub use policy_file::PolicyFile;
pub use trainer::{TrainConfig, Trainer, Update};
pub use windows::{Batch, Windows, check_fit};

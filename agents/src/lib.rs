//! Offline reinforcement-learning agents.
//!
//! What an experiment needs of an agent is one interface, [`agent`]: an [`Agent`] is configured and builds;
//! its [`Network`] holds the weights; its [`Learner`] gives the loss of an update; its [`Actor`] rolls out.
//! A [`Trainer`] drives any learner, writes a [`Checkpoint`] to go on from and a [`PolicyFile`] to act with.
//! An agent is a folder:
//!
//! * [`decision`]: reads a trajectory as tokens (return-to-go, state, action) and predicts actions.
//! * [`behaviour_cloning`]: a multi-layer perceptron on the current observation.
//!
//! Beside them stands [`mod@file`]: files that are there whole or not at all.

pub mod agent;
pub mod behaviour_cloning;
mod checkpoint;
pub mod decision;
mod error;
pub mod file;
mod optimizer;
mod policy_file;
mod tensors;
mod trainer;

pub use aaren_format::{AgentConfig, CloningConfig, DecisionConfig, Schedule, Start};
pub use agent::{Actor, Agent, Learner, Network, Origin, Task, config_of_file};
pub use checkpoint::Checkpoint;
pub use error::Error;
pub use optimizer::{AdamW, learning_rate_factor};
pub use policy_file::PolicyFile;
pub use trainer::{TrainConfig, Trainer, Update};

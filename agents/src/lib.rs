//! Offline reinforcement-learning agents.
//!
//! An [`Agent`] is a struct of settings that builds a [`Learner`]: what owns networks, losses and optimisers, and does one
//! update after the other. A [`Trainer`] drives any learner and writes a [`Checkpoint`] to go on from; a [`PolicyFile`]
//! of its [`Network`] is what acts, in `aaren-streaming`. Each agent is a module of its own:
//!
//! * [`decision`]: reads a trajectory as tokens (return-to-go, state, action) and predicts actions.
//! * [`behaviour_cloning`]: a multi-layer perceptron on the current observation.
//! * [`iql`]: the same perceptron, learned by implicit Q-learning.
//! * [`td3_bc`]: the same perceptron, learned by TD3+BC.
//!
//! [`register`] adds an agent of one's own. What agents share: a [`Sampler`] of transitions, the [`Perceptron`] that
//! acts, a pair of [`Critics`], [`AdamW`] and, where there is one loss, [`Descent`].

mod agent;
pub mod behaviour_cloning;
mod checkpoint;
mod critics;
pub mod decision;
mod descent;
mod error;
pub mod iql;
mod optimizer;
mod perceptron;
mod policy_file;
mod sampler;
mod task;
pub mod td3_bc;
mod tensors;
mod train_config;
mod trainer;

pub use aaren_format::{
    AgentConfig, AgentSettings, CloningConfig, DecisionConfig, IqlConfig, Schedule, Start, Td3BcConfig,
};
pub use agent::{Agent, Learner, Metrics, Network, Origin, named_parameters, register};
pub use checkpoint::{Checkpoint, Saved};
pub use critics::Critics;
pub use descent::Descent;
pub use error::Error;
pub use optimizer::{AdamW, learning_rate_factor};
pub use perceptron::{Layers, Perceptron};
pub use policy_file::PolicyFile;
pub use sampler::Sampler;
pub use task::Task;
pub use train_config::TrainConfig;
pub use trainer::Trainer;

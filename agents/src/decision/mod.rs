//! The decision agent: offline reinforcement learning as sequence modelling (Chen et al. 2021), with any encoder
//! of `aaren-policies`.
//!
//! Data flows from a dataset through [`Windows`] into a learner, whose [`DecisionNetwork`] acts.

mod actor;
mod chunks;
mod learner;
mod network;
mod windows;

use aaren_envs::Dataset;
use aaren_format::{self as format, Context, ContextLength, Model, Precision};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{Agent, AgentConfig, Error, Learner, Network, Task};
pub use network::DecisionNetwork;
pub use windows::{Batch, Start, Windows};

/// How a decision agent is built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionConfig {
    /// Shape of its encoder.
    #[serde(flatten)]
    pub model: Model,
    /// Dropout probability after attention and after the MLP, in training.
    pub dropout: f64,
    /// What it sees of the past.
    #[serde(flatten)]
    pub context: Context,
    /// Where windows start.
    pub start: Start,
    /// Windows are the chunks of whole episodes, each trained from the state that the one before it left,
    /// as RNNs are; no gradient flows from one to the other. For encoders with a state of constant size. Chunks
    /// begin where episodes do, whatever `start` says.
    pub carry: bool,
}

impl Agent for DecisionConfig {
    fn describe(&self, task: &Task) -> format::Agent {
        format::Agent::Decision(format::Decision {
            model: self.model,
            max_timesteps: task.max_timesteps,
            context: self.context,
            return_scale: task.return_scale,
        })
    }

    fn network(&self, task: &Task, device: Device) -> Result<Box<dyn Network>, Error> {
        Ok(Box::new(DecisionNetwork::new(self, task.clone(), device)?))
    }

    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        batch: usize,
        precision: Precision,
        seed: u64,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = DecisionNetwork::new(self, task.clone(), device)?;
        Ok(Box::new(learner::DecisionLearner::new(self, network, dataset, batch, precision, seed)?))
    }

    fn with_context_length(&self, timesteps: usize) -> AgentConfig {
        let context_length = ContextLength::Timesteps(timesteps);
        AgentConfig::Decision(Self { context: Context { context_length, ..self.context }, ..*self })
    }
}

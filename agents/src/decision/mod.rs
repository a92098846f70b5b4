//! The decision agent: offline reinforcement learning as sequence modelling (Chen et al. 2021), with any encoder
//! of `aaren-encoders`.
//!
//! Data flows from a dataset through [`Windows`] into a learner, whose [`DecisionNetwork`] acts.

mod actor;
mod chunks;
mod learner;
mod network;
mod windows;

use aaren_datasets::Dataset;
use aaren_format::{self as format, AgentConfig, Context, ContextLength, DecisionConfig, Precision};
use tch::Device;

use crate::{Agent, Error, Learner, Network, Task};
pub use network::DecisionNetwork;
pub use windows::{Batch, Windows};

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

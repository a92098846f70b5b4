//! The decision agent: offline reinforcement learning as sequence modelling (Chen et al. 2021), with any encoder
//! of `aaren-encoders`.
//!
//! Data flows from a dataset through [`Windows`] into a learner, whose [`DecisionNetwork`] acts.

mod chunks;
mod head;
mod learner;
mod network;
mod windows;

use aaren_datasets::Dataset;
use aaren_format::{DecisionConfig, Start};
use tch::Device;

use crate::{Agent, Error, Learner, Task, TrainConfig};
pub use network::{DecisionNetwork, Losses};
pub use windows::{Batch, Windows};

/// The task with no more timesteps than training sees: what is told of a later one would be what it was drawn as.
fn trained(config: &DecisionConfig, task: &Task, dataset: &Dataset) -> Task {
    let longest = dataset.longest_episode();
    let seen = match config.start {
        Start::Episode if !config.carry => config.context.context_length.timesteps(longest).min(longest),
        Start::Episode | Start::Uniform => longest,
    };
    Task { max_timesteps: task.max_timesteps.min(seen).max(1), ..task.clone() }
}

impl Agent for DecisionConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = DecisionNetwork::new(self, trained(self, task, dataset), device)?;
        Ok(Box::new(learner::DecisionLearner::new(self, network, dataset, config)?))
    }
}

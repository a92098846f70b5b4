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
use aaren_format::DecisionConfig;
use tch::Device;

use crate::{Agent, Error, Learner, Task, TrainConfig};
pub use network::{DecisionNetwork, Losses};
pub use windows::{Batch, Windows};

impl Agent for DecisionConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = DecisionNetwork::new(self, task.clone(), device)?;
        Ok(Box::new(learner::DecisionLearner::new(self, network, dataset, config)?))
    }
}

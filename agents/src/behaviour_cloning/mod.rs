//! Behaviour cloning: a multi-layer perceptron maps the current observation to the action of the data. On the best
//! part of the trajectories it is the %BC of the Decision Transformer paper (Chen et al. 2021, §5.1).

mod learner;
mod network;

use aaren_datasets::Dataset;
use aaren_format::{self as format, AgentConfig, CloningConfig, ContextLength, Precision};
use tch::Device;

use crate::{Agent, Error, Learner, Network, Task};
pub use network::CloningNetwork;

impl Agent for CloningConfig {
    fn describe(&self, _task: &Task) -> format::Agent {
        format::Agent::BehaviourCloning(self.mlp)
    }

    fn network(&self, task: &Task, device: Device) -> Result<Box<dyn Network>, Error> {
        Ok(Box::new(CloningNetwork::new(self, task.clone(), device)?))
    }

    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        batch: usize,
        _precision: Precision,
        seed: u64,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = CloningNetwork::new(self, task.clone(), device)?;
        let transitions = batch.saturating_mul(self.context_length.timesteps(dataset.longest_episode()));
        Ok(Box::new(learner::CloningLearner::new(network, dataset, self.top, transitions, seed)))
    }

    fn with_context_length(&self, timesteps: usize) -> AgentConfig {
        let context_length = ContextLength::Timesteps(timesteps);
        AgentConfig::BehaviourCloning(Self { context_length, ..*self })
    }
}

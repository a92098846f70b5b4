//! Behaviour cloning: a multi-layer perceptron maps the current observation to the action of the data. On the best
//! part of the trajectories it is the %BC of the Decision Transformer paper (Chen et al. 2021, §5.1).

mod learner;

use aaren_datasets::Dataset;
use aaren_format::CloningConfig;
use tch::Device;

use crate::{Agent, Error, Learner, Perceptron, Task, TrainConfig};

impl Agent for CloningConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = Perceptron::new(self.mlp(), self.dropout, task.clone(), device)?;
        Ok(Box::new(learner::CloningLearner::new(self, network, dataset, config)?))
    }
}

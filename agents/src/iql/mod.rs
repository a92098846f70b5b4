//! Implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169): values of the actions in the data alone, and a policy
//! that imitates those with an advantage. As in the authors' code, <https://github.com/ikostrikov/implicit_q_learning>.

mod learner;

use aaren_datasets::Dataset;
use aaren_format::{AgentSettings, IqlConfig};
use tch::Device;

use crate::{Agent, Error, Learner, Task, TrainConfig};

impl Agent for IqlConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        task.check_continuous(Self::NAME)?;
        Ok(Box::new(learner::IqlLearner::new(self, task, dataset, config, device)?))
    }
}

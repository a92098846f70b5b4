//! TD3+BC (Fujimoto and Gu 2021, arXiv 2106.06860): the policy does what its critic values, and stays near the data. As in
//! the authors' code, <https://github.com/sfujim/TD3_BC>.

mod learner;

use aaren_datasets::Dataset;
use aaren_format::{AgentSettings, Td3BcConfig};
use tch::Device;

use crate::{Agent, Error, Learner, Task, TrainConfig};

impl Agent for Td3BcConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        task.check_continuous(Self::NAME)?;
        Ok(Box::new(learner::Td3BcLearner::new(self, task, dataset, config, device)?))
    }
}

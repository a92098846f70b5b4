//! Drives a learner, and writes checkpoints of it.

use aaren_datasets::Dataset;
use aaren_format::AgentConfig;
use tch::Device;

use crate::{Checkpoint, Error, Learner, Metrics, Network, Task, TrainConfig, agent};

/// Trains one agent on one dataset.
///
/// Every random draw is keyed by (seed, update): an update depends on what the learner saves and its number alone, so a
/// run continued from a checkpoint is the run that was not interrupted.
#[derive(Debug)]
pub struct Trainer<'d> {
    learner: Box<dyn Learner + 'd>,
    seed: u64,
    done: u64,
    /// The learning rate of the last update.
    learning_rate: f64,
}

impl<'d> Trainer<'d> {
    /// A trainer at update 0.
    ///
    /// # Errors
    /// Where the agent is impossible or the dataset does not fit the task.
    pub fn new(
        agent: &AgentConfig,
        task: &Task,
        config: TrainConfig,
        dataset: &'d Dataset,
        device: Device,
    ) -> Result<Self, Error> {
        task.check_fit(dataset)?;
        tch::manual_seed(config.seed as i64);
        let learner = agent::learner(agent, task, dataset, &config, device)?;
        Ok(Self { learner, seed: config.seed, done: 0, learning_rate: 0.0 })
    }

    /// The network as trained so far.
    pub fn network(&self) -> &dyn Network {
        self.learner.network()
    }

    /// Updates done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Does the next update.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where one of its numbers is NaN or infinite. On a GPU, which must not be waited for
    /// at every update, it is found at the next multiple of 50.
    pub fn update(&mut self) -> Result<Metrics, Error> {
        let update = self.done;
        // libtorch's generator, from which dropout draws, has a state that cannot be saved: key it instead.
        tch::manual_seed((self.seed ^ (update + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as i64);
        let metrics = self.learner.step(update)?;
        self.learning_rate = metrics.learning_rate;
        self.done += 1;
        if self.network().device() == Device::Cpu || self.done.is_multiple_of(50) {
            let others = metrics.others.iter().map(|(name, tensor)| (*name, tensor));
            for (name, tensor) in [("loss", &metrics.loss)].into_iter().chain(others) {
                let value = tensor.double_value(&[]);
                if !value.is_finite() {
                    let (what, learning_rate) = (name.replace('_', " "), self.learning_rate);
                    return Err(Error::NonFinite { update, what, value, learning_rate });
                }
            }
        }
        Ok(metrics)
    }

    /// Everything that the next update depends on.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where a weight or a moment of the optimiser is NaN or infinite: on a GPU that may
    /// be known only now, and a checkpoint must be one to go on from.
    pub fn checkpoint(&self, spec: &str, progress: serde_json::Value) -> Result<Checkpoint, Error> {
        let saved = self.learner.save();
        // Before its first token an Aaren carries maxima of −∞.
        let mut finite =
            saved.tensors.iter().map(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) != 0);
        if self.done > 0 && !finite.all(|finite| finite) {
            let (what, update) = ("state to save".into(), self.done.saturating_sub(1));
            return Err(Error::NonFinite {
                update,
                what,
                value: f64::NAN,
                learning_rate: self.learning_rate,
            });
        }
        Ok(Checkpoint { spec: spec.to_owned(), updates: self.done, progress, saved, path: None })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`Error::Format`] where a tensor is missing or has another shape.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        self.learner.restore(checkpoint)?;
        self.done = checkpoint.updates;
        Ok(())
    }
}

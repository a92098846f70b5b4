//! Drives a learner: optimiser, schedule, checkpoints.

use aaren_datasets::Dataset;
use aaren_format::{Precision, Schedule};
use tch::{Device, Tensor};

use crate::optimizer::learning_rate_factor;
use crate::{AdamW, Agent, Checkpoint, Error, Learner, Network, Task};

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Updates in all; the schedule ends there.
    pub updates: u64,
    /// Rows in a batch.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Updates of linear warm-up.
    pub warmup: u64,
    /// The learning rate after the warm-up.
    pub schedule: Schedule,
    /// Largest norm of the gradient.
    pub clip: f64,
    /// Arithmetic of an encoder.
    pub precision: Precision,
    /// Decides initial weights, batches and dropout.
    pub seed: u64,
}

/// What one update did. On a GPU the tensors are not read before they are asked for.
#[derive(Debug)]
pub struct Update {
    /// The loss before the update.
    pub loss: Tensor,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Tensor,
    /// Learning rate of the update.
    pub learning_rate: f64,
}

/// Trains one network on one dataset.
///
/// Every random draw is keyed by (seed, update): an update depends on the weights, the moments and its
/// number alone (and on what the learner carries into it), so a run continued from a checkpoint is the run
/// that was not interrupted.
#[derive(Debug)]
pub struct Trainer<'d> {
    learner: Box<dyn Learner + 'd>,
    optimizer: AdamW,
    config: TrainConfig,
    done: u64,
}

impl<'d> Trainer<'d> {
    /// A trainer at update 0.
    ///
    /// # Errors
    /// Where the agent is impossible or the dataset does not fit the task.
    pub fn new(
        agent: &dyn Agent,
        task: &Task,
        config: TrainConfig,
        dataset: &'d Dataset,
        device: Device,
    ) -> Result<Self, Error> {
        task.check_fit(dataset)?;
        tch::manual_seed(config.seed as i64);
        let TrainConfig { batch, precision, seed, .. } = config;
        let learner = agent.learner(task, dataset, batch, precision, seed, device)?;
        let named = learner.network().named_parameters();
        let parameters = named.into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, config.weight_decay, config.clip);
        Ok(Self { learner, optimizer, config, done: 0 })
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
    /// [`Error::NonFinite`] where loss or gradient is no number. On a GPU, which must not be waited for
    /// at every update, it is found at the next multiple of 50.
    pub fn update(&mut self) -> Result<Update, Error> {
        let (update, config) = (self.done, &self.config);
        let learning_rate = config.learning_rate
            * learning_rate_factor(config.schedule, update, config.warmup, config.updates);
        // Dropout draws from libtorch's generator, whose state cannot be saved: key it instead.
        tch::manual_seed((config.seed ^ (update + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as i64);
        let (loss, gradients) = self.learner.gradients(update)?;
        let gradient_norm = self.optimizer.update(&gradients, learning_rate);
        self.done += 1;
        if self.network().device() == Device::Cpu || self.done.is_multiple_of(50) {
            for (what, tensor) in [("loss", &loss), ("gradient norm", &gradient_norm)] {
                let value = tensor.double_value(&[]);
                if !value.is_finite() {
                    return Err(Error::NonFinite { update, what, value, learning_rate });
                }
            }
        }
        Ok(Update { loss, gradient_norm, learning_rate })
    }

    /// Everything that the next update depends on.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where a weight or a moment of the optimiser is no number: on a GPU that may
    /// be known only now, and a checkpoint must be one to go on from.
    pub fn checkpoint(&self, spec: &str, progress: serde_json::Value) -> Result<Checkpoint, Error> {
        let (first, second, _) = self.optimizer.state();
        let mut tensors = self.network().named_parameters();
        tensors.push(("optimizer.first".into(), first.shallow_clone()));
        tensors.push(("optimizer.second".into(), second.shallow_clone()));
        let (carried, learner) = self.learner.carried();
        tensors.extend(carried);
        if tensors.iter().any(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) == 0) {
            let (config, update) = (&self.config, self.done.saturating_sub(1));
            let factor = learning_rate_factor(config.schedule, update, config.warmup, config.updates);
            let (what, value, learning_rate) = ("state to save", f64::NAN, config.learning_rate * factor);
            return Err(Error::NonFinite { update, what, value, learning_rate });
        }
        let (spec, updates) = (spec.to_owned(), self.done);
        Ok(Checkpoint { spec, updates, progress, learner, tensors, path: None })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`Error::Format`] where a tensor is missing or has another shape.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let mut length = 0;
        for (name, mut parameter) in self.network().named_parameters() {
            parameter.copy_(checkpoint.tensor(&name, &parameter.size())?);
            length += parameter.numel() as i64;
        }
        let first = checkpoint.tensor("optimizer.first", &[length])?;
        let second = checkpoint.tensor("optimizer.second", &[length])?;
        self.optimizer.restore(first, second, checkpoint.updates);
        self.learner.resume(checkpoint)?;
        self.done = checkpoint.updates;
        Ok(())
    }

    /// Starts the optimiser's moments afresh. With it a test shows that they matter to a resumed run.
    #[doc(hidden)]
    pub fn forget_moments(&mut self) {
        let (first, second, updates) = self.optimizer.state();
        let (first, second) = (first.zeros_like(), second.zeros_like());
        self.optimizer.restore(&first, &second, updates);
    }
}

//! The optimisation that the section `train` describes: one loss, one AdamW, one schedule.

use aaren_encoders::Gradients;
use tch::Tensor;

use crate::{AdamW, Checkpoint, Error, Metrics, Network, Saved, TrainConfig};

/// Descends one loss of one network by AdamW, with the schedule and the clipping of a [`TrainConfig`].
#[derive(Debug)]
pub struct Descent {
    optimizer: AdamW,
    config: TrainConfig,
}

impl Descent {
    /// Of all parameters of `network`.
    pub fn new(network: &dyn Network, config: &TrainConfig) -> Self {
        let parameters = network.named_parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, config.weight_decay, config.clip);
        Self { optimizer, config: config.clone() }
    }

    /// One step down the gradients of `loss`.
    pub fn step(&mut self, update: u64, loss: Tensor, gradients: &Gradients) -> Metrics {
        let learning_rate = self.config.learning_rate_at(update);
        let gradient_norm = self.optimizer.update(gradients, learning_rate);
        Metrics { loss, learning_rate, others: vec![("gradient_norm", gradient_norm)] }
    }

    /// The network's weights, and the moments of the optimiser.
    pub fn save(&self, network: &dyn Network) -> Saved {
        let mut saved = Saved::default();
        saved.add("", network.named_parameters());
        saved.add("optimizer.", self.optimizer.moments());
        saved
    }

    /// Goes on from what [`Descent::save`] gave.
    ///
    /// # Errors
    /// [`Error::Format`] where the checkpoint does not hold it.
    pub fn restore(&mut self, network: &dyn Network, checkpoint: &Checkpoint) -> Result<(), Error> {
        checkpoint.restore("", network.named_parameters())?;
        self.optimizer.restore("optimizer.", checkpoint, checkpoint.updates)
    }
}

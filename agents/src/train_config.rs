//! How a network is trained, whatever the agent.

use aaren_format::{Precision, Schedule};

use crate::optimizer::learning_rate_factor;

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
    /// Decay of the weights' moving average, which is what is saved and played; 0 for the weights themselves.
    pub ema: f64,
    /// Arithmetic of an encoder.
    pub precision: Precision,
    /// Decides initial weights, batches and dropout.
    pub seed: u64,
}

impl TrainConfig {
    /// The learning rate at `update`, counted from 0.
    pub fn learning_rate_at(&self, update: u64) -> f64 {
        self.learning_rate * learning_rate_factor(self.schedule, update, self.warmup, self.updates)
    }
}

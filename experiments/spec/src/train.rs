//! `train:` the optimisation, the same for every policy.

use aaren_format::{Device, Invalid, Precision, Schedule};
use serde::{Deserialize, Deserializer, Serialize};

use super::values::{ANY, UNSAID, not_negative, positive, probability, some_whole, text, whole};

/// The most windows per update.
pub(super) const BATCH: u64 = 1_000_000;

/// The optimisation of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSpec {
    /// Optimiser steps, where a policy does not have its own: its warm-up and the updates between two of its evaluations are
    /// then in proportion.
    #[serde(deserialize_with = "whole::<_, _, 1, ANY>")]
    pub updates: u64,
    /// Windows per update, where a policy does not have its own.
    #[serde(deserialize_with = "whole::<_, _, 1, BATCH>")]
    pub batch: usize,
    /// Peak learning rate of AdamW, where a policy does not have its own.
    #[serde(deserialize_with = "positive")]
    pub learning_rate: f64,
    /// Decoupled weight decay of AdamW, of all parameters.
    #[serde(deserialize_with = "not_negative")]
    pub weight_decay: f64,
    /// Updates of linear warm-up, at most `updates`; a tenth of them unless given.
    #[serde(deserialize_with = "whole::<_, _, 0, ANY>")]
    pub warmup: u64,
    /// Learning rate after the warm-up: a half cosine down to 0, or constant.
    pub schedule: Schedule,
    /// Largest L2 norm of the gradient.
    #[serde(deserialize_with = "positive")]
    pub clip: f64,
    /// Decay of the moving average of the weights, which is what is saved and played, from 0 (the weights themselves) to
    /// below 1.
    #[serde(deserialize_with = "probability")]
    pub ema: f64,
    /// Arithmetic, where a policy does not have its own.
    pub precision: Precision,
    /// Where training computes: `cpu`, `cuda` or `cuda:N`.
    #[serde(deserialize_with = "device")]
    pub device: Device,
    /// libtorch's threads; measured when absent.
    #[serde(deserialize_with = "some_whole::<_, _, 1, 1024>", skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            updates: 5000,
            batch: 64,
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            warmup: UNSAID,
            schedule: Schedule::Cosine,
            clip: 0.25,
            ema: 0.995,
            precision: Precision::Float32,
            device: Device::Cpu,
            threads: None,
        }
    }
}

impl TrainSpec {
    /// Fills in what follows from the number of updates.
    pub(super) fn complete(&mut self) -> Result<(), Invalid> {
        let tenth = self.updates / 10;
        if self.warmup == UNSAID {
            self.warmup = tenth;
        }
        if self.warmup <= self.updates {
            return Ok(());
        }
        Err(Invalid {
            key: "train.warmup",
            found: format!("{} with {} updates", self.warmup, self.updates),
            expected: "at most as many as `train.updates`".into(),
            cure: Some(format!("remove it for a tenth of the updates, or set train.warmup={tenth}")),
        })
    }
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Device, D::Error> {
    text(deserializer, Device::EXPECTED, |word| word.parse().map_err(|invalid: Invalid| invalid.cure))
}

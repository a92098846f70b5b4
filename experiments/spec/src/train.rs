//! `train:` the optimisation, the same for every policy.

use std::fmt;

use aaren_format::Schedule;
use aaren_format::{Invalid, Precision};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::values::{ANY, UNSAID, not_negative, positive, some_whole, text, whole};

/// The most windows per update.
pub(super) const BATCH: u64 = 1_000_000;

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The CUDA device of that index.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "`cpu`, `cuda` or `cuda:N`", |word| match word {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            _ => {
                let index = word.strip_prefix("cuda:").and_then(|index| index.parse().ok());
                // An index beyond any machine's would overflow what libtorch keeps it in.
                let index = index.filter(|&index| index < 128);
                let cure = || word.eq_ignore_ascii_case("gpu").then(|| "write `cuda`".into());
                index.map(Device::Cuda).ok_or_else(cure)
            }
        })
    }
}

/// The optimisation of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSpec {
    /// Optimiser steps.
    #[serde(deserialize_with = "whole::<_, _, 1, ANY>")]
    pub updates: u64,
    /// Windows per update, where a policy does not have its own.
    #[serde(deserialize_with = "whole::<_, _, 1, BATCH>")]
    pub batch: usize,
    /// Peak learning rate of AdamW, where a policy does not have its own.
    #[serde(deserialize_with = "positive")]
    pub learning_rate: f64,
    /// Decoupled weight decay of AdamW.
    #[serde(deserialize_with = "not_negative")]
    pub weight_decay: f64,
    /// Updates of linear warm-up, at most `updates`; a tenth of them unless given.
    #[serde(deserialize_with = "whole::<_, _, 0, ANY>")]
    pub warmup: u64,
    /// Learning rate after the warm-up.
    pub schedule: Schedule,
    /// Largest L2 norm of the gradient.
    #[serde(deserialize_with = "positive")]
    pub clip: f64,
    /// Arithmetic, where a policy does not have its own.
    pub precision: Precision,
    /// Where.
    pub device: Device,
    /// libtorch's threads; measured when absent.
    #[serde(deserialize_with = "some_whole::<_, _, 1, 1024>", skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            updates: 10_000,
            batch: 64,
            learning_rate: 1e-4,
            weight_decay: 1e-4,
            warmup: UNSAID,
            schedule: Schedule::Cosine,
            clip: 0.25,
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

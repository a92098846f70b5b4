//! `train:` the optimisation, the same for every policy.

use std::fmt;

use aaren_agents::Schedule;
use aaren_format::Precision;
use serde::{Serialize, Serializer};

use super::error::Error;
use super::field::{Field, Fields};

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

/// The optimisation of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainSpec {
    /// Optimiser steps.
    pub updates: u64,
    /// Windows per update.
    pub batch: usize,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Updates of linear warm-up, at most `updates`; a tenth of them unless given.
    pub warmup: u64,
    /// Learning rate after the warm-up.
    pub schedule: Schedule,
    /// Largest L2 norm of the gradient.
    pub clip: f64,
    /// Arithmetic, where a policy does not have its own.
    pub precision: Precision,
    /// Where.
    pub device: Device,
    /// libtorch's threads; measured when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

pub(super) const KEYS: &[&str] = &[
    "updates",
    "batch",
    "learning_rate",
    "weight_decay",
    "warmup",
    "schedule",
    "clip",
    "precision",
    "device",
    "threads",
];
const SCHEDULES: &[(&str, Schedule)] = &[("cosine", Schedule::Cosine), ("constant", Schedule::Constant)];
pub(super) const PRECISIONS: &[(&str, Precision)] =
    &[("float32", Precision::Float32), ("bfloat16", Precision::Bfloat16)];

impl TrainSpec {
    pub(super) fn read(fields: &Fields) -> Result<TrainSpec, Error> {
        let updates = fields.get("updates").map_or(Ok(10_000), |field| field.integer(1, u64::MAX))?;
        Ok(TrainSpec {
            updates,
            batch: fields.get("batch").map_or(Ok(64), |field| field.size(1, 1_000_000))?,
            learning_rate: fields.get("learning_rate").map_or(Ok(1e-4), |field| positive(&field))?,
            weight_decay: fields
                .get("weight_decay")
                .map_or(Ok(1e-4), |field| field.number("a number, 0 or more", |decay| decay >= 0.0))?,
            warmup: warmup(fields.get("warmup"), updates)?,
            schedule: fields.get("schedule").map_or(Ok(Schedule::Cosine), |field| field.one_of(SCHEDULES))?,
            clip: fields.get("clip").map_or(Ok(0.25), |field| positive(&field))?,
            precision: fields
                .get("precision")
                .map_or(Ok(Precision::Float32), |field| field.one_of(PRECISIONS))?,
            device: fields.get("device").map_or(Ok(Device::Cpu), |field| device(&field))?,
            threads: fields.get("threads").map(|field| field.size(1, 1024)).transpose()?,
        })
    }
}

fn positive(field: &Field) -> Result<f64, Error> {
    field.number("a number above 0", |number| number > 0.0)
}

fn warmup(field: Option<Field>, updates: u64) -> Result<u64, Error> {
    let Some(field) = field else {
        return Ok(updates / 10);
    };
    let warmup = field.integer(0, u64::MAX)?;
    if warmup <= updates {
        return Ok(warmup);
    }
    let found = format!("{warmup} with {updates} updates");
    let cure = format!("remove it for a tenth of the updates, or set train.warmup={}", updates / 10);
    Err(field.invalid_as(found, "at most as many as `train.updates`", Some(&cure)))
}

fn device(field: &Field) -> Result<Device, Error> {
    let expected = "`cpu`, `cuda` or `cuda:N`";
    match field.text(expected)? {
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda(0)),
        text => {
            // An index beyond any machine's would overflow what libtorch keeps it in.
            let index =
                text.strip_prefix("cuda:").and_then(|index| index.parse().ok()).filter(|&index| index < 128);
            let cure = text.eq_ignore_ascii_case("gpu").then_some("write `cuda`");
            index.map(Device::Cuda).ok_or_else(|| field.invalid(expected, cure))
        }
    }
}

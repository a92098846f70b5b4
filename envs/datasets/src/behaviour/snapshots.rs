//! The file of a task's snapshots.

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::Task;
use super::actor::{Actor, Head, Linear};
use crate::Error;

/// A point of a training, and how good the policy was there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Snapshot {
    /// Environment steps before it.
    pub steps: u64,
    /// Episodes that it was evaluated over, by the library that trained it, with actions drawn as in the training.
    pub episodes: u64,
    /// Their mean return.
    pub return_mean: f64,
    /// Standard deviation of their returns.
    pub return_std: f64,
}

/// Snapshots of one training, in order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Snapshots {
    /// The environment of the training.
    pub env: String,
    /// What trained them: `SAC` or `PPO`.
    pub algorithm: String,
    /// Index of the one about a third of the way to the expert.
    pub medium: usize,
    /// Index of the best.
    pub expert: usize,
    /// What the file says of each.
    pub snapshots: Vec<Snapshot>,
    /// The policy of each.
    #[serde(skip)]
    pub actors: Vec<Actor>,
}

impl Task {
    /// The committed snapshots of its training, in order.
    ///
    /// # Errors
    /// [`Error::Snapshots`] where they are no snapshots of this task.
    pub fn snapshots(&self) -> Result<Snapshots, Error> {
        Snapshots::parse(self.snapshots, self.env).map_err(|found| Error::Snapshots {
            path: format!("{}.safetensors", self.name).into(),
            found,
            expected: format!("snapshots of a training in {}, as `make snapshots` writes them", self.env),
        })
    }
}

impl Snapshots {
    /// Tensors `hidden.0`, `hidden.1`, and `mean` and `log_std` or `logits`, each a `weight`
    /// `[snapshots, entries after, entries before]` and a `bias` `[snapshots, entries after]`; `training` among the
    /// metadata.
    fn parse(bytes: &[u8], env: &str) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let training = header.metadata().as_ref().and_then(|m| m.get("training"));
        let training = training.ok_or("no `training` among the metadata")?;
        let mut training: Self = serde_json::from_str(training).map_err(|e| format!("`training`: {e}"))?;
        if training.env != env {
            return Err(format!("a training in {}", training.env));
        }
        let count = training.snapshots.len();
        if training.medium >= count || training.expert >= count {
            return Err(format!("medium or expert are none of {count} snapshots"));
        }
        let file = File { tensors: SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?, count };
        training.actors = (0..count).map(|index| file.actor(index)).collect::<Result<_, _>>()?;
        Ok(training)
    }
}

struct File<'b> {
    tensors: SafeTensors<'b>,
    count: usize,
}

impl File<'_> {
    fn actor(&self, index: usize) -> Result<Actor, String> {
        let hidden = [self.linear("hidden.0", index)?, self.linear("hidden.1", index)?];
        let head = if self.tensors.names().contains(&"logits.weight") {
            Head::Categorical { logits: self.linear("logits", index)? }
        } else {
            Head::SquashedGaussian {
                mean: self.linear("mean", index)?,
                log_std: self.linear("log_std", index)?,
            }
        };
        Ok(Actor { hidden, head })
    }

    fn linear(&self, layer: &str, index: usize) -> Result<Linear, String> {
        let (weight, shape) = self.tensor(&format!("{layer}.weight"), index)?;
        let (bias, bias_shape) = self.tensor(&format!("{layer}.bias"), index)?;
        if shape.len() != 2 || bias_shape != shape[..1] || weight.is_empty() {
            return Err(format!("`{layer}` with weights {shape:?} and biases {bias_shape:?}"));
        }
        Ok(Linear::new(&weight, &bias))
    }

    /// One snapshot's part of a tensor, and its shape.
    fn tensor(&self, name: &str, index: usize) -> Result<(Vec<f32>, Vec<usize>), String> {
        let tensor = self.tensors.tensor(name).map_err(|e| e.to_string())?;
        let (dtype, shape) = (tensor.dtype(), tensor.shape());
        if dtype != Dtype::F32 || shape.first() != Some(&self.count) {
            return Err(format!("`{name}`: {dtype:?} {shape:?} for {} snapshots", self.count));
        }
        let size = tensor.data().len() / self.count;
        let bytes = tensor.data()[index * size..][..size].as_chunks().0;
        Ok((bytes.iter().map(|&b| f32::from_le_bytes(b)).collect(), shape[1..].to_vec()))
    }
}

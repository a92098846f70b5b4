//! Scalars on the way of a training.

use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`: scalars by name after so many updates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Updates done.
    pub update: u64,
    /// Values by their TensorBoard tag.
    pub values: Vec<(String, f64)>,
}

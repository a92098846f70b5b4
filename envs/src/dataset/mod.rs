//! Offline datasets.
pub struct Dataset;

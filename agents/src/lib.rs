//! Offline reinforcement-learning agents.
//!
//! * [`decision`]: the Decision-Transformer-style agent. It reads a trajectory as tokens
//!   (return-to-go, state, action) and predicts actions: model, trainer, checkpoints, policy files,
//!   and the actor that rolls out.
//! * [`recipe`]: datasets from nothing.
//! * [`random_search`]: the behaviour agent of those datasets.
//! * [`file`]: files that are there whole or not at all.

pub mod decision;
mod error;
pub mod file;
pub mod random_search;
pub mod recipe;

pub use error::Error;

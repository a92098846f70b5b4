//! The runs of an experiment: every policy × seed is trained, evaluated, and leaves a [`RunResult`](aaren_spec::RunResult).
//!
//! Data flows one way: [`Experiment`] (a checked [`Spec`](aaren_spec::Spec)) → [`dataset`] → training →
//! [`evaluation`] → result. Reports are made elsewhere, from the results alone.
//! Processes share nothing but the results folder: locks keep them apart.

#![warn(clippy::print_stdout)]

mod board;
mod checkpoint;
pub mod cost;
pub mod dataset;
mod error;
mod estimate;
pub mod evaluation;
mod evaluations_csv;
mod experiment;
mod held_out;
pub mod interrupt;
pub mod lock;
pub mod measure;
mod metrics;
pub mod output;
mod part;
mod parts;
mod plan;
mod play;
mod protocol;
pub mod provenance;
mod ready;
mod record;
mod run;
pub mod stand_in;
pub mod threads;
mod trained;
mod trainer;
mod training;

pub use error::{Error, Result};
pub use estimate::{Estimate, Rates, estimate};
pub use experiment::{Doing, Experiment, Open};
pub use interrupt::Interrupted;
pub use part::Part;
pub use parts::Outcome;
pub use plan::Plan;
pub use ready::claim;
pub use trained::{Trained, write_findings};

/// Makes an agent of one's own known: what learns, and its keys in YAML. Its policies act wherever the network that they
/// are does.
pub fn register<T: aaren_agents::Agent>() {
    aaren_spec::register::<T>();
    aaren_agents::register::<T>();
}

//! Offline reinforcement-learning experiments from YAML: the library behind the command `aaren`.
//!
//! Data flows one way: [`experiment`] (YAML → [`Spec`]) → [`dataset`] → [`training`] (agents, checkpoints,
//! [`evaluation`]) → [`results`] (summary, tables, pictures). `commands` stands on top and is imported by none.
//!
//! * [`main`] is the whole command line: a program that first registers environments of its own
//!   (`aaren_envs::register`) and then calls it is `aaren` with these environments.
//! * [`Experiment`] runs an experiment from a file or from text.

mod commands;
mod cost;
pub mod dataset;
pub mod evaluation;
pub mod experiment;
mod film;
mod folder;
mod interrupt;
mod lock;
mod onnx;
mod output;
mod plot;
pub mod provenance;
mod refusal;
pub mod results;
mod stand_in;
mod statistics;
pub mod training;

pub use commands::main;
pub use experiment::Spec;
pub use folder::{ExperimentFolder, RunFolder};
pub use refusal::Refusal;
pub use training::Experiment;

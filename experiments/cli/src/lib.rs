//! The command `aaren`.
//!
//! [`main`] is the whole command line: a program that first registers environments of its own
//! (`aaren_envs::register`) and then calls it is `aaren` with these environments. [`report`] writes the report of an
//! experiment that a program of its own has run (`aaren_runs::Experiment`).

#![warn(clippy::print_stdout)]

mod commands;
mod film;
mod onnx;
mod refusal;

pub use commands::{main, report::report};

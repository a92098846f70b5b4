//! An experiment as plain data: what its YAML asks for ([`Spec`]), where its files lie ([`ExperimentFolder`]), and
//! what its runs leave ([`RunResult`]).
//!
//! ```text
//! file + --set  →  Document (tree of nodes, each with its line)  →  Spec (every default filled in)
//! ```
//!
//! Everything that can be refused without touching a dataset or an environment is refused here, with
//! one message that names file and line (or the `--set`), the key, what was found and what to write
//! instead. [`Spec::to_yaml`] writes the effective spec; loading that again gives an equal `Spec`.
//!
//! The sections are structs that derive `Deserialize`, read by a deserializer over the located tree: a new
//! key is a field of one of them, with its range from `values` and its default.
//!
//! `model` and `context` hold what the policies share, an entry of `policies` what differs for that
//! one. Some settings do not mean something for every encoder: `heads`, `recency`, `keys`, `frozen_scores` and `positions`;
//! `carry: true` and `rollout: unbounded`, which need a state of constant size; `band` and `rollout: {sliding: K}`, which need
//! one that grows. Written
//! in `model` or `context` they reach the encoders that they are for, and leave the others at their own default; in the
//! entry of one that they are not for they are refused, but for `rollout: unbounded`, which gives a Transformer a
//! growing key/value cache. Of another agent the settings say themselves which keys the sections share with it
//! ([`SHARED`](aaren_format::AgentSettings::SHARED)). [`register`] adds an agent of one's own.
//!
//! A document with lists at `dataset` or `env`, or with a `grid`, is several experiments: [`Document::cells`].

mod agents;
mod compare;
mod context;
mod cost;
mod dataset;
mod deserializer;
mod document;
mod entry;
mod env;
mod error;
mod evaluate;
mod experiment_result;
mod fault;
mod field;
mod fingerprint;
mod folder;
mod grid;
mod keys;
mod model;
mod node;
mod policies;
mod policy;
mod primary;
mod reading;
mod result;
mod spec;
mod state;
mod train;
mod values;

#[cfg(test)]
mod grid_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod tests;

pub use aaren_envs::nearest;
pub use agents::register;
pub use compare::CompareSpec;
pub use cost::{Cost, CostPoint, Costs};
pub use dataset::DatasetSource;
pub use document::Document;
pub use env::environment;
pub use error::Error;
pub use evaluate::{EvaluateSpec, Keep};
pub use experiment_result::{Began, ExperimentResult};
pub use fingerprint::Fingerprint;
pub use folder::{ExperimentFolder, RunFolder, make_folder, recipe_file, write, write_if_new};
pub use grid::Cell;
pub use policy::PolicySpec;
pub use primary::{Endpoint, FixedPrimary, PrimarySpec};
pub use reading::table_columns;
pub use result::{EpisodeResult, Evaluated, Machine, Protocol, Provenance, RunResult};
pub use spec::Spec;
pub use state::RunState;
pub use train::TrainSpec;

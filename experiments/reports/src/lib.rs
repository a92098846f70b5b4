//! Reports of experiments: from what their runs left ([`aaren_spec::ExperimentResult`], plain data) to summaries,
//! tables and pictures.
//!
//! Nothing here trains, plays or loads data: a report can be made of a copied results folder on any machine.

#![warn(clippy::print_stdout)]

mod aggregates;
mod asked;
mod comparison;
mod error;
mod html;
mod looks;
mod metric;
mod page;
mod pictures;
pub mod plot;
mod policy_summary;
mod primary;
pub mod published;
mod summary;
mod table;

#[cfg(test)]
mod primary_tests;

pub use aggregates::Aggregates;
pub use asked::{Asked, AskedColumns, BestAsked, Swing};
pub use comparison::{Comparison, Paired, Verdict};
pub use error::Error;
pub use looks::{Kind, cost_name, kind_of_file, looks, looks_of};
pub use metric::{Metric, Scale, lengths};
pub use page::{Film, Overview, Section, page};
pub use pictures::{Pictures, over_time};
pub use policy_summary::{PolicySummary, Score, TargetSummary};
pub use primary::{PrimaryResult, PrimaryScores};
pub use summary::{INTERVAL, Protocol, Summary, training_seeds};
pub use table::{Align, Table};

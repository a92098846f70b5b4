//! What is reported of experiments: summaries, tables, and trained policies found again.

mod aggregates;
mod comparison;
mod looks;
mod metric;
mod pictures;
pub mod published;
mod standing;
mod summary;
mod table;
mod trained;

pub(crate) use aggregates::Aggregates;
pub use comparison::{Comparison, Paired, Verdict};
pub(crate) use looks::{Kind, cost_name, kind_of_agent, kind_of_file, looks};
pub(crate) use metric::{Metric, Scale, lengths};
pub use pictures::Pictures;
pub(crate) use standing::Standing;
pub(crate) use summary::INTERVAL;
pub use summary::{PolicySummary, Protocol, Score, Summary, TargetSummary};
pub use table::{Align, Table};
pub use trained::Trained;

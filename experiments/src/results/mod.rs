//! What is reported of experiments: summaries, tables, and trained policies found again.

mod pictures;
pub mod published;
mod standing;
mod summary;
mod table;
mod trained;

pub use pictures::Pictures;
pub(crate) use standing::Standing;
pub use summary::{PolicySummary, Protocol, Score, Summary, TargetSummary};
pub use table::{Align, Table};
pub use trained::Trained;

//! What can go wrong in this crate.

use std::path::PathBuf;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the results folder.
    #[error(transparent)]
    Spec(#[from] aaren_spec::Error),
    /// The environment.
    #[error(transparent)]
    Env(#[from] aaren_envs::Error),
    /// A file that cannot be read as a summary.
    #[error("{}: {reason}; run `aaren run` again, which writes the summary anew", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A primary endpoint that is not the one that was fixed before its runs.
    #[error("{experiment}: primary: {what}")]
    Primary {
        /// The experiment.
        experiment: String,
        /// What is wrong, and the cure.
        what: String,
    },
    /// Policies that learned from different data do not compare.
    #[error(
        "{experiment}: {run} was trained on other data than {other}; give changed data another name, or remove the folders of \
         the older runs and run `aaren run` again"
    )]
    Data {
        /// Name of the experiment.
        experiment: String,
        /// One of the runs.
        run: String,
        /// The other.
        other: String,
    },
    /// Scores that were not made under one protocol do not compare.
    #[error("{experiment}: {what}; run `aaren run` again, which plays all policies under one protocol")]
    Protocols {
        /// Name of the experiment.
        experiment: String,
        /// Which runs differ, and in what.
        what: String,
    },
}

impl Error {
    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::Spec(error) => error.is_refusal(),
            Error::Env(error) => error.is_refusal(),
            Error::Summary { .. } | Error::Primary { .. } | Error::Data { .. } | Error::Protocols { .. } => {
                true
            }
        }
    }
}

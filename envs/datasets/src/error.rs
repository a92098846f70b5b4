//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment of the data.
    #[error(transparent)]
    Env(#[from] aaren_envs::Error),
    /// No such recipe.
    #[error("there is no dataset recipe {name}; {near}known are {known}")]
    Recipe {
        /// What was asked for.
        name: String,
        /// Whether the nearest name was meant, as a question; nothing where none is near.
        near: String,
        /// All names.
        known: String,
    },
    /// A dataset that is not there, cannot be opened, or cannot have that name.
    #[error("dataset {path}: {reason}", path = path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what would help.
        reason: String,
    },
    /// A dataset whose content is not what it should be.
    #[error("dataset {path}, {key}: found {found}; expected {expected}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Key within the file.
        key: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// A dataset that cannot be written.
    #[error("dataset {path}: cannot be written: {reason}; what stood there before is unharmed", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A dataset that cannot be downloaded.
    #[error("fetching {what}: {reason}")]
    Fetch {
        /// The address.
        what: String,
        /// Why, and what would help.
        reason: String,
    },
    /// Snapshots of a behaviour policy that are not what they should be.
    #[error("{}: {found}; expected {expected}", path.display())]
    Snapshots {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
        /// What should be there.
        expected: String,
    },
}

/// What stands somewhere in a file, and what should: an [`Error::Content`] that does not know where yet.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) found: String,
    pub(crate) expected: String,
}

impl Fault {
    pub(crate) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }
}

impl Error {
    pub(crate) fn open(path: &Path, reason: impl ToString) -> Self {
        Self::Open { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn write(path: &Path, reason: impl ToString) -> Self {
        Self::Write { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn content(
        path: &Path,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (path, key) = (path.to_owned(), key.to_owned());
        Self::Content { path, key, found: found.into(), expected: expected.into() }
    }

    /// Refuses a folder whose file at `path` says another number of episodes than were `found`.
    pub(crate) fn check_episodes(path: &Path, said: Option<u64>, found: u64) -> Result<(), Self> {
        match said {
            Some(said) if said != found => {
                let found = format!("{found} episodes in the folder");
                let expected =
                    format!("the {said} that its `total_episodes` says; is the download complete?");
                Err(Self::content(path, "total_episodes", found, expected))
            }
            _ => Ok(()),
        }
    }

    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::Env(error) => error.is_refusal(),
            Error::Recipe { .. } | Error::Open { .. } | Error::Content { .. } => true,
            Error::Write { .. } | Error::Fetch { .. } | Error::Snapshots { .. } => false,
        }
    }
}

//! What can go wrong in this crate.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::Interrupted;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be had.
    #[error("{0}")]
    Refused(String),
    /// The experiment, or a file of its results folder.
    #[error(transparent)]
    Spec(Box<aaren_spec::Error>),
    /// The dataset.
    #[error(transparent)]
    Dataset(#[from] aaren_datasets::Error),
    /// The dataset that was made of a recipe.
    #[error(
        "{source}; the recipe {name} made this file: remove {} and run the command again, which makes it again",
        path.display()
    )]
    Recipe {
        /// The file.
        path: PathBuf,
        /// The recipe.
        name: String,
        /// What is wrong with it.
        source: Box<aaren_datasets::Error>,
    },
    /// A file system without locks.
    #[error(
        "{}: cannot be locked: {source}; mount NFS as version 4, without `nolock`, `local_lock` and `nocto`, and Lustre with \
         `flock`, or choose a --results folder on another file system",
        path.display()
    )]
    NoLocks {
        /// The lock.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The environment.
    #[error(transparent)]
    Env(#[from] aaren_envs::Error),
    /// The environment failed in an evaluation; what was trained is kept.
    #[error("the evaluation after update {update} failed: {source}; {kept}")]
    Evaluation {
        /// Updates before it.
        update: u64,
        /// What is kept, and what goes on with it.
        kept: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// The agent, or a file of it.
    #[error(transparent)]
    Agent(#[from] aaren_agents::Error),
    /// The device.
    #[error(transparent)]
    Encoder(#[from] aaren_encoders::Error),
    /// The policy cannot act.
    #[error(transparent)]
    Policy(#[from] aaren_streaming::Error),
    /// Something that cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A signal asked for the end; everything is saved.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// One of these, and where.
    #[error("{place}: {source}")]
    At {
        /// A file, or a place in the YAML.
        place: String,
        /// What went wrong there.
        source: Box<Error>,
    },
}

impl From<aaren_spec::Error> for Error {
    fn from(error: aaren_spec::Error) -> Self {
        Self::Spec(Box::new(error))
    }
}

impl Error {
    /// Adds where it went wrong.
    pub(crate) fn at<E: Into<Error>>(place: impl Display) -> impl FnOnce(E) -> Error {
        move |error| Error::At { place: place.to_string(), source: Box::new(error.into()) }
    }

    /// The same without its places.
    pub fn innermost(&self) -> &Error {
        match self {
            Error::At { source, .. } | Error::Evaluation { source, .. } => source.innermost(),
            error => error,
        }
    }

    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        match self.innermost() {
            Error::Refused(_) | Error::Policy(_) | Error::Encoder(_) => true,
            Error::Spec(error) => error.is_refusal(),
            Error::Dataset(error) => error.is_refusal(),
            Error::Recipe { source, .. } => source.is_refusal(),
            Error::Env(error) => error.is_refusal(),
            Error::Agent(error) => error.is_refusal(),
            Error::NoLocks { .. }
            | Error::Io(_)
            | Error::Interrupted(_)
            | Error::Evaluation { .. }
            | Error::At { .. } => false,
        }
    }

    /// Whether an environment failed while it was played.
    pub(crate) fn played(&self) -> bool {
        matches!(self.innermost(), Error::Env(aaren_envs::Error::Python { refused: false, .. }))
    }

    /// Whether training ran into NaN or infinity, or into weights that no policy can act with.
    pub(crate) fn diverged(&self) -> bool {
        use aaren_streaming::Error as Policy;
        matches!(
            self.innermost(),
            Error::Agent(aaren_agents::Error::NonFinite { .. })
                | Error::Policy(
                    Policy::NotFinite { .. } | Policy::Observation { .. } | Policy::Element { .. }
                )
        )
    }
}

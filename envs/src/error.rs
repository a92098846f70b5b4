//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such environment.
    #[error(
        "env: there is no environment {id}; the nearest known one is {nearest} (`aaren envs list` shows all)"
    )]
    UnknownEnv {
        /// What was asked for.
        id: String,
        /// The known id that is spelt most like it.
        nearest: String,
    },
    /// A keyword argument that the environment does not take, or not with this value.
    #[error("env.kwargs of {id}: {reason}")]
    Kwargs {
        /// The environment.
        id: String,
        /// What is wrong, with what is expected.
        reason: String,
    },
    /// MuJoCo or a model of it cannot be loaded.
    #[error("{id}: the MuJoCo model {path} cannot be loaded: {reason}; run `make deps`, or point AAREN_MUJOCO_ASSETS at the assets folder of the gymnasium wheel", path = path.display())]
    Mujoco {
        /// The environment.
        id: String,
        /// The MJCF file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A state that is not one of the environment.
    #[error("state of {id}: {reason}")]
    State {
        /// The environment.
        id: String,
        /// What is wrong, with what is expected.
        reason: String,
    },
    /// A picture that cannot be taken.
    #[error("picture of {id}: {reason}")]
    Picture {
        /// The environment.
        id: String,
        /// Why, and what would help.
        reason: String,
    },
    /// A trajectory that cannot be replayed.
    #[error("trajectory, line {line}: {reason}")]
    Trajectory {
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A dataset that is not there or cannot be opened.
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
}

impl Error {
    pub(crate) fn content(
        path: &Path,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (path, key) = (path.to_owned(), key.to_owned());
        Self::Content { path, key, found: found.into(), expected: expected.into() }
    }
}

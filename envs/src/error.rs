//! What can go wrong in this crate.

use std::path::PathBuf;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such environment.
    #[error("env: there is no environment {id}{hint} (`aaren envs list` shows all; `env: {{gymnasium: {id}, import: PACKAGE}}` has Python step one of Gymnasium's)", hint = hint(nearest))]
    UnknownEnv {
        /// What was asked for.
        id: String,
        /// The known id that is spelt most like it, where one is near.
        nearest: Option<String>,
    },
    /// An environment of Gymnasium's that does not run on this version of MuJoCo.
    #[error("env: Pusher-v4 runs on MuJoCo before 3.0 only, and this is {found}; use Pusher-v5", found = crate::mujoco_version())]
    OldMujoco,
    /// No environment at all.
    #[error(
        "there is no environment: policies are trained from data alone; `aaren evaluate --env ID` plays a trained one"
    )]
    NoEnv,
    /// A keyword argument that the environment does not take, or not with this value.
    #[error("env.kwargs of {id}: {reason}")]
    Kwargs {
        /// The environment.
        id: String,
        /// What is wrong, with what is expected.
        reason: String,
    },
    /// MuJoCo or a model of it cannot be loaded.
    #[error("{id}: the MuJoCo model {path} cannot be loaded: {reason}; install the package gymnasium beside the package mujoco (`make deps` does), or point AAREN_MUJOCO_ASSETS at its folder envs/mujoco/assets", path = path.display())]
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
    /// An environment of Python that cannot be had, or that fails while it is played.
    #[error("env: {id}: {reason}")]
    Python {
        /// The environment.
        id: String,
        /// What went wrong, with the end of Python's own message and the cure.
        reason: String,
        /// Whether it cannot be had at all.
        refused: bool,
    },
    /// Nobody waits for an answer of Python any more.
    #[error("env: {id}: stopped while Python was waited for")]
    Stopped {
        /// The environment.
        id: String,
    },
    /// A trajectory that cannot be replayed.
    #[error("trajectory, line {line}: {reason}")]
    Trajectory {
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|id| format!("; the nearest known one is {id}")).unwrap_or_default()
}

impl Error {
    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::UnknownEnv { .. }
            | Error::OldMujoco
            | Error::NoEnv
            | Error::Kwargs { .. }
            | Error::State { .. }
            | Error::Trajectory { .. } => true,
            Error::Python { refused, .. } => *refused,
            Error::Mujoco { .. } | Error::Picture { .. } | Error::Stopped { .. } => false,
        }
    }
}

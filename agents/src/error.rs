//! What can go wrong in this crate.

use std::path::PathBuf;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The encoder's configuration or the device.
    #[error(transparent)]
    Encoder(#[from] aaren_encoders::Error),
    /// The dataset does not fit the environment.
    #[error(
        "dataset {dataset} does not fit environment {env}: its {what} have {found} entries, the environment's have {expected}; choose the environment the data were made in"
    )]
    Dimension {
        /// Name of the dataset.
        dataset: String,
        /// Id of the environment.
        env: String,
        /// `observations` or `actions`.
        what: &'static str,
        /// Entries in the data.
        found: usize,
        /// Entries in the environment.
        expected: usize,
    },
    /// The kinds of action differ.
    #[error(
        "dataset {dataset} does not fit environment {env}: its actions are {found}, the environment's are {expected}"
    )]
    ActionKind {
        /// Name of the dataset.
        dataset: String,
        /// Id of the environment.
        env: String,
        /// `discrete` or `continuous`.
        found: &'static str,
        /// `discrete` or `continuous`.
        expected: &'static str,
    },
    /// A discrete action that the environment does not have.
    #[error("dataset {dataset}: action {found} at transition {index} is not one of the environment's {choices} choices (0 to {})", choices - 1)]
    ActionChoice {
        /// Name of the dataset.
        dataset: String,
        /// Index of the transition.
        index: usize,
        /// What stands there.
        found: f32,
        /// Number of choices.
        choices: usize,
    },
    /// Settings that an agent does not take.
    #[error(transparent)]
    Settings(#[from] aaren_format::Invalid),
    /// An agent of continuous actions, where they are discrete.
    #[error(
        "agent {agent} takes continuous actions, environment {env} has {choices} choices; use `agent: behaviour-cloning` or a decision agent there"
    )]
    Discrete {
        /// The agent.
        agent: &'static str,
        /// Id of the environment.
        env: String,
        /// Number of choices.
        choices: usize,
    },
    /// Data that hold no transition with a known outcome.
    #[error(
        "dataset {dataset}: found no transition whose next observation is known, expected episodes of two timesteps and more"
    )]
    NoOutcome {
        /// Name of the dataset.
        dataset: String,
    },
    /// The encoder has no state of constant size to carry.
    #[error("context.carry takes a state of constant size, found encoder {0}; set `carry: false`")]
    Carry(aaren_format::EncoderKind),
    /// A loss or gradient that is NaN or infinite.
    #[error(
        "training stopped at update {update}: the {what} is {value} at learning rate {learning_rate:.3e}; lower train.learning_rate or train.clip, or look for outliers in the dataset"
    )]
    NonFinite {
        /// Updates done before.
        update: u64,
        /// `loss`, `gradient norm`, or `state to save`.
        what: String,
        /// Its value.
        value: f64,
        /// The learning rate of that update.
        learning_rate: f64,
    },
    /// A file that cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("{}: cannot be written: {reason}; what stood there before is unharmed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}: {found}; expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A checkpoint of another experiment.
    #[error("{}: this checkpoint was made with other settings (hash {found}, now {expected}); restore the YAML, or choose another --results folder", path.display())]
    OtherSpec {
        /// The checkpoint.
        path: PathBuf,
        /// Hash in the file.
        found: String,
        /// Hash of the spec in force.
        expected: String,
    },
}

impl Error {
    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::NonFinite { .. } | Error::Read { .. } | Error::Write { .. } => false,
            Error::Encoder(_)
            | Error::Dimension { .. }
            | Error::ActionKind { .. }
            | Error::ActionChoice { .. }
            | Error::Settings(_)
            | Error::Discrete { .. }
            | Error::NoOutcome { .. }
            | Error::Carry(_)
            | Error::Format { .. }
            | Error::OtherSpec { .. } => true,
        }
    }
}

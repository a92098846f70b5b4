//! What can go wrong.

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model is impossible.
    #[error(transparent)]
    Model(#[from] aaren_format::Invalid),
    /// Dropout is not a probability below one.
    #[error("model.dropout: found {0}, expected a probability in [0, 1)")]
    Dropout(f64),
    /// A state that cannot be emptied row by row.
    #[error(
        "encoder {0} cannot reset some rows of its state: the state grows with every token, in all rows alike"
    )]
    Forget(aaren_format::EncoderKind),
    /// The device cannot be used here.
    #[error("train.device: {device}: {reason}")]
    Device {
        /// The device asked for.
        device: String,
        /// What is missing and what cures it.
        reason: String,
    },
}

impl Error {
    /// Whether the input was refused (exit status 2), rather than the work failed (1): every one of these is.
    pub fn is_refusal(&self) -> bool {
        true
    }
}

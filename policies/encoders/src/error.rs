//! What can go wrong.

/// Everything that can go wrong in this crate: input that is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model is impossible.
    #[error(transparent)]
    Model(#[from] aaren_format::Invalid),
    /// Dropout is not a probability below one.
    #[error("model.dropout: found {0}, expected a probability in [0, 1)")]
    Dropout(f64),
    /// The device cannot be used here.
    #[error("train.device: {device}: {reason}")]
    Device {
        /// The device asked for.
        device: String,
        /// What is missing and what cures it.
        reason: String,
    },
}

use crate::EncoderKind;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The heads do not share the width evenly.
    #[error("model.heads: {heads} heads cannot share a width of {width}; choose a divisor of the width")]
    Heads {
        /// `model.heads`
        heads: i64,
        /// `model.width`
        width: i64,
    },
    /// A size that must be at least one is not.
    #[error("model.{key}: found {found}, expected at least 1")]
    Size {
        /// Which size.
        key: &'static str,
        /// Its value.
        found: i64,
    },
    /// Dropout is not a probability below one.
    #[error("model.dropout: found {0}, expected a probability in [0, 1)")]
    Dropout(f64),
    /// Recency belongs to Aaren's prefix scan.
    #[error("model.recency: learned belongs to the aaren encoder, found encoder {0}; set `recency: none`")]
    Recency(EncoderKind),
    /// The device cannot be used here.
    #[error("train.device: {device}: {reason}")]
    Device {
        /// The device asked for.
        device: String,
        /// What is missing and what cures it.
        reason: String,
    },
}

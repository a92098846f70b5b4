//! What a user asked for and cannot have.

/// Arguments that make no sense together, or files that are not what they should be: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

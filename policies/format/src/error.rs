//! The errors of a policy's description.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// An impossible value: its key, what was found, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The key, with dots between its levels.
    pub key: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The cure, where one is known.
    pub cure: Option<String>,
}

impl Invalid {
    /// Passes where the value `holds`.
    pub(crate) fn unless(
        holds: bool,
        key: &'static str,
        found: impl ToString,
        expected: impl ToString,
    ) -> Result<(), Invalid> {
        if holds {
            return Ok(());
        }
        Err(Invalid { key, found: one_line(&found), expected: expected.to_string(), cure: None })
    }

    /// Passes a size from 1 to `most`.
    pub(crate) fn unless_size(key: &'static str, size: usize, most: usize) -> Result<(), Invalid> {
        let expected = format!("a whole number from 1 to {most}");
        Invalid::unless((1..=most).contains(&size), key, size, expected)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: found {}, expected {}", self.key, self.found, self.expected)?;
        self.cure.as_ref().map_or(Ok(()), |cure| write!(f, "; {cure}"))
    }
}

impl core::error::Error for Invalid {}

/// Errors of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not the JSON of a header.
    #[error("{0}")]
    Json(String),
    /// A value of the header is impossible.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What a file says, without the line breaks and other control characters that it may hold.
pub(crate) fn one_line(found: &impl ToString) -> String {
    found.to_string().replace(char::is_control, "?")
}

//! What goes wrong while a value is deserialized. What serde's visitors report has no place yet; the map or
//! list that holds the value adds it while unwinding, so that the innermost is named.

use std::fmt;

use aaren_envs::nearest;
use serde::de::{Error as DeError, Expected, Unexpected};

use super::error::{Error, list};

/// An error on its way out of a [`serde::Deserialize`].
#[derive(Debug)]
pub(super) enum Fault {
    /// Complete.
    Placed(Error),
    /// A value that cannot be, of the field that is being read.
    Value {
        /// What it is, where that is not the value as written.
        found: Option<String>,
        /// What is valid.
        expected: String,
        /// What to write instead.
        cure: Option<String>,
    },
    /// The key being read is none of these.
    UnknownKey(&'static [&'static str]),
    /// The map being read lacks a key that has no default.
    MissingKey(&'static str),
}

impl Fault {
    pub fn expected(expected: impl ToString, cure: Option<String>) -> Fault {
        Fault::Value { found: None, expected: expected.to_string(), cure }
    }
}

/// [`Unexpected::Other`] is what to say instead of the value as written; all else is known better here.
fn found(unexpected: Unexpected) -> Option<String> {
    match unexpected {
        Unexpected::Other(text) => Some(text.into()),
        _ => None,
    }
}

impl DeError for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::expected(message, None)
    }

    fn invalid_type(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        Fault::Value { found: found(unexpected), expected: expected.to_string(), cure: None }
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(word: &str, words: &'static [&'static str]) -> Self {
        let cure = nearest(word, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        Fault::expected(format!("one of {}", list(words)), cure)
    }

    fn unknown_field(_: &str, keys: &'static [&'static str]) -> Self {
        Fault::UnknownKey(keys)
    }

    fn missing_field(key: &'static str) -> Self {
        Fault::MissingKey(key)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Placed(error) => error.fmt(f),
            Fault::Value { expected, .. } => write!(f, "expected {expected}"),
            Fault::UnknownKey(keys) => write!(f, "expected one of {}", list(keys)),
            Fault::MissingKey(key) => write!(f, "`{key}` is missing"),
        }
    }
}

impl std::error::Error for Fault {}

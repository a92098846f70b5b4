//! The target return of a policy.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A target return, in the environment's units. Infinity is written `max`: at each timestep it asks for the most that the data
/// make likely from there (Reinformer, Zhuang et al. 2024).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target(pub f64);

/// Whether a number can be a target return: a finite one, or infinity.
pub fn is_target(number: f64) -> bool {
    number.is_finite() || number == f64::INFINITY
}

impl Target {
    /// What is expected of one, for messages.
    pub const EXPECTED: &str = "a return, or `max`";
    /// The word for infinity.
    pub const MAX: &str = "max";
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY { f.write_str(Self::MAX) } else { self.0.fmt(f) }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == f64::INFINITY {
            serializer.serialize_str(Self::MAX)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Target::EXPECTED)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Target, E> {
                Ok(Target(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Target, E> {
                Ok(Target(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Target, E> {
                Ok(Target(number as f64))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Target, E> {
                match word {
                    Target::MAX => Ok(Target(f64::INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A [`Target`] kept as its number, for `#[serde(with = "…")]`.
pub mod target_return {
    use super::*;

    /// As [`Target`].
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<S: Serializer>(target: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Target(*target).serialize(serializer)
    }

    /// As [`Target`].
    ///
    /// # Errors
    /// Where there is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Target::deserialize(deserializer).map(|Target(target)| target)
    }
}

/// Several of them.
pub mod target_returns {
    use super::*;

    /// As a list of [`Target`]s.
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<S: Serializer>(targets: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(targets.iter().copied().map(Target))
    }

    /// As a list of [`Target`]s.
    ///
    /// # Errors
    /// Where there is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().map(|Target(target)| target).collect())
    }
}

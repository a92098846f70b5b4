//! How much of the past a policy sees.

use alloc::format;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use crate::{EncoderKind, Invalid};

/// What a policy remembers of its episode when it acts: in JSON and YAML `unbounded`, `{window: K}`, `{sliding: K}`
/// or `{reset: K}`; on a command line `window:K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// Everything since the episode began.
    Unbounded,
    /// The last so many timesteps, recomputed from an empty state at every step: what public Decision
    /// Transformers do.
    Window(usize),
    /// The keys and values of the last so many timesteps, in each layer as they were computed when they came: a
    /// key/value cache that drops its oldest. For states that grow with every token.
    Sliding(usize),
    /// Everything since the last reset, which comes every so many timesteps.
    Reset(usize),
}

/// What a [`Regime`] is written as.
const EXPECTED: &str = "unbounded, window:K, sliding:K or reset:K with K ≥ 1 timesteps";

impl Regime {
    fn parts(self) -> (&'static str, Option<usize>) {
        match self {
            Regime::Unbounded => ("unbounded", None),
            Regime::Window(timesteps) => ("window", Some(timesteps)),
            Regime::Sliding(timesteps) => ("sliding", Some(timesteps)),
            Regime::Reset(timesteps) => ("reset", Some(timesteps)),
        }
    }

    /// Timesteps that it holds or counts; `None` where it has no such number.
    pub fn timesteps(self) -> Option<usize> {
        self.parts().1
    }

    /// Checks that it holds at least one timestep.
    ///
    /// # Errors
    /// `context.rollout`, where it does not.
    pub fn check(self) -> Result<(), Invalid> {
        Invalid::unless(self.timesteps() != Some(0), "context.rollout", 0, "at least 1 timestep")
    }

    /// [`Regime::check`], and whether `encoder` can act so.
    ///
    /// # Errors
    /// `context.rollout`, where it cannot.
    pub fn check_for(self, encoder: EncoderKind) -> Result<(), Invalid> {
        self.check()?;
        if matches!(self, Regime::Sliding(_)) && encoder.constant_state() {
            return Err(Invalid {
                key: "context.rollout",
                found: format!("{self} with encoder {encoder}"),
                expected:
                    "`unbounded`, `window` or `reset`: a state of constant size has no oldest part to drop"
                        .into(),
                cure: Some("set `rollout: unbounded`, which takes no more memory".into()),
            });
        }
        Ok(())
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (name, None) => f.write_str(name),
            (name, Some(timesteps)) => write!(f, "{name} {timesteps}"),
        }
    }
}

impl FromStr for Regime {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, timesteps) = match text.split_once(':') {
            None => (text, None),
            Some((name, timesteps)) => {
                (name.trim(), timesteps.trim().parse().ok().filter(|&k: &usize| k > 0))
            }
        };
        match (name, timesteps) {
            ("unbounded", None) if !text.contains(':') => Ok(Regime::Unbounded),
            ("window", Some(timesteps)) => Ok(Regime::Window(timesteps)),
            ("sliding", Some(timesteps)) => Ok(Regime::Sliding(timesteps)),
            ("reset", Some(timesteps)) => Ok(Regime::Reset(timesteps)),
            _ => Err(Invalid {
                key: "context.rollout",
                found: format!("{text:?}"),
                expected: EXPECTED.into(),
                cure: None,
            }),
        }
    }
}

/// A map of one entry, as derived for JSON: YAML would otherwise get a tag.
impl Serialize for Regime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, Some(timesteps)) = self.parts() else { return serializer.serialize_str(self.parts().0) };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(name, &timesteps)?;
        map.end()
    }
}

/// What training sees of an episode at once: in JSON and YAML a number of timesteps, or `episode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextLength {
    /// Windows of so many timesteps.
    Timesteps(usize),
    /// Whole episodes.
    Episode,
}

impl ContextLength {
    /// What is expected of one, for messages.
    pub const EXPECTED: &str = "a whole number of timesteps of at least 1, or `episode`";
    /// The most timesteps.
    pub const LONGEST: usize = 1_000_000;

    /// In timesteps, where the longest episode has `longest`.
    pub fn timesteps(self, longest: usize) -> usize {
        match self {
            ContextLength::Timesteps(timesteps) => timesteps,
            ContextLength::Episode => longest,
        }
    }
}

impl fmt::Display for ContextLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContextLength::Timesteps(timesteps) => timesteps.fmt(f),
            ContextLength::Episode => f.write_str("episode"),
        }
    }
}

impl Serialize for ContextLength {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ContextLength::Timesteps(timesteps) => timesteps.serialize(serializer),
            ContextLength::Episode => serializer.serialize_str("episode"),
        }
    }
}

impl<'de> Deserialize<'de> for ContextLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ContextLength;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ContextLength::EXPECTED)
            }

            fn visit_u64<E: de::Error>(self, timesteps: u64) -> Result<ContextLength, E> {
                let found = de::Unexpected::Unsigned(timesteps);
                match usize::try_from(timesteps) {
                    Ok(0) => Err(E::invalid_value(found, &self)),
                    Ok(timesteps) if timesteps <= ContextLength::LONGEST => {
                        Ok(ContextLength::Timesteps(timesteps))
                    }
                    _ => {
                        let expected = format!("at most {} timesteps, or `episode`", ContextLength::LONGEST);
                        Err(E::invalid_value(found, &expected.as_str()))
                    }
                }
            }

            /// `1e4` and the like.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<ContextLength, E> {
                let whole = number as u64;
                let expected = format!("{}; write `{whole}`", ContextLength::EXPECTED);
                let can_be = whole as f64 == number && (1..=ContextLength::LONGEST as u64).contains(&whole);
                let expected = if can_be { &expected } else { ContextLength::EXPECTED };
                Err(E::invalid_value(de::Unexpected::Float(number), &expected))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ContextLength, E> {
                let refused = || Err(E::invalid_value(de::Unexpected::Str(text), &self));
                if text == "episode" { Ok(ContextLength::Episode) } else { refused() }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// The past that a policy sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The context length in training.
    #[serde(rename = "train")]
    pub context_length: ContextLength,
    /// What it remembers when it acts.
    #[serde(rename = "rollout")]
    pub regime: Regime,
}

impl Context {
    /// Checks that there is something to see, and that `encoder` can act so.
    ///
    /// # Errors
    /// The key that holds no timestep, or does not fit.
    pub fn check(&self, encoder: EncoderKind) -> Result<(), Invalid> {
        let some = self.context_length != ContextLength::Timesteps(0);
        Invalid::unless(some, "context.train", self.context_length, "at least 1 timestep")?;
        self.regime.check_for(encoder)
    }
}

//! `context:` how much of the past a policy sees, in training and at roll-out.

use std::fmt;

use aaren_format::Regime;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::values::{some_whole, whole, wrong_text};

const ROLLOUT: &str = "`unbounded`, `{window: K}` or `{reset: K}` with K timesteps";
const LONGEST: u64 = 1_000_000;

/// The section as written, with its defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ContextSection {
    /// Timesteps of a training window.
    #[serde(deserialize_with = "whole::<_, _, 1, LONGEST>")]
    pub train: usize,
    /// Whether the detached state is carried from one training chunk of a trajectory to the next.
    pub carry: bool,
    /// What the actor remembers; the default depends on the encoder.
    #[serde(deserialize_with = "regime")]
    pub rollout: Option<Regime>,
}

impl Default for ContextSection {
    fn default() -> Self {
        Self { train: 20, carry: false, rollout: None }
    }
}

/// `unbounded`, `{window: K}`, `{reset: K}`, or the latter two as quoted text, `"window: K"`.
fn regime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Regime>, D::Error> {
    deserializer.deserialize_str(Rollout).map(Some)
}

struct Rollout;

/// A regime as a map.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounded {
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, LONGEST>")]
    window: Option<usize>,
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, LONGEST>")]
    reset: Option<usize>,
}

impl<'de> Visitor<'de> for Rollout {
    type Value = Regime;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(ROLLOUT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Regime, E> {
        let fits = |regime: &Regime| match *regime {
            Regime::Unbounded => true,
            Regime::Window(timesteps) | Regime::Reset(timesteps) => timesteps as u64 <= LONGEST,
        };
        text.trim().parse().ok().filter(fits).ok_or_else(|| {
            let cure = ["window", "reset"].iter().find(|word| text.trim_start().starts_with(**word));
            let cure = cure.map(|word| format!("write `{{{word}: 20}}`"));
            wrong_text(text, ROLLOUT, cure.as_deref())
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Regime, A::Error> {
        let refused =
            |found, expected: &str| Err(A::Error::invalid_value(Unexpected::Other(found), &expected));
        match Bounded::deserialize(MapAccessDeserializer::new(map))? {
            Bounded { window: Some(timesteps), reset: None } => Ok(Regime::Window(timesteps)),
            Bounded { window: None, reset: Some(timesteps) } => Ok(Regime::Reset(timesteps)),
            Bounded { window: None, reset: None } => refused("an empty map", ROLLOUT),
            Bounded { window: Some(_), reset: Some(_) } => {
                refused("both `window` and `reset`", &format!("{ROLLOUT}; keep one"))
            }
        }
    }
}

//! `context:` how much of the past a policy sees, in training and at roll-out.

use std::fmt;

use aaren_format::Start;
use aaren_format::{ContextLength, Regime};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::values::{some_whole, whole, wrong_text};

const ROLLOUT: &str = "`unbounded`, `{window: K}`, `{sliding: K}` or `{reset: K}` with K timesteps";
const LONGEST: u64 = ContextLength::LONGEST as u64;

/// The section as written, with its defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ContextSection {
    /// Timesteps of a training window, or `episode`.
    pub train: ContextLength,
    /// Where training windows start: at any transition, or at the first of an episode; `episode` unless given where
    /// windows are whole episodes.
    pub start: Option<Start>,
    /// Whether a training window has a length drawn uniformly from 1 to `train`, instead of `train`; false by default.
    pub random_length: bool,
    /// Timesteps that a Transformer's tokens see in training, their own among them; it then acts with a sliding cache of so
    /// many, unless `rollout` says otherwise. 0, the default, for all of a training window.
    #[serde(deserialize_with = "whole::<_, _, 0, LONGEST>")]
    pub band: usize,
    /// Whether training goes chunk after chunk through an episode, each from the (detached) state that the one before
    /// it left.
    pub carry: bool,
    /// What the acting policy keeps of its episode; unless given, everything for an encoder with a state of constant size or
    /// trained on whole episodes, a sliding cache of `band` timesteps where that is set, else a window of `train`.
    #[serde(deserialize_with = "regime")]
    pub rollout: Option<Regime>,
}

impl Default for ContextSection {
    fn default() -> Self {
        Self {
            train: ContextLength::Timesteps(20),
            start: None,
            random_length: false,
            band: 0,
            carry: false,
            rollout: None,
        }
    }
}

/// `unbounded`, `{window: K}`, `{sliding: K}`, `{reset: K}`, or the latter three as quoted text, `"window: K"`.
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
    sliding: Option<usize>,
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, LONGEST>")]
    reset: Option<usize>,
}

impl<'de> Visitor<'de> for Rollout {
    type Value = Regime;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(ROLLOUT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Regime, E> {
        let fits = |regime: &Regime| regime.timesteps().is_none_or(|timesteps| timesteps as u64 <= LONGEST);
        text.trim().parse().ok().filter(fits).ok_or_else(|| {
            let cure =
                ["window", "sliding", "reset"].iter().find(|word| text.trim_start().starts_with(**word));
            let cure = cure.map(|word| format!("write `{{{word}: 20}}`"));
            wrong_text(text, ROLLOUT, cure.as_deref())
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Regime, A::Error> {
        let refused =
            |found, expected: &str| Err(A::Error::invalid_value(Unexpected::Other(found), &expected));
        let Bounded { window, sliding, reset } = Bounded::deserialize(MapAccessDeserializer::new(map))?;
        match (window, sliding, reset) {
            (Some(timesteps), None, None) => Ok(Regime::Window(timesteps)),
            (None, Some(timesteps), None) => Ok(Regime::Sliding(timesteps)),
            (None, None, Some(timesteps)) => Ok(Regime::Reset(timesteps)),
            (None, None, None) => refused("an empty map", ROLLOUT),
            _ => refused("more than one of `window`, `sliding` and `reset`", &format!("{ROLLOUT}; keep one")),
        }
    }
}

//! How much of the past a policy sees.

use alloc::format;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::Invalid;

/// What a policy remembers of its episode when it acts: in JSON and YAML `unbounded`, `{window: K}` or
/// `{reset: K}`; on a command line `window:K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// Everything since the episode began.
    Unbounded,
    /// The last so many timesteps, recomputed from an empty state at every step: what public Decision
    /// Transformers do.
    Window(usize),
    /// Everything since the last multiple of so many timesteps.
    Reset(usize),
}

/// What a [`Regime`] is written as.
const EXPECTED: &str = "unbounded, window:K or reset:K with K ≥ 1 timesteps";

impl Regime {
    fn parts(self) -> (&'static str, Option<usize>) {
        match self {
            Regime::Unbounded => ("unbounded", None),
            Regime::Window(timesteps) => ("window", Some(timesteps)),
            Regime::Reset(timesteps) => ("reset", Some(timesteps)),
        }
    }

    /// Whether it holds a timestep.
    ///
    /// # Errors
    /// `context.rollout`, where it does not.
    pub fn check(self) -> Result<(), Invalid> {
        Invalid::unless(self.parts().1 != Some(0), "context.rollout", 0, "at least 1 timestep")
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

/// The past that a policy sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The context length: timesteps of a training window.
    #[serde(rename = "train")]
    pub context_length: usize,
    /// What it remembers when it acts.
    #[serde(rename = "rollout")]
    pub regime: Regime,
}

impl Context {
    /// Whether there is something to see.
    ///
    /// # Errors
    /// The key that holds no timestep.
    pub fn check(&self) -> Result<(), Invalid> {
        Invalid::unless(
            self.context_length > 0,
            "context.train",
            self.context_length,
            "at least 1 timestep",
        )?;
        self.regime.check()
    }
}

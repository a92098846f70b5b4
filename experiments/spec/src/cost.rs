//! What it costs to act, as plain data: `costs.json` in the folder of an experiment.

use std::borrow::Cow;
use std::path::Path;

use aaren_format::Regime;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::result::read;

/// What it costs to act with the policies of an experiment: `costs.json` in its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The policy files that were measured: name of the policy, and hash of the settings of its training.
    pub measured: Vec<(String, Option<String>)>,
    /// By policy, and by the memory that it acts with: its own first.
    pub costs: Vec<Cost>,
}

/// Time and memory of acting with a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The policy.
    pub policy: String,
    /// What acts: `streaming`, the runtime.
    pub backend: Cow<'static, str>,
    /// Memory of the policy, as text: `window 20`.
    #[serde(with = "regime_text")]
    pub regime: Regime,
    /// By timestep.
    pub points: Vec<CostPoint>,
    /// Median time of a step at the last timestep, in µs.
    pub step_us_p50: f64,
    /// 99th percentile there.
    pub step_us_p99: f64,
    /// Bytes that must be kept of the episode from step to step there.
    pub state_bytes: usize,
    /// Working memory of a step there, of which the next step needs nothing; absent from older files, whose state of a
    /// window holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_bytes: Option<usize>,
}

impl Cost {
    /// What tables write behind its state bytes: where an older file counts a window's working memory among them, that.
    pub fn scratch_within(&self) -> &'static str {
        let old = self.scratch_bytes.is_none() && matches!(self.regime, Regime::Window(_));
        if old { " with scratch" } else { "" }
    }
}

/// [`Cost`] at one timestep, counted from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostPoint {
    /// The timestep.
    pub timestep: usize,
    /// Median time of a step, in µs.
    pub step_us_p50: f64,
    /// 99th percentile, in µs.
    pub step_us_p99: f64,
    /// Time of the episode up to here, in ms.
    pub cumulative_ms: f64,
    /// Bytes that must be kept of the episode from step to step.
    pub state_bytes: usize,
    /// Working memory of a step, of which the next step needs nothing; absent from older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_bytes: Option<usize>,
    /// By how much the process has grown since the episode's start; `None` where the system does not tell.
    pub resident_bytes: Option<usize>,
}

impl Costs {
    /// Reads a `costs.json`; none where there is no file.
    ///
    /// # Errors
    /// [`Error::Result`] names the file and the cure.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let cure = "remove it and run `aaren run` again: it is measured anew";
        if path.exists() { read(path, cure).map(Some) } else { Ok(None) }
    }
}

/// A regime as its text, `window 20`, so that a table's row says it in one word.
mod regime_text {
    use aaren_format::Regime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(regime: &Regime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(regime)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regime, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.replacen(' ', ": ", 1).parse().map_err(D::Error::custom)
    }
}

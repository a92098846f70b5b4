//! `evaluate:` roll-outs during and after training.

use serde::{Deserialize, Deserializer, Serialize};

use super::values::{ANY, Distinct, UNSAID, distinct, number, whole};

/// Roll-outs of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvaluateSpec {
    /// Updates between two evaluations; a quarter of all unless given. The last update is always followed by one.
    #[serde(deserialize_with = "whole::<_, _, 1, ANY>")]
    pub every: u64,
    /// Episodes per evaluation and target return.
    #[serde(deserialize_with = "whole::<_, _, 1, 100_000>")]
    pub episodes: usize,
    /// Returns to ask for, unique; from the environment's reference scores when absent.
    #[serde(deserialize_with = "target_returns", skip_serializing_if = "Option::is_none")]
    pub target_returns: Option<Vec<f64>>,
    /// Which of the evaluated policies are kept.
    pub keep: Keep,
    /// Share of the episodes, below 1, that policies do not learn from: on them the error of their actions is measured.
    /// 0 unless given, where nothing is played 0.1.
    #[serde(deserialize_with = "hold_out", skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<f64>,
    /// What returns-to-go are divided by before they are embedded.
    #[serde(deserialize_with = "scale")]
    pub return_scale: f64,
}

/// Which policies a run leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// That of every evaluation.
    All,
    /// That of the last update.
    #[default]
    Last,
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        let (keep, return_scale) = (Keep::Last, 1000.0);
        Self { every: UNSAID, episodes: 100, target_returns: None, keep, hold_out: None, return_scale }
    }
}

impl EvaluateSpec {
    /// Fills in what follows from the number of updates, and from whether policies are trained from data alone.
    pub(super) fn complete(&mut self, updates: u64, data_alone: bool) {
        if data_alone {
            self.hold_out = self.hold_out.or(Some(0.1));
        }
        if self.every == UNSAID {
            self.every = (updates / 4).max(1);
        }
    }

    /// The first target return that overflows float32 once it is divided by the scale.
    pub(super) fn overflowing(&self) -> Option<f64> {
        let overflows = |target: &f64| !((target / self.return_scale) as f32).is_finite();
        self.target_returns.iter().flatten().copied().find(overflows)
    }
}

/// A share of the episodes.
fn hold_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    number(deserializer, "a share of the episodes from 0 to below 1", |share| (0.0..1.0).contains(&share))
        .map(Some)
}

/// A number that the network can divide by.
fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a number from 1e-37 to 3.4e38, which float32 holds", |scale| {
        (1e-37..=f64::from(f32::MAX)).contains(&scale)
    })
}

fn target_returns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<f64>>, D::Error> {
    #[derive(Deserialize)]
    struct Target(#[serde(deserialize_with = "target")] f64);

    let targets = Distinct {
        list: "a list of returns such as `[3600, 1800]`",
        item: "each target return once",
        // −0 is 0.
        key: |target: &Target| (target.0 + 0.0).to_bits(),
    };
    let targets = distinct(deserializer, targets)?;
    Ok(Some(targets.into_iter().map(|target| target.0).collect()))
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a return of at most 3.4e38 in size, which float32 holds", |target| {
        (target as f32).is_finite()
    })
}

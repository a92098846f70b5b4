//! `evaluate:` roll-outs during and after training.

use std::fmt;

use aaren_format::{Layout, Target, values};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::result::is_one;
use super::values::{ANY, Distinct, UNSAID, distinct, whole};

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
    /// Returns to ask for, unique, one of which may be `max`: at each timestep the most that the data make likely from
    /// there, which policies with `return: head` predict; the best of the data and, where the data have worse, its half by default.
    #[serde(
        deserialize_with = "target_returns",
        serialize_with = "write_targets",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_returns: Option<Vec<f64>>,
    /// How much an asked return counts, g in a_free + g (a_asked − a_free), for policies with `return: head` and
    /// `return_dropout`: any number, 1 by default.
    #[serde(deserialize_with = "finite", skip_serializing_if = "is_one")]
    pub guidance: f64,
    /// Which of the evaluated policies are kept.
    pub keep: Keep,
    /// Share of the episodes, from 0 to below 1, that policies do not learn from: on them the error of their actions is
    /// measured; 0 by default, without an environment 0.1.
    #[serde(deserialize_with = "hold_out", skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<f64>,
    /// What returns-to-go are divided by before they are embedded: `auto` (`None`), the default, the standard deviation of
    /// the data's returns-to-go; or a number from 1e-37 to 3.4e38, as the Decision Transformer's 1000.
    #[serde(deserialize_with = "scale", serialize_with = "write_scale")]
    pub return_scale: Option<f64>,
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
        Self {
            every: UNSAID,
            episodes: 100,
            target_returns: None,
            guidance: 1.0,
            keep: Keep::Last,
            hold_out: None,
            return_scale: None,
        }
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

    /// The first target return that overflows float32 once it is divided by the scale, or as the steepest rate.
    pub(super) fn overflowing(&self) -> Option<f64> {
        let (scale, steepest) = (self.return_scale?, f64::from(Layout::STEEPEST));
        let overflows =
            |target: &f64| target.is_finite() && !((steepest * target / scale) as f32).is_finite();
        self.target_returns.iter().flatten().copied().find(overflows)
    }

    /// Whether a policy is asked for the most that can be had.
    pub(super) fn asks_for_max(&self) -> bool {
        self.target_returns.iter().flatten().any(|target| target.is_infinite())
    }
}

/// A share of the episodes.
fn hold_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let valid = |share| (0.0..1.0).contains(&share);
    values::number(deserializer, "a share of the episodes from 0 to below 1", valid).map(Some)
}

/// The word for a scale that the data decide.
const AUTO: &str = "auto";

/// A number that the network can divide by, or `auto`.
fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(NumberOr {
        word: AUTO,
        valid: |scale| (1e-37..=f64::from(f32::MAX)).contains(&scale),
        expected: "a number from 1e-37 to 3.4e38, which float32 holds, or `auto`",
    })
}

fn write_scale<S: Serializer>(scale: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match scale {
        Some(scale) => serializer.serialize_f64(*scale),
        None => serializer.serialize_str(AUTO),
    }
}

fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    values::number(deserializer, "a finite number", |_| true)
}

fn write_targets<S: Serializer>(targets: &Option<Vec<f64>>, serializer: S) -> Result<S::Ok, S::Error> {
    targets
        .as_ref()
        .map(|targets| targets.iter().copied().map(Target).collect::<Vec<_>>())
        .serialize(serializer)
}

fn target_returns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<f64>>, D::Error> {
    #[derive(Deserialize)]
    struct Target(#[serde(deserialize_with = "target")] f64);

    let targets = Distinct {
        list: "a list of returns such as `[3600, 1800]` or `[max]`",
        item: "each target return once",
        // −0 is 0.
        key: |target: &Target| (target.0 + 0.0).to_bits(),
    };
    let targets = distinct(deserializer, targets)?;
    Ok(Some(targets.into_iter().map(|target| target.0).collect()))
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let target = deserializer.deserialize_any(NumberOr {
        word: Target::MAX,
        valid: |target| (target as f32).is_finite(),
        expected: "a return of at most 3.4e38 in size, which float32 holds, or `max`",
    })?;
    Ok(target.unwrap_or(f64::INFINITY))
}

/// A valid number, or the word that stands for none.
struct NumberOr {
    word: &'static str,
    valid: fn(f64) -> bool,
    expected: &'static str,
}

impl Visitor<'_> for NumberOr {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<f64>, E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<f64>, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<f64>, E> {
        let wrong = || E::invalid_value(Unexpected::Float(number), &self);
        (self.valid)(number).then_some(Some(number)).ok_or_else(wrong)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Option<f64>, E> {
        let wrong = || E::invalid_value(Unexpected::Str(word), &self);
        (word == self.word).then_some(None).ok_or_else(wrong)
    }
}

//! What policies are judged by.

use std::fmt;

use aaren_envs::{EnvSpec, ReferenceScores, reference_scores, return_range};
use aaren_spec::{EpisodeResult, RunResult};
use aaren_statistics::{Episode, Sample};

use crate::Error;

/// What policies are judged by where nothing was played.
pub(crate) const HELD_OUT: &str = "held-out action error";

/// The normalised score where the environment has reference scores, else the return.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Whether nothing was played: errors of actions stand in the place of returns.
    held_out: bool,
    references: Option<ReferenceScores>,
    returns: (f64, f64),
}

impl Metric {
    /// In an environment.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn of(env: &EnvSpec) -> Result<Self, Error> {
        Ok(Self { held_out: false, references: reference_scores(&env.id), returns: return_range(env)? })
    }

    /// Of a run, as it was when that ended.
    pub fn of_run(run: &RunResult) -> Self {
        let returns = run.return_range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let held_out = run.env.is_none();
        let returns = if held_out { (0.0, f64::INFINITY) } else { returns };
        Self { held_out, references: run.reference_scores, returns }
    }

    /// Whether it is a normalised score.
    pub fn normalised(&self) -> bool {
        self.references.is_some()
    }

    /// The least and the most that returns can be, where both are known.
    pub fn return_range(&self) -> Option<(f64, f64)> {
        Some(self.returns).filter(|(least, most)| least.is_finite() && most.is_finite())
    }

    /// The better of two values.
    pub fn better(&self, a: f64, b: f64) -> f64 {
        if self.held_out { a.min(b) } else { a.max(b) }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        if self.held_out {
            return HELD_OUT;
        }
        if self.normalised() { "normalised score" } else { "return" }
    }

    /// The same, for an axis.
    pub fn label(&self) -> &'static str {
        if self.held_out {
            return "Held-out action error";
        }
        if self.normalised() { "Normalised score" } else { "Return" }
    }

    /// The score that counts as the expert's.
    pub fn expert(&self) -> Option<f64> {
        self.references.map(|_| 100.0)
    }

    /// Of a return.
    pub fn value(&self, raw: f64) -> f64 {
        self.references.map_or(raw, |scores| scores.normalised(raw))
    }

    /// Of all episodes, seed by seed.
    pub fn sample<'e, E>(&self, seeds: impl IntoIterator<Item = E>) -> Sample
    where
        E: IntoIterator<Item = &'e EpisodeResult>,
    {
        let range = (self.value(self.returns.0), self.value(self.returns.1));
        sample(seeds, range, |episode| self.value(episode.total_return))
    }

    /// The returns themselves.
    pub fn returns<'e, E>(&self, seeds: impl IntoIterator<Item = E>) -> Sample
    where
        E: IntoIterator<Item = &'e EpisodeResult>,
    {
        sample(seeds, self.returns, |episode| episode.total_return)
    }
}

/// The scale of a score. Scores of one scale can be averaged: the same number means the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// 0 is a random policy's, 100 an expert's.
    Normalised,
    /// Returns that can be this least and this most.
    Returns(f64, f64),
}

impl Scale {
    /// The score that the optimality gap is measured to.
    pub fn best(self) -> f64 {
        match self {
            Scale::Normalised => 100.0,
            Scale::Returns(_, most) => most,
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scale::Normalised => f.write_str("normalised scores"),
            // Sums of rewards carry rounding.
            Scale::Returns(least, most) => {
                let [least, most] = [least, most].map(|end| (end * 1e6).round() / 1e6);
                write!(f, "returns, of {least} to {most}")
            }
        }
    }
}

/// The lengths of all episodes, seed by seed.
pub fn lengths<'e, E>(seeds: impl IntoIterator<Item = E>) -> Sample
where
    E: IntoIterator<Item = &'e EpisodeResult>,
{
    sample(seeds, (1.0, f64::INFINITY), |episode| episode.length as f64)
}

fn sample<'e, E>(
    seeds: impl IntoIterator<Item = E>,
    range: (f64, f64),
    value: impl Fn(&EpisodeResult) -> f64,
) -> Sample
where
    E: IntoIterator<Item = &'e EpisodeResult>,
{
    let sample = |episode: &EpisodeResult| Episode { value: value(episode), identity: episode.identity() };
    let of_seed = |episodes: E| episodes.into_iter().map(sample).collect();
    Sample { seeds: seeds.into_iter().map(of_seed).collect(), range }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_errors_less_is_better() {
        let metric = |held_out| Metric { held_out, references: None, returns: (0.0, 1.0) };
        assert_eq!(metric(true).better(0.1, 0.2), 0.1);
        assert_eq!(metric(false).better(0.1, 0.2), 0.2);
    }
}

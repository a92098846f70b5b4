//! What a dataset holds, in numbers.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Dataset, End};

/// What a dataset holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// Its name.
    pub name: String,
    /// The layout it was read from.
    pub format: Cow<'static, str>,
    /// Number of episodes.
    pub episodes: usize,
    /// Number of transitions.
    pub transitions: usize,
    /// Entries of an observation.
    pub observation_size: usize,
    /// Entries of an action.
    pub action_size: usize,
    /// Whether actions are indices.
    pub discrete: bool,
    /// Choices of each column of discrete actions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<usize>,
    /// Mean return of an episode.
    pub return_mean: f64,
    /// Standard deviation of the returns.
    pub return_std: f64,
    /// Lowest return.
    pub return_min: f64,
    /// Highest return.
    pub return_max: f64,
    /// Episodes by return, in bins of equal width from the lowest to the highest; absent from older files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub return_histogram: Vec<usize>,
    /// Shortest episode, in timesteps.
    pub length_min: usize,
    /// Longest episode, in timesteps.
    pub length_max: usize,
    /// Episodes that the task ended.
    pub terminated: usize,
    /// Episodes that a time limit ended.
    pub truncated: usize,
    /// Episodes that the data cut off (at most the last).
    pub unfinished: usize,
}

/// Bins of [`DatasetSummary::return_histogram`].
const BINS: usize = 30;

impl Dataset {
    /// What the data hold, for a person to read.
    pub fn summary(&self) -> DatasetSummary {
        let episodes = &self.episodes;
        let count = episodes.len() as f64;
        let mean = episodes.iter().map(|e| e.total_return).sum::<f64>() / count;
        let variance = episodes.iter().map(|e| (e.total_return - mean).powi(2)).sum::<f64>() / count;
        let returns = || episodes.iter().map(|e| e.total_return);
        let lengths = || episodes.iter().map(|e| e.length);
        let lowest = returns().fold(f64::INFINITY, f64::min);
        let highest = returns().fold(f64::NEG_INFINITY, f64::max);
        let ended = |end| episodes.iter().filter(|e| e.end == end).count();
        DatasetSummary {
            name: self.name.clone(),
            format: self.format.into(),
            episodes: episodes.len(),
            transitions: self.transitions(),
            observation_size: self.observation_size,
            action_size: self.action_size,
            discrete: self.discrete,
            choices: self.choices.clone(),
            return_mean: mean,
            return_std: variance.sqrt(),
            return_min: lowest,
            return_max: highest,
            return_histogram: histogram(returns(), lowest, highest),
            length_min: lengths().min().unwrap_or(0),
            length_max: lengths().max().unwrap_or(0),
            terminated: ended(End::Terminated),
            truncated: ended(End::Truncated),
            unfinished: ended(End::Unfinished),
        }
    }
}

/// How many values lie in each of [`BINS`] bins; those that are all alike in one.
fn histogram(values: impl Iterator<Item = f64>, lowest: f64, highest: f64) -> Vec<usize> {
    let width = (highest - lowest) / BINS as f64;
    let mut counts = vec![0; if width > 0.0 { BINS } else { 1 }];
    let last = counts.len() - 1;
    for value in values {
        // Without a width the quotient is NaN, which is the bin 0.
        counts[(((value - lowest) / width) as usize).min(last)] += 1;
    }
    counts
}

impl fmt::Display for DatasetSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices: Vec<_> = self.choices.iter().map(usize::to_string).collect();
        let kind = match choices.as_slice() {
            [] if self.discrete => "discrete".into(),
            [] => "continuous".into(),
            [choices] => format!("discrete, {choices} choices"),
            _ => format!("multi-discrete, {} choices", choices.join(" × ")),
        };
        writeln!(f, "dataset       {} ({})", self.name, self.format)?;
        writeln!(
            f,
            "episodes      {}, of {} to {} timesteps",
            self.episodes, self.length_min, self.length_max
        )?;
        writeln!(
            f,
            "ended by      terminal {}, timeout {}, unfinished {}",
            self.terminated, self.truncated, self.unfinished
        )?;
        writeln!(f, "transitions   {}", self.transitions)?;
        writeln!(
            f,
            "return        {:.1} ± {:.1} (min {:.1}, max {:.1})",
            self.return_mean, self.return_std, self.return_min, self.return_max
        )?;
        writeln!(f, "observation   {} entries", self.observation_size)?;
        write!(f, "action        {} entries, {kind}", self.action_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.histogram([0, 1, 1, 2.9, 3], bins=30)` counts 1 at 0, 2 in bin 10, 2 in bin 29: the highest is in the last.
    #[test]
    fn returns_are_counted_as_numpy_counts_them() {
        let counts = histogram([0.0, 1.0, 1.0, 2.95, 3.0].into_iter(), 0.0, 3.0);
        let filled: Vec<_> = counts.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(filled, [(0, &1), (10, &2), (29, &2)]);
        assert_eq!(histogram([7.0, 7.0].into_iter(), 7.0, 7.0), [2]);
    }
}

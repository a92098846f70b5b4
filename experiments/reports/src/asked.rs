//! Asked against achieved: whether a policy does what it is asked for, and whether it still does so an evaluation later.

use std::fmt;

use aaren_datasets::DatasetSummary;
use aaren_spec::{EpisodeResult, RunResult};
use aaren_statistics::{Episode, Estimate, Sample, mean};
use serde::{Deserialize, Serialize};

use crate::Metric;

/// Targets so small a part of the data's range beyond it count as within: they are its ends, rounded.
const ROUNDED: f64 = 0.01;

/// What several target returns brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Mean over the episodes of |return − target|, of all targets from the lowest to the highest return of the data; `None`
    /// where no target lies there.
    pub distance: Option<Estimate>,
    /// The best of the data.
    pub best: BestAsked,
}

/// What it brought to ask for the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestAsked {
    /// The target that is closest to the highest return of the data.
    pub target_return: f64,
    /// In the metric's units.
    pub score: Estimate,
}

impl Asked {
    /// Of the episodes of each training seed; `None` where all were asked for the same.
    pub fn new(metric: Metric, data: &DatasetSummary, seeds: &[Vec<&EpisodeResult>]) -> Option<Self> {
        let mut targets: Vec<f64> = Vec::new();
        for target in seeds.iter().flatten().map(|episode| episode.target_return) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.len() < 2 {
            return None;
        }
        let room = ROUNDED * (data.return_max - data.return_min);
        let within = |target: f64| (data.return_min - room..=data.return_max + room).contains(&target);
        let missed = |episode: &&EpisodeResult| {
            within(episode.target_return).then(|| Episode {
                value: (episode.total_return - episode.target_return).abs(),
                // The same episode of two targets misses them by two distances.
                identity: episode.identity() ^ episode.target_return.to_bits().rotate_left(13),
            })
        };
        let missed = seeds.iter().map(|seed| seed.iter().filter_map(missed).collect()).collect();
        let distance = Sample { seeds: missed, range: (0.0, f64::INFINITY) };
        let from_best = |target: f64| (target - data.return_max).abs();
        let closest = |a: f64, b: f64| if from_best(b) < from_best(a) { b } else { a };
        let target_return = targets.iter().copied().reduce(closest)?;
        let of_best = seeds
            .iter()
            .map(|seed| seed.iter().copied().filter(move |episode| episode.target_return == target_return));
        Some(Self {
            distance: targets.iter().any(|&target| within(target)).then(|| distance.estimate()),
            best: BestAsked { target_return, score: metric.sample(of_best).estimate() },
        })
    }
}

/// How far a training's evaluations lie apart at its end: a score of the last update is worth as much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swing {
    /// Over the training seeds.
    pub mean: f64,
    /// The largest difference between two of the last three evaluations at the first target return, of each training seed, in
    /// the metric's units.
    pub per_seed: Vec<f64>,
}

impl Swing {
    /// Evaluations that it is over.
    const LAST: usize = 3;

    /// Of runs with the same protocol; `None` where one of them has a single evaluation under it.
    pub fn new(metric: Metric, target: f64, runs: &[&RunResult]) -> Option<Self> {
        let of_run = |run: &&RunResult| {
            let alike = run.evaluations.iter().rev().filter(|it| Some(&it.protocol) == run.protocol());
            let last = alike.take(Self::LAST).map(|it| metric.value(it.mean_return(target)));
            let scores: Vec<f64> = last.collect();
            let [least, most] = [f64::min, f64::max].map(|pick| scores.iter().copied().reduce(pick));
            (scores.len() > 1).then(|| Some(most? - least?)).flatten()
        };
        let per_seed: Vec<f64> = runs.iter().map(of_run).collect::<Option<_>>()?;
        Some(Self { mean: mean(&per_seed), per_seed })
    }
}

/// The columns of a table of policies that say both, where any of them has them.
#[derive(Clone, Copy, Debug)]
pub struct AskedColumns {
    swing: bool,
    asked: bool,
}

impl AskedColumns {
    /// For policies that have these.
    pub fn of<'p>(policies: impl Iterator<Item = (Option<&'p Swing>, Option<&'p Asked>)>) -> Self {
        let start = Self { swing: false, asked: false };
        policies.fold(start, |columns, (swing, asked)| Self {
            swing: columns.swing || swing.is_some(),
            asked: columns.asked || asked.is_some(),
        })
    }

    /// Whether any of them was asked for several returns.
    pub fn is_of_targets(self) -> bool {
        self.asked
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        !self.swing && !self.asked
    }

    /// What they mean, for the text below a table.
    pub fn about(self) -> String {
        let swing = self.swing.then_some(SWING);
        let about: Vec<&str> = swing.into_iter().chain(self.asked.then_some(ASKED)).collect();
        about.join(" ")
    }

    /// Their titles.
    pub fn heads(self) -> impl Iterator<Item = String> {
        let swing = self.swing.then_some("swing");
        let asked = self.asked.then_some(["distance from target", "best asked"]);
        swing.into_iter().chain(asked.into_iter().flatten()).map(String::from)
    }

    /// Those of one policy.
    pub fn cells(self, swing: Option<&Swing>, asked: Option<&Asked>) -> impl Iterator<Item = String> {
        let none = || String::from("–");
        let swing = self.swing.then(|| swing.map_or_else(none, Swing::to_string));
        let asked = self.asked.then(|| match asked {
            Some(Asked { distance, best }) => {
                [distance.as_ref().map_or_else(none, Estimate::to_string), best.score.to_string()]
            }
            None => [none(), none()],
        });
        swing.into_iter().chain(asked.into_iter().flatten())
    }
}

const SWING: &str =
    "Swing: the largest difference between two of a training's last three evaluations, mean over the seeds.";

const ASKED: &str = "Distance from target: mean of |return − target| over the episodes of all targets within the data's returns. Best asked: the \
    score at the target closest to the best return of the data.";

/// As few decimals as a score has; returns between -1 and 1 have two, errors more.
impl fmt::Display for Swing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.mean {
            mean if mean == 0.0 || mean >= 0.1 => 1,
            mean if mean >= 0.005 => 2,
            _ => 4,
        };
        write!(f, "{:.decimals$}", self.mean)
    }
}

#[cfg(test)]
mod tests {
    use aaren_envs::EnvSpec;

    use super::*;

    fn data(lowest: f64, highest: f64) -> DatasetSummary {
        let summary = serde_json::json!({
            "name": "toy", "format": "toy", "episodes": 2, "transitions": 2, "observation_size": 1, "action_size": 1,
            "discrete": false, "return_mean": 0.0, "return_std": 0.0, "return_min": lowest, "return_max": highest,
            "length_min": 1, "length_max": 1, "terminated": 2, "truncated": 0, "unfinished": 0,
        });
        serde_json::from_value(summary).unwrap()
    }

    fn played(target: f64, returns: &[f64]) -> Vec<EpisodeResult> {
        let episode = |(index, &total_return): (u64, &f64)| EpisodeResult {
            total_return,
            ..EpisodeResult::new(target, index)
        };
        (0..).zip(returns).map(episode).collect()
    }

    fn seeds(seeds: &[Vec<EpisodeResult>]) -> Vec<Vec<&EpisodeResult>> {
        seeds.iter().map(|seed| seed.iter().collect()).collect()
    }

    /// By hand: seed 0 misses 10 by 1 and 3, 4 by 0 and 2, on average 1.5; seed 1 misses them by 3, 3, 3, 3. 20 is beyond
    /// the data, and `max` has no distance.
    #[test]
    fn distances_are_from_what_lies_within_the_data() {
        let all = [
            [played(20.0, &[50.0, 50.0]), played(10.0, &[9.0, 13.0]), played(4.0, &[4.0, 6.0])].concat(),
            [played(20.0, &[50.0, 50.0]), played(10.0, &[7.0, 13.0]), played(4.0, &[1.0, 7.0])].concat(),
        ];
        let metric = Metric::of(&EnvSpec::new("CartPole-v1")).unwrap();
        let asked = Asked::new(metric, &data(3.0, 10.0), &seeds(&all)).unwrap();
        let distance = asked.distance.unwrap();
        assert_eq!(distance.mean, 2.25);
        // Student's t over 1.5 and 3: 12.7062 · 0.75 on both sides, and none is below 0.
        let (low, high) = distance.ci95.unwrap();
        assert!(low == 0.0 && (high - 2.25 - 12.7062 * 0.75).abs() < 1e-3, "[{low}, {high}]");
        assert_eq!((asked.best.target_return, asked.best.score.mean), (10.0, 10.5));
        // A target that is the best return, rounded up.
        let rounded = Asked::new(metric, &data(3.0, 9.95), &seeds(&all)).unwrap();
        assert_eq!(rounded.distance.unwrap().mean, 2.25);
        let beyond = Asked::new(metric, &data(100.0, 200.0), &seeds(&all)).unwrap();
        assert_eq!((beyond.distance, beyond.best.target_return), (None, 20.0));
        let max = [[played(f64::INFINITY, &[1.0]), played(4.0, &[5.0])].concat()];
        let max = Asked::new(metric, &data(3.0, 10.0), &seeds(&max)).unwrap();
        assert_eq!((max.distance.unwrap().mean, max.best.target_return), (1.0, 4.0));
        assert_eq!(Asked::new(metric, &data(3.0, 10.0), &seeds(&[played(4.0, &[4.0, 6.0])])), None);
    }

    /// A table's legend explains the columns that it has, and no others.
    #[test]
    fn a_legend_explains_its_own_columns() {
        let swing = Swing { mean: 0.0, per_seed: vec![0.0] };
        assert_eq!(swing.to_string(), "0.0");
        let all = [played(10.0, &[9.0]), played(4.0, &[4.0])].concat();
        let metric = Metric::of(&EnvSpec::new("CartPole-v1")).unwrap();
        let asked = Asked::new(metric, &data(3.0, 10.0), &seeds(&[all])).unwrap();
        for (swing, asked) in
            [(None, None), (Some(&swing), None), (None, Some(&asked)), (Some(&swing), Some(&asked))]
        {
            let columns = AskedColumns::of([(swing, asked)].into_iter());
            let about = columns.about().to_lowercase();
            for head in ["swing", "distance from target", "best asked"] {
                let is_there = columns.heads().any(|it| it == head);
                assert_eq!(about.contains(&format!("{head}: ")), is_there, "{head} in {about}");
            }
        }
    }
}

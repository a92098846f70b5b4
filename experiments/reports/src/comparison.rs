//! Paired differences of policies from the policy that they are compared with, on the same seeds and episodes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use aaren_statistics::{Estimate, ONE_SEED, Sample, Unit};

/// Every policy of an experiment beside one of them, at the first target return, after the last update.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// The policy that the others are compared with: the first Transformer, else the first of the experiment.
    pub with: String,
    /// `normalised score` or `return`.
    pub metric: String,
    /// By how much a policy may fall short and still count as non-inferior; fixed in the experiment's YAML.
    pub margin: Option<f64>,
    /// The others, by name.
    pub policies: BTreeMap<String, Paired>,
}

/// One policy less the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Paired {
    /// Mean of the differences, paired by training seed, or where there is one seed by episode.
    pub difference: Estimate,
    /// The difference of each training seed that both have finished.
    pub per_seed: Vec<f64>,
    /// The verdict by the margin; none where there is no margin, no interval, or a single training.
    pub verdict: Option<Verdict>,
}

/// What a 95 % interval of a difference says, given a margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it lies above 0.
    Better,
    /// All of it lies above minus the margin.
    NonInferior,
    /// All of it lies below minus the margin.
    Inferior,
    /// Minus the margin lies in it.
    Undecided,
}

impl Verdict {
    /// Of a difference; none where it has no interval, or one over the episodes of a single training, which says nothing
    /// of another.
    pub fn of(difference: &Estimate, margin: f64) -> Option<Self> {
        let (low, high) = difference.ci95.filter(|_| difference.over != Unit::Episodes)?;
        Some(match () {
            () if low > 0.0 => Verdict::Better,
            () if low > -margin => Verdict::NonInferior,
            () if high < -margin => Verdict::Inferior,
            () => Verdict::Undecided,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Better => "better",
            Verdict::NonInferior => "non-inferior",
            Verdict::Inferior => "inferior",
            Verdict::Undecided => "undecided",
        })
    }
}

impl Comparison {
    /// Of policies by name, each with a sample of the metric and the training seeds that it is of. A policy that shares
    /// no seed with the other is left out.
    pub(super) fn new<'s>(
        with: &str,
        metric: &str,
        margin: Option<f64>,
        policies: impl Iterator<Item = (&'s str, &'s [u64], &'s Sample)> + Clone,
    ) -> Option<Self> {
        let (_, their_seeds, theirs) = policies.clone().find(|(name, ..)| *name == with)?;
        let others = policies.filter(|(name, ..)| *name != with);
        let paired = others.filter_map(|(name, seeds, ours)| {
            let shared: Vec<u64> = seeds.iter().copied().filter(|seed| their_seeds.contains(seed)).collect();
            let (ours, theirs) = (of_seeds(ours, seeds, &shared), of_seeds(theirs, their_seeds, &shared));
            let difference = ours.less(&theirs).filter(|_| !shared.is_empty())?;
            let per_seed = ours.per_seed().iter().zip(theirs.per_seed()).map(|(a, b)| a - b).collect();
            let verdict = margin.and_then(|margin| Verdict::of(&difference, margin));
            Some((name.to_owned(), Paired { difference, per_seed, verdict }))
        });
        Some(Self { with: with.into(), metric: metric.into(), margin, policies: paired.collect() })
    }

    /// A policy's difference and its verdict, for a table; dashes for the one that it is compared with.
    pub fn cells(&self, policy: &str) -> [String; 2] {
        let none = || "–".to_owned();
        self.policies.get(policy).map_or_else(
            || [none(), none()],
            |it| {
                let one = || if it.difference.over == Unit::Episodes { NO_VERDICT.into() } else { none() };
                // Older summaries have verdicts of one seed.
                let verdict = it.verdict.filter(|_| it.difference.over != Unit::Episodes);
                [it.difference.to_string(), verdict.map_or_else(one, |verdict| verdict.to_string())]
            },
        )
    }

    /// The heads of both cells.
    pub fn heads(&self) -> [String; 2] {
        let question = match self.margin {
            Some(margin) => format!("non-inferior (margin {margin})?"),
            None => "non-inferior?".into(),
        };
        [difference_head(&self.with, self.policies.values().map(|paired| &paired.difference)), question]
    }
}

/// Stands in the place of a verdict where each policy has a single training.
pub const NO_VERDICT: &str = "one seed: no verdict";

/// What differences from a policy are called, and over what they are where that is a single training.
pub(super) fn difference_head<'e>(with: &str, differences: impl IntoIterator<Item = &'e Estimate>) -> String {
    match differences.into_iter().any(|difference| difference.over == Unit::Episodes) {
        true => format!("minus {with} ({ONE_SEED})"),
        false => format!("minus {with}"),
    }
}

/// The part of a sample that is of some of its seeds.
fn of_seeds(sample: &Sample, seeds: &[u64], wanted: &[u64]) -> Sample {
    let of =
        |seed: &u64| seeds.iter().position(|other| other == seed).map(|place| sample.seeds[place].clone());
    Sample { seeds: wanted.iter().filter_map(of).collect(), range: sample.range }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aaren_statistics::Episode;

    #[test]
    fn a_verdict_is_what_the_interval_says_of_the_margin() {
        let verdict = |low, high| {
            Verdict::of(&Estimate { mean: 0.0, ci95: Some((low, high)), over: Unit::Seeds }, 2.0).unwrap()
        };
        assert_eq!(verdict(0.1, 9.0), Verdict::Better);
        assert_eq!(verdict(-1.9, 9.0), Verdict::NonInferior);
        assert_eq!(verdict(-1.9, -0.5), Verdict::NonInferior);
        assert_eq!(verdict(-2.0, 9.0), Verdict::Undecided);
        // An end of the interval at the bound itself decides nothing.
        assert_eq!(verdict(0.0, 9.0), Verdict::NonInferior);
        assert_eq!(verdict(-9.0, -2.0), Verdict::Undecided);
        assert_eq!(verdict(-9.0, -2.1), Verdict::Inferior);
        assert_eq!(Verdict::of(&Estimate { mean: 0.0, ci95: None, over: Unit::Seeds }, 2.0), None);
    }

    /// A hundred episodes of one training say that this one is better, and nothing of another.
    #[test]
    fn one_training_gives_no_verdict() {
        let sample = |mean: f64| {
            let episode = |identity: u64| Episode { value: mean + (identity % 7) as f64 / 10.0, identity };
            Sample { seeds: vec![(0..100).map(episode).collect()], range: (f64::NEG_INFINITY, f64::INFINITY) }
        };
        let (ours, theirs) = (sample(90.0), sample(50.0));
        let policies = [("b", &[0][..], &theirs), ("a", &[0][..], &ours)];
        let comparison = Comparison::new("b", "return", Some(2.0), policies.into_iter()).unwrap();
        assert!(comparison.policies["a"].difference.ci95.is_some_and(|(low, _)| low > 39.0));
        assert_eq!(comparison.policies["a"].verdict, None);
        assert_eq!(comparison.cells("a"), ["40.0 ± 0.0".to_owned(), "one seed: no verdict".into()]);
        // Two trainings with differences of 40 and 41 have one; with the same difference they do not say how others differ.
        let twice =
            |one: &Sample, other: Sample| Sample { seeds: [&*one.seeds, &*other.seeds].concat(), ..other };
        let both = |other: f64| {
            let (ours, theirs) = (twice(&ours, sample(other)), twice(&theirs, sample(50.0)));
            let policies = [("b", &[0, 1][..], &theirs), ("a", &[0, 1][..], &ours)];
            Comparison::new("b", "return", Some(2.0), policies.into_iter()).unwrap()
        };
        assert_eq!(both(91.0).policies["a"].verdict, Some(Verdict::Better));
        assert_eq!(both(90.0).policies["a"].verdict, None);
    }

    /// A policy whose seed 1 diverged is paired over the others, not with its neighbour's seed.
    #[test]
    fn differences_are_of_the_seeds_that_both_have() {
        let sample = |means: &[f64]| Sample {
            seeds: means.iter().map(|&value| vec![Episode { value, identity: 0 }]).collect(),
            range: (f64::NEG_INFINITY, f64::INFINITY),
        };
        let (all, left) = (sample(&[10.0, 50.0, 30.0]), sample(&[11.0, 33.0]));
        let policies = [("b", &[0, 1, 2][..], &all), ("a", &[0, 2][..], &left)];
        let comparison = Comparison::new("b", "return", Some(5.0), policies.into_iter()).unwrap();
        assert_eq!(comparison.policies["a"].per_seed, [1.0, 3.0]);
        assert_eq!(comparison.policies["a"].difference.mean, 2.0);
        assert!(Comparison::new("c", "return", None, policies.into_iter()).is_none());
    }
}

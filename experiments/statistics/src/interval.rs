//! 95 % intervals of means. The unit is the training seed.
//!
//! With several seeds the interval is Student's t over the seeds' means. With one seed it is over its episodes, and says
//! nothing of another training. Returns that are all 0 or 1 are successes: with one seed their interval is the exact binomial
//! one (Clopper and Pearson 1934); with several it is never narrower than that, because seeds that agree leave Student's t no
//! width. Ends are cut off at the metric's range. Episodes that repeat others do not count.
//!
//! Student's t is exact where the means of the seeds are normal. The tests of `coverage_tests.rs` say how often the intervals cover
//! where they are not.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

use super::mean;

/// The unit that an interval is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Trainings: the interval says what another training would give.
    Seeds,
    /// Episodes of the only training.
    Episodes,
    /// Datasets, each with trainings of its own: the interval says what another dataset of the kind would give.
    Datasets,
}

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over the seeds, or another statistic of them.
    pub mean: f64,
    /// Lower and upper end; `None` where there is one value only.
    pub ci95: Option<(f64, f64)>,
    /// What it is over.
    pub over: Unit,
}

/// The remark beside a table whose intervals are over episodes.
pub const ONE_SEED: &str = "one seed: over episodes";

impl Estimate {
    /// Mean and interval with so many decimals: `±` where the interval is symmetric in them, else its ends.
    pub fn text(&self, decimals: usize) -> String {
        let mean = self.mean;
        let Some((low, high)) = self.ci95 else { return format!("{mean:.decimals$} (no interval)") };
        let half = (high - low) / 2.0;
        if ((high + low) / 2.0 - mean).abs() < 0.05 * 0.1_f64.powi(decimals as i32) {
            return format!("{mean:.decimals$} ± {half:.decimals$}");
        }
        format!("{mean:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
    }
}

/// Prints two decimals where all numbers lie between −1 and 1, as shares do; else one.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.ci95.unwrap_or((self.mean, self.mean));
        let small = [self.mean, low, high].iter().all(|value| value.abs() <= 1.0);
        f.write_str(&self.text(if small { 2 } else { 1 }))
    }
}

/// One episode's value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// The value.
    pub value: f64,
    /// Episodes of the same identity are the same episode.
    pub identity: u64,
}

/// A metric of every episode, seed by seed.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The episodes of each training seed.
    pub seeds: Vec<Vec<Episode>>,
    /// The least and the most that the metric can be; infinite where nothing is known.
    pub range: (f64, f64),
}

impl Sample {
    /// Mean over the episodes of each seed.
    pub fn per_seed(&self) -> Vec<f64> {
        self.seeds.iter().map(|seed| mean(&values(seed))).collect()
    }

    /// Mean over the seeds with its interval; the mean of an empty sample is NaN.
    pub fn estimate(&self) -> Estimate {
        let Estimate { mean, mut ci95, over } = self.by_student();
        if self.successes() {
            let count = self.seeds.iter().map(|seed| distinct(seed).len()).sum::<usize>() as f64;
            let exact = Some(clopper_pearson(mean * count, count));
            ci95 = if over == Unit::Episodes { exact } else { hull(ci95, exact) };
        }
        Estimate { mean, ci95: within(ci95, mean, self.range), over }
    }

    /// With Student's t over the seeds, or for one seed over its distinct episodes.
    fn by_student(&self) -> Estimate {
        let per_seed = self.per_seed();
        let mean = mean(&per_seed);
        let (over, units) = match self.seeds.as_slice() {
            [episodes] => (Unit::Episodes, distinct(episodes)),
            _ => (Unit::Seeds, per_seed),
        };
        Estimate { mean, ci95: student(mean, &units), over }
    }

    /// Mean of this less the other's, paired by seed, or for one seed by episode; `None` where the two do not have
    /// as many seeds and episodes, and no interval where the differences of all seeds are the same. Between success rates the interval is never narrower than Newcombe's (1998,
    /// method 10) of their own intervals.
    pub fn less(&self, other: &Sample) -> Option<Estimate> {
        let lengths = |sample: &Sample| sample.seeds.iter().map(Vec::len).collect::<Vec<_>>();
        if lengths(self) != lengths(other) {
            return None;
        }
        let pair = |(a, b): (&Vec<Episode>, &Vec<Episode>)| -> Vec<Episode> {
            let differences = a.iter().zip(b).map(|(a, b)| Episode {
                value: a.value - b.value,
                identity: a.identity.rotate_left(32) ^ b.identity,
            });
            differences.collect()
        };
        let range = (self.range.0 - other.range.1, self.range.1 - other.range.0);
        let paired = Sample { seeds: self.seeds.iter().zip(&other.seeds).map(pair).collect(), range };
        let Estimate { mean, mut ci95, over } = paired.by_student();
        // Trainings that agree to the digit do not say how others would differ.
        ci95 = ci95.filter(|(low, high)| high > low || over == Unit::Episodes);
        if self.successes() && other.successes() {
            ci95 = hull(ci95, newcombe(&self.estimate(), &other.estimate()));
        }
        Some(Estimate { mean, ci95: within(ci95, mean, range), over })
    }

    fn successes(&self) -> bool {
        let mut episodes = self.seeds.iter().flatten().peekable();
        episodes.peek().is_some() && episodes.all(|episode| episode.value == 0.0 || episode.value == 1.0)
    }
}

fn values(episodes: &[Episode]) -> Vec<f64> {
    episodes.iter().map(|episode| episode.value).collect()
}

/// The values of the distinct episodes.
fn distinct(episodes: &[Episode]) -> Vec<f64> {
    let mut seen = HashSet::new();
    episodes.iter().filter(|episode| seen.insert(episode.identity)).map(|episode| episode.value).collect()
}

/// Student's t-interval around `center`, with the spread of `units`; `None` for fewer than two.
pub(super) fn student(center: f64, units: &[f64]) -> Option<(f64, f64)> {
    let n = units.len() as f64;
    if n < 2.0 {
        return None;
    }
    let middle = mean(units);
    let variance = units.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (n - 1.0);
    let half = t_quantile(n - 1.0)? * (variance / n).sqrt();
    Some((center - half, center + half))
}

/// The 97.5th percentile of Student's t with so many degrees of freedom.
pub(super) fn t_quantile(freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975))
}

/// Exact 95 % interval of a success rate; `successes` need not be whole (a mean over episodes that repeat).
fn clopper_pearson(successes: f64, episodes: f64) -> (f64, f64) {
    let quantile =
        |p: f64, a: f64, b: f64, edge: f64| Beta::new(a, b).map_or(edge, |beta| beta.inverse_cdf(p));
    let failures = (episodes - successes).max(0.0);
    let low = if successes > 0.0 { quantile(0.025, successes, failures + 1.0, 0.0) } else { 0.0 };
    let high = if failures > 0.0 { quantile(0.975, successes + 1.0, failures, 1.0) } else { 1.0 };
    (low, high)
}

fn newcombe(a: &Estimate, b: &Estimate) -> Option<(f64, f64)> {
    let ((a_low, a_high), (b_low, b_high)) = (a.ci95?, b.ci95?);
    let center = a.mean - b.mean;
    Some((center - (a.mean - a_low).hypot(b_high - b.mean), center + (a_high - a.mean).hypot(b.mean - b_low)))
}

/// The least interval that holds both.
pub(super) fn hull(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some((a.0.min(b.0), a.1.max(b.1)))
}

/// An interval cut off at the ends of the range; the mean itself always lies in it.
fn within(ci95: Option<(f64, f64)>, center: f64, range: (f64, f64)) -> Option<(f64, f64)> {
    ci95.map(|(low, high)| (low.max(range.0).min(center), high.min(range.1).max(center)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    pub(crate) const SHARE: (f64, f64) = (0.0, 1.0);

    /// Episodes that all differ.
    pub(crate) fn sample(seeds: &[Vec<f64>], range: (f64, f64)) -> Sample {
        let episodes = |values: &Vec<f64>| {
            let numbered = (0..).zip(values);
            numbered.map(|(identity, &value)| Episode { value, identity }).collect()
        };
        Sample { seeds: seeds.iter().map(episodes).collect(), range }
    }

    pub(crate) fn by_seed(means: &[f64], range: (f64, f64)) -> Sample {
        sample(&means.iter().map(|&mean| vec![mean]).collect::<Vec<_>>(), range)
    }

    #[track_caller]
    fn assert_interval(found: Option<(f64, f64)>, expected: (f64, f64)) {
        let (low, high) = found.unwrap();
        let error = (low - expected.0).abs().max((high - expected.1).abs());
        assert!(error < 1e-8, "found [{low}, {high}], expected {expected:?}");
    }

    /// `stats.t.interval(.95, len(x)-1, np.mean(x), stats.sem(x))`
    #[test]
    fn t_intervals_agree_with_scipy() {
        let scores = [71.2, 80.5, 77.9, 12.4, 88.1, 79.3, 90.7, 65.0, 84.6, 78.8];
        for (n, expected) in [
            (3, (64.61378583623377, 88.45288083043289)),
            (5, (28.051323912697256, 103.98867608730276)),
            (10, (56.732273529750216, 88.96772647024977)),
        ] {
            let seeds = by_seed(&scores[..n], FREE).estimate();
            assert_interval(seeds.ci95, expected);
            let episodes = sample(&[scores[..n].to_vec()], FREE).estimate();
            assert_interval(episodes.ci95, expected);
            assert_eq!((seeds.over, episodes.over), (Unit::Seeds, Unit::Episodes));
        }
        assert_eq!(by_seed(&scores[..1], FREE).estimate().ci95, None);
        assert!(by_seed(&[], FREE).estimate().mean.is_nan());
    }

    /// `stats.binomtest(k, n).proportion_ci(method='exact')`
    #[test]
    fn success_rates_of_one_seed_agree_with_scipy() {
        for (k, n, expected) in [
            (0, 6, (0.0, 0.45925812643990044)),
            (6, 6, (0.5407418735600995, 1.0)),
            (3, 10, (0.06673951117773447, 0.652452850060008)),
            (83, 100, (0.7418245893678491, 0.8977350899644719)),
            (299, 300, (0.9815687479519322, 0.9999156108676822)),
        ] {
            let episodes = (0..n).map(|i| f64::from(i < k)).collect();
            assert_interval(sample(&[episodes], SHARE).estimate().ci95, expected);
        }
    }

    /// Of 50 episodes that are six, and of three seeds with two episodes each: all of them succeed.
    #[test]
    fn episodes_that_repeat_others_do_not_count() {
        let repeated = |identities: u64| {
            (0..50).map(|i| Episode { value: 1.0, identity: i % identities }).collect::<Vec<_>>()
        };
        let one = Sample { seeds: vec![repeated(6)], range: SHARE };
        assert_interval(one.estimate().ci95, (0.5407418735600995, 1.0));
        let three = Sample { seeds: vec![repeated(2); 3], range: SHARE };
        assert_interval(three.estimate().ci95, (0.5407418735600995, 1.0));
        assert_eq!(Sample { seeds: vec![repeated(1)], range: FREE }.less(&one).unwrap().mean, 0.0);
    }

    /// `stats.ttest_rel(a, b).confidence_interval(.95)`; and with `l, u` the exact intervals of p = 56/70 and 48/80,
    /// `p1-p2-((p1-l1)**2+(u2-p2)**2)**.5, p1-p2+((u1-p1)**2+(p2-l2)**2)**.5`.
    #[test]
    fn paired_differences_agree_with_scipy() {
        let (a, b) = (by_seed(&[80.0, 75.5, 90.1], FREE), by_seed(&[78.2, 77.0, 85.0], FREE));
        let expected = (-6.397654448776084, 9.997654448776078);
        assert_interval(a.less(&b).unwrap().ci95, expected);
        assert_eq!(a.less(&by_seed(&[78.2, 77.0], FREE)), None);

        let rate = |k: u32, n: u32| sample(&[(0..n).map(|i| f64::from(i < k)).collect()], SHARE).estimate();
        let expected = (0.04388687820777473, 0.34417102320820525);
        assert_interval(newcombe(&rate(56, 70), &rate(48, 80)), expected);
        // All succeed in both, in all seeds: not a difference known to be none.
        let all = sample(&[vec![1.0; 10], vec![1.0; 10]], SHARE);
        let (low, high) = all.less(&all).unwrap().ci95.unwrap();
        assert!(-0.25 < low && low < -0.1 && (low + high).abs() < 1e-12, "[{low}, {high}]");
    }

    /// `stats.ttest_1samp([2, 3, 0], 0).confidence_interval(.95)`: one seed is paired by episode, and pairs of which one
    /// episode differs are different pairs.
    #[test]
    fn one_seed_is_paired_by_episode() {
        let of = |episodes: [(f64, u64); 3]| Sample {
            seeds: vec![episodes.map(|(value, identity)| Episode { value, identity }).to_vec()],
            range: FREE,
        };
        let same = 1 << 32;
        let (a, b) = (of([(3.0, same), (5.0, same), (4.0, same)]), of([(1.0, 2), (2.0, 3), (4.0, 4)]));
        let difference = a.less(&b).unwrap();
        assert_eq!(difference.over, Unit::Episodes);
        assert_interval(difference.ci95, (-2.1279163670727987, 5.461249700406132));
    }

    #[test]
    fn a_difference_stays_in_the_range_that_two_scores_leave_it() {
        let range = (10.0, 20.0);
        let (a, b) = (by_seed(&[10.0, 20.0], range), by_seed(&[20.0, 10.0], range));
        assert_eq!(a.less(&b).unwrap().ci95, Some((-10.0, 10.0)));
        // Rates beside what is none have no interval of rates.
        let (all, half) = (by_seed(&[1.0, 1.0], SHARE), by_seed(&[0.5, 0.4], SHARE));
        assert_eq!(all.less(&half).unwrap().ci95.unwrap().1, 1.0);
        // Differences that agree to the digit have none at all.
        let half = by_seed(&[0.5, 0.5], SHARE);
        assert_eq!(all.less(&half).unwrap(), Estimate { mean: 0.5, ci95: None, over: Unit::Seeds });
    }

    #[test]
    fn intervals_stay_in_the_range_and_are_printed_as_they_are() {
        let estimate = by_seed(&[1.0, 0.5, 1.0], SHARE).estimate();
        assert_eq!(estimate.ci95.unwrap().1, 1.0);
        assert_eq!(estimate.to_string(), "0.83 [0.12, 1.00]");
        let symmetric = by_seed(&[71.2, 80.5, 77.9], FREE).estimate();
        assert_eq!(symmetric.to_string(), "76.5 ± 11.9");
        assert_eq!(by_seed(&[3.0], FREE).estimate().to_string(), "3.0 (no interval)");
        let ends = Estimate { mean: 70.0, ci95: Some((60.0, 80.2)), over: Unit::Seeds };
        assert_eq!(ends.to_string(), "70.0 [60.0, 80.2]");
    }
}

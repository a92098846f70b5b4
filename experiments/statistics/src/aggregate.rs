//! Statistics over the runs of several datasets (Agarwal et al. 2021, “Deep RL at the edge of the statistical
//! precipice”; as their library rliable defines them).
//!
//! Scores come as strata: the scores of all runs (one for each training seed), dataset by dataset. Intervals are 95 %
//! percentile-bootstrap intervals of 2000 resamples, the runs of each dataset resampled by themselves: datasets are
//! fixed. With few runs such an interval covers less often than it says (`coverage_tests.rs`: how often); Student's t of
//! [`mean_difference`] does not have that fault.

use super::interval::{hull, student, t_quantile};
use super::random::SplitMix64;
use super::{Estimate, Unit, mean, percentile_of_sorted, sorted};

/// The scores of all runs, dataset by dataset.
pub type Strata = [Vec<f64>];

/// As many as rliable takes for profiles; the ends of an interval then vary by about 2 % of its width.
const RESAMPLES: usize = 2000;

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959963984540054;

/// The mean of the middle half of all runs: `scipy.stats.trim_mean(x, 0.25)`.
pub fn interquartile_mean(scores: &Strata) -> Estimate {
    bootstrap(&[scores], |resampled| middle_half(&resampled[0].concat()))
}

/// The mean of what lies in the middle half.
pub(super) fn middle_half(values: &[f64]) -> f64 {
    let all = sorted(values);
    let cut = all.len() / 4;
    mean(&all[cut..all.len() - cut])
}

/// By how much the runs miss a score on average, those beyond it counted as there.
pub fn optimality_gap(scores: &Strata, goal: f64) -> Estimate {
    bootstrap(&[scores], |resampled| {
        let missed: Vec<f64> = resampled[0].iter().flatten().map(|score| goal - score.min(goal)).collect();
        mean(&missed)
    })
}

/// The probability that a run of `x` is above one of `y` on a dataset drawn at random, ties counting half: the mean
/// over datasets of [`share_above`]. Both have the same datasets.
pub fn probability_of_improvement(x: &Strata, y: &Strata) -> Estimate {
    bootstrap(&[x, y], |resampled| {
        let pairs = resampled[0].iter().zip(&resampled[1]);
        mean(&pairs.map(|(x, y)| share_above(x, y)).collect::<Vec<_>>())
    })
}

/// [`probability_of_improvement`] with an interval that holds with few runs: 1.96 standard deviations that Mann and Whitney
/// (1947) give a share of equal distributions, which is where a verdict is decided. No interval where a dataset has a single
/// run.
pub fn probability_above(x: &Strata, y: &Strata) -> Estimate {
    let pairs = || x.iter().zip(y);
    let center = mean(&pairs().map(|(x, y)| share_above(x, y)).collect::<Vec<_>>());
    let variance = pairs().map(|(x, y)| {
        let (m, n) = (x.len() as f64, y.len() as f64);
        (m + n + 1.0) / (12.0 * m * n)
    });
    let half = Z * variance.sum::<f64>().sqrt() / x.len() as f64;
    let enough = x.iter().chain(y).all(|runs| runs.len() > 1);
    let ends = ((center - half).max(0.0), (center + half).min(1.0));
    Estimate { mean: center, ci95: Some(ends).filter(|_| enough), over: Unit::Seeds }
}

/// The share of pairs of runs in which that of `x` is above that of `y`, ties counting half: the Mann–Whitney U
/// statistic over its largest value.
pub fn share_above(x: &[f64], y: &[f64]) -> f64 {
    let wins = x.iter().flat_map(|a| y.iter().map(move |b| f64::from(a > b) + f64::from(a == b) / 2.0));
    mean(&wins.collect::<Vec<_>>())
}

/// The mean over datasets of one number of each, the datasets taken as a random sample of those that there could be:
/// Student's t over them. The runs' noise is in the numbers already. No interval for one dataset, or for datasets that do not vary.
///
/// Beside the intervals of the other functions, for which the datasets are fixed, this one says what to expect of
/// another dataset of the kind.
pub fn over_sampled_datasets(of_each: &[f64]) -> Estimate {
    let center = mean(of_each);
    let ci95 = student(center, of_each).filter(|(low, high)| high > low);
    Estimate { mean: center, ci95, over: Unit::Datasets }
}

/// The share of all runs above each threshold.
pub fn performance_profile(scores: &Strata, thresholds: &[f64]) -> Vec<Estimate> {
    let above = |threshold: f64| {
        bootstrap(&[scores], |resampled| {
            mean(
                &resampled[0].iter().flatten().map(|&score| f64::from(score > threshold)).collect::<Vec<_>>(),
            )
        })
    };
    thresholds.iter().map(|&threshold| above(threshold)).collect()
}

/// Mean over datasets of the mean of each stratum of differences, with Student's t over the runs: datasets count
/// alike, and have each its own variance (degrees of freedom by Welch and Satterthwaite). No interval where a
/// dataset has a single run, or where no runs vary: how others would is then unknown.
///
/// `alone` are the intervals of the strata by themselves, as [`Sample::less`](crate::Sample::less) gives them. Where one is wider
/// than Student's t of its stratum, as of success rates that hardly vary from run to run, the interval is never narrower than
/// what follows from these (Zou and Donner 2008, “Construction of confidence limits about effect measures”, eq. 4; the other
/// strata with 1.96 standard errors).
pub fn mean_difference(differences: &Strata, alone: &[Option<(f64, f64)>]) -> Estimate {
    let datasets = differences.len() as f64;
    let center = mean(&differences.iter().map(|stratum| mean(stratum)).collect::<Vec<_>>());
    let (mut variance, mut squares) = (0.0, 0.0);
    // Squares of the distances to both ends, and whether they come from an interval that is wider than Student's t.
    let (mut ends, mut wider) = ([0.0; 2], false);
    for (place, stratum) in differences.iter().enumerate() {
        let (n, middle) = (stratum.len() as f64, mean(stratum));
        let of_mean =
            stratum.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (n - 1.0) / n / datasets.powi(2);
        variance += of_mean;
        squares += of_mean.powi(2) / (n - 1.0);
        let error = of_mean.sqrt();
        let (low, high) = alone.get(place).copied().flatten().unwrap_or((middle, middle));
        let student = t_quantile(n - 1.0).map_or(0.0, |t| t * error);
        for (end, distance) in ends.iter_mut().zip([middle - low, high - middle]) {
            let distance = distance / datasets;
            let beyond = distance > student * (1.0 + 1e-9);
            wider |= beyond;
            *end += if beyond { distance } else { Z * error }.powi(2);
        }
    }
    let half = t_quantile(variance.powi(2) / squares).map(|t| t * variance.sqrt());
    let by_student = half.filter(|_| variance > 0.0).map(|half| (center - half, center + half));
    let by_each = wider.then(|| (center - ends[0].sqrt(), center + ends[1].sqrt()));
    let enough = differences.iter().all(|stratum| stratum.len() > 1);
    let ci95 = hull(by_student, by_each).filter(|_| enough);
    Estimate { mean: center, ci95, over: Unit::Seeds }
}

/// A statistic of samples of runs, with its interval; none where no dataset has a second run.
fn bootstrap(samples: &[&Strata], statistic: impl Fn(&[Vec<Vec<f64>>]) -> f64) -> Estimate {
    let mut resampled: Vec<Vec<Vec<f64>>> = samples.iter().map(|sample| sample.to_vec()).collect();
    let value = statistic(&resampled);
    let mut random = SplitMix64::new(0);
    let mut draw = || {
        for (drawn, sample) in resampled.iter_mut().zip(samples) {
            for (drawn, stratum) in drawn.iter_mut().zip(*sample) {
                drawn.fill_with(|| stratum[random.below(stratum.len())]);
            }
        }
        statistic(&resampled)
    };
    let several = samples.iter().copied().flatten().any(|stratum| stratum.len() > 1);
    let ci95 = several.then(|| {
        let values = sorted(&(0..RESAMPLES).map(|_| draw()).collect::<Vec<_>>());
        (percentile_of_sorted(&values, 2.5), percentile_of_sorted(&values, 97.5))
    });
    Estimate { mean: value, ci95, over: Unit::Seeds }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three datasets of four runs.
    fn x() -> Vec<Vec<f64>> {
        vec![vec![71.2, 80.5, 77.9, 12.4], vec![88.1, 79.3, 90.7, 105.0], vec![84.6, 78.8, 30.0, 41.5]]
    }

    fn y() -> Vec<Vec<f64>> {
        vec![vec![60.2, 80.5, 70.1, 20.4], vec![81.0, 79.3, 99.0, 95.5], vec![50.0, 52.5, 30.0, 61.0]]
    }

    #[track_caller]
    fn assert_estimate(found: Estimate, mean: f64, (low, high): (f64, f64), tolerance: f64) {
        let ends = found.ci95.unwrap();
        assert!((found.mean - mean).abs() < 1e-9, "found {}, expected {mean}", found.mean);
        let error = (ends.0 - low).abs().max((ends.1 - high).abs());
        assert!(error <= tolerance, "found {ends:?}, expected [{low}, {high}] ± {tolerance}");
    }

    /// Values by rliable's formulas on SciPy 1.17: `trim_mean(x, .25, axis=None)`; `100 - np.mean(np.minimum(x, 100))`;
    /// `np.mean([mannwhitneyu(a, b, alternative='greater').statistic / (len(a)*len(b)) for a, b in zip(x, y)])`;
    /// `np.mean(x > t)`. Intervals: `np.percentile(…, [2.5, 97.5])` of 20 000 resamples of each row of x (and y) by
    /// itself, `np.stack([r[rng.integers(0, len(r), len(r))] for r in x])`.
    #[test]
    fn aggregates_agree_with_rliables_formulas() {
        assert_estimate(interquartile_mean(&x()), 78.71666666666668, (59.567, 82.85), 1.0);
        assert_estimate(optimality_gap(&x(), 100.0), 30.41666666666667, (19.2, 43.525), 1.0);
        assert_estimate(probability_of_improvement(&x(), &y()), 0.5729166666666666, (0.3125, 0.8125), 0.021);
        let profile = performance_profile(&x(), &[0.0, 50.0, 78.8, 100.0]);
        let shares: Vec<f64> = profile.iter().map(|share| share.mean).collect();
        assert_eq!(shares, [1.0, 0.75, 0.5, 1.0 / 12.0]);
        // One run is a twelfth.
        assert_estimate(profile[2], 0.5, (1.0 / 3.0, 0.75), 0.084);
    }

    /// `z * (11/300)**.5`, and with three datasets of four runs `z * (3 * 9/192)**.5 / 3`, with `z = norm.ppf(.975)`.
    #[test]
    fn a_probability_has_an_interval_that_never_vanishes() {
        let runs = |from: f64| vec![(0..5).map(|i| from + f64::from(i)).collect::<Vec<_>>()];
        assert_estimate(probability_above(&runs(9.0), &runs(0.0)), 1.0, (0.6246954701950456, 1.0), 1e-12);
        assert_estimate(probability_above(&runs(0.0), &runs(9.0)), 0.0, (0.0, 0.3753045298049544), 1e-12);
        let ends = (0.3279211685991599, 0.8179121647341734);
        assert_estimate(probability_above(&x(), &y()), 0.5729166666666666, ends, 1e-12);
        assert_eq!(probability_above(&[vec![1.0]], &[vec![0.0]]).ci95, None);
    }

    /// `d = x - y; m = d.mean(axis=1); v = d.var(axis=1, ddof=1)/4; V = v.sum()/9;
    /// df = V**2/np.sum((v/9)**2/3); m.mean() ± stats.t.ppf(.975, df)*V**.5`
    #[test]
    fn differences_over_datasets_agree_with_scipy() {
        let less = |(x, y): (&Vec<f64>, &Vec<f64>)| x.iter().zip(y).map(|(x, y)| x - y).collect();
        let differences: Vec<Vec<f64>> = x().iter().zip(&y()).map(less).collect();
        assert_estimate(
            mean_difference(&differences, &[]),
            5.041666666666667,
            (-7.2147852894, 17.2981186228),
            1e-8,
        );
        assert_eq!(mean_difference(&[vec![1.0, 2.0], vec![3.0]], &[]).ci95, None);
        assert_eq!(mean_difference(&[vec![1.0, 1.0], vec![3.0, 3.0]], &[]).ci95, None);
    }

    /// Success rates of 30/30 and 27/30, and of 30/30 and 30/30, in runs that agree: with `l, u` Newcombe's ends of each
    /// difference d, `m - ((d - l)**2).sum()**.5 / 2, m + ((u - d)**2).sum()**.5 / 2`. Intervals no wider than Student's t of
    /// their runs change nothing.
    #[test]
    fn success_rates_that_agree_are_not_known_to_the_digit() {
        let rates = [
            Some((-0.04003485853139968, 0.26528845047420824)),
            Some((-0.11570330822202779, 0.11570330822202779)),
        ];
        let agreed = mean_difference(&[vec![0.1; 3], vec![0.0; 3]], &rates);
        assert_estimate(agreed, 0.05, (-0.04082540550065093, 0.1508805325542128), 1e-12);
        // An episode of many that was lost is no measure of what others would lose.
        let one = mean_difference(&[vec![0.1; 3], vec![0.0, 0.0, 0.0005]], &rates);
        assert!(one.ci95.unwrap().0 < -0.03, "{one:?}");
        let varied = [vec![0.1, 0.3, 0.2], vec![0.0, 0.2, 0.1]];
        let narrow = [Some((0.1, 0.3)), Some((0.05, 0.15))];
        assert_eq!(mean_difference(&varied, &narrow), mean_difference(&varied, &[]));
    }

    /// `m.mean() ± t * m.std(ddof=1) / 3**.5` of the means by dataset of the differences above, `[2.7, 2.075, 10.35]`, and
    /// of the shares `[19, 17, 19] / 32`, with `t = .95 / (2 * .975 * .025)**.5`, the closed form of two degrees of freedom.
    #[test]
    fn datasets_as_a_sample_have_students_interval_over_their_means() {
        let means: Vec<f64> = x().iter().zip(&y()).map(|(x, y)| mean(x) - mean(y)).collect();
        let shares: Vec<f64> = x().iter().zip(&y()).map(|(x, y)| share_above(x, y)).collect();
        let sampled = over_sampled_datasets(&means);
        assert_eq!(sampled.over, Unit::Datasets);
        assert_estimate(sampled, 5.041666666666667, (-6.404645364586, 16.48797869792), 1e-9);
        assert_estimate(
            over_sampled_datasets(&shares),
            0.5729166666666666,
            (0.48327806813, 0.662555265203),
            1e-8,
        );
        assert_eq!(over_sampled_datasets(&means[..1]).ci95, None);
        assert_eq!(over_sampled_datasets(&[1.0, 1.0]).ci95, None);
        // Wider than over the same datasets as they are where these differ by more than their runs do.
        let apart = [vec![0.0, 0.1], vec![10.0, 10.1], vec![20.0, 20.1]];
        let (low, high) = over_sampled_datasets(&apart.each_ref().map(|runs| mean(runs))).ci95.unwrap();
        let (fixed_low, fixed_high) = mean_difference(&apart, &[]).ci95.unwrap();
        assert!(low < fixed_low - 10.0 && high > fixed_high + 10.0);
    }

    /// Datasets that differ leave nothing to resample where their runs do not.
    #[test]
    fn datasets_are_fixed() {
        assert_eq!(interquartile_mean(&[vec![10.0; 4], vec![80.0; 4]]).ci95, Some((45.0, 45.0)));
        assert_eq!(interquartile_mean(&[vec![10.0], vec![80.0]]).ci95, None);
    }
}

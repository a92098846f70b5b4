//! Statistics of scores and times.

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// The mean, or interquartile mean, of the sample itself; older files call it `value`.
    #[serde(alias = "value")]
    pub mean: f64,
    /// Lower and upper end.
    pub ci95: (f64, f64),
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ± {:.1}", self.mean, (self.ci95.1 - self.ci95.0) / 2.0)
    }
}

/// Resamples of a bootstrap; the ends of the interval then vary by about 1 % of its width.
const RESAMPLES: usize = 10_000;

/// Arithmetic mean; NaN for an empty sample.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Percentile `p` in 0..=100, linear between the two nearest ranks as in NumPy; NaN for an empty sample.
pub fn percentile(values: &[f64], p: f64) -> f64 {
    percentile_of_sorted(&sorted(values), p)
}

/// Mean of all values with its 95 % percentile-bootstrap interval (Efron 1979): the 2.5th and the 97.5th
/// percentile over 10 000 resamples with replacement. `seeds` are the episodes of each training seed: seeds are
/// resampled first, then the episodes of each, so that the interval tells what another training would give. The
/// same `seed` gives the same interval. A single value has itself as interval, an empty sample NaN.
pub fn bootstrap_mean(seeds: &[Vec<f64>], seed: u64) -> Estimate {
    let mean_of_all = |seeds: &[Vec<f64>]| {
        let count: usize = seeds.iter().map(Vec::len).sum();
        seeds.iter().flatten().sum::<f64>() / count as f64
    };
    bootstrap(seeds, seed, mean_of_all, |random, resample| {
        for drawn in resample {
            // A draw only where there is a choice.
            let episodes = if seeds.len() > 1 { &seeds[random.below(seeds.len())] } else { &seeds[0] };
            drawn.clear();
            drawn.extend((0..episodes.len()).map(|_| episodes[random.below(episodes.len())]));
        }
    })
}

/// Interquartile mean of all values (the mean of the middle half, as `scipy.stats.trim_mean(x, 0.25)`) with its
/// 95 % interval: of the scores of all seeds, a stratum for each dataset, resampled by itself (Agarwal et al. 2021).
pub fn bootstrap_interquartile_mean(strata: &[Vec<f64>], seed: u64) -> Estimate {
    let middle = |strata: &[Vec<f64>]| {
        let all = sorted(&strata.concat());
        let cut = all.len() / 4;
        mean(&all[cut..all.len() - cut])
    };
    bootstrap(strata, seed, middle, |random, resample| {
        for (drawn, stratum) in resample.iter_mut().zip(strata) {
            drawn.fill_with(|| stratum[random.below(stratum.len())]);
        }
    })
}

fn bootstrap(
    sample: &[Vec<f64>],
    seed: u64,
    statistic: impl Fn(&[Vec<f64>]) -> f64,
    draw: impl Fn(&mut SplitMix64, &mut Vec<Vec<f64>>),
) -> Estimate {
    let mut resample = sample.to_vec();
    let value = statistic(&resample);
    let mut random = SplitMix64(seed);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            draw(&mut random, &mut resample);
            statistic(&resample)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    Estimate {
        mean: value,
        ci95: (percentile_of_sorted(&resampled, 2.5), percentile_of_sorted(&resampled, 97.5)),
    }
}

/// The exponent p of y ∝ x^p: slope of the least-squares line through (ln x, ln y), over the points with x
/// and y above 0. `None` with fewer than two different x.
pub fn growth_exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|(x, y)| (x.ln(), y.ln()))
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let n = logs.len() as f64;
    let (x_mean, y_mean) = logs.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x / n, sy + y / n));
    let spread: f64 = logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let covariance: f64 = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (spread > 1e-12).then(|| covariance / spread)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn percentile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let rank = p.clamp(0.0, 100.0) / 100.0 * last as f64;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    below + (above - below) * rank.fract()
}

/// SplitMix64 (Steele, Lea, Flood 2014): published intervals must not change with a library's generator.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..n, by the high bits of a product (bias below n/2⁶⁴).
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 10] = [71.2, 80.5, 77.9, 12.4, 88.1, 79.3, 90.7, 65.0, 84.6, 78.8];

    #[track_caller]
    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected} ± {tolerance}");
    }

    /// `x.mean(), np.percentile(x, [50, 99, 2.5, 100])`
    #[test]
    fn summaries_agree_with_numpy() {
        assert_close(mean(&SCORES), 72.85, 1e-12);
        assert_close(percentile(&SCORES, 50.0), 79.05, 1e-12);
        assert_close(percentile(&SCORES, 99.0), 90.466, 1e-12);
        assert_close(percentile(&SCORES, 2.5), 24.235, 1e-12);
        assert_close(percentile(&SCORES, 100.0), 90.7, 0.0);
        assert!(mean(&[]).is_nan() && percentile(&[], 50.0).is_nan());
    }

    /// `stats.bootstrap((x,), np.mean, n_resamples=1_000_000, method='percentile')`; 10 000 resamples leave
    /// a standard error of about 0.3 in the ends of an interval this skewed.
    #[test]
    fn bootstrap_intervals_agree_with_scipy() {
        let found = bootstrap_mean(&[SCORES.to_vec()], 0);
        assert_close(found.mean, 72.85, 1e-12);
        assert_close(found.ci95.0, 57.85, 1.0);
        assert_close(found.ci95.1, 83.00, 0.5);
        assert_eq!(found, bootstrap_mean(&[SCORES.to_vec()], 0));
        assert_ne!(found, bootstrap_mean(&[SCORES.to_vec()], 1));
        assert_eq!(bootstrap_mean(&[vec![3.0]], 0), Estimate { mean: 3.0, ci95: (3.0, 3.0) });
        assert!(bootstrap_mean(&[vec![]], 0).ci95.0.is_nan());
    }

    /// `scipy.stats.trim_mean(x, 0.25)`
    #[test]
    fn interquartile_means_agree_with_scipy() {
        assert_close(bootstrap_interquartile_mean(&[SCORES.to_vec()], 0).mean, 78.71666666666667, 1e-12);
        assert_close(bootstrap_interquartile_mean(&[vec![1.0, 9.0], vec![2.0, 4.0]], 0).mean, 3.0, 1e-12);
    }

    /// Two seeds that differ, and do not vary in themselves: the interval is that of the seeds. Datasets that
    /// do leave nothing to resample.
    #[test]
    fn seeds_are_resampled_and_datasets_are_not() {
        let found = bootstrap_mean(&[vec![10.0; 5], vec![80.0; 5]], 0);
        assert_eq!(found, Estimate { mean: 45.0, ci95: (10.0, 80.0) });
        let found = bootstrap_interquartile_mean(&[vec![10.0; 4], vec![80.0; 4]], 0);
        assert_eq!(found, Estimate { mean: 45.0, ci95: (45.0, 45.0) });
    }

    /// `np.polyfit(np.log(t), np.log(y), 1)[0]`
    #[test]
    fn growth_exponents_agree_with_numpy() {
        let points = [(1.0, 0.06), (10.0, 0.62), (20.0, 1.3), (100.0, 8.1), (300.0, 36.0), (1000.0, 270.0)];
        assert_close(growth_exponent(&points).unwrap(), 1.1998962642355127, 1e-12);
        // Zeros have no logarithm and are left out.
        let with_zeros = [&points[..], &[(0.0, 1.0), (5.0, 0.0)]].concat();
        assert_eq!(growth_exponent(&with_zeros), growth_exponent(&points));
        assert_close(growth_exponent(&[(1.0, 1632.0), (1000.0, 1632.0)]).unwrap(), 0.0, 1e-12);
        assert_eq!(growth_exponent(&[(3.0, 1.0), (3.0, 2.0)]), None);
    }

    /// The published first outputs for seed 1234567.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = SplitMix64(1234567);
        let found = [random.next(), random.next(), random.next()];
        assert_eq!(found, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }
}

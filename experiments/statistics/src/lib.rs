//! Statistics of scores and times.

mod aggregate;
mod interval;
mod random;

#[cfg(test)]
mod coverage_tests;

pub use aggregate::{
    interquartile_mean, mean_difference, optimality_gap, over_sampled_datasets, performance_profile,
    probability_above, probability_of_improvement, share_above,
};
pub use interval::{Episode, Estimate, ONE_SEED, Sample, Unit};

/// Arithmetic mean; NaN for an empty sample.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Percentile `p` in 0..=100, linear between the two nearest ranks as in NumPy; NaN for an empty sample.
pub fn percentile(values: &[f64], p: f64) -> f64 {
    percentile_of_sorted(&sorted(values), p)
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
}

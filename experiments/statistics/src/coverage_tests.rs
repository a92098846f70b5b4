//! How often the intervals hold the truth, simulated: the table of `results/reference/coverage`.

use std::fmt::Write;
use std::ops::Range;

use super::aggregate::middle_half;
use super::interval::tests::{FREE, SHARE, by_seed, sample};
use super::random::SplitMix64;
use super::{
    Estimate, Sample, interquartile_mean, mean_difference, over_sampled_datasets, probability_above,
    probability_of_improvement,
};

const SIZES: [usize; 3] = [3, 5, 10];

/// Scores of five datasets: their means and the standard deviations of their runs, alike to those of a grid of robots,
/// where some datasets decide nothing and others everything.
const DATASETS: [(f64, f64); 5] = [(30.0, 1.0), (42.0, 0.5), (55.0, 12.0), (75.0, 6.0), (100.0, 3.0)];
/// Standard deviation of the differences between datasets, where these are a sample.
const BETWEEN: f64 = 5.0;

/// How often, of so many experiments, the interval holds the truth.
fn share_covered(
    experiments: usize,
    truth: f64,
    mut experiment: impl FnMut(&mut SplitMix64) -> Estimate,
) -> f64 {
    let mut random = SplitMix64::new(0);
    let covers = (0..experiments).filter(|_| {
        let (low, high) = experiment(&mut random).ci95.unwrap();
        low <= truth && truth <= high
    });
    covers.count() as f64 / experiments as f64
}

/// Of 4000 experiments, whose standard error at 95 % is 0.35 %.
fn coverage(truth: f64, mut experiment: impl FnMut(&mut SplitMix64) -> Sample) -> f64 {
    share_covered(4000, truth, |random| experiment(random).estimate())
}

/// `n` runs of each dataset.
fn runs(random: &mut SplitMix64, n: usize) -> Vec<Vec<f64>> {
    let of = |(mean, spread): (f64, f64)| (0..n).map(|_| mean + spread * random.normal()).collect();
    DATASETS.map(of).to_vec()
}

/// The runs of a policy less those of another of the same expectation.
fn differences(random: &mut SplitMix64, n: usize) -> Vec<Vec<f64>> {
    let (ours, theirs) = (runs(random, n), runs(random, n));
    let pair = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
    ours.iter().zip(&theirs).map(pair).collect()
}

/// Prints a Markdown table.
#[test]
fn intervals_cover_as_often_as_they_say() {
    let mut table = format!("| {:40} | 3 seeds | 5 seeds | 10 seeds |\n", "scores");
    let _ = writeln!(table, "| {} | ------: | ------: | -------: |", "-".repeat(40));
    let mut found = |what: &str, bounds: Range<f64>, covered: &dyn Fn(usize) -> f64| {
        let [three, five, ten] = SIZES.map(|n| {
            let covered = covered(n);
            assert!(bounds.contains(&covered), "{what}, {n} seeds: {covered}");
            100.0 * covered
        });
        let _ = writeln!(table, "| {what:40} | {three:5.1} % | {five:5.1} % | {ten:6.1} % |");
    };
    found("normal", 0.94..0.96, &|n| {
        coverage(70.0, |random| {
            by_seed(&(0..n).map(|_| 70.0 + 10.0 * random.normal()).collect::<Vec<_>>(), FREE)
        })
    });
    // None can be above 100.
    found("uniform, at the end of the range", 0.92..0.96, &|n| {
        coverage(90.0, |random| {
            by_seed(&(0..n).map(|_| 80.0 + 20.0 * random.uniform()).collect::<Vec<_>>(), (0.0, 100.0))
        })
    });
    let successes = |random: &mut SplitMix64, rate: f64| -> Vec<f64> {
        (0..20).map(|_| f64::from(random.uniform() < rate)).collect()
    };
    found("success rates from 0.5 to 1, 20 episodes", 0.92..0.97, &|n| {
        coverage(0.75, |random| {
            let seed = |random: &mut SplitMix64| {
                let rate = 0.5 + 0.5 * random.uniform();
                successes(random, rate)
            };
            sample(&(0..n).map(|_| seed(random)).collect::<Vec<_>>(), SHARE)
        })
    });
    // All episodes often succeed.
    found("a success rate of 0.97, 20 episodes", 0.95..1.0, &|n| {
        coverage(0.97, |random| sample(&(0..n).map(|_| successes(random, 0.97)).collect::<Vec<_>>(), SHARE))
    });
    found("difference over 5 datasets", 0.93..0.975, &|n| {
        share_covered(4000, 0.0, |random| mean_difference(&differences(random, n), &[]))
    });
    found("the same, datasets as a sample", 0.93..0.97, &|n| {
        share_covered(4000, 0.0, |random| {
            let noise = differences(random, n);
            let of = |runs: &Vec<f64>| super::mean(runs) + BETWEEN * random.normal();
            over_sampled_datasets(&noise.iter().map(of).collect::<Vec<_>>())
        })
    });
    // Bootstraps of 2000 resamples: 500 experiments, whose standard error at 95 % is 1 %. With few runs they are too
    // narrow, which a reader of a report is told.
    found("P(above) over 5 datasets, bootstrap", 0.80..0.97, &|n| {
        share_covered(500, 0.5, |random| probability_of_improvement(&runs(random, n), &runs(random, n)))
    });
    found("the same, as primary endpoints have it", 0.93..0.97, &|n| {
        share_covered(4000, 0.5, |random| probability_above(&runs(random, n), &runs(random, n)))
    });
    let truth = middle_half(&runs(&mut SplitMix64::new(1), 40_000).concat());
    found("interquartile mean, bootstrap", 0.70..0.97, &|n| {
        share_covered(500, truth, |random| interquartile_mean(&runs(random, n)))
    });

    // What is usually quoted. Of the 27 resamples of three seeds one is the least seed three times: more than
    // 2.5 %, so that the interval goes from the least seed to the greatest.
    let mut random = SplitMix64::new(0);
    let covers = (0..4000).filter(|_| {
        let seeds: [f64; 3] = std::array::from_fn(|_| random.normal());
        seeds.iter().any(|seed| *seed <= 0.0) && seeds.iter().any(|seed| *seed >= 0.0)
    });
    let bootstrap = covers.count() as f64 / 4000.0;
    assert!((0.73..0.77).contains(&bootstrap), "a percentile bootstrap: {bootstrap}");
    let (what, share) = ("normal, by a percentile bootstrap", 100.0 * bootstrap);
    println!("{table}| {what:40} | {share:5.1} % |         |          |");

    let one = coverage(0.9, |random| sample(&[successes(random, 0.9)], SHARE));
    assert!((0.95..1.0).contains(&one), "one seed's rate: {one}");
}

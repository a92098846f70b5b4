//! How many threads libtorch trains with.

use std::thread::available_parallelism;
use std::time::Duration;

use aaren_agents::Trainer;

use crate::measure;

/// Turns that every count of threads gets, and how long one takes, or how many updates.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(200);
const TURN_UPDATES: usize = 4;

/// Updates per second by each of these counts of threads, measured in turns on a spare trainer.
///
/// More are not always faster: where something else keeps a core busy, all threads wait for the one that
/// shares it.
pub fn rates(mut trainer: Trainer, counts: &[usize]) -> Vec<(usize, f64)> {
    let mut spent = vec![Vec::new(); counts.len()];
    for _ in 0..TURNS {
        for (&count, seconds) in counts.iter().zip(&mut spent) {
            tch::set_num_threads(count as i32);
            // A loss that is NaN is for the training to report; the time is the same.
            let _ = trainer.update();
            seconds.extend(measure::updates(&mut trainer, TURN_UPDATES, TURN).unwrap_or_default());
        }
    }
    let rate = |seconds: Vec<f64>| seconds.len() as f64 / seconds.iter().sum::<f64>();
    counts.iter().copied().zip(spent.into_iter().map(rate)).collect()
}

/// The count of the highest rate; of equal ones the lowest.
pub fn fastest(rates: &[(usize, f64)]) -> usize {
    rates.iter().fold((1, 0.0), |best, &next| if next.1 > best.1 { next } else { best }).0
}

/// The counts among which the fastest is looked for.
pub fn candidates() -> Vec<usize> {
    up_to(available_parallelism().map_or(1, usize::from))
}

/// 1, 2, 4, …, and all cores.
fn up_to(cores: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |count| Some(2 * count)).take_while(|&count| count < cores).collect();
    counts.push(cores);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_are_a_candidate_and_the_fastest_wins() {
        assert_eq!(up_to(1), [1]);
        assert_eq!(up_to(2), [1, 2]);
        assert_eq!(up_to(12), [1, 2, 4, 8, 12]);
        assert_eq!(fastest(&[(1, 12.1), (2, 21.0)]), 2);
        assert_eq!(fastest(&[(1, 12.1), (2, 8.6)]), 1);
        assert_eq!(fastest(&[(1, 5.0), (2, 5.0), (4, 4.0)]), 1);
    }
}

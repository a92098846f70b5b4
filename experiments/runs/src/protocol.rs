//! How a policy is played: its roll-out, the returns that it is asked for, and how many episodes.

use aaren_datasets::DatasetSummary;
use aaren_spec::{PolicySpec, Protocol, Spec};

/// How a policy is to be played.
pub fn protocol(spec: &Spec, policy: &PolicySpec, dataset: &DatasetSummary) -> Protocol {
    let (mut target_returns, mut episodes) = (targets(spec, dataset), spec.evaluate.episodes);
    if spec.played_in().is_none() {
        // Each held-out episode once, asked for its own return.
        target_returns.truncate(1);
        episodes = 1;
    }
    Protocol {
        rollout: policy.agent.regime(),
        target_returns,
        episodes,
        // What cannot be free acts as asked.
        guidance: if policy.agent.can_be_free() { spec.evaluate.guidance } else { 1.0 },
    }
}

/// The returns that evaluations ask for: those of the spec, else the best in the data and, where the data have worse, its half.
pub fn targets(spec: &Spec, dataset: &DatasetSummary) -> Vec<f64> {
    let of_data = || of_data(dataset.return_max, dataset.return_min);
    spec.evaluate.target_returns.clone().unwrap_or_else(of_data)
}

fn of_data(best: f64, worst: f64) -> Vec<f64> {
    // Cut to what can be read, and stays within the data.
    let cut = |target: f64| {
        let parts = if target.abs() < 10.0 { 1e4 } else { 10.0 };
        (target * parts).floor() / parts
    };
    // Half of a negative return would be a better one; below all returns nobody shows what is meant.
    match cut(best / 2.0) {
        half if half > 0.0 && half >= worst => vec![cut(best), half],
        _ => vec![cut(best)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_lies_in_the_data() {
        assert_eq!(of_data(3987.56, 10.0), [3987.5, 1993.7]);
        assert_eq!(of_data(0.98765, 0.0), [0.9876, 0.4938]);
        // Half would be worse than anything seen, or better than the best.
        assert_eq!(of_data(10.0, 7.0), [10.0]);
        assert_eq!(of_data(-100.04, -900.0), [-100.1]);
    }
}

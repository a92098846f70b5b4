//! Episodes that policies do not learn from: how far their actions are from the data's.

use aaren_datasets::Dataset;
use aaren_format::{ActionSpace, Regime};
use aaren_spec::EpisodeResult;
use aaren_streaming::Policy;
use rayon::prelude::*;

use crate::Result;

/// Lets a policy act along each episode of `data`, asked for the return that the episode has, and told the data's
/// observations, rewards and actions.
///
/// Each result holds, in the place of a return, the mean error of the actions: of continuous ones the squared difference of
/// their entries, scaled to [−1, 1]; of discrete ones the share of the columns in which another choice was made.
///
/// # Errors
/// Where the policy does not fit the data, or its output is not finite.
pub fn action_errors(
    policy: &Policy,
    data: &Dataset,
    regime: Regime,
    target: f64,
) -> Result<Vec<EpisodeResult>> {
    let size = data.observation_size();
    let episodes = data.episodes().par_iter().enumerate().map(|(index, episode)| {
        let mut stream = policy.stream_with(regime)?;
        stream.reset(episode.total_return);
        let mut result = EpisodeResult::new(target, index as u64);
        let (mut error, mut reward) = (0.0, 0.0);
        for transition in episode.start..episode.start + episode.length {
            let observation = &data.observations()[transition * size..][..size];
            let taken = &data.actions()[transition * data.action_size()..][..data.action_size()];
            let given = stream.act(observation, reward)?;
            error += difference(policy.action_space(), given, taken);
            stream.took(taken);
            reward = f64::from(data.rewards()[transition]);
            let seen: Vec<f64> = observation.iter().map(|&x| x.into()).collect();
            result.see(&seen);
        }
        result.length = episode.length;
        result.total_return = error / episode.length as f64;
        Ok(result)
    });
    episodes.collect()
}

/// The mean over all timesteps of these results.
pub fn mean(results: &[EpisodeResult]) -> f64 {
    let steps: usize = results.iter().map(|it| it.length).sum();
    results.iter().map(|it| it.total_return * it.length as f64).sum::<f64>() / steps as f64
}

fn difference(space: &ActionSpace, given: &[f32], taken: &[f32]) -> f64 {
    let entries = given.iter().zip(taken);
    let sum: f64 = match space {
        ActionSpace::Continuous { low, high } => {
            let scaled = entries
                .zip(low.iter().zip(high))
                .map(|((given, taken), (low, high))| 2.0 * f64::from(given - taken) / f64::from(high - low));
            scaled.map(|difference| difference * difference).sum()
        }
        ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
            entries.filter(|(given, taken)| given != taken).count() as f64
        }
    };
    sum / given.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of continuous actions count as if they went from −1 to 1; choices are right or wrong.
    #[test]
    fn an_error_is_of_actions_scaled_to_their_bounds() {
        let continuous = ActionSpace::Continuous { low: vec![-1.0, -2.0], high: vec![1.0, 2.0] };
        assert_eq!(difference(&continuous, &[0.5, 1.0], &[0.0, 0.0]), 0.25);
        assert_eq!(difference(&continuous, &[1.0, 2.0], &[-1.0, -2.0]), 4.0);
        let choices = ActionSpace::MultiDiscrete { choices: vec![3, 2] };
        assert_eq!(difference(&choices, &[2.0, 1.0], &[1.0, 1.0]), 0.5);
    }
}

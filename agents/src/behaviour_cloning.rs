//! Behaviour cloning: a multi-layer perceptron maps the current observation to the action of the data. On the best
//! part of the trajectories it is the %BC of the Decision Transformer paper (Chen et al. 2021, §5.1).

use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use aaren_format::CloningConfig;
use tch::Device;

use crate::{
    Agent, Descent, Error, Learner, Metrics, Network, Perceptron, Sampler, Saved, Task, TrainConfig,
};

/// Batches of transitions of the best episodes, drawn uniformly, for a [`Perceptron`].
#[derive(Debug)]
struct CloningLearner<'d> {
    network: Perceptron,
    /// What the averaged weights act with.
    averaged: Option<Perceptron>,
    sampler: Sampler<'d>,
    descent: Descent,
    /// Transitions in a batch.
    batch: usize,
}

impl Agent for CloningConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        let network = || Perceptron::new(self.mlp(), self.dropout, task.clone(), device);
        let (network, averaged) = (network()?, (config.ema > 0.0).then(network).transpose()?);
        let sampler = Sampler::new(dataset, task, best(dataset, self.top), config.seed);
        let descent = Descent::new(&network, averaged.as_ref().map(|it| it as &dyn Network), config);
        let longest = dataset.longest_episode();
        let batch = config.batch.saturating_mul(self.context_length.timesteps(longest).min(longest));
        Ok(Box::new(CloningLearner { network, averaged, sampler, descent, batch }))
    }
}

/// The transitions of the best episodes that together make up at most the share `top` of all timesteps, and of the
/// very best episode in any case, as in the Decision Transformer's code.
fn best(dataset: &Dataset, top: f64) -> Vec<usize> {
    let mut episodes: Vec<_> = dataset.episodes().iter().collect();
    episodes.sort_by(|a, b| b.total_return.total_cmp(&a.total_return));
    let allowed = (top * dataset.transitions() as f64) as usize;
    let mut kept = Vec::with_capacity(allowed);
    for episode in episodes {
        if !kept.is_empty() && kept.len() + episode.length > allowed {
            break;
        }
        kept.extend(episode.start..episode.start + episode.length);
    }
    kept
}

impl Learner for CloningLearner<'_> {
    fn network(&self) -> &dyn Network {
        self.averaged.as_ref().unwrap_or(&self.network)
    }

    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let (task, device) = (self.network.task(), self.network.device());
        let transitions = self.sampler.draw(update, self.batch);
        let head = self.network.forward(&self.sampler.observations(&transitions, device), true);
        let errors = task.action_errors(&head, &self.sampler.actions(&transitions, device));
        let loss = errors.sum(None) / (self.batch as f64 * task.action_terms());
        let gradients = Gradients::of_graph(&loss, &self.network.store().trainable_variables());
        Ok(self.descent.step(update, loss.detach(), &gradients))
    }

    fn save(&self) -> Saved {
        self.descent.save(&self.network)
    }
}

#[cfg(test)]
mod tests {
    use aaren_datasets::Transitions;

    use super::*;

    /// Episodes of 3, 4, 2 and 1 timesteps with returns 3, 8, 6 and 5.
    #[test]
    fn the_best_share_is_counted_in_timesteps() {
        let rewards = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 5.0];
        let transitions = Transitions {
            observations: vec![0.0; 10],
            actions: vec![0.0; 10],
            rewards: rewards.to_vec(),
            terminals: (0..10).map(|index| [2, 6, 8, 9].contains(&index)).collect(),
            timeouts: vec![false; 10],
        };
        let dataset = Dataset::new("toy", transitions, 1, 1, false);
        assert_eq!(best(&dataset, 0.1), [3, 4, 5, 6], "the best one, however long");
        assert_eq!(best(&dataset, 0.6), [3, 4, 5, 6, 7, 8]);
        assert_eq!(best(&dataset, 0.65), [3, 4, 5, 6, 7, 8]);
        assert_eq!(best(&dataset, 0.7), [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(best(&dataset, 1.0).len(), 10);
    }
}

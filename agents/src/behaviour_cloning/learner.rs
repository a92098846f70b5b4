//! What behaviour cloning learns with: transitions of the best episodes, drawn uniformly.

use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::CloningNetwork;
use crate::{Error, Learner, Network};

/// Batches of transitions for a [`CloningNetwork`].
#[derive(Debug)]
pub(super) struct CloningLearner<'d> {
    network: CloningNetwork,
    dataset: &'d Dataset,
    /// Indices of the transitions that are learned from.
    kept: Vec<usize>,
    /// Transitions in a batch.
    batch: usize,
    seed: u64,
}

impl<'d> CloningLearner<'d> {
    pub fn new(network: CloningNetwork, dataset: &'d Dataset, top: f64, batch: usize, seed: u64) -> Self {
        Self { network, dataset, kept: best(dataset, top), batch, seed }
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
        &self.network
    }

    fn gradients(&mut self, update: u64) -> Result<(Tensor, Gradients), Error> {
        let (task, dataset) = (self.network.task(), self.dataset);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(update);
        let (observed, columns) = (task.observation_size, dataset.action_size());
        let mut observations = Vec::with_capacity(self.batch * observed);
        let mut tokens = Vec::with_capacity(self.batch * task.action.size());
        for _ in 0..self.batch {
            let index = self.kept[random.random_range(0..self.kept.len())];
            observations.extend(&dataset.observations()[index * observed..][..observed]);
            task.action.push_token(&dataset.actions()[index * columns..][..columns], &mut tokens);
        }
        let tensor = |data: &[f32]| {
            Tensor::from_slice(data).view([self.batch as i64, -1]).to_device(self.network.device())
        };
        let head = self.network.forward(&tensor(&task.normalised(&observations)), true);
        let errors = task.action_errors(&head, &tensor(&tokens));
        let loss = errors.sum(None) / (self.batch as f64 * task.action_terms());
        let gradients = Gradients::of_graph(&loss, &self.network.store().trainable_variables());
        Ok((loss.detach(), gradients))
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

//! Transitions drawn one by one, for agents that learn from single steps.

use aaren_datasets::{Dataset, End, Episode};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::{Error, Task};

/// Draws transitions uniformly by (seed, update), so that any update can be repeated alone, and gives what is known of
/// them, a row for each.
#[derive(Debug)]
pub struct Sampler<'d> {
    dataset: &'d Dataset,
    task: Task,
    /// Indices of the transitions that are drawn from, at least one.
    from: Vec<usize>,
    seed: u64,
}

impl<'d> Sampler<'d> {
    /// Draws from the transitions `from` of a dataset that fits the task.
    pub fn new(dataset: &'d Dataset, task: &Task, from: Vec<usize>, seed: u64) -> Self {
        Self { dataset, task: task.clone(), from, seed }
    }

    /// Draws from the transitions whose outcome is known: not the last one of an episode that ended otherwise than by
    /// the task, as in D4RL's `qlearning_dataset`.
    ///
    /// # Errors
    /// [`Error::NoOutcome`] where there is none.
    pub fn with_outcome(dataset: &'d Dataset, task: &Task, seed: u64) -> Result<Self, Error> {
        let known = |episode: &Episode| {
            let last = usize::from(episode.end != End::Terminated);
            episode.start..episode.start + episode.length - last
        };
        let from: Vec<usize> = dataset.episodes().iter().flat_map(known).collect();
        if from.is_empty() {
            return Err(Error::NoOutcome { dataset: dataset.name().to_owned() });
        }
        Ok(Self::new(dataset, task, from, seed))
    }

    /// The transitions of one update.
    pub fn draw(&self, update: u64, rows: usize) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(update);
        (0..rows).map(|_| self.from[random.random_range(0..self.from.len())]).collect()
    }

    /// Normalised observations, `[rows, observation size]`.
    pub fn observations(&self, transitions: &[usize], device: Device) -> Tensor {
        let size = self.task.observation_size;
        let mut rows = Vec::with_capacity(transitions.len() * size);
        for &index in transitions {
            self.task.push_normalised(&self.dataset.observations()[index * size..][..size], &mut rows);
        }
        tensor(&rows, transitions.len(), device)
    }

    /// Action tokens, `[rows, action size]`.
    pub fn actions(&self, transitions: &[usize], device: Device) -> Tensor {
        let columns = self.dataset.action_size();
        let mut rows = Vec::with_capacity(transitions.len() * self.task.action.size());
        for &index in transitions {
            self.task.action.push_token(&self.dataset.actions()[index * columns..][..columns], &mut rows);
        }
        tensor(&rows, transitions.len(), device)
    }

    /// What came of them.
    pub fn outcome(&self, transitions: &[usize], device: Device) -> Outcome {
        let episodes = self.dataset.episodes();
        let ends = |index: usize| {
            let episode = &episodes[episodes.partition_point(|episode| episode.start <= index) - 1];
            index + 1 == episode.start + episode.length
        };
        let ends: Vec<bool> = transitions.iter().map(|&index| ends(index)).collect();
        let next = transitions.iter().zip(&ends).map(|(&index, &ends)| if ends { index } else { index + 1 });
        let rewards: Vec<f32> = transitions.iter().map(|&index| self.dataset.rewards()[index]).collect();
        let goes_on: Vec<f32> = ends.iter().map(|&ends| f32::from(!ends)).collect();
        Outcome {
            rewards: Tensor::from_slice(&rewards).to_device(device),
            next_observations: self.observations(&next.collect::<Vec<_>>(), device),
            goes_on: Tensor::from_slice(&goes_on).to_device(device),
        }
    }
}

/// What came of some transitions, a row for each.
#[derive(Debug)]
pub struct Outcome {
    /// Rewards, `[rows]`.
    pub rewards: Tensor,
    /// Normalised observations after them, `[rows, observation size]`; arbitrary where the task ended the episode.
    pub next_observations: Tensor,
    /// 1 where the episode goes on, 0 where the task ended it, `[rows]`.
    pub goes_on: Tensor,
}

/// Rows as a tensor `[rows, columns]`.
fn tensor(data: &[f32], rows: usize, device: Device) -> Tensor {
    Tensor::from_slice(data).view([rows as i64, -1]).to_device(device)
}

//! Transitions drawn one by one, for agents that learn from single steps.

use aaren_datasets::Dataset;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::Task;

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
}

/// Rows as a tensor `[rows, columns]`.
fn tensor(data: &[f32], rows: usize, device: Device) -> Tensor {
    Tensor::from_slice(data).view([rows as i64, -1]).to_device(device)
}

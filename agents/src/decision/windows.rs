//! Training windows of a dataset.

use aaren_datasets::Dataset;
use aaren_format::Start;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::{Error, Task};

/// Windows of a dataset, padded on the right to the longest of them.
#[derive(Debug)]
pub struct Batch {
    /// Scaled returns-to-go, `[rows, timesteps, 1]`.
    pub returns: Tensor,
    /// Normalised observations, `[rows, timesteps, observation size]`.
    pub states: Tensor,
    /// Action tokens, `[rows, timesteps, action size]`.
    pub actions: Tensor,
    /// Timesteps within the episode, `[rows, timesteps]`, int64.
    pub timesteps: Tensor,
    /// 1 for real timesteps, 0 for padding, `[rows, timesteps]`.
    pub mask: Tensor,
}

impl Batch {
    /// `count` of its rows from `start` on.
    pub(super) fn rows(&self, start: i64, count: i64) -> Batch {
        let rows = |tensor: &Tensor| tensor.narrow(0, start, count);
        Batch {
            returns: rows(&self.returns),
            states: rows(&self.states),
            actions: rows(&self.actions),
            timesteps: rows(&self.timesteps),
            mask: rows(&self.mask),
        }
    }
}

/// Draws training windows by (seed, update), so that any update can be repeated alone.
///
/// A window starts as [`Start`] says and ends with the context length or the episode. Padding stands at the end,
/// where a causal encoder never sees it, and is masked out of the loss.
#[derive(Debug)]
pub struct Windows<'d> {
    dataset: &'d Dataset,
    task: Task,
    episode_of: Vec<u32>,
    context_length: usize,
    start: Start,
    seed: u64,
}

impl<'d> Windows<'d> {
    /// Windows of at most `context_length` timesteps, starting uniformly.
    ///
    /// # Errors
    /// Where the dataset's dimensions or actions do not fit the task.
    pub fn new(dataset: &'d Dataset, task: &Task, context_length: usize, seed: u64) -> Result<Self, Error> {
        task.check_fit(dataset)?;
        let mut episode_of = vec![0; dataset.transitions()];
        for (index, episode) in dataset.episodes().iter().enumerate() {
            episode_of[episode.start..episode.start + episode.length].fill(index as u32);
        }
        Ok(Self { dataset, task: task.clone(), episode_of, context_length, start: Start::Uniform, seed })
    }

    /// The same, starting elsewhere.
    pub fn starting(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// What they are windows of.
    pub(super) fn dataset(&self) -> &'d Dataset {
        self.dataset
    }

    /// The `rows` windows of one update.
    pub fn batch(&self, update: u64, rows: usize, device: Device) -> Batch {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(update);
        let (transitions, episodes) = (self.dataset.transitions(), self.dataset.episodes());
        let start = |_| match self.start {
            Start::Uniform => random.random_range(0..transitions),
            Start::Episode => episodes[random.random_range(0..episodes.len())].start,
        };
        let starts: Vec<usize> = (0..rows).map(start).collect();
        self.at(&starts, device)
    }

    /// The windows that start at the given transitions.
    pub fn at(&self, starts: &[usize], device: Device) -> Batch {
        let left = |&start: &usize| {
            let episode = &self.dataset.episodes()[self.episode_of[start] as usize];
            episode.start + episode.length - start
        };
        let longest = starts.iter().map(left).max().unwrap_or(0);
        let (rows, steps) = (starts.len(), self.context_length.min(longest));
        let (observation_size, action_size) = (self.task.observation_size, self.task.action.size());
        let mut returns = Vec::with_capacity(rows * steps);
        let mut states = Vec::with_capacity(rows * steps * observation_size);
        let mut actions = Vec::with_capacity(rows * steps * action_size);
        let mut timesteps = Vec::with_capacity(rows * steps);
        let mut mask = Vec::with_capacity(rows * steps);
        let columns = self.dataset.action_size();
        for &start in starts {
            let episode = &self.dataset.episodes()[self.episode_of[start] as usize];
            let end = (start + steps).min(episode.start + episode.length);
            for index in start..end {
                returns
                    .push((f64::from(self.dataset.returns_to_go()[index]) / self.task.return_scale) as f32);
                let observation =
                    &self.dataset.observations()[index * observation_size..][..observation_size];
                self.task.push_normalised(observation, &mut states);
                let action = &self.dataset.actions()[index * columns..][..columns];
                self.task.action.push_token(action, &mut actions);
                timesteps.push((index - episode.start) as i64);
                mask.push(1.0f32);
            }
            let padding = steps - (end - start);
            returns.resize(returns.len() + padding, 0.0);
            states.resize(states.len() + padding * observation_size, 0.0);
            actions.resize(actions.len() + padding * action_size, 0.0);
            timesteps.resize(timesteps.len() + padding, 0);
            mask.resize(mask.len() + padding, 0.0);
        }
        let tensor = |data: &[f32], columns: usize| {
            Tensor::from_slice(data).view([rows as i64, steps as i64, columns as i64]).to_device(device)
        };
        Batch {
            returns: tensor(&returns, 1),
            states: tensor(&states, observation_size),
            actions: tensor(&actions, action_size),
            timesteps: Tensor::from_slice(&timesteps).view([rows as i64, steps as i64]).to_device(device),
            mask: Tensor::from_slice(&mask).view([rows as i64, steps as i64]).to_device(device),
        }
    }
}

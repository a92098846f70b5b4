//! Training windows of a dataset.

use std::ops::Range;

use aaren_datasets::Dataset;
use aaren_format::{Bins, DecisionConfig, Layout, Start};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::{Error, Task};

/// Windows of a dataset, padded on the right to the longest of them.
#[derive(Debug)]
pub struct Batch {
    /// Scaled returns-to-go, `[rows, timesteps, 1]`.
    pub returns: Tensor,
    /// What is asked for, `[rows, timesteps, asked size]`; see [`Layout::ask`].
    pub asked: Tensor,
    /// Normalised observations, `[rows, timesteps, observation size]`.
    pub states: Tensor,
    /// Action tokens, `[rows, timesteps, action size]`.
    pub actions: Tensor,
    /// What came of the timestep before, `[rows, timesteps, 1 + action size]`: its reward, as a share of the scale spread
    /// evenly over the longest episode, and its action token; 0 at an episode's start. Without columns where nobody
    /// sees it.
    pub past: Tensor,
    /// Timesteps within the episode, `[rows, timesteps]`, int64.
    pub timesteps: Tensor,
    /// 1 for real timesteps, 0 for padding, `[rows, timesteps]`.
    pub mask: Tensor,
    /// Which timesteps begin an episode, `[rows, timesteps]` bool, where a row holds several one after the other.
    pub begins: Option<Tensor>,
}

impl Batch {
    /// `count` of its rows from `start` on.
    pub(super) fn rows(&self, start: i64, count: i64) -> Batch {
        let rows = |tensor: &Tensor| tensor.narrow(0, start, count);
        Batch {
            returns: rows(&self.returns),
            asked: rows(&self.asked),
            states: rows(&self.states),
            actions: rows(&self.actions),
            past: rows(&self.past),
            timesteps: rows(&self.timesteps),
            mask: rows(&self.mask),
            begins: self.begins.as_ref().map(rows),
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
    layout: Layout,
    /// Whether a timestep's token holds what came of the one before.
    past: bool,
    random_length: bool,
    /// Whether a row may hold several windows, all but the first of which begin an episode.
    shared_rows: bool,
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
        Ok(Self {
            dataset,
            task: task.clone(),
            episode_of,
            context_length,
            start: Start::Uniform,
            layout: Layout::Separate,
            past: false,
            random_length: false,
            shared_rows: false,
            seed,
        })
    }

    /// The same, for an agent with that configuration.
    pub fn of(self, config: &DecisionConfig) -> Self {
        Self {
            start: config.start,
            layout: config.layout,
            past: config.model.past_actions && config.layout != Layout::Separate,
            random_length: config.variation.random_length,
            // Returns are left out by row.
            shared_rows: (config.start == Start::Episode || config.carry)
                && config.model.encoder().resets()
                && config.variation.return_dropout == 0.0,
            ..self
        }
    }

    /// Whether a row may hold several of them.
    pub(super) fn shared_rows(&self) -> bool {
        self.shared_rows
    }

    /// Timesteps of the longest one that there can be.
    pub(super) fn longest(&self) -> usize {
        self.context_length.min(self.dataset.longest_episode())
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
        let longest = self.longest();
        let length = |_: &usize| if self.random_length { random.random_range(1..=longest) } else { longest };
        let lengths: Vec<usize> = starts.iter().map(length).collect();
        let lengths: Vec<usize> = starts.iter().zip(&lengths).map(|window| self.real(window)).collect();
        // A GPU has rows to spare, and steps one after the other are what it waits for.
        let rows = if self.shared_rows && device == Device::Cpu { shared(&lengths) } else { apart(&lengths) };
        self.windows(&starts, &lengths, &rows, device)
    }

    /// Timesteps of a window that starts at a transition and has so many at most.
    fn real(&self, (&start, &length): (&usize, &usize)) -> usize {
        let episode = &self.dataset.episodes()[self.episode_of[start] as usize];
        length.min(episode.start + episode.length - start)
    }

    /// The windows that start at the given transitions.
    pub fn at(&self, starts: &[usize], device: Device) -> Batch {
        let lengths: Vec<usize> =
            starts.iter().map(|start| self.real((start, &self.context_length))).collect();
        self.windows(starts, &lengths, &apart(&lengths), device)
    }

    /// Rows of pieces of the data, one after the other, all but the first of which begin an episode. Where rows are shared,
    /// whatever begins an episode says so.
    pub(super) fn pieces(&self, rows: &[Vec<Range<usize>>], device: Device) -> Batch {
        let pieces = || rows.iter().flatten();
        let starts: Vec<usize> = pieces().map(|piece| piece.start).collect();
        let lengths: Vec<usize> = pieces().map(ExactSizeIterator::len).collect();
        let mut piece = 0..starts.len();
        let places: Vec<Vec<usize>> =
            rows.iter().map(|row| piece.by_ref().take(row.len()).collect()).collect();
        let mut batch = self.windows(&starts, &lengths, &places, device);
        let begins =
            |start: &usize| self.dataset.episodes()[self.episode_of[*start] as usize].start == *start;
        if self.shared_rows && starts.iter().any(begins) {
            batch.begins = Some(batch.timesteps.eq(0));
        }
        batch
    }

    /// Those of so many timesteps, in rows that say which they hold.
    fn windows(&self, starts: &[usize], lengths: &[usize], places: &[Vec<usize>], device: Device) -> Batch {
        let long = |row: &Vec<usize>| row.iter().map(|&window| lengths[window]).sum::<usize>();
        let (rows, steps) = (places.len(), places.iter().map(long).max().unwrap_or(0));
        let (observation_size, action_size) = (self.task.observation_size, self.task.action.size());
        let asked_size = self.layout.asked_size();
        let bins = Bins::new(self.layout.bins(), self.task.return_range, self.task.return_scale);
        let past_size = if self.past { 1 + action_size } else { 0 };
        let share = self.task.max_timesteps as f64 / self.task.return_scale;
        let sizes = [1, asked_size, past_size, observation_size, action_size, 1];
        let mut columns = sizes.map(|size| Vec::<f32>::with_capacity(rows * steps * size));
        let mut timesteps = Vec::with_capacity(rows * steps);
        let entries = self.dataset.action_size();
        for (n, row) in places.iter().enumerate() {
            let [returns, asked, past, states, actions, mask] = &mut columns;
            let transitions = row.iter().flat_map(|&window| starts[window]..starts[window] + lengths[window]);
            for index in transitions {
                let episode = &self.dataset.episodes()[self.episode_of[index] as usize];
                let scaled = (f64::from(self.dataset.returns_to_go()[index]) / self.task.return_scale) as f32;
                returns.push(scaled);
                let at = asked.len();
                asked.resize(at + asked_size, 0.0);
                let timestep = (index - episode.start) as u64;
                self.layout.ask(scaled, timestep, self.task.max_timesteps, &bins, &mut asked[at..]);
                if self.past && index == episode.start {
                    past.resize(past.len() + past_size, 0.0);
                } else if self.past {
                    past.push((f64::from(self.dataset.rewards()[index - 1]) * share) as f32);
                    let action = &self.dataset.actions()[(index - 1) * entries..][..entries];
                    self.task.action.push_token(action, past);
                }
                let observation =
                    &self.dataset.observations()[index * observation_size..][..observation_size];
                self.task.push_normalised(observation, states);
                let action = &self.dataset.actions()[index * entries..][..entries];
                self.task.action.push_token(action, actions);
                timesteps.push((index - episode.start) as i64);
                mask.push(1.0);
            }
            // Padding.
            let end = (n + 1) * steps;
            columns.iter_mut().zip(sizes).for_each(|(column, size)| column.resize(end * size, 0.0));
            timesteps.resize(end, 0);
        }
        let [rows_of_batch, steps] = [rows, steps].map(|n| n as i64);
        let tensor = |column: usize| {
            let shape = [rows_of_batch, steps, sizes[column] as i64];
            Tensor::from_slice(&columns[column]).view(shape).to_device(device)
        };
        let [returns, asked, past, states, actions, mask] = std::array::from_fn(tensor);
        let timesteps = Tensor::from_slice(&timesteps).view([rows_of_batch, steps]).to_device(device);
        let begins = (rows < starts.len()).then(|| timesteps.eq(0));
        Batch { returns, asked, states, actions, past, timesteps, mask: mask.squeeze_dim(-1), begins }
    }
}

/// A row for each window.
fn apart(lengths: &[usize]) -> Vec<Vec<usize>> {
    (0..lengths.len()).map(|window| vec![window]).collect()
}

/// Windows by their number, so many in a row that none is longer than the longest window: first fit, longest first.
fn shared(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&window| std::cmp::Reverse(lengths[window]));
    let longest = lengths.iter().max().copied().unwrap_or(0);
    let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
    for window in order {
        match rows.iter_mut().find(|(filled, _)| filled + lengths[window] <= longest) {
            Some((filled, row)) => {
                *filled += lengths[window];
                row.push(window);
            }
            None => rows.push((lengths[window], vec![window])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_rows_hold_every_window_once_and_little_padding() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let lengths: Vec<usize> = (0..64).map(|_| random.random_range(3..=150)).collect();
        let rows = shared(&lengths);
        let mut held: Vec<usize> = rows.iter().flatten().copied().collect();
        held.sort_unstable();
        assert_eq!(held, (0..64).collect::<Vec<_>>());
        let (longest, all) = (lengths.iter().max().unwrap(), lengths.iter().sum::<usize>());
        assert!(rows.iter().all(|row| row.iter().map(|&window| lengths[window]).sum::<usize>() <= *longest));
        let real = |rows: usize| all as f64 / (rows * longest) as f64;
        assert!(real(64) < 0.6 && real(rows.len()) > 0.9, "{} and {}", real(64), real(rows.len()));
        // Nothing changes where nothing is gained.
        assert_eq!(shared(&[7; 5]), apart(&[7; 5]));
    }
}

//! Transitions of whole episodes, as they are loaded, made and written.

use std::path::Path;

use aaren_envs::{EnvSpec, make};

use crate::{DatasetSummary, Error, d4rl, minari};

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The task ended it.
    Terminated,
    /// A time limit ended it.
    Truncated,
    /// The data stop before it ends.
    Unfinished,
}

/// One episode: a range of transitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Index of its first transition.
    pub start: usize,
    /// Number of transitions.
    pub length: usize,
    /// How it ended.
    pub end: End,
    /// Sum of its rewards.
    pub total_return: f64,
}

/// Transitions of whole episodes, one copy in float32.
#[derive(Debug)]
pub struct Dataset {
    pub(crate) name: String,
    pub(crate) format: &'static str,
    pub(crate) observation_size: usize,
    pub(crate) action_size: usize,
    pub(crate) discrete: bool,
    pub(crate) observations: Vec<f32>,
    pub(crate) actions: Vec<f32>,
    pub(crate) rewards: Vec<f32>,
    pub(crate) returns_to_go: Vec<f32>,
    pub(crate) episodes: Vec<Episode>,
}

/// What a dataset is made from: flat columns, and for each transition whether an episode ends there.
#[derive(Debug, Default)]
pub struct Transitions {
    /// Observations before the action, `[transitions × observation size]`.
    pub observations: Vec<f32>,
    /// Actions, `[transitions × action size]`; a discrete one is its index.
    pub actions: Vec<f32>,
    /// Rewards.
    pub rewards: Vec<f32>,
    /// Where the task ended an episode.
    pub terminals: Vec<bool>,
    /// Where a time limit ended one.
    pub timeouts: Vec<bool>,
}

impl Dataset {
    /// Reads a D4RL file or a Minari folder; everything is checked.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Content`] name file, key, what was found and what was expected.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::Open {
            path: path.to_owned(),
            reason: format!(
                "{e}; give a D4RL .hdf5 file, a Minari folder, or a recipe's name (`aaren data make --help`)"
            ),
        })?;
        if metadata.is_dir() { minari::load(path) } else { d4rl::load(path) }
    }

    /// A dataset of transitions made in this program, in the order they happened.
    ///
    /// `discrete` tells that an action is one index.
    pub fn new(
        name: &str,
        transitions: Transitions,
        observation_size: usize,
        action_size: usize,
        discrete: bool,
    ) -> Self {
        let Transitions { observations, actions, rewards, terminals, timeouts } = transitions;
        let episodes = split(&rewards, &terminals, &timeouts);
        let mut returns_to_go = vec![0.0; rewards.len()];
        for episode in &episodes {
            let mut to_go = 0.0;
            for index in (episode.start..episode.start + episode.length).rev() {
                to_go += f64::from(rewards[index]);
                returns_to_go[index] = to_go as f32;
            }
        }
        Self {
            name: name.to_owned(),
            format: "made here",
            observation_size,
            action_size,
            discrete,
            observations,
            actions,
            rewards,
            returns_to_go,
            episodes,
        }
    }

    /// The dataset as `env` shows the world: entries that its `observe: positions` hides are left out,
    /// where these data hold them.
    ///
    /// # Errors
    /// Those of [`make`].
    pub fn observed_in(mut self, env: &EnvSpec) -> Result<Self, Error> {
        // Python's environments show what their data hold.
        if env.python.is_some() {
            return Ok(self);
        }
        let Some(entries) = make(env)?.observed() else { return Ok(self) };
        let mut whole = env.clone();
        whole.kwargs.remove("observe");
        if self.observation_size == make(&whole)?.observation_size() {
            let rows = self.observations.chunks_exact(self.observation_size);
            self.observations = rows.flat_map(|row| entries.iter().map(|&entry| row[entry])).collect();
            self.observation_size = entries.len();
        }
        Ok(self)
    }

    /// Writes the layout of D4RL, readable by h5py: `observations`, `actions`, `rewards`, `terminals`,
    /// `timeouts`, `next_observations`, and `metadata/…` for each of `metadata`.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_d4rl(&self, path: &Path, metadata: &[(&str, String)]) -> Result<(), Error> {
        d4rl::write(self, path, metadata)
    }

    /// Writes a folder that the minari library (0.5.4) loads: its HDF5 form, observations and rewards as
    /// float64, with the spaces and the specification of the environment `env_id`.
    ///
    /// Minari holds one observation more than actions; a dataset holds none after the last action, so that
    /// the last observation of each episode is there twice, which `description` says. An episode
    /// that the data cut off has neither a termination nor a truncation.
    ///
    /// Minari finds a dataset by its place below `MINARI_DATASETS_PATH`, which is its id: `hopper/medium-v0`.
    /// Into `metadata.json` go also `metadata`, where `dataset_id` replaces the id made of the last two
    /// names of `folder`. Minari's own keys for them are `algorithm_name`, `author`, `author_email`,
    /// `code_permalink`, `description`.
    ///
    /// # Errors
    /// [`Error::Write`] where `folder` exists (it is never replaced), cannot be written, or the environment
    /// is not of the sizes of these data; and those of [`make`].
    pub fn write_minari(
        &self,
        folder: &Path,
        env_id: &str,
        metadata: &[(&str, String)],
    ) -> Result<(), Error> {
        minari::write(self, folder, env_id, metadata)
    }

    /// Name of the file or folder, or of the recipe.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// Entries of an action; 1 for discrete ones, which are an index.
    pub fn action_size(&self) -> usize {
        self.action_size
    }

    /// Whether actions are indices of choices.
    pub fn discrete(&self) -> bool {
        self.discrete
    }

    /// Timesteps of the longest episode.
    pub fn longest_episode(&self) -> usize {
        self.episodes.iter().map(|episode| episode.length).max().unwrap_or(0)
    }

    /// Number of transitions.
    pub fn transitions(&self) -> usize {
        self.rewards.len()
    }

    /// `[transitions × observation size]`.
    pub fn observations(&self) -> &[f32] {
        &self.observations
    }

    /// `[transitions × action size]`.
    pub fn actions(&self) -> &[f32] {
        &self.actions
    }

    /// One for each transition.
    pub fn rewards(&self) -> &[f32] {
        &self.rewards
    }

    /// Sum of the rewards from each transition to the end of its episode, undiscounted.
    pub fn returns_to_go(&self) -> &[f32] {
        &self.returns_to_go
    }

    /// Standard deviation of [`returns_to_go`](Self::returns_to_go); where they are all one, its size, or 1.
    pub fn return_spread(&self) -> f64 {
        let count = self.transitions() as f64;
        let returns = || self.returns_to_go.iter().map(|&to_go| f64::from(to_go));
        let mean = returns().sum::<f64>() / count;
        let spread = (returns().map(|to_go| (to_go - mean).powi(2)).sum::<f64>() / count).sqrt();
        let size = mean.abs();
        // What rounding leaves of equal numbers is no spread.
        if spread > 1e-6 * size {
            spread
        } else if size > 0.0 {
            size
        } else {
            1.0
        }
    }

    /// The episodes, in order; together they are all transitions.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// What the data hold, for a person to read.
    pub fn summary(&self) -> DatasetSummary {
        DatasetSummary::of(self)
    }

    /// Mean and standard deviation of each entry of the observations, the latter at least 1e-6 as in
    /// the public Decision Transformer.
    pub fn observation_statistics(&self) -> (Vec<f32>, Vec<f32>) {
        let count = self.transitions() as f64;
        let columns = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; self.observation_size];
            for row in self.observations.chunks_exact(self.observation_size) {
                for (column, (sum, x)) in sums.iter_mut().zip(row).enumerate() {
                    *sum += f(column, f64::from(*x));
                }
            }
            sums.iter().map(|sum| sum / count).collect::<Vec<f64>>()
        };
        let mean = columns(&|_, x| x);
        let variance = columns(&|column, x| (x - mean[column]).powi(2));
        let std = variance.iter().map(|v| (v.sqrt() as f32).max(1e-6)).collect();
        (mean.iter().map(|&m| m as f32).collect(), std)
    }
}

/// An episode ends at a terminal or a timeout; a trailing unfinished one is kept.
fn split(rewards: &[f32], terminals: &[bool], timeouts: &[bool]) -> Vec<Episode> {
    let mut episodes = Vec::new();
    let (mut start, mut total_return) = (0, 0.0);
    for (index, &reward) in rewards.iter().enumerate() {
        total_return += f64::from(reward);
        let end = match (terminals[index], timeouts[index]) {
            (true, _) => End::Terminated,
            (false, true) => End::Truncated,
            (false, false) if index + 1 == rewards.len() => End::Unfinished,
            (false, false) => continue,
        };
        episodes.push(Episode { start, length: index + 1 - start, end, total_return });
        (start, total_return) = (index + 1, 0.0);
    }
    episodes
}

//! Transitions of whole episodes, as they are loaded, made and written.

use std::path::Path;

use aaren_envs::{EnvSpec, describe, make};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::actions::Actions;
use crate::episode::{End, Episode, split};
use crate::said::Said;
use crate::{Columns, DatasetSummary, Error, Space, csv, d4rl, file_kind, lerobot, minari, npz, parquet};

/// Transitions of whole episodes, one copy in float32.
#[derive(Debug)]
pub struct Dataset {
    pub(crate) name: String,
    pub(crate) format: &'static str,
    pub(crate) observation_size: usize,
    pub(crate) action_size: usize,
    pub(crate) discrete: bool,
    /// Choices of each column of discrete actions.
    pub(crate) choices: Vec<usize>,
    /// Whether the file keeps actions as whole numbers.
    pub(crate) integer_actions: bool,
    pub(crate) said: Said,
    pub(crate) observations: Vec<f32>,
    pub(crate) actions: Vec<f32>,
    pub(crate) rewards: Vec<f32>,
    pub(crate) returns_to_go: Vec<f32>,
    pub(crate) episodes: Vec<Episode>,
}

/// How a file is read, beside what it says itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Keys of a dictionary of observations, in the order in which they are seen; all unless given.
    pub observe: Option<Vec<String>>,
    /// What the numbers of actions mean; the environment or the data decide unless given.
    pub actions: Option<Actions>,
    /// Which columns of a table are what.
    pub columns: Option<Columns>,
    /// What observations and actions are, where the data do not say it.
    pub spaces: (Option<Space>, Option<Space>),
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
    /// Reads a dataset of any of the forms that `docs/src/reference/datasets.md` lists; everything is checked.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Content`] name file, key, what was found and what was expected.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_for(path, &Reading::default(), None)
    }

    /// Reads a dataset as `reading` says, for an environment where there is one: its action space decides what the
    /// numbers of actions mean, and its `observe: positions` what is seen.
    ///
    /// # Errors
    /// As [`Dataset::load`]; where the data say that they are of another environment; and those of [`make`].
    pub fn load_for(path: &Path, reading: &Reading, env: Option<&EnvSpec>) -> Result<Self, Error> {
        let environment = env.map(describe).transpose()?;
        let mut reading = reading.clone();
        if let Some(its) = environment.as_ref().and_then(|its| its.spaces.as_ref()) {
            let space = |json: &Option<_>| json.as_ref().and_then(Space::of_json);
            reading.spaces = (space(&its.observation), space(&its.action));
        }
        let mut dataset = file_kind::read(path, &reading)?;
        if let Some(space) = reading.spaces.1.take() {
            dataset.said.action_space = Some(space);
        }
        if let Some(env) = env {
            dataset.said.check_env(path, env)?;
            dataset = dataset.observed_in(env)?;
        }
        if let (Some(environment), Some(env)) = (&environment, env)
            && dataset.observation_size != environment.observation_size
        {
            let found = format!("{} entries", dataset.observation_size);
            let expected = format!(
                "{}, as those of {} have; choose the environment of these data, or keys of them with `observe`",
                environment.observation_size, env.id
            );
            return Err(Error::content(path, "observations", found, expected));
        }
        if let (None, None, Some(space)) = (&environment, &reading.observe, &reading.spaces.0)
            && dataset.observation_size != space.flat_size()
        {
            let found = format!("{} entries", dataset.observation_size);
            let expected = format!("{}, as `env.spaces.observation` has", space.flat_size());
            return Err(Error::content(path, "observations", found, expected));
        }
        let takes = environment.as_ref().zip(env).map(|(its, env)| (env.id.as_str(), &its.action));
        let refused =
            |unfit: crate::actions::Unfit| Error::content(path, "actions", unfit.found, unfit.expected);
        dataset = dataset.with_actions(reading.actions, takes).map_err(refused)?;
        // Sums of finite rewards may overflow.
        if let Some(episode) = dataset.episodes.iter().position(|it| !(it.total_return as f32).is_finite()) {
            let found =
                format!("a return of {:.1e} of episode {episode}", dataset.episodes[episode].total_return);
            return Err(Error::content(
                path,
                "rewards",
                found,
                "returns within float32, up to 3.4e38; scale the rewards",
            ));
        }
        Ok(dataset)
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
            choices: Vec::new(),
            integer_actions: discrete,
            said: Said::default(),
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

    /// Sets a share of the episodes aside, at least one and not all, drawn at random but always the same: what is left,
    /// and those. None are where there is one episode only, or the share is 0.
    pub fn set_aside(self, share: f64) -> (Self, Option<Self>) {
        let count = self.episodes.len();
        if share <= 0.0 || count < 2 {
            return (self, None);
        }
        let aside = ((share * count as f64).round() as usize).clamp(1, count - 1);
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let (held, kept) = order.split_at_mut(aside);
        held.sort_unstable();
        kept.sort_unstable();
        (self.of_episodes(kept), Some(self.of_episodes(held)))
    }

    /// These episodes alone.
    fn of_episodes(&self, chosen: &[usize]) -> Self {
        let rows = |data: &[f32], size: usize| {
            let rows = chosen.iter().map(|&index| &self.episodes[index]);
            rows.flat_map(|it| &data[it.start * size..(it.start + it.length) * size])
                .copied()
                .collect::<Vec<f32>>()
        };
        let mut start = 0;
        let episodes = chosen.iter().map(|&index| {
            let episode = Episode { start, ..self.episodes[index].clone() };
            start += episode.length;
            episode
        });
        Self {
            episodes: episodes.collect(),
            observations: rows(&self.observations, self.observation_size),
            actions: rows(&self.actions, self.action_size),
            rewards: rows(&self.rewards, 1),
            returns_to_go: rows(&self.returns_to_go, 1),
            name: self.name.clone(),
            choices: self.choices.clone(),
            said: self.said.clone(),
            ..*self
        }
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
    /// float64, with the spaces and the specification of the environment `env`; without one with the spaces of the data.
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
        env: Option<&EnvSpec>,
        metadata: &[(&str, String)],
    ) -> Result<(), Error> {
        minari::write(self, folder, env, metadata)
    }

    /// Whether Minari takes the name of a folder: `…-vN`.
    ///
    /// # Errors
    /// [`Error::Name`] with a name that would do.
    pub fn check_minari_name(folder: &Path) -> Result<(), Error> {
        minari::id(folder).map(drop)
    }

    /// Writes NumPy's `.npz`, uncompressed: `observations actions rewards terminals timeouts`.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_npz(&self, path: &Path) -> Result<(), Error> {
        npz::write(self, path)
    }

    /// Writes a table as text: `observation_0, …, action_0, …, reward, terminated, truncated`, exact in float32.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_csv(&self, path: &Path) -> Result<(), Error> {
        csv::write(self, path)
    }

    /// Writes a Parquet file: `observations actions rewards terminals timeouts`, a list in each row of the first two.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_parquet(&self, path: &Path) -> Result<(), Error> {
        parquet::write(self, path)
    }

    /// Writes a folder in the layout of LeRobot 0.4 (v3.0), without pictures. These data have no rate: a second stands for a
    /// timestep.
    ///
    /// # Errors
    /// [`Error::Write`] where `folder` exists or cannot be written.
    pub fn write_lerobot(&self, folder: &Path) -> Result<(), Error> {
        lerobot::write(self, folder)
    }

    /// Name of the file or folder, or of the recipe.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// Entries of an action; of discrete ones an index for each column of choices.
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

    /// The episodes, in order; together they are all transitions.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// 1 at the last transition of each episode that ended so, 0 at all others.
    pub(crate) fn ends(&self, end: End) -> Vec<u8> {
        let mut flags = vec![0; self.transitions()];
        for episode in self.episodes.iter().filter(|episode| episode.end == end) {
            flags[episode.start + episode.length - 1] = 1;
        }
        flags
    }

    /// What the data hold, for a person to read.
    pub fn summary(&self) -> DatasetSummary {
        DatasetSummary::of(self)
    }
}

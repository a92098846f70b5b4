//! Transitions of whole episodes, as they are loaded, made and written.

use aaren_envs::{EnvSpec, make};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::episode::{End, Episode, split};
use crate::said::Said;

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
}

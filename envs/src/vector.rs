//! Many environments stepped at once.

use rayon::prelude::*;

use crate::{ActionSpace, EnvSpec, Environment, Error, Step, make};

/// Environments of one kind, stepped in parallel on rayon's threads; episodes start anew on their own.
///
/// Episodes are numbered in the order in which they start, and episode `n` starts from seed
/// `seed + n`. So the first so many episodes are the same ones whatever the number of environments, and
/// an evaluation that waits for all of these is not biased towards short ones.
///
/// Everything per environment lies one after the other: environment `i` has the entries
/// `i * size..(i + 1) * size`. Steps allocate nothing of their own.
pub struct VectorEnv {
    environments: Vec<Environment>,
    /// Number of the episode that each environment is in.
    episodes: Vec<u64>,
    started: u64,
    seed: u64,
    final_observations: Vec<f64>,
}

impl std::fmt::Debug for VectorEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorEnv")
            .field("environments", &self.environments)
            .field("episodes", &self.episodes)
            .finish_non_exhaustive()
    }
}

impl VectorEnv {
    /// `count` environments, at least one; they share one model.
    ///
    /// # Errors
    /// Those of [`make`](crate::make).
    pub fn new(spec: &EnvSpec, count: usize) -> Result<Self, Error> {
        let environments = (0..count.max(1)).map(|_| make(spec)).collect::<Result<Vec<_>, _>>()?;
        let entries = environments.len() * environments[0].observation_size();
        Ok(Self {
            episodes: vec![0; environments.len()],
            started: 0,
            seed: 0,
            final_observations: vec![0.0; entries],
            environments,
        })
    }

    /// How many environments.
    pub fn count(&self) -> usize {
        self.environments.len()
    }

    /// Entries of one environment's observation.
    pub fn observation_size(&self) -> usize {
        self.environments[0].observation_size()
    }

    /// The actions that each environment takes.
    pub fn action_space(&self) -> &ActionSpace {
        self.environments[0].action_space()
    }

    /// The time limit of an episode.
    pub fn max_episode_steps(&self) -> usize {
        self.environments[0].max_episode_steps()
    }

    /// Number of the episode that each environment is in.
    pub fn episodes(&self) -> &[u64] {
        &self.episodes
    }

    /// Starts episodes 0 to `count - 1`, in all environments.
    ///
    /// # Panics
    /// If `observations` has not `count * observation_size` entries.
    pub fn reset(&mut self, seed: u64, observations: &mut [f64]) {
        let (count, size) = (self.count(), self.observation_size());
        assert_eq!(observations.len(), count * size, "entries of the observations");
        (self.seed, self.started) = (seed, 0);
        for (index, observation) in observations.chunks_exact_mut(size).enumerate() {
            self.start(index, observation);
        }
    }

    /// One step of every environment. Where an episode ended (`steps[i].done()`), the observation already
    /// is the first one of that environment's next episode; the last one of the old episode is
    /// [`final_observation`](Self::final_observation).
    ///
    /// # Panics
    /// If a slice has another length: `actions` count × [`ActionSpace::entries`], `observations` count ×
    /// observation size, `steps` count. As [`Environment::step`].
    pub fn step(&mut self, actions: &[f32], observations: &mut [f64], steps: &mut [Step]) {
        let (count, size, width) = (self.count(), self.observation_size(), self.action_space().entries());
        assert_eq!(actions.len(), count * width, "entries of the actions");
        assert_eq!(observations.len(), count * size, "entries of the observations");
        assert_eq!(steps.len(), count, "steps");
        self.environments
            .par_iter_mut()
            .zip(actions.par_chunks_exact(width))
            .zip(observations.par_chunks_exact_mut(size))
            .zip(steps.par_iter_mut())
            .for_each(|(((environment, action), observation), step)| {
                *step = environment.step(action, observation);
            });
        for (index, (observation, step)) in observations.chunks_exact_mut(size).zip(steps).enumerate() {
            if step.done() {
                self.final_observations[index * size..][..size].copy_from_slice(observation);
                self.start(index, observation);
            }
        }
    }

    /// The last observation of the episode that ended in environment `index` most recently.
    pub fn final_observation(&self, index: usize) -> &[f64] {
        let size = self.observation_size();
        &self.final_observations[index * size..][..size]
    }

    /// Goes on with some of the environments only, given by their indices in increasing order: where the
    /// others' episodes are not wanted.
    ///
    /// # Panics
    /// If there is no index, one is no environment's, or they do not increase.
    pub fn keep(&mut self, indices: &[usize]) {
        let (count, size) = (self.count(), self.observation_size());
        assert!(indices.is_sorted_by(|a, b| a < b) && indices.last().is_some_and(|&last| last < count));
        for (to, &from) in indices.iter().enumerate() {
            self.environments.swap(to, from);
            self.episodes.swap(to, from);
            self.final_observations.copy_within(from * size..(from + 1) * size, to * size);
        }
        self.environments.truncate(indices.len());
        self.episodes.truncate(indices.len());
        self.final_observations.truncate(indices.len() * size);
    }

    fn start(&mut self, index: usize, observation: &mut [f64]) {
        self.episodes[index] = self.started;
        self.started += 1;
        self.environments[index].reset(self.seed.wrapping_add(self.episodes[index]), observation);
    }
}

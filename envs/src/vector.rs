//! Many environments stepped at once.

use rayon::prelude::*;

use crate::python::Group;
use crate::{ActionSpace, Camera, Description, EnvSpec, Environment, Error, Picture, Step, make};

/// Environments of one kind, stepped in parallel: those of this crate on rayon's threads, those of Python in as many
/// processes as there are threads (in one where a thread of rayon's makes them); episodes start anew on their own.
///
/// Episodes are numbered in the order in which they start, and episode `n` starts from seed
/// `seed + n`. So the first so many episodes are the same ones whatever the number of environments, and
/// an evaluation that waits for all of these is not biased towards short ones.
///
/// Everything per environment lies one after the other: environment `i` has the entries
/// `i * size..(i + 1) * size`. Steps of environments of this crate allocate nothing of their own.
pub struct VectorEnv {
    stepped: Stepped,
    description: Description,
    /// Number of the episode that each environment is in.
    episodes: Vec<u64>,
    started: u64,
    seed: u64,
    final_observations: Vec<f64>,
}

/// What steps the environments.
enum Stepped {
    /// This process.
    Here(Vec<Environment>),
    /// Python.
    There(Box<Group>),
}

impl std::fmt::Debug for VectorEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorEnv").field("episodes", &self.episodes).finish_non_exhaustive()
    }
}

impl VectorEnv {
    /// `count` environments, at least one; they share one model.
    ///
    /// # Errors
    /// Those of [`make`](crate::make), and of [`describe`](crate::describe) for an environment of Python.
    pub fn new(spec: &EnvSpec, count: usize) -> Result<Self, Error> {
        Self::of(spec, count, false)
    }

    /// As [`new`](Self::new), such that [pictures](Self::picture) can be taken: what Python steps has to be made for it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn filmed(spec: &EnvSpec, count: usize) -> Result<Self, Error> {
        Self::of(spec, count, true)
    }

    fn of(spec: &EnvSpec, count: usize, film: bool) -> Result<Self, Error> {
        let count = count.max(1);
        let (stepped, description) = match &spec.python {
            None => {
                let environments = (0..count).map(|_| make(spec)).collect::<Result<Vec<_>, _>>()?;
                let description = environments[0].describe();
                (Stepped::Here(environments), description)
            }
            Some(python) => {
                let alone = rayon::current_thread_index().is_some();
                let workers = if alone { 1 } else { rayon::current_num_threads() };
                let group = Group::new(spec, python, count, workers, film)?;
                let description = group.description.clone();
                (Stepped::There(Box::new(group)), description)
            }
        };
        let final_observations = vec![0.0; count * description.observation_size];
        Ok(Self { stepped, description, episodes: vec![0; count], started: 0, seed: 0, final_observations })
    }

    /// How many environments.
    pub fn count(&self) -> usize {
        self.episodes.len()
    }

    /// Entries of one environment's observation.
    pub fn observation_size(&self) -> usize {
        self.description.observation_size
    }

    /// The actions that each environment takes.
    pub fn action_space(&self) -> &ActionSpace {
        &self.description.action
    }

    /// The time limit of an episode.
    pub fn max_episode_steps(&self) -> usize {
        self.description.max_episode_steps
    }

    /// Number of the episode that each environment is in.
    pub fn episodes(&self) -> &[u64] {
        &self.episodes
    }

    /// Starts episodes 0 to `count - 1`, in all environments.
    ///
    /// # Errors
    /// [`Error::Python`], [`Error::Stopped`]: never from environments of this crate.
    ///
    /// # Panics
    /// If `observations` has not `count * observation_size` entries.
    pub fn reset(&mut self, seed: u64, observations: &mut [f64]) -> Result<(), Error> {
        let (count, size) = (self.count(), self.observation_size());
        assert_eq!(observations.len(), count * size, "entries of the observations");
        (self.seed, self.started) = (seed, count as u64);
        self.episodes.iter_mut().enumerate().for_each(|(index, episode)| *episode = index as u64);
        let of_episode = |index: usize| seed.wrapping_add(index as u64);
        match &mut self.stepped {
            Stepped::There(group) => group.reset(0..count, of_episode, observations),
            Stepped::Here(environments) => {
                let rows = environments.iter_mut().zip(observations.chunks_exact_mut(size)).enumerate();
                rows.for_each(|(index, (environment, row))| environment.reset(of_episode(index), row));
                Ok(())
            }
        }
    }

    /// One step of every environment. Where an episode ended (`steps[i].done()`), the observation already
    /// is the first one of that environment's next episode; the last one of the old episode is
    /// [`final_observation`](Self::final_observation).
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    pub fn step(
        &mut self,
        actions: &[f32],
        observations: &mut [f64],
        steps: &mut [Step],
    ) -> Result<(), Error> {
        self.advance(actions, observations, steps)?;
        let size = self.observation_size();
        for (index, (observation, step)) in observations.chunks_exact_mut(size).zip(steps).enumerate() {
            if step.done() {
                self.final_observations[index * size..][..size].copy_from_slice(observation);
                self.start(index, observation)?;
            }
        }
        Ok(())
    }

    /// One step of every environment, after which no episode starts: the observation of one that ended is its last.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    ///
    /// # Panics
    /// If a slice has another length: `actions` count × [`ActionSpace::entries`], `observations` count ×
    /// observation size, `steps` count. As [`Environment::step`].
    pub fn advance(
        &mut self,
        actions: &[f32],
        observations: &mut [f64],
        steps: &mut [Step],
    ) -> Result<(), Error> {
        let (count, size, width) = (self.count(), self.observation_size(), self.action_space().entries());
        assert_eq!(actions.len(), count * width, "entries of the actions");
        assert_eq!(observations.len(), count * size, "entries of the observations");
        assert_eq!(steps.len(), count, "steps");
        match &mut self.stepped {
            Stepped::There(group) => group.step(actions, observations, steps)?,
            Stepped::Here(environments) => environments
                .par_iter_mut()
                .zip(actions.par_chunks_exact(width))
                .zip(observations.par_chunks_exact_mut(size))
                .zip(steps.par_iter_mut())
                .for_each(|(((environment, action), observation), step)| {
                    *step = environment.step(action, observation);
                }),
        }
        Ok(())
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
            self.episodes.swap(to, from);
            self.final_observations.copy_within(from * size..(from + 1) * size, to * size);
        }
        match &mut self.stepped {
            Stepped::There(group) => group.keep(indices),
            Stepped::Here(environments) => {
                indices.iter().enumerate().for_each(|(to, &from)| environments.swap(to, from));
                environments.truncate(indices.len());
            }
        }
        self.episodes.truncate(indices.len());
        self.final_observations.truncate(indices.len() * size);
    }

    /// A camera for pictures of `width` × `height` pixels of these environments, as [`Camera::new`].
    ///
    /// # Errors
    /// As [`Camera::new`].
    pub fn camera(&self, width: usize, height: usize) -> Result<Camera, Error> {
        match &self.stepped {
            Stepped::Here(environments) => Camera::new(&environments[0], width, height),
            Stepped::There(_) => Camera::of_others(&self.description.spec.id, width, height),
        }
    }

    /// An environment as it stands; what Python steps draws itself, by `render` in the mode `rgb_array`.
    ///
    /// # Errors
    /// As [`Camera::picture`]; where Python does not draw, and for one of Python that was not made
    /// [to be filmed](Self::filmed).
    pub fn picture(&mut self, index: usize, camera: &mut Camera) -> Result<Picture, Error> {
        let group = match &mut self.stepped {
            Stepped::Here(environments) => return camera.picture(&environments[index]),
            Stepped::There(group) => group,
        };
        let (height, width, rgb) = group.picture(index)?;
        let unfit = || Error::Picture {
            id: self.description.spec.id.clone(),
            reason: format!("found {} bytes for {width} × {height} pixels", rgb.len()),
        };
        camera.fit(height, width, &rgb).ok_or_else(unfit)
    }

    fn start(&mut self, index: usize, observation: &mut [f64]) -> Result<(), Error> {
        self.episodes[index] = self.started;
        self.started += 1;
        let seed = self.seed.wrapping_add(self.episodes[index]);
        match &mut self.stepped {
            Stepped::There(group) => group.reset(index..index + 1, |_| seed, observation),
            Stepped::Here(environments) => {
                environments[index].reset(seed, observation);
                Ok(())
            }
        }
    }
}

//! One environment: its dynamics, its generator and its time limit.

use std::sync::Arc;

use mujoco_rs::wrappers::MjModel;
use serde::{Deserialize, Serialize};

use crate::numpy::Generator;
use crate::picture::Drawing;
use crate::{ActionSpace, EnvSpec, Error};

/// What one step brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Reward.
    pub reward: f64,
    /// The task ended the episode.
    pub terminated: bool,
    /// The time limit ended the episode.
    pub truncated: bool,
    /// The simulation blew up (a MuJoCo warning; a state, observation or reward that is no number); this ends the
    /// episode too.
    pub unstable: bool,
}

impl Step {
    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated || self.unstable
    }
}

/// The state of an environment between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvState {
    /// Of a MuJoCo environment.
    Mujoco {
        /// Generalised positions.
        qpos: Vec<f64>,
        /// Generalised velocities.
        qvel: Vec<f64>,
    },
    /// Of a classic control environment.
    Classic {
        /// The entries of Gymnasium's `state`.
        state: Vec<f64>,
    },
}

/// The physics and the task of one environment; [`Environment`] adds generator and time limit.
pub(crate) trait Dynamics: Send {
    fn observation_size(&self) -> usize;
    /// Where `observe: positions` hides entries of the observation, those that are left of it.
    fn observed(&self) -> Option<Vec<usize>> {
        None
    }
    fn action_space(&self) -> &ActionSpace;
    /// The most steps before an episode ends by itself, where it does.
    fn longest_episode(&self) -> Option<usize> {
        None
    }
    fn reset(&mut self, random: &mut Generator);
    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step;
    fn observe(&self, observation: &mut [f64]);
    /// What the episode goes on from, where there is more to say than its seed.
    fn state(&self) -> Option<EnvState> {
        None
    }
    /// MuJoCo's model, where that is what moves and what is seen.
    fn model(&self) -> Option<Arc<MjModel>> {
        None
    }
    /// What it looks like; without a model or a drawing, the entries of its observation are shown.
    fn drawing(&self) -> Option<Drawing> {
        None
    }
    /// Starts an episode in `state`; the error says what does not fit.
    fn set_state(&mut self, _state: &EnvState) -> Result<(), String> {
        Err("its seed decides its episodes; found a state, expected {\"seed\": n}".into())
    }
}

/// An environment that behaves as Gymnasium's of the same id.
pub struct Environment {
    spec: EnvSpec,
    dynamics: Box<dyn Dynamics>,
    time_limit: Option<usize>,
    elapsed: usize,
    /// Gymnasium's `np_random`.
    random: Generator,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({}, step {})", self.spec.id, self.elapsed)
    }
}

impl Environment {
    /// `time_limit` is that of Gymnasium's wrapper, where `gymnasium.make` puts one around the environment.
    pub(crate) fn new(spec: EnvSpec, dynamics: Box<dyn Dynamics>, time_limit: Option<usize>) -> Self {
        Self { spec, dynamics, time_limit, elapsed: 0, random: Generator::new(0) }
    }

    /// What made it.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.dynamics.observation_size()
    }

    /// Where `observe: positions` hides entries of the observation, those that are left of it.
    pub fn observed(&self) -> Option<Vec<usize>> {
        self.dynamics.observed()
    }

    /// The actions it takes.
    pub fn action_space(&self) -> &ActionSpace {
        self.dynamics.action_space()
    }

    /// The most steps of an episode: its time limit, or where it ends by itself.
    pub fn max_episode_steps(&self) -> usize {
        let ends = self.time_limit.into_iter().chain(self.dynamics.longest_episode());
        ends.min().unwrap_or(usize::MAX)
    }

    /// Starts an episode. The same seed gives the same episode, bit for bit, whatever went before: the one that
    /// Python's `env.reset(seed=seed)` starts. Seeds are taken as they are, and all draws are NumPy's, from
    /// `Generator(PCG64(SeedSequence(seed)))`. So episode i of an evaluation, whose row names its seed, is what a
    /// Python loop plays from that seed.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn reset(&mut self, seed: u64, observation: &mut [f64]) {
        self.random = Generator::new(seed);
        self.reset_unseeded(observation);
    }

    /// Starts an episode with the generator as the last one left it: Python's `env.reset()` without a seed. Before
    /// any [`reset`](Self::reset) it is that of seed 0.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn reset_unseeded(&mut self, observation: &mut [f64]) {
        self.dynamics.reset(&mut self.random);
        self.elapsed = 0;
        self.observe(observation);
    }

    /// One step. A continuous `action` has [`ActionSpace::size`] entries; a discrete one is its index.
    ///
    /// # Panics
    /// If `action` or `observation` has another length than the environment's, or there is no choice of
    /// that index.
    pub fn step(&mut self, action: &[f32], observation: &mut [f64]) -> Step {
        let space = self.dynamics.action_space();
        assert!(space.takes(action), "{}: {action:?} is no action of {space:?}", self.spec.id);
        let step = self.dynamics.step(action, &mut self.random);
        self.elapsed += 1;
        self.observe(observation);
        Step {
            truncated: step.truncated || self.time_limit.is_some_and(|limit| self.elapsed >= limit),
            unstable: step.unstable
                || !step.reward.is_finite()
                || observation.iter().any(|entry| !entry.is_finite()),
            ..step
        }
    }

    /// The observation of the current state, as the last reset or step wrote it.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn observe(&self, observation: &mut [f64]) {
        let (found, expected) = (observation.len(), self.dynamics.observation_size());
        assert_eq!(found, expected, "{}: entries of the observation", self.spec.id);
        self.dynamics.observe(observation);
    }

    /// The current state; `None` from a foreign environment, and from those whose episodes their seed decides
    /// (POPGym's, RATE's T-maze).
    pub fn state(&self) -> Option<EnvState> {
        self.dynamics.state()
    }

    /// MuJoCo's model, where there is one.
    pub(crate) fn model(&self) -> Option<Arc<MjModel>> {
        self.dynamics.model()
    }

    /// What it looks like, where it has a drawing.
    pub(crate) fn drawing(&self) -> Option<Drawing> {
        self.dynamics.drawing()
    }

    /// Starts an episode in `state` instead of in a random one.
    ///
    /// # Errors
    /// [`Error::State`] where the state is not one of this environment.
    pub fn set_state(&mut self, state: &EnvState) -> Result<(), Error> {
        self.elapsed = 0;
        let id = &self.spec.id;
        self.dynamics.set_state(state).map_err(|reason| Error::State { id: id.clone(), reason })
    }
}

use std::collections::HashMap;

use gymnasium_rs::core::{Env, Info, Options, Reward, Space};
use ndarray::{Array1, Array3};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::EnvSpec;

/// The actions an environment takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionSpace {
    /// One of so many choices, given by its index.
    Discrete(usize),
    /// A vector; actions outside the bounds are treated as Gymnasium's environment treats them.
    Continuous {
        /// Lower bounds.
        low: Vec<f32>,
        /// Upper bounds.
        high: Vec<f32>,
    },
}

impl ActionSpace {
    /// Dimensions of a continuous action, or number of choices.
    pub fn size(&self) -> usize {
        match self {
            ActionSpace::Discrete(choices) => *choices,
            ActionSpace::Continuous { low, .. } => low.len(),
        }
    }
}

/// What one step brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Reward.
    pub reward: f64,
    /// The task ended the episode.
    pub terminated: bool,
    /// The time limit ended the episode.
    pub truncated: bool,
    /// The simulation blew up (a MuJoCo warning or a state that is no number); this ends the episode too.
    pub unstable: bool,
}

impl Step {
    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated || self.unstable
    }
}

/// The physics and task of one environment; [`Environment`] adds seed and time limit.
pub(crate) trait Dynamics: Send {
    fn observation_size(&self) -> usize;
    fn action_space(&self) -> &ActionSpace;
    fn reset(&mut self, random: &mut ChaCha8Rng);
    /// Leaves `truncated` alone.
    fn step(&mut self, action: &[f32]) -> Step;
    fn observe(&self, observation: &mut [f64]);
    /// The state by name, as the oracle prints it.
    fn set_state(&mut self, state: &HashMap<String, Vec<f64>>) -> Result<(), String>;
}

/// An environment that behaves as Gymnasium's of the same id.
pub struct Environment {
    spec: EnvSpec,
    dynamics: Box<dyn Dynamics>,
    max_episode_steps: usize,
    elapsed: usize,
    resets: i32,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({}, step {})", self.spec.id, self.elapsed)
    }
}

impl Environment {
    pub(crate) fn new(spec: EnvSpec, dynamics: Box<dyn Dynamics>, max_episode_steps: usize) -> Self {
        Self { spec, dynamics, max_episode_steps, elapsed: 0, resets: 0 }
    }

    /// What made it.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.dynamics.observation_size()
    }

    /// The actions it takes.
    pub fn action_space(&self) -> &ActionSpace {
        self.dynamics.action_space()
    }

    /// The time limit: so many steps truncate an episode.
    pub fn max_episode_steps(&self) -> usize {
        self.max_episode_steps
    }

    /// Starts an episode. The same seed gives the same episode, bit for bit, whatever went before.
    pub fn reset(&mut self, seed: u64, observation: &mut [f64]) {
        self.dynamics.reset(&mut ChaCha8Rng::seed_from_u64(seed));
        self.elapsed = 0;
        self.dynamics.observe(observation);
    }

    /// One step. A continuous `action` has [`ActionSpace::size`] entries; a discrete one is its index.
    pub fn step(&mut self, action: &[f32], observation: &mut [f64]) -> Step {
        let step = self.dynamics.step(action);
        self.elapsed += 1;
        self.dynamics.observe(observation);
        Step { truncated: self.elapsed >= self.max_episode_steps, ..step }
    }

    /// Puts the environment into a state that the oracle printed.
    pub(crate) fn set_state(&mut self, state: &HashMap<String, Vec<f64>>) -> Result<(), String> {
        self.dynamics.set_state(state)
    }

    /// Forgets the elapsed steps, as a reset does.
    pub(crate) fn restart(&mut self) {
        self.elapsed = 0;
    }
}

/// So that it plugs in wherever a gymnasium-rs environment does. `reset` without a seed counts on.
impl Env<Array1<f64>, Array1<f32>> for Environment {
    fn observation_space(&self) -> Space {
        let size = self.observation_size();
        Space::Box {
            low: Array1::from_elem(size, f32::NEG_INFINITY),
            high: Array1::from_elem(size, f32::INFINITY),
        }
    }

    fn action_space(&self) -> Space {
        match self.dynamics.action_space() {
            ActionSpace::Discrete(choices) => Space::Discrete(*choices as i32),
            ActionSpace::Continuous { low, high } => {
                Space::Box { low: Array1::from_vec(low.clone()), high: Array1::from_vec(high.clone()) }
            }
        }
    }

    fn reset(&mut self, seed: Option<i32>, _options: Options) -> (Array1<f64>, Info) {
        let mut observation = Array1::zeros(self.observation_size());
        self.resets = seed.unwrap_or(self.resets + 1);
        let slice = observation.as_slice_mut().expect("a fresh array is contiguous");
        Environment::reset(self, self.resets as u64, slice);
        (observation, Info::new())
    }

    fn step(&mut self, action: Array1<f32>) -> (Array1<f64>, Reward, bool, bool, Info) {
        let mut observation = Array1::zeros(self.observation_size());
        let slice = observation.as_slice_mut().expect("a fresh array is contiguous");
        let step = Environment::step(self, &action.to_vec(), slice);
        let info = Info::from([("unstable".to_owned(), Value::Bool(step.unstable))]);
        (observation, step.reward as f32, step.terminated || step.unstable, step.truncated, info)
    }

    fn render(&self) -> Option<Array3<u8>> {
        None
    }

    fn close(&mut self) {}
}

//! What the robots that walk have in common.

use std::sync::Arc;

use mujoco_rs::wrappers::MjModel;

use super::simulation::{Noise, Simulation};
use crate::ActionSpace;
use crate::environment::{Dynamics, EnvState, Step};
use crate::numpy::Generator;

/// Which of Gymnasium's versions of an environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Version {
    V4,
    V5,
}

impl Version {
    /// Those of the arguments that this version does not take.
    pub(super) fn refused<'a>(self, only_v4: &'a [&'a str], only_v5: &'a [&'a str]) -> &'a [&'a str] {
        match self {
            Version::V4 => only_v5,
            Version::V5 => only_v4,
        }
    }
}

/// What distinguishes one locomotion task from another.
pub(super) trait Task: Send {
    /// The coordinate whose change is the forward velocity.
    fn forward(&self, simulation: &Simulation) -> f64 {
        simulation.qpos()[0]
    }

    /// Reward of a step with `velocity`, and whether it ended the episode.
    fn judge(&self, simulation: &mut Simulation, velocity: f64, action: &[f32]) -> (f64, bool);

    /// Entries of an observation behind positions and velocities.
    fn appended(&self, _simulation: &Simulation) -> usize {
        0
    }

    /// Writes those entries.
    fn append(&self, _simulation: &Simulation, _entries: &mut [f64]) {}
}

/// A robot and its task; positions, velocities, and what the task appends are observed.
pub(crate) struct Locomotion<T> {
    pub(super) simulation: Simulation,
    pub(super) task: T,
    pub(super) noise: Noise,
    /// Leading positions that are not observed.
    pub(super) hidden_positions: usize,
    /// Whether velocities are observed.
    pub(super) velocities: bool,
    /// Faster than this looks like this.
    pub(super) fastest: f64,
}

impl<T: Task> Dynamics for Locomotion<T> {
    fn observation_size(&self) -> usize {
        let velocities = if self.velocities { self.simulation.qvel().len() } else { 0 };
        self.simulation.qpos().len() - self.hidden_positions
            + velocities
            + self.task.appended(&self.simulation)
    }

    fn observed(&self) -> Option<Vec<usize>> {
        let positions = self.simulation.qpos().len() - self.hidden_positions;
        (!self.velocities).then(|| (0..positions).collect())
    }

    fn action_space(&self) -> &ActionSpace {
        self.simulation.action_space()
    }

    fn reset(&mut self, random: &mut Generator) {
        self.simulation.reset(self.noise, random);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let before = self.task.forward(&self.simulation);
        self.simulation.step(action);
        let velocity = (self.task.forward(&self.simulation) - before) / self.simulation.dt();
        let (reward, terminated) = self.task.judge(&mut self.simulation, velocity, action);
        Step { reward, terminated, truncated: false, unstable: self.simulation.unstable() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let positions = &self.simulation.qpos()[self.hidden_positions..];
        let (first, mut rest) = observation.split_at_mut(positions.len());
        first.copy_from_slice(positions);
        if self.velocities {
            let velocities = self.simulation.qvel();
            let (second, third) = rest.split_at_mut(velocities.len());
            for (entry, velocity) in second.iter_mut().zip(velocities) {
                *entry = velocity.clamp(-self.fastest, self.fastest);
            }
            rest = third;
        }
        self.task.append(&self.simulation, rest);
    }

    fn state(&self) -> Option<EnvState> {
        Some(self.simulation.state())
    }

    fn model(&self) -> Option<Arc<MjModel>> {
        Some(self.simulation.model())
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.simulation.set_state(state)
    }
}

/// What an upright robot earns; -v4 pays it on the step that ends the episode too.
pub(super) fn healthy_reward(version: Version, reward: f64, healthy: bool, terminates: bool) -> f64 {
    if healthy || (version == Version::V4 && terminates) { reward } else { 0.0 }
}

/// `weight` × the sum of the squares of the action, in the float32 arithmetic that NumPy keeps to.
pub(super) fn control_cost(weight: f64, action: &[f32]) -> f64 {
    f64::from(weight as f32 * numpy_sum(action.iter().map(|a| a * a)))
}

/// A sum in NumPy's order (`pairwise_sum` of up to 128 entries): eight partial sums from eight entries on.
pub(super) fn numpy_sum<X>(mut entries: impl ExactSizeIterator<Item = X>) -> X
where
    X: Copy + Default + std::ops::Add<Output = X>,
{
    if entries.len() < 8 {
        return entries.fold(X::default(), |sum, x| sum + x);
    }
    let mut r = [X::default(); 8];
    while entries.len() >= 8 {
        for (partial, x) in r.iter_mut().zip(entries.by_ref()) {
            *partial = *partial + x;
        }
    }
    let tree = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    entries.fold(tree, |sum, x| sum + x)
}

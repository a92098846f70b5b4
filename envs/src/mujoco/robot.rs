//! What all robots have in common.

use std::ops::Range;
use std::sync::Arc;

use super::simulation::Simulation;
use crate::dynamics::{Dynamics, Scene, Step};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState};

/// Which of Gymnasium's versions of an environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Version {
    V4,
    V5,
}

impl Version {
    /// That of an id; a D4RL dataset, by whose name an environment goes too, is of -v4.
    pub(super) fn of(id: &str) -> Self {
        if id.ends_with("-v5") { Version::V5 } else { Version::V4 }
    }
}

/// What distinguishes one robot's task from another's.
pub(crate) trait Task: Send {
    /// Writes where an episode starts over the model's initial positions and velocities.
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator);

    /// A step of the simulation: its reward, and whether it ended the episode.
    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool);

    /// The entries of an observation.
    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64>;

    /// The least and the most that an episode of at most `steps` steps returns, where that is known.
    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        let _ = steps;
        None
    }

    /// Distance and place of the camera, of a model without one.
    fn camera(&self) -> (Option<f64>, Option<[f64; 3]>) {
        (None, None)
    }
}

/// A robot and its task.
pub(crate) struct Robot<T> {
    simulation: Simulation,
    task: T,
    /// Entries of the whole observation.
    entries: usize,
    /// Those of them that tell of velocities, as far as there are so many.
    velocities: Range<usize>,
}

impl<T: Task> Robot<T> {
    pub(super) fn new(simulation: Simulation, task: T, velocities: Range<usize>) -> Self {
        let entries = task.observation(&simulation).count();
        Self { simulation, task, entries, velocities }
    }
}

impl<T: Task> Dynamics for Robot<T> {
    fn observation_size(&self) -> usize {
        self.entries
    }

    fn positions(&self) -> Option<Vec<usize>> {
        Some((0..self.entries).filter(|index| !self.velocities.contains(index)).collect())
    }

    fn action_space(&self) -> &ActionSpace {
        &self.simulation.action_space
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        self.task.return_range(steps)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.simulation.start(|qpos, qvel| self.task.reset(qpos, qvel, random));
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let (reward, terminated) = self.task.step(&mut self.simulation, action);
        Step { reward, terminated, truncated: false, unstable: self.simulation.unstable() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let entries = self.task.observation(&self.simulation);
        observation.iter_mut().zip(entries).for_each(|(entry, x)| *entry = x);
    }

    fn state(&self) -> Option<EnvState> {
        let (qpos, qvel) = (self.simulation.qpos().to_vec(), self.simulation.qvel().to_vec());
        Some(EnvState::Mujoco { qpos, qvel })
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        let EnvState::Mujoco { qpos, qvel } = state else {
            return Err("expected qpos and qvel".into());
        };
        let (positions, velocities) = (self.simulation.qpos().len(), self.simulation.qvel().len());
        if (qpos.len(), qvel.len()) != (positions, velocities) {
            let (p, v) = (qpos.len(), qvel.len());
            return Err(format!(
                "found {p} entries in qpos and {v} in qvel, expected {positions} and {velocities}"
            ));
        }
        self.simulation.start(|p, v| {
            p.copy_from_slice(qpos);
            v.copy_from_slice(qvel);
        });
        Ok(())
    }

    fn scene(&self) -> Option<Scene> {
        let (distance, lookat) = self.task.camera();
        Some(Scene { model: Arc::clone(&self.simulation.model), distance, lookat })
    }
}

/// Adds noise that is uniform within ± `scale`.
pub(super) fn jitter(entries: &mut [f64], scale: f64, random: &mut Generator) {
    entries.iter_mut().for_each(|x| *x += random.uniform(-scale, scale));
}

/// Adds normal noise with `scale` as standard deviation.
pub(super) fn normal(entries: &mut [f64], scale: f64, random: &mut Generator) {
    entries.iter_mut().for_each(|x| *x += scale * random.standard_normal());
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

/// From `b` to `a`.
pub(super) fn difference(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

/// Euclidean length, as NumPy computes it on a processor with fused multiply-add.
pub(super) fn length<const N: usize>(vector: [f64; N]) -> f64 {
    vector.iter().fold(0.0, |sum: f64, x| x.mul_add(*x, sum)).sqrt()
}

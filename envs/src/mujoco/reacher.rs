//! Reacher-v4 and Reacher-v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, control_cost, difference, jitter, length};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;

/// Targets lie within this of the middle, in m.
const FARTHEST: f64 = 0.2;

/// Reacher of Gymnasium (`envs/mujoco/reacher_v4.py`, `reacher_v5.py`): move the tip of an arm with two joints to a target.
///
/// It never terminates. The distance that a step is charged for is that before it in -v4, after it in -v5; -v5 does not
/// observe its last coordinate, which is always 0.
pub(crate) struct Reacher {
    version: Version,
    kwargs: Kwargs,
    tip: usize,
    target: usize,
}

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    reward_dist_weight: f64,
    reward_control_weight: f64,
}

const DEFAULTS: Kwargs =
    Kwargs { frame_skip: NonZeroU32::new(2).unwrap(), reward_dist_weight: 1.0, reward_control_weight: 1.0 };

pub(crate) fn reacher(id: &str, kwargs: Arguments) -> Result<Robot<Reacher>, Error> {
    let version = Version::of(id);
    let kwargs = parse(id, kwargs, &DEFAULTS, |name| version == Version::V5 || name == "observe")?;
    let simulation = Simulation::new(id, "reacher.xml", kwargs.frame_skip)?;
    let [tip, target] = simulation.named(id, ["fingertip", "target"])?;
    Ok(Robot::new(simulation, Reacher { version, kwargs, tip, target }, 6..8))
}

impl Reacher {
    /// From the target to the tip.
    fn gap(&self, simulation: &Simulation) -> [f64; 3] {
        difference(simulation.xpos()[self.tip], simulation.xpos()[self.target])
    }
}

impl Task for Reacher {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        jitter(qpos, 0.1, random);
        let goal = loop {
            let goal = [0; 2].map(|_| random.uniform(-FARTHEST, FARTHEST));
            if length(goal) < FARTHEST {
                break goal;
            }
        };
        qpos[2..].copy_from_slice(&goal);
        jitter(qvel, 0.005, random);
        qvel[2..].fill(0.0);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        let before = self.gap(simulation);
        simulation.step(action);
        let gap = if self.version == Version::V4 { before } else { self.gap(simulation) };
        let cost = control_cost(self.kwargs.reward_control_weight, action);
        (-length(gap) * self.kwargs.reward_dist_weight - cost, false)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let angles = &qpos[..2];
        let gap = self.gap(simulation).into_iter().take(if self.version == Version::V4 { 3 } else { 2 });
        let turned = angles.iter().map(|x| x.cos()).chain(angles.iter().map(|x| x.sin()));
        turned.chain(qpos[2..].iter().copied()).chain(qvel[..2].iter().copied()).chain(gap)
    }
}

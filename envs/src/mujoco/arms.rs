//! The arms: Reacher-v4, Reacher-v5 and Pusher-v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, control_cost, difference, jitter, length};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    /// An argument of Pusher's alone.
    reward_near_weight: f64,
    reward_dist_weight: f64,
    reward_control_weight: f64,
}

const REACHER: Kwargs = Kwargs {
    frame_skip: NonZeroU32::new(2).unwrap(),
    reward_near_weight: 0.0,
    reward_dist_weight: 1.0,
    reward_control_weight: 1.0,
};

const PUSHER: Kwargs = Kwargs {
    frame_skip: NonZeroU32::new(5).unwrap(),
    reward_near_weight: 0.5,
    reward_dist_weight: 1.0,
    reward_control_weight: 0.1,
};

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

pub(crate) fn reacher(id: &str, kwargs: Arguments) -> Result<Robot<Reacher>, Error> {
    let version = Version::of(id);
    let taken = |name: &str| name == "observe" || version == Version::V5 && name != "reward_near_weight";
    let kwargs = parse(id, kwargs, &REACHER, taken)?;
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

/// Joints of the arm; the others are the object's and the goal's, two each.
const JOINTS: usize = 7;

/// Pusher of Gymnasium (`envs/mujoco/pusher_v5.py`): push a cylinder to a goal with the tip of an arm.
///
/// It never terminates. There is no -v4: its model needs a MuJoCo before 3.0.
pub(crate) struct Pusher {
    kwargs: Kwargs,
    /// Bodies.
    tip: usize,
    object: usize,
    goal: usize,
}

pub(crate) fn pusher(id: &str, kwargs: Arguments) -> Result<Robot<Pusher>, Error> {
    let kwargs = parse(id, kwargs, &PUSHER, |_| true)?;
    let simulation = Simulation::new(id, "pusher_v5.xml", kwargs.frame_skip)?;
    let [tip, object, goal] = simulation.named(id, ["tips_arm", "object", "goal"])?;
    Ok(Robot::new(simulation, Pusher { kwargs, tip, object, goal }, JOINTS..2 * JOINTS))
}

impl Task for Pusher {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        let object = loop {
            let object = [random.uniform(-0.3, 0.0), random.uniform(-0.2, 0.2)];
            // The goal is at 0.
            if length(object) > 0.17 {
                break object;
            }
        };
        qpos[JOINTS..][..2].copy_from_slice(&object);
        qpos[JOINTS + 2..].fill(0.0);
        jitter(qvel, 0.005, random);
        qvel[JOINTS..].fill(0.0);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        simulation.step(action);
        let [tip, object, goal] = [self.tip, self.object, self.goal].map(|body| simulation.xpos()[body]);
        let kwargs = &self.kwargs;
        let near = -length(difference(object, tip)) * kwargs.reward_near_weight;
        let far = -length(difference(object, goal)) * kwargs.reward_dist_weight;
        (far - control_cost(kwargs.reward_control_weight, action) + near, false)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let joints = simulation.qpos()[..JOINTS].iter().chain(&simulation.qvel()[..JOINTS]).copied();
        joints.chain([self.tip, self.object, self.goal].into_iter().flat_map(|body| simulation.xpos()[body]))
    }

    fn camera(&self) -> (Option<f64>, Option<[f64; 3]>) {
        (Some(4.0), None)
    }
}

//! The robots that move in a plane: HalfCheetah, Hopper, Swimmer and Walker2d.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, control_cost, healthy_reward, jitter, normal};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, Range, parse, scale};
use crate::numpy::Generator;

/// A robot of Gymnasium's that moves in a plane and is paid for moving forward.
pub(crate) struct Planar {
    body: Body,
    version: Version,
    kwargs: Kwargs,
}

/// What the robots differ in, beside their arguments.
#[derive(Clone, Copy)]
struct Body {
    file: &'static str,
    /// Leading positions that tell where it is, and are hidden unless asked for.
    place: usize,
    /// Whether the noise of the velocities is normal.
    normal: bool,
    /// Faster than this looks like this.
    fastest: f64,
}

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_state_range: Range,
    healthy_z_range: Range,
    healthy_angle_range: Range,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
}

/// Those of a robot that cannot fall.
const HALF_CHEETAH: Kwargs = Kwargs {
    frame_skip: NonZeroU32::new(5).unwrap(),
    forward_reward_weight: 1.0,
    ctrl_cost_weight: 0.1,
    healthy_reward: 0.0,
    terminate_when_unhealthy: false,
    healthy_state_range: Range::WHOLE,
    healthy_z_range: Range::WHOLE,
    healthy_angle_range: Range::WHOLE,
    reset_noise_scale: 0.1,
    exclude_current_positions_from_observation: true,
};

const SWIMMER: Kwargs =
    Kwargs { frame_skip: NonZeroU32::new(4).unwrap(), ctrl_cost_weight: 1e-4, ..HALF_CHEETAH };

const HOPPER: Kwargs = Kwargs {
    frame_skip: NonZeroU32::new(4).unwrap(),
    ctrl_cost_weight: 1e-3,
    healthy_reward: 1.0,
    terminate_when_unhealthy: true,
    healthy_state_range: Range { low: -100.0, high: 100.0 },
    healthy_z_range: Range { low: 0.7, high: f64::INFINITY },
    healthy_angle_range: Range { low: -0.2, high: 0.2 },
    reset_noise_scale: 5e-3,
    ..HALF_CHEETAH
};

const WALKER2D: Kwargs = Kwargs {
    healthy_state_range: Range::WHOLE,
    healthy_z_range: Range { low: 0.8, high: 2.0 },
    healthy_angle_range: Range { low: -1.0, high: 1.0 },
    ..HOPPER
};

/// HalfCheetah of Gymnasium (`envs/mujoco/half_cheetah_v4.py`, `half_cheetah_v5.py`): run forward.
///
/// It never terminates; -v4 and -v5 behave alike.
pub(crate) fn half_cheetah(id: &str, kwargs: Arguments) -> Result<Robot<Planar>, Error> {
    let body = Body { file: "half_cheetah.xml", place: 1, normal: true, fastest: f64::INFINITY };
    planar(id, body, kwargs, &HALF_CHEETAH, |name| !falls(name))
}

/// Hopper of Gymnasium (`envs/mujoco/hopper_v4.py`, `hopper_v5.py`): hop forward without falling.
pub(crate) fn hopper(id: &str, kwargs: Arguments) -> Result<Robot<Planar>, Error> {
    let body = Body { file: "hopper.xml", place: 1, normal: false, fastest: 10.0 };
    planar(id, body, kwargs, &HOPPER, |_| true)
}

/// Swimmer of Gymnasium (`envs/mujoco/swimmer_v4.py`, `swimmer_v5.py`): swim forward with two joints.
///
/// It never terminates; -v4 and -v5 behave alike.
pub(crate) fn swimmer(id: &str, kwargs: Arguments) -> Result<Robot<Planar>, Error> {
    let body = Body { file: "swimmer.xml", place: 2, normal: false, fastest: f64::INFINITY };
    planar(id, body, kwargs, &SWIMMER, |name| !falls(name))
}

/// Walker2d of Gymnasium (`envs/mujoco/walker2d_v4.py`, `walker2d_v5.py`): walk forward without falling.
///
/// -v5 has another model: in -v4 the right foot has half the friction of the left one.
pub(crate) fn walker2d(id: &str, kwargs: Arguments) -> Result<Robot<Planar>, Error> {
    let file = if Version::of(id) == Version::V4 { "walker2d.xml" } else { "walker2d_v5.xml" };
    let body = Body { file, place: 1, normal: false, fastest: 10.0 };
    planar(id, body, kwargs, &WALKER2D, |name| name != "healthy_state_range")
}

/// Whether an argument is one of a robot that can fall.
fn falls(name: &str) -> bool {
    name.contains("healthy")
}

fn planar(
    id: &str,
    body: Body,
    kwargs: Arguments,
    defaults: &Kwargs,
    taken: impl Fn(&str) -> bool,
) -> Result<Robot<Planar>, Error> {
    let version = Version::of(id);
    let of_version = |name: &str| version == Version::V5 || name != "frame_skip";
    let kwargs = parse(id, kwargs, defaults, |name| taken(name) && of_version(name))?;
    let simulation = Simulation::new(id, body.file, kwargs.frame_skip)?;
    let task = Planar { body, version, kwargs };
    let positions = simulation.qpos().len() - task.hidden();
    Ok(Robot::new(simulation, task, positions..usize::MAX))
}

impl Planar {
    fn hidden(&self) -> usize {
        if self.kwargs.exclude_current_positions_from_observation { self.body.place } else { 0 }
    }
}

impl Task for Planar {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        let scale = self.kwargs.reset_noise_scale;
        jitter(qpos, scale, random);
        if self.body.normal { normal(qvel, scale, random) } else { jitter(qvel, scale, random) }
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        let before = simulation.qpos()[0];
        simulation.step(action);
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let velocity = (qpos[0] - before) / simulation.dt();
        let healthy = qpos[2..].iter().chain(qvel).all(|&x| kwargs.healthy_state_range.within(x))
            && kwargs.healthy_z_range.within(qpos[1])
            && kwargs.healthy_angle_range.within(qpos[2]);
        let terminates = kwargs.terminate_when_unhealthy;
        let reward = kwargs.forward_reward_weight * velocity
            + healthy_reward(self.version, kwargs.healthy_reward, healthy, terminates)
            - control_cost(kwargs.ctrl_cost_weight, action);
        (reward, terminates && !healthy)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let fastest = self.body.fastest;
        let velocities = simulation.qvel().iter().map(move |x| x.clamp(-fastest, fastest));
        simulation.qpos()[self.hidden()..].iter().copied().chain(velocities)
    }
}

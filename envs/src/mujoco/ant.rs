//! Ant-v4 and Ant-v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, control_cost, healthy_reward, jitter, normal, numpy_sum};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, Range, parse, scale};
use crate::numpy::Generator;

/// Ant of Gymnasium (`envs/mujoco/ant_v4.py`, `ant_v5.py`): walk forward on four legs.
///
/// -v5 observes the external forces on every body but the world and charges for them; -v4 does so, the
/// world included, only with `use_contact_forces`.
pub(crate) struct Ant {
    version: Version,
    kwargs: Kwargs,
    main_body: usize,
    /// First body whose contact forces are observed.
    observed_from: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    use_contact_forces: bool,
    contact_cost_weight: f64,
    healthy_reward: f64,
    main_body: Body,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    contact_force_range: Range,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    include_cfrc_ext_in_observation: bool,
    observe: Observe,
}

/// A body by its number or by its name.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a body's number or name")]
enum Body {
    Number(usize),
    Name(String),
}

/// What an observation holds: also `d4rl`, as in D4RL's data: no contact forces, but 84 zeros (older
/// MuJoCo versions did not compute these forces).
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Observe {
    All,
    Positions,
    D4rl,
}

const DEFAULTS: Kwargs = Kwargs {
    frame_skip: NonZeroU32::new(5).unwrap(),
    forward_reward_weight: 1.0,
    ctrl_cost_weight: 0.5,
    use_contact_forces: false,
    contact_cost_weight: 5e-4,
    healthy_reward: 1.0,
    main_body: Body::Number(1),
    terminate_when_unhealthy: true,
    healthy_z_range: Range { low: 0.2, high: 1.0 },
    contact_force_range: Range { low: -1.0, high: 1.0 },
    reset_noise_scale: 0.1,
    exclude_current_positions_from_observation: true,
    include_cfrc_ext_in_observation: true,
    observe: Observe::All,
};

pub(crate) fn ant(id: &str, kwargs: Arguments) -> Result<Robot<Ant>, Error> {
    let version = Version::of(id);
    let refused: &[&str] = match version {
        Version::V4 => {
            &["frame_skip", "forward_reward_weight", "main_body", "include_cfrc_ext_in_observation"]
        }
        Version::V5 => &["use_contact_forces"],
    };
    let kwargs = parse(id, kwargs, &DEFAULTS, |name| !refused.contains(&name))?;
    let simulation = Simulation::new(id, "ant.xml", kwargs.frame_skip)?;
    let main_body = match &kwargs.main_body {
        Body::Number(number) => Some(*number).filter(|&number| number < simulation.xpos().len()),
        Body::Name(name) => simulation.body(name),
    };
    let main_body = main_body.ok_or_else(|| Error::Kwargs {
        id: id.to_owned(),
        reason: format!(
            "`main_body`: no such body; expected a number below {} or a name",
            simulation.xpos().len()
        ),
    })?;
    let observed_from = match (kwargs.observe, version) {
        (Observe::D4rl, _) => None,
        (_, Version::V4) => kwargs.use_contact_forces.then_some(0),
        (_, Version::V5) => kwargs.include_cfrc_ext_in_observation.then_some(1),
    };
    let task = Ant { version, kwargs, main_body, observed_from };
    let positions = simulation.qpos().len() - task.hidden();
    Ok(Robot::new(simulation, task, positions..usize::MAX))
}

impl Ant {
    /// Leading positions that are not observed.
    fn hidden(&self) -> usize {
        if self.kwargs.exclude_current_positions_from_observation { 2 } else { 0 }
    }

    /// External forces and torques on the bodies, clipped; zero after a reset, else as of the last step.
    fn contact_forces(&self, simulation: &Simulation) -> impl ExactSizeIterator<Item = f64> {
        let range = self.kwargs.contact_force_range;
        simulation.cfrc_ext().as_flattened().iter().map(move |&force| range.clip(force))
    }
}

impl Task for Ant {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        jitter(qpos, self.kwargs.reset_noise_scale, random);
        normal(qvel, self.kwargs.reset_noise_scale, random);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        let before = simulation.xpos()[self.main_body][0];
        simulation.step(action);
        let velocity = (simulation.xpos()[self.main_body][0] - before) / simulation.dt();
        let charged = self.version == Version::V5 || kwargs.use_contact_forces;
        let mut cost = control_cost(kwargs.ctrl_cost_weight, action);
        if charged || self.observed_from.is_some() {
            // What `mj_step` leaves out. Nothing else depends on it, so that tasks without contact forces save the time.
            simulation.rne_post_constraint();
        }
        if charged {
            let squares = self.contact_forces(simulation).map(|force| force * force);
            cost += kwargs.contact_cost_weight * numpy_sum(squares);
        }
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let healthy =
            qpos.iter().chain(qvel).all(|x| x.is_finite()) && kwargs.healthy_z_range.within_or_at(qpos[2]);
        let terminates = kwargs.terminate_when_unhealthy;
        let reward = kwargs.forward_reward_weight * velocity
            + healthy_reward(self.version, kwargs.healthy_reward, healthy, terminates)
            - cost;
        (reward, terminates && !healthy)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let forces = self.observed_from.map(|body| self.contact_forces(simulation).skip(6 * body));
        let zeros = if self.kwargs.observe == Observe::D4rl { 6 * simulation.xpos().len() } else { 0 };
        let state = simulation.qpos()[self.hidden()..].iter().chain(simulation.qvel()).copied();
        state.chain(forces.into_iter().flatten()).chain(std::iter::repeat_n(0.0, zeros))
    }
}

//! Ant-v4 and Ant-v5.

use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::locomotion::{Locomotion, Task, Version, control_cost, healthy_reward, numpy_sum};
use super::simulation::{Noise, Simulation};
use crate::Error;
use crate::kwargs::{Range, parse, scale};

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

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
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
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a body's number or name")]
enum Body {
    Number(usize),
    Name(String),
}

/// What an observation holds: also `d4rl`, as in D4RL's data: no contact forces, but 84 zeros (older
/// MuJoCo versions did not compute these forces).
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Observe {
    All,
    Positions,
    D4rl,
}

impl Default for Kwargs {
    fn default() -> Self {
        Self {
            frame_skip: const { NonZeroU32::new(5).unwrap() },
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
        }
    }
}

pub(crate) fn ant(id: &str, version: Version, kwargs: Map<String, Value>) -> Result<Locomotion<Ant>, Error> {
    let only_v5 = ["frame_skip", "forward_reward_weight", "main_body", "include_cfrc_ext_in_observation"];
    let kwargs: Kwargs = parse(id, kwargs, version.refused(&["use_contact_forces"], &only_v5))?;
    let simulation = Simulation::new(id, "ant.xml", kwargs.frame_skip)?;
    let main_body = match &kwargs.main_body {
        Body::Number(number) => Some(*number).filter(|&number| number < simulation.bodies()),
        Body::Name(name) => simulation.body(name),
    };
    let main_body = main_body.ok_or_else(|| Error::Kwargs {
        id: id.to_owned(),
        reason: format!(
            "`main_body`: no such body; expected a number below {} or a name",
            simulation.bodies()
        ),
    })?;
    let observed_from = match version {
        Version::V4 => kwargs.use_contact_forces.then_some(0),
        Version::V5 => kwargs.include_cfrc_ext_in_observation.then_some(1),
    };
    Ok(Locomotion {
        noise: Noise::NormalVelocities(kwargs.reset_noise_scale),
        hidden_positions: if kwargs.exclude_current_positions_from_observation { 2 } else { 0 },
        velocities: kwargs.observe != Observe::Positions,
        fastest: f64::INFINITY,
        task: Ant { version, kwargs, main_body, observed_from },
        simulation,
    })
}

impl Ant {
    /// External forces and torques on the bodies, clipped; as of the last step.
    fn contact_forces(&self, simulation: &Simulation) -> impl ExactSizeIterator<Item = f64> {
        let range = self.kwargs.contact_force_range;
        simulation.contact_forces().iter().map(move |&force| range.clip(force))
    }
}

impl Task for Ant {
    fn forward(&self, simulation: &Simulation) -> f64 {
        simulation.body_position(self.main_body)[0]
    }

    fn judge(&self, simulation: &mut Simulation, velocity: f64, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        let charged = self.version == Version::V5 || kwargs.use_contact_forces;
        let mut cost = control_cost(kwargs.ctrl_cost_weight, action);
        if charged || self.observed_from.is_some() {
            simulation.compute_contact_forces();
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

    fn appended(&self, simulation: &Simulation) -> usize {
        match (self.kwargs.observe, self.observed_from) {
            (Observe::Positions, _) | (Observe::All, None) => 0,
            (Observe::All, Some(from)) => 6 * (simulation.bodies() - from),
            (Observe::D4rl, _) => 6 * simulation.bodies(),
        }
    }

    fn append(&self, simulation: &Simulation, entries: &mut [f64]) {
        match (self.kwargs.observe, self.observed_from) {
            (Observe::All, Some(from)) => {
                let forces = self.contact_forces(simulation).skip(6 * from);
                entries.iter_mut().zip(forces).for_each(|(entry, force)| *entry = force);
            }
            _ => entries.fill(0.0),
        }
    }
}

//! Walker2d-v4 and Walker2d-v5.

use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::locomotion::{Locomotion, Task, Version, control_cost, healthy_reward};
use super::simulation::{Noise, Simulation};
use crate::Error;
use crate::kwargs::{Observe, Range, parse, scale};

/// Walker2d of Gymnasium (`envs/mujoco/walker2d_v4.py`, `walker2d_v5.py`): walk forward without falling.
///
/// -v5 has another model: in -v4 the right foot has half the friction of the left one.
pub(crate) struct Walker2d {
    version: Version,
    kwargs: Kwargs,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kwargs {
    frame_skip: NonZeroU32,
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    healthy_angle_range: Range,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    observe: Observe,
}

impl Default for Kwargs {
    fn default() -> Self {
        Self {
            frame_skip: const { NonZeroU32::new(4).unwrap() },
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            healthy_reward: 1.0,
            terminate_when_unhealthy: true,
            healthy_z_range: Range { low: 0.8, high: 2.0 },
            healthy_angle_range: Range { low: -1.0, high: 1.0 },
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
            observe: Observe::All,
        }
    }
}

pub(crate) fn walker2d(
    id: &str,
    version: Version,
    kwargs: Map<String, Value>,
) -> Result<Locomotion<Walker2d>, Error> {
    let kwargs: Kwargs = parse(id, kwargs, version.refused(&[], &["frame_skip"]))?;
    let model = match version {
        Version::V4 => "walker2d.xml",
        Version::V5 => "walker2d_v5.xml",
    };
    Ok(Locomotion {
        simulation: Simulation::new(id, model, kwargs.frame_skip)?,
        noise: Noise::Uniform(kwargs.reset_noise_scale),
        hidden_positions: usize::from(kwargs.exclude_current_positions_from_observation),
        velocities: kwargs.observe == Observe::All,
        fastest: 10.0,
        task: Walker2d { version, kwargs },
    })
}

impl Task for Walker2d {
    fn judge(&self, simulation: &mut Simulation, velocity: f64, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        let qpos = simulation.qpos();
        let healthy = kwargs.healthy_z_range.within(qpos[1]) && kwargs.healthy_angle_range.within(qpos[2]);
        let terminates = kwargs.terminate_when_unhealthy;
        let reward = kwargs.forward_reward_weight * velocity
            + healthy_reward(self.version, kwargs.healthy_reward, healthy, terminates)
            - control_cost(kwargs.ctrl_cost_weight, action);
        (reward, terminates && !healthy)
    }
}

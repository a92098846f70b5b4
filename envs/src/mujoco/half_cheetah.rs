//! HalfCheetah-v4 and HalfCheetah-v5.

use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::locomotion::{Locomotion, Task, Version, control_cost};
use super::simulation::{Noise, Simulation};
use crate::Error;
use crate::kwargs::{Observe, parse, scale};

/// HalfCheetah of Gymnasium (`envs/mujoco/half_cheetah_v4.py`, `half_cheetah_v5.py`): run forward.
///
/// It never terminates; -v4 and -v5 behave alike.
pub(crate) struct HalfCheetah {
    kwargs: Kwargs,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kwargs {
    frame_skip: NonZeroU32,
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    observe: Observe,
}

impl Default for Kwargs {
    fn default() -> Self {
        Self {
            frame_skip: const { NonZeroU32::new(5).unwrap() },
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 0.1,
            reset_noise_scale: 0.1,
            exclude_current_positions_from_observation: true,
            observe: Observe::All,
        }
    }
}

pub(crate) fn half_cheetah(
    id: &str,
    version: Version,
    kwargs: Map<String, Value>,
) -> Result<Locomotion<HalfCheetah>, Error> {
    let kwargs: Kwargs = parse(id, kwargs, version.refused(&[], &["frame_skip"]))?;
    Ok(Locomotion {
        simulation: Simulation::new(id, "half_cheetah.xml", kwargs.frame_skip)?,
        noise: Noise::NormalVelocities(kwargs.reset_noise_scale),
        hidden_positions: usize::from(kwargs.exclude_current_positions_from_observation),
        velocities: kwargs.observe == Observe::All,
        fastest: f64::INFINITY,
        task: HalfCheetah { kwargs },
    })
}

impl Task for HalfCheetah {
    fn judge(&self, _simulation: &mut Simulation, velocity: f64, action: &[f32]) -> (f64, bool) {
        let cost = control_cost(self.kwargs.ctrl_cost_weight, action);
        (self.kwargs.forward_reward_weight * velocity - cost, false)
    }
}

//! InvertedPendulum-v4 and InvertedPendulum-v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, jitter};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, parse, scale};
use crate::numpy::Generator;

/// The pole has fallen beyond this angle, in rad.
const FALLEN: f64 = 0.2;

/// InvertedPendulum of Gymnasium (`envs/mujoco/inverted_pendulum_v4.py`, `inverted_pendulum_v5.py`): keep a pole on a cart
/// upright.
///
/// Each step is worth 1; -v4 pays it for the fall too.
pub(crate) struct InvertedPendulum {
    version: Version,
    kwargs: Kwargs,
}

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
}

const DEFAULTS: Kwargs = Kwargs { frame_skip: NonZeroU32::new(2).unwrap(), reset_noise_scale: 0.01 };

pub(crate) fn inverted_pendulum(id: &str, kwargs: Arguments) -> Result<Robot<InvertedPendulum>, Error> {
    let version = Version::of(id);
    let kwargs = parse(id, kwargs, &DEFAULTS, |name| version == Version::V5 || name == "observe")?;
    let simulation = Simulation::new(id, "inverted_pendulum.xml", kwargs.frame_skip)?;
    Ok(Robot::new(simulation, InvertedPendulum { version, kwargs }, 2..4))
}

impl Task for InvertedPendulum {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        jitter(qpos, self.kwargs.reset_noise_scale, random);
        jitter(qvel, self.kwargs.reset_noise_scale, random);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        simulation.step(action);
        let terminated =
            self.observation(simulation).any(|x| !x.is_finite()) || simulation.qpos()[1].abs() > FALLEN;
        (if terminated && self.version == Version::V5 { 0.0 } else { 1.0 }, terminated)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        simulation.qpos().iter().chain(simulation.qvel()).copied()
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        Some((0.0, steps as f64))
    }

    fn camera(&self) -> (Option<f64>, Option<[f64; 3]>) {
        (Some(2.04), None)
    }
}

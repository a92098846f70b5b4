//! InvertedPendulum and InvertedDoublePendulum, -v4 and -v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, healthy_reward, jitter, normal};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, parse, scale};
use crate::numpy::Generator;

#[derive(Serialize, Deserialize)]
struct Kwargs {
    frame_skip: NonZeroU32,
    /// An argument of the double one's alone.
    healthy_reward: f64,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
}

const SINGLE: Kwargs =
    Kwargs { frame_skip: NonZeroU32::new(2).unwrap(), healthy_reward: 1.0, reset_noise_scale: 0.01 };

const DOUBLE: Kwargs =
    Kwargs { frame_skip: NonZeroU32::new(5).unwrap(), healthy_reward: 10.0, reset_noise_scale: 0.1 };

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

pub(crate) fn inverted_pendulum(id: &str, kwargs: Arguments) -> Result<Robot<InvertedPendulum>, Error> {
    let version = Version::of(id);
    let taken = |name: &str| name == "observe" || version == Version::V5 && name != "healthy_reward";
    let kwargs = parse(id, kwargs, &SINGLE, taken)?;
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
        (healthy_reward(self.version, self.kwargs.healthy_reward, !terminated, true), terminated)
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

/// InvertedDoublePendulum of Gymnasium (`envs/mujoco/inverted_double_pendulum_v4.py`, `inverted_double_pendulum_v5.py`):
/// keep two poles, one upon the other, upright on a cart.
///
/// -v4 pays for the step of the fall too, and observes the constraint forces on all three joints, -v5 that on the cart.
pub(crate) struct InvertedDoublePendulum {
    version: Version,
    kwargs: Kwargs,
}

pub(crate) fn inverted_double_pendulum(
    id: &str,
    kwargs: Arguments,
) -> Result<Robot<InvertedDoublePendulum>, Error> {
    let version = Version::of(id);
    let kwargs = parse(id, kwargs, &DOUBLE, |name| version == Version::V5 || name == "observe")?;
    let simulation = Simulation::new(id, "inverted_double_pendulum.xml", kwargs.frame_skip)?;
    // Forces of constraints tell of velocities.
    Ok(Robot::new(simulation, InvertedDoublePendulum { version, kwargs }, 5..usize::MAX))
}

/// As NumPy squares a number: by `pow`, which rounds otherwise than a product now and then.
fn square(x: f64) -> f64 {
    x.powf(std::hint::black_box(2.0))
}

impl Task for InvertedDoublePendulum {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        jitter(qpos, self.kwargs.reset_noise_scale, random);
        normal(qvel, self.kwargs.reset_noise_scale, random);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        simulation.step(action);
        let [x, _, y] = simulation.site_xpos().first().copied().unwrap_or_default();
        let (v1, v2) = (simulation.qvel()[1], simulation.qvel()[2]);
        let place = 0.01 * square(x) + square(y - 2.0);
        let speed = 1e-3 * square(v1) + 5e-3 * square(v2);
        let terminated = y <= 1.0;
        let bonus = healthy_reward(self.version, self.kwargs.healthy_reward, !terminated, true);
        (bonus - place - speed, terminated)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let (cart, angles) = simulation.qpos().split_at(1);
        let constraints = match self.version {
            Version::V4 => simulation.qfrc_constraint(),
            Version::V5 => &simulation.qfrc_constraint()[..1],
        };
        let turned = angles.iter().map(|x| x.sin()).chain(angles.iter().map(|x| x.cos()));
        let clipped = simulation.qvel().iter().chain(constraints).map(|x| x.clamp(-10.0, 10.0));
        cart.iter().copied().chain(turned).chain(clipped)
    }

    fn camera(&self) -> (Option<f64>, Option<[f64; 3]>) {
        match self.version {
            Version::V4 => (Some(4.1225), Some([0.0, 0.0, 0.1225])),
            Version::V5 => (None, None),
        }
    }
}

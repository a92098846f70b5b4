use std::collections::HashMap;
use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::environment::{ActionSpace, Dynamics, Step};

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f64 = 2.0;
const DT: f64 = 0.05;

/// Pendulum of Gymnasium (`envs/classic_control/pendulum.py`): swing up and stay there.
pub(crate) struct Pendulum {
    kwargs: Kwargs,
    action_space: ActionSpace,
    angle: f64,
    velocity: f64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kwargs {
    g: f64,
}

impl Default for Kwargs {
    fn default() -> Self {
        Self { g: 10.0 }
    }
}

impl Pendulum {
    pub(crate) fn new(kwargs: Kwargs) -> Self {
        let bound = MAX_TORQUE as f32;
        let action_space = ActionSpace::Continuous { low: vec![-bound], high: vec![bound] };
        Self { kwargs, action_space, angle: 0.0, velocity: 0.0 }
    }
}

impl Dynamics for Pendulum {
    fn observation_size(&self) -> usize {
        3
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn reset(&mut self, random: &mut ChaCha8Rng) {
        self.angle = random.random_range(-PI..=PI);
        self.velocity = random.random_range(-1.0..=1.0);
    }

    fn step(&mut self, action: &[f32]) -> Step {
        let torque = f64::from(action[0]).clamp(-MAX_TORQUE, MAX_TORQUE);
        let from_upright = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let torque_cost = 0.001 * torque * torque;
        let cost = from_upright * from_upright + 0.1 * self.velocity * self.velocity + torque_cost;
        // Mass and length are 1.
        let acceleration = 1.5 * self.kwargs.g * self.angle.sin() + 3.0 * torque;
        self.velocity = (self.velocity + acceleration * DT).clamp(-MAX_SPEED, MAX_SPEED);
        self.angle += self.velocity * DT;
        Step { reward: -cost, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        // Gymnasium's observation is float32.
        let entries = [self.angle.cos(), self.angle.sin(), self.velocity];
        observation.iter_mut().zip(entries).for_each(|(out, x)| *out = f64::from(x as f32));
    }

    fn set_state(&mut self, state: &HashMap<String, Vec<f64>>) -> Result<(), String> {
        match state.get("state").map(Vec::as_slice) {
            Some(&[angle, velocity]) => {
                (self.angle, self.velocity) = (angle, velocity);
                Ok(())
            }
            other => Err(format!("expected a state of 2 entries, found {other:?}")),
        }
    }
}

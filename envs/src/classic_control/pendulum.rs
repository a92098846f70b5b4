//! Pendulum-v1.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{entries, observe};
use crate::drawing::{Drawing, Shape, colour};
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState, Error};

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;
const DT: f64 = 0.05;

/// Pendulum of Gymnasium (`envs/classic_control/pendulum.py`): swing up and stay there.
pub(crate) struct Pendulum {
    kwargs: Kwargs,
    action_space: ActionSpace,
    /// Angle from upright in rad, angular velocity in rad/s; mass and length are 1.
    state: [f64; 2],
}

#[derive(Serialize, Deserialize)]
struct Kwargs {
    g: f64,
}

const DEFAULTS: Kwargs = Kwargs { g: 10.0 };

impl Pendulum {
    pub(crate) fn new(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        Ok(Self::of(parse(id, kwargs, &DEFAULTS, |_| true)?))
    }

    fn of(kwargs: Kwargs) -> Self {
        let action_space = ActionSpace::Continuous { low: vec![-MAX_TORQUE], high: vec![MAX_TORQUE] };
        Self { kwargs, action_space, state: [0.0; 2] }
    }

    pub(crate) fn usual() -> Self {
        Self::of(DEFAULTS)
    }
}

impl Dynamics for Pendulum {
    fn observation_size(&self) -> usize {
        3
    }

    fn positions(&self) -> Option<Vec<usize>> {
        // Cosine and sine of the angle.
        Some(vec![0, 1])
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        // π² + 0.1 · 8² + 0.001 · 2² is the highest cost of a step.
        Some((-16.2736045 * steps as f64, 0.0))
    }

    fn reset(&mut self, random: &mut Generator) {
        self.state = [random.uniform(-PI, PI), random.uniform(-1.0, 1.0)];
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let [angle, velocity] = self.state;
        // The torque is float32 and stays so in NumPy's products with it.
        let torque = action[0].clamp(-MAX_TORQUE, MAX_TORQUE);
        let from_upright = (angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost =
            from_upright * from_upright + 0.1 * (velocity * velocity) + f64::from(0.001 * (torque * torque));
        let acceleration = 3.0 * self.kwargs.g / 2.0 * angle.sin() + f64::from(3.0 * torque);
        let velocity = (velocity + acceleration * DT).clamp(-MAX_SPEED, MAX_SPEED);
        self.state = [angle + velocity * DT, velocity];
        Step { reward: -cost, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let [angle, velocity] = self.state;
        observe([angle.cos(), angle.sin(), velocity], observation);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: self.state.to_vec() })
    }

    fn drawing(&self) -> Option<Drawing> {
        let angle = self.state[0];
        let shapes = vec![
            Shape::line([0.0, 0.0], [-angle.sin(), angle.cos()], 0.2, colour::RED),
            Shape::disc([0.0, 0.0], 0.05, colour::BLACK),
        ];
        Some(Drawing { low: [-1.4, -1.2], high: [1.4, 1.6], shapes })
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.state = entries(state)?;
        Ok(())
    }
}

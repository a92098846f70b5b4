//! MountainCarContinuous-v0.

use serde::Deserialize;

use super::{entries, observe, valley};
use crate::ActionSpace;
use crate::environment::{Dynamics, EnvState, Step};
use crate::kwargs::Observe;
use crate::numpy::Generator;
use crate::picture::Drawing;

const MIN_POSITION: f64 = -1.2;
const MAX_POSITION: f64 = 0.6;
const MAX_SPEED: f64 = 0.07;
const GOAL: f64 = 0.45;
const POWER: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

/// MountainCarContinuous of Gymnasium (`envs/classic_control/continuous_mountain_car.py`): out of the
/// valley by swinging, with as little force as possible.
pub(crate) struct MountainCarContinuous {
    kwargs: Kwargs,
    action_space: ActionSpace,
    position: f64,
    velocity: f64,
    /// Gymnasium's state is float64 after a reset and float32 after a step, and so is its arithmetic.
    single: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kwargs {
    goal_velocity: f64,
    observe: Observe,
}

impl MountainCarContinuous {
    pub(crate) fn new(kwargs: Kwargs) -> Self {
        let action_space = ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] };
        Self { kwargs, action_space, position: -0.5, velocity: 0.0, single: false }
    }
}

impl Dynamics for MountainCarContinuous {
    fn observation_size(&self) -> usize {
        if self.kwargs.observe == Observe::All { 2 } else { 1 }
    }

    fn observed(&self) -> Option<Vec<usize>> {
        (self.kwargs.observe == Observe::Positions).then(|| vec![0])
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn reset(&mut self, random: &mut Generator) {
        (self.position, self.velocity, self.single) = (random.uniform(-0.6, -0.4), 0.0, false);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let action = action[0];
        let single = self.single;
        let round = |x: f64| if single { f64::from(x as f32) } else { x };
        let slope = GRAVITY * round(3.0 * self.position).cos();
        // A clipped action is a Python float, one within the bounds a float32.
        let push = if (-1.0..=1.0).contains(&action) {
            f64::from(action * POWER as f32 - slope as f32)
        } else {
            f64::from(action).clamp(-1.0, 1.0) * POWER - slope
        };
        let velocity = round(self.velocity + round(push)).clamp(round(-MAX_SPEED), round(MAX_SPEED));
        let (lowest, highest) = (round(MIN_POSITION), round(MAX_POSITION));
        self.position = round(self.position + velocity).clamp(lowest, highest);
        self.velocity = if self.position == lowest { velocity.max(0.0) } else { velocity };
        let goal_velocity = round(self.kwargs.goal_velocity);
        let terminated = self.position >= round(GOAL) && self.velocity >= goal_velocity;
        self.position = f64::from(self.position as f32);
        self.velocity = f64::from(self.velocity as f32);
        self.single = true;
        let prize = if terminated { 100.0 } else { 0.0 };
        let reward = prize - f64::from(action) * f64::from(action) * 0.1;
        Step { reward, terminated, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        observe([self.position, self.velocity], &[0], self.kwargs.observe, observation);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: vec![self.position, self.velocity] })
    }

    fn drawing(&self) -> Option<Drawing> {
        Some(valley(self.position, [MIN_POSITION, MAX_POSITION], GOAL))
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        [self.position, self.velocity] = entries(state)?;
        self.single = false;
        Ok(())
    }
}

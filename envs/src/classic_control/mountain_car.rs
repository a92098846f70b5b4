//! MountainCar-v0.

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
const GOAL: f64 = 0.5;
const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

/// MountainCar of Gymnasium (`envs/classic_control/mountain_car.py`): out of the valley by swinging.
pub(crate) struct MountainCar {
    kwargs: Kwargs,
    action_space: ActionSpace,
    position: f64,
    velocity: f64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kwargs {
    goal_velocity: f64,
    observe: Observe,
}

impl MountainCar {
    pub(crate) fn new(kwargs: Kwargs) -> Self {
        Self { kwargs, action_space: ActionSpace::Discrete { choices: 3 }, position: -0.5, velocity: 0.0 }
    }
}

impl Dynamics for MountainCar {
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
        (self.position, self.velocity) = (random.uniform(-0.6, -0.4), 0.0);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let push = (f64::from(action[0]) - 1.0) * FORCE + (3.0 * self.position).cos() * -GRAVITY;
        self.velocity = (self.velocity + push).clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.velocity).clamp(MIN_POSITION, MAX_POSITION);
        if self.position == MIN_POSITION && self.velocity < 0.0 {
            self.velocity = 0.0;
        }
        let terminated = self.position >= GOAL && self.velocity >= self.kwargs.goal_velocity;
        Step { reward: -1.0, terminated, ..Step::default() }
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
        Ok(())
    }
}

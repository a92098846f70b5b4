//! MountainCar-v0 and MountainCarContinuous-v0.

use serde::{Deserialize, Serialize};

use super::{entries, observe, valley};
use crate::drawing::Drawing;
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState, Error};

const MIN_POSITION: f64 = -1.2;
const MAX_POSITION: f64 = 0.6;
const MAX_SPEED: f64 = 0.07;
/// Of a choice.
const FORCE: f64 = 0.001;
/// Of a continuous action.
const POWER: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

/// MountainCar and MountainCarContinuous of Gymnasium (`envs/classic_control/mountain_car.py`,
/// `continuous_mountain_car.py`): out of the valley by swinging, in few steps or with little force.
pub(crate) struct MountainCar {
    kwargs: Kwargs,
    action_space: ActionSpace,
    position: f64,
    velocity: f64,
    /// The continuous one's state is float64 in Gymnasium after a reset and float32 after a step, and so is its arithmetic.
    single: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Kwargs {
    goal_velocity: f64,
}

impl MountainCar {
    pub(crate) fn discrete(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        Self::new(id, kwargs, ActionSpace::Discrete { choices: 3 })
    }

    pub(crate) fn continuous(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        Self::new(id, kwargs, ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] })
    }

    fn new(id: &str, kwargs: Arguments, action_space: ActionSpace) -> Result<Self, Error> {
        let kwargs = parse(id, kwargs, &Kwargs::default(), |_| true)?;
        Ok(Self { kwargs, action_space, position: -0.5, velocity: 0.0, single: false })
    }

    fn goal(&self) -> f64 {
        match self.action_space {
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => 0.5,
            ActionSpace::Continuous { .. } => 0.45,
        }
    }

    /// The position after a push; a number is `round`ed to what Gymnasium keeps of it. Says whether the goal is reached.
    fn roll(&mut self, push: f64, round: impl Fn(f64) -> f64) -> bool {
        let velocity = round(self.velocity + push).clamp(round(-MAX_SPEED), round(MAX_SPEED));
        let (lowest, highest) = (round(MIN_POSITION), round(MAX_POSITION));
        self.position = round(self.position + velocity).clamp(lowest, highest);
        self.velocity = if self.position == lowest { velocity.max(0.0) } else { velocity };
        self.position >= round(self.goal()) && self.velocity >= round(self.kwargs.goal_velocity)
    }
}

impl Dynamics for MountainCar {
    fn observation_size(&self) -> usize {
        2
    }

    fn positions(&self) -> Option<Vec<usize>> {
        Some(vec![0])
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        Some(match self.action_space {
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => (-(steps as f64), 0.0),
            // A tenth of the squared action is the cost of a step, 100 the prize of the goal.
            ActionSpace::Continuous { .. } => (-0.1 * steps as f64, 100.0),
        })
    }

    fn reset(&mut self, random: &mut Generator) {
        (self.position, self.velocity, self.single) = (random.uniform(-0.6, -0.4), 0.0, false);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let action = action[0];
        if let ActionSpace::Discrete { .. } = self.action_space {
            let push = (f64::from(action) - 1.0) * FORCE + (3.0 * self.position).cos() * -GRAVITY;
            let terminated = self.roll(push, |x| x);
            return Step { reward: -1.0, terminated, ..Step::default() };
        }
        let single = self.single;
        let round = |x: f64| if single { f64::from(x as f32) } else { x };
        let slope = GRAVITY * round(3.0 * self.position).cos();
        // A clipped action is a Python float, one within the bounds a float32.
        let push = if (-1.0..=1.0).contains(&action) {
            f64::from(action * POWER as f32 - slope as f32)
        } else {
            f64::from(action).clamp(-1.0, 1.0) * POWER - slope
        };
        let terminated = self.roll(round(push), round);
        self.position = f64::from(self.position as f32);
        self.velocity = f64::from(self.velocity as f32);
        self.single = true;
        let prize = if terminated { 100.0 } else { 0.0 };
        let reward = prize - f64::from(action) * f64::from(action) * 0.1;
        Step { reward, terminated, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        observe([self.position, self.velocity], observation);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: vec![self.position, self.velocity] })
    }

    fn drawing(&self) -> Option<Drawing> {
        Some(valley(self.position, [MIN_POSITION, MAX_POSITION], self.goal()))
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        [self.position, self.velocity] = entries(state)?;
        self.single = false;
        Ok(())
    }
}

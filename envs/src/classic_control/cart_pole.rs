//! CartPole-v1.

use serde::{Deserialize, Serialize};

use super::{entries, observe};
use crate::drawing::{Drawing, Shape, colour};
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState, Error};

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = POLE_MASS + 1.0;
/// Half the pole's length.
const LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
const DT: f64 = 0.02;
const MAX_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const MAX_POSITION: f64 = 2.4;

/// CartPole of Gymnasium (`envs/classic_control/cartpole.py`): keep the pole upright.
pub(crate) struct CartPole {
    kwargs: Kwargs,
    action_space: ActionSpace,
    /// Position in m and velocity of the cart, angle in rad and angular velocity of the pole.
    state: [f64; 4],
    /// Whether the episode has terminated; further steps are worth nothing.
    over: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Kwargs {
    /// 0 for each step and -1 for the fall, instead of 1 for each step.
    sutton_barto_reward: bool,
}

impl CartPole {
    pub(crate) fn new(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        Ok(Self::of(parse(id, kwargs, &Kwargs::default(), |_| true)?))
    }

    fn of(kwargs: Kwargs) -> Self {
        Self { kwargs, action_space: ActionSpace::Discrete { choices: 2 }, state: [0.0; 4], over: false }
    }

    pub(crate) fn usual() -> Self {
        Self::of(Kwargs::default())
    }
}

impl Dynamics for CartPole {
    fn observation_size(&self) -> usize {
        4
    }

    fn positions(&self) -> Option<Vec<usize>> {
        // Of the cart and of the pole.
        Some(vec![0, 2])
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        Some(if self.kwargs.sutton_barto_reward { (-1.0, 0.0) } else { (0.0, steps as f64) })
    }

    fn reset(&mut self, random: &mut Generator) {
        self.state = std::array::from_fn(|_| random.uniform(-0.05, 0.05));
        self.over = false;
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let [x, x_dot, theta, theta_dot] = self.state;
        let force = if action[0] == 1.0 { FORCE } else { -FORCE };
        let (sin, cos) = (theta.sin(), theta.cos());
        let pull = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acc =
            (GRAVITY * sin - cos * pull) / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acc = pull - POLE_MASS_LENGTH * theta_acc * cos / TOTAL_MASS;
        let [x, theta] = [x + DT * x_dot, theta + DT * theta_dot];
        self.state = [x, x_dot + DT * x_acc, theta, theta_dot + DT * theta_acc];
        let terminated = x.abs() > MAX_POSITION || theta.abs() > MAX_ANGLE;
        let reward = match (self.kwargs.sutton_barto_reward, terminated) {
            (true, false) => 0.0,
            (true, true) => -1.0,
            (false, true) if self.over => 0.0,
            (false, _) => 1.0,
        };
        self.over |= terminated;
        Step { reward, terminated, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        observe(self.state, observation);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: self.state.to_vec() })
    }

    fn drawing(&self) -> Option<Drawing> {
        let [x, _, angle, _] = self.state;
        let joint = [x, 0.3];
        let end = [x + 2.0 * LENGTH * angle.sin(), 0.3 + 2.0 * LENGTH * angle.cos()];
        let shapes = vec![
            Shape::line([-MAX_POSITION, 0.0], [MAX_POSITION, 0.0], 0.02, colour::GREY),
            Shape::rectangle([x - 0.25, 0.0], [0.5, 0.3], colour::BLACK),
            Shape::line(joint, end, 0.1, colour::ORANGE),
            Shape::disc(joint, 0.05, colour::BLUE),
        ];
        Some(Drawing { low: [-MAX_POSITION, -1.7], high: [MAX_POSITION, 3.1], shapes })
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.state = entries(state)?;
        self.over = false;
        Ok(())
    }
}

//! POPGym's PositionOnlyCartPole and PositionOnlyPendulum.

use super::{Level, RETURNS};
use crate::classic_control::{CartPole, Pendulum};
use crate::drawing::Drawing;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState};

/// Half of the highest cost of a step of Pendulum, to the package's digits.
const HALF_RANGE: f64 = 16.2736044 / 2.0;

/// A task of classic control whose velocities are hidden, its rewards scaled so that an episode's sum lies between −1
/// and 1.
pub(crate) struct PositionOnly<D> {
    task: D,
    /// Of the task's observation.
    positions: Vec<usize>,
    longest: usize,
    elapsed: usize,
    /// From the task's reward and the longest episode.
    reward: fn(f64, f64) -> f64,
}

impl PositionOnly<CartPole> {
    /// PositionOnlyCartPole of POPGym, worth 1 if the pole stays upright for the whole episode.
    pub(crate) fn cart_pole(level: Level) -> Self {
        let reward = |reward, longest| if reward == 0.0 { -1.0 } else { 1.0 / longest };
        Self::new(CartPole::usual(), level.of([200, 400, 600]), reward)
    }
}

impl PositionOnly<Pendulum> {
    /// PositionOnlyPendulum of POPGym. The harder, the shorter.
    pub(crate) fn pendulum(level: Level) -> Self {
        let reward = |reward, longest| (reward + HALF_RANGE) / HALF_RANGE / longest;
        Self::new(Pendulum::usual(), level.of([200, 150, 100]), reward)
    }
}

impl<D: Dynamics> PositionOnly<D> {
    fn new(task: D, longest: usize, reward: fn(f64, f64) -> f64) -> Self {
        let positions = task.positions().unwrap_or_default();
        Self { task, positions, longest, elapsed: 0, reward }
    }
}

impl<D: Dynamics> Dynamics for PositionOnly<D> {
    fn observation_size(&self) -> usize {
        self.positions.len()
    }

    fn action_space(&self) -> &ActionSpace {
        self.task.action_space()
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.longest)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.task.reset(random);
        self.elapsed = 0;
    }

    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step {
        let step = self.task.step(action, random);
        self.elapsed += 1;
        let reward = (self.reward)(step.reward, self.longest as f64);
        Step { reward, truncated: self.elapsed >= self.longest, ..step }
    }

    fn observe(&self, observation: &mut [f64]) {
        let mut whole = [0.0; 4];
        self.task.observe(&mut whole[..self.task.observation_size()]);
        observation.iter_mut().zip(&self.positions).for_each(|(out, &entry)| *out = whole[entry]);
    }

    fn state(&self) -> Option<EnvState> {
        self.task.state()
    }

    fn drawing(&self) -> Option<Drawing> {
        self.task.drawing()
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.elapsed = 0;
        self.task.set_state(state)
    }
}

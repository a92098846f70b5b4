//! POPGym's PositionOnlyCartPole.

use super::{Level, RETURNS};
use crate::classic_control::CartPole;
use crate::drawing::Drawing;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState};

/// PositionOnlyCartPole of POPGym: CartPole whose velocities are hidden, worth 1 if the pole stays upright for the
/// whole episode.
pub(crate) struct PositionOnlyCartPole {
    cart_pole: CartPole,
    longest: usize,
    elapsed: usize,
}

impl PositionOnlyCartPole {
    pub(crate) fn new(level: Level) -> Self {
        let longest = level.of([200, 400, 600]);
        Self { cart_pole: CartPole::positions_only(), longest, elapsed: 0 }
    }
}

impl Dynamics for PositionOnlyCartPole {
    fn observation_size(&self) -> usize {
        self.cart_pole.observation_size()
    }

    fn action_space(&self) -> &ActionSpace {
        self.cart_pole.action_space()
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.longest)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.cart_pole.reset(random);
        self.elapsed = 0;
    }

    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step {
        let step = self.cart_pole.step(action, random);
        self.elapsed += 1;
        let reward = if step.reward == 0.0 { -1.0 } else { 1.0 / self.longest as f64 };
        Step { reward, truncated: self.elapsed >= self.longest, ..step }
    }

    fn observe(&self, observation: &mut [f64]) {
        self.cart_pole.observe(observation);
    }

    fn state(&self) -> Option<EnvState> {
        self.cart_pole.state()
    }

    fn drawing(&self) -> Option<Drawing> {
        self.cart_pole.drawing()
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.elapsed = 0;
        self.cart_pole.set_state(state)
    }
}

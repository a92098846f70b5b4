//! POPGym's PositionOnlyPendulum.

use super::{Level, RETURNS};
use crate::classic_control::Pendulum;
use crate::drawing::Drawing;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState};

/// Half of the highest cost of a step, to the package's digits.
const HALF_RANGE: f64 = 16.2736044 / 2.0;

/// PositionOnlyPendulum of POPGym: Pendulum whose velocity is hidden, its rewards scaled so that an episode's sum
/// lies between −1 and 1. The harder, the shorter.
pub(crate) struct PositionOnlyPendulum {
    pendulum: Pendulum,
    longest: usize,
    elapsed: usize,
}

impl PositionOnlyPendulum {
    pub(crate) fn new(level: Level) -> Self {
        let longest = level.of([200, 150, 100]);
        Self { pendulum: Pendulum::positions_only(), longest, elapsed: 0 }
    }
}

impl Dynamics for PositionOnlyPendulum {
    fn observation_size(&self) -> usize {
        self.pendulum.observation_size()
    }

    fn action_space(&self) -> &ActionSpace {
        self.pendulum.action_space()
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.longest)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.pendulum.reset(random);
        self.elapsed = 0;
    }

    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step {
        let step = self.pendulum.step(action, random);
        self.elapsed += 1;
        let reward = (step.reward + HALF_RANGE) / HALF_RANGE / self.longest as f64;
        Step { reward, truncated: self.elapsed >= self.longest, ..step }
    }

    fn observe(&self, observation: &mut [f64]) {
        self.pendulum.observe(observation);
    }

    fn state(&self) -> Option<EnvState> {
        self.pendulum.state()
    }

    fn drawing(&self) -> Option<Drawing> {
        self.pendulum.drawing()
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        self.elapsed = 0;
        self.pendulum.set_state(state)
    }
}

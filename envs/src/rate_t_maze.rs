//! RATE's T-maze.

use crate::drawing::Drawing;
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::Arguments;
use crate::numpy::Generator;
use crate::t_maze::{Corridor, maze};
use crate::{ActionSpace, Error};

/// The moves of the four actions: right, up, left, down.
const MOVES: [[i64; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// The T-maze of RATE (Cherepanov et al. 2023, arXiv 2306.09459), after the passive one of Ni et al. (2023): a clue
/// that is seen at the first step only tells which way to turn at the end of a corridor, and there is just time for
/// one mistake.
///
/// Actions: 0 right, 1 up, 2 left, 3 down; those that lead into a wall do nothing. Observation: the height y (1 up,
/// −1 down, 0 in the corridor), the clue (±1 at the first step, that height; else 0), a flag (1 when the junction is
/// reached, else 0), and noise (−1, 0 or 1). A turn ends the episode, with reward 1 for the right one, and so does
/// timestep corridor + 2; every other reward is 0.
///
/// Draws, in this order: the corridor's length where it is a range, uniformly, and the clue; the noise of each
/// observation when it is made.
pub(crate) struct RateTMaze {
    corridor: Corridor,
    action_space: ActionSpace,
    length: i64,
    goal: i64,
    x: i64,
    y: i64,
    elapsed: usize,
    /// The junction has been reached before this step.
    flagged: bool,
    observation: [f64; 4],
}

impl RateTMaze {
    pub(crate) fn new(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        let corridor = Corridor::of(id, kwargs, 148)?;
        Ok(Self {
            corridor,
            action_space: ActionSpace::Discrete { choices: MOVES.len() },
            length: corridor.low as i64,
            goal: 1,
            x: 0,
            y: 0,
            elapsed: 0,
            flagged: false,
            observation: [0.0, 1.0, 0.0, 0.0],
        })
    }

    /// Makes the next observation.
    fn look(&mut self, random: &mut Generator) {
        let clue = if self.elapsed == 0 { self.goal } else { 0 };
        let flag = self.x == self.length && !self.flagged;
        self.flagged |= flag;
        let noise = random.integers(-1, 2);
        self.observation = [self.y as f64, clue as f64, f64::from(flag), noise as f64];
    }
}

impl Dynamics for RateTMaze {
    fn observation_size(&self) -> usize {
        self.observation.len()
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.corridor.high + 2)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some((0.0, 1.0))
    }

    fn reset(&mut self, random: &mut Generator) {
        let Corridor { low, high } = self.corridor;
        self.length = random.integers(low as i64, high as i64 + 1);
        self.goal = [-1, 1][random.integers(0, 2) as usize];
        (self.x, self.y, self.elapsed, self.flagged) = (0, 0, 0, false);
        self.look(random);
    }

    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step {
        let [dx, dy] = MOVES[action[0] as usize];
        let (x, y) = (self.x + dx, self.y + dy);
        let corridor = y == 0 && (0..=self.length).contains(&x);
        let arm = y.abs() == 1 && x == self.length;
        if corridor || arm {
            (self.x, self.y) = (x, y);
        }
        self.elapsed += 1;
        self.look(random);
        let terminated = self.y != 0;
        let truncated = self.elapsed >= self.length as usize + 2;
        Step { reward: f64::from(self.y == self.goal), terminated, truncated, unstable: false }
    }

    fn observe(&self, observation: &mut [f64]) {
        observation.copy_from_slice(&self.observation);
    }

    fn drawing(&self) -> Option<Drawing> {
        let at = [self.x as f64, self.y as f64];
        Some(maze(self.length as f64, at, self.goal as f64, self.elapsed == 0))
    }
}

//! TMaze-v0, ours.

use serde::{Deserialize, Serialize};

use crate::drawing::{Drawing, Shape, colour};
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::{Arguments, parse};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState, Error};

/// The longest corridor.
const LONGEST: usize = 1_000_000;

const FORWARD: f32 = 0.0;
const LEFT: f32 = 1.0;

/// A T-maze (Bakker 2001; passive, as in Ni et al. 2023): a cue that is seen at the start only tells which
/// way to turn at the end of a corridor. What a policy does not remember it can only guess.
///
/// Actions: 0 forward, 1 left, 2 right; those that lead into a wall do nothing. Observation: the cue at the
/// start (−1 left, 1 right; else 0), and whether this is the junction (1, else 0). The turn ends the episode,
/// with reward 1 for the right one; every other reward is 0.
pub(crate) struct TMaze {
    corridor: Corridor,
    action_space: ActionSpace,
    cue: f64,
    length: usize,
    position: usize,
}

/// Steps from the start to the junction: a number, or the shortest and the longest `[low, high]`, between which each
/// episode's is drawn.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "CorridorForm", into = "[usize; 2]")]
pub(crate) struct Corridor {
    pub(crate) low: usize,
    pub(crate) high: usize,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a length, or the shortest and the longest `[low, high]`")]
enum CorridorForm {
    Length(usize),
    Range(usize, usize),
}

impl TryFrom<CorridorForm> for Corridor {
    type Error = String;

    fn try_from(form: CorridorForm) -> Result<Self, String> {
        let (low, high) = match form {
            CorridorForm::Length(length) => (length, length),
            CorridorForm::Range(low, high) => (low, high),
        };
        if 1 <= low && low <= high && high <= LONGEST {
            Ok(Corridor { low, high })
        } else {
            Err(format!("found {low} to {high}, expected lengths of 1 to {LONGEST}, the shortest first"))
        }
    }
}

impl From<Corridor> for [usize; 2] {
    fn from(Corridor { low, high }: Corridor) -> Self {
        [low, high]
    }
}

impl Corridor {
    /// The one argument of environment `id`, which usually is so `long`.
    pub(crate) fn of(id: &str, kwargs: Arguments, long: usize) -> Result<Self, Error> {
        #[derive(Serialize, Deserialize)]
        struct Kwargs {
            corridor: Corridor,
        }
        let usual = Kwargs { corridor: Corridor { low: long, high: long } };
        parse(id, kwargs, &usual, |name| name != "observe").map(|kwargs| kwargs.corridor)
    }
}

impl TMaze {
    pub(crate) fn new(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        let (corridor, action_space) = (Corridor::of(id, kwargs, 100)?, ActionSpace::Discrete { choices: 3 });
        Ok(Self { corridor, action_space, cue: 1.0, length: corridor.low, position: 0 })
    }

    /// Twice the steps that the longest corridor takes.
    pub(crate) fn time_limit(&self) -> usize {
        2 * (self.corridor.high + 1)
    }
}

/// A T-maze from above, as far as there is room around who walks it at `at`, and beneath it all of the corridor, with
/// the share that is walked. `cue` is 1 where the right turn is upwards, −1 downwards; `shown` whether it is seen now.
pub(crate) fn maze(length: f64, at: [f64; 2], cue: f64, shown: bool) -> Drawing {
    /// Cells on either side.
    const SEEN: f64 = 6.0;
    let cell = |x: f64, y: f64, colour| Shape::rectangle([x - 0.46, y - 0.46], [0.92, 0.92], colour);
    let (from, to) = ((at[0] - SEEN).max(0.0), (at[0] + SEEN).min(length));
    let mut shapes: Vec<Shape> =
        (from as i64..=to as i64).map(|x| cell(x as f64, 0.0, colour::PALE)).collect();
    if to == length {
        shapes.push(cell(length, cue, colour::GREEN));
        shapes.push(cell(length, -cue, colour::RED));
    }
    if shown {
        let arrow = |y: f64| [at[0], y * cue];
        let head = vec![[at[0] - 0.4, 1.3 * cue], arrow(1.7), [at[0] + 0.4, 1.3 * cue]];
        shapes.push(Shape::line(arrow(0.7), arrow(1.6), 0.14, colour::BLACK));
        shapes.push(Shape::curve(head, 0.14, colour::BLACK));
    }
    shapes.push(Shape::disc(at, 0.3, colour::BLUE));
    let (left, right, below) = (at[0] - SEEN, at[0] + SEEN, -4.0);
    let walked = left + (right - left) * (at[0] / length).min(1.0);
    shapes.push(Shape::line([left, below], [right, below], 0.16, colour::PALE));
    shapes.push(Shape::line([left, below], [walked, below], 0.16, colour::BLUE));
    Drawing { low: [left - 0.5, -SEEN - 0.5], high: [right + 0.5, SEEN + 0.5], shapes }
}

impl Dynamics for TMaze {
    fn observation_size(&self) -> usize {
        2
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some((0.0, 1.0))
    }

    fn reset(&mut self, random: &mut Generator) {
        let Corridor { low, high } = self.corridor;
        self.cue = if random.integers(0, 2) == 1 { 1.0 } else { -1.0 };
        // Uniformly on a logarithmic scale.
        let ends = [low as f64, (high + 1) as f64].map(f64::ln);
        let length = (ends[0] + random.random() * (ends[1] - ends[0])).exp();
        self.length = (length as usize).clamp(low, high);
        self.position = 0;
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let junction = self.position == self.length;
        match (junction, action[0] == FORWARD) {
            (false, true) => self.position += 1,
            (true, false) => {
                let right_one = (action[0] == LEFT) == (self.cue < 0.0);
                return Step { reward: f64::from(right_one), terminated: true, ..Step::default() };
            }
            _ => {}
        }
        Step::default()
    }

    fn observe(&self, observation: &mut [f64]) {
        observation[0] = if self.position == 0 { self.cue } else { 0.0 };
        observation[1] = f64::from(self.position == self.length);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: vec![self.cue, self.length as f64, self.position as f64] })
    }

    fn drawing(&self) -> Option<Drawing> {
        // Left of who walks the corridor is up.
        Some(maze(self.length as f64, [self.position as f64, 0.0], -self.cue, self.position == 0))
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        let EnvState::Classic { state } = state else { return Err("expected an entry `state`".into()) };
        match state[..] {
            [cue, length, position]
                if cue.abs() == 1.0
                    && [length, position].iter().all(|x| x.fract() == 0.0)
                    && 0.0 <= position
                    && position <= length
                    && (1.0..=LONGEST as f64).contains(&length) =>
            {
                (self.cue, self.length, self.position) = (cue, length as usize, position as usize);
                Ok(())
            }
            _ => Err(format!("found the state {state:?}, expected the cue (−1 or 1), length and position")),
        }
    }
}

//! Environments of POPGym (Morad et al. 2023), as the Python package popgym 1.0.7 has them: the same seed deals
//! the same cards and pays the same rewards. Observations that are no boxes are flattened as
//! `gymnasium.spaces.flatten` does: a vector of zeros and a one for each number, one after the other.

mod autoencode;
mod count_recall;
mod deck;
mod position_only_cart_pole;
mod position_only_pendulum;
mod repeat_first;
mod repeat_previous;

use autoencode::Autoencode;
use count_recall::CountRecall;
use position_only_cart_pole::PositionOnlyCartPole;
use position_only_pendulum::PositionOnlyPendulum;
use repeat_first::RepeatFirst;
use repeat_previous::RepeatPrevious;

use crate::environment::{Dynamics, Step};

/// How hard a task is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Easy,
    Medium,
    Hard,
}

impl Level {
    /// The one of `[easy, medium, hard]` that is meant.
    fn of<T: Copy>(self, values: [T; 3]) -> T {
        values[self as usize]
    }
}

/// The environment of an id such as `popgym-RepeatFirstEasy-v0`.
pub(crate) fn make(id: &str) -> Option<Box<dyn Dynamics>> {
    let name = id.strip_prefix("popgym-")?.strip_suffix("-v0")?;
    let levels = [("Easy", Level::Easy), ("Medium", Level::Medium), ("Hard", Level::Hard)];
    let (task, level) =
        levels.into_iter().find_map(|(suffix, level)| Some((name.strip_suffix(suffix)?, level)))?;
    Some(match task {
        "Autoencode" => Box::new(Autoencode::new(level)),
        "CountRecall" => Box::new(CountRecall::new(level)),
        "PositionOnlyCartPole" => Box::new(PositionOnlyCartPole::new(level)),
        "PositionOnlyPendulum" => Box::new(PositionOnlyPendulum::new(level)),
        "RepeatFirst" => Box::new(RepeatFirst::new(level)),
        "RepeatPrevious" => Box::new(RepeatPrevious::new(level)),
        _ => return None,
    })
}

/// A step beyond the last card, which the Python package refuses.
const BEYOND: Step = Step { reward: 0.0, terminated: true, truncated: false, unstable: false };

/// `scale` for a right answer, else that much less than nothing.
fn reward(right: bool, scale: f64) -> f64 {
    if right { scale } else { -scale }
}

/// Writes `index` as a vector of zeros with a one.
fn one_hot(entries: &mut [f64], index: usize) {
    entries.fill(0.0);
    entries[index] = 1.0;
}

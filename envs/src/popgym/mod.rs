//! Environments of POPGym (Morad et al. 2023), as the Python package popgym 1.0.7 has them: the same seed deals
//! the same cards and pays the same rewards. Observations that are no boxes are flattened as
//! `gymnasium.spaces.flatten` does: a vector of zeros and a one for each number, one after the other.

mod autoencode;
mod count_recall;
mod deck;
mod position_only;
mod repeat;

pub(crate) use autoencode::Autoencode;
pub(crate) use count_recall::CountRecall;
pub(crate) use position_only::PositionOnly;
pub(crate) use repeat::Repeat;

use crate::dynamics::Step;

/// What the ids of POPGym's environments end in, from easy to hard.
pub(crate) const LEVELS: &[&str] = &["Easy-v0", "Medium-v0", "Hard-v0"];

/// How hard a task is made: one of [`LEVELS`].
#[derive(Clone, Copy)]
pub(crate) struct Level(usize);

impl Level {
    /// That of the environment with an id.
    pub(crate) fn of_id(id: &str) -> Self {
        Self(LEVELS.iter().position(|level| id.ends_with(level)).unwrap_or_default())
    }

    /// The one of `[easy, medium, hard]` that is meant.
    fn of<T: Copy>(self, values: [T; 3]) -> T {
        values[self.0]
    }
}

/// An episode is worth that much, whatever the level.
const RETURNS: (f64, f64) = (-1.0, 1.0);

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

//! POPGym's RepeatFirst and RepeatPrevious.

use super::deck::{Deck, Kind, SUITS};
use super::{BEYOND, Level, RETURNS, one_hot, reward};
use crate::ActionSpace;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;

/// RepeatFirst and RepeatPrevious of POPGym: one card after the other is dealt; at each, name the suit of the first one,
/// or of the one that came `lag` − 1 cards earlier.
///
/// Observation: the suit of the last card, one-hot. Once there is such a card, a right answer is worth 1 / so many
/// steps, a wrong one as much less than nothing; the last card ends the episode.
pub(crate) struct Repeat {
    deck: Deck,
    /// The package's `k`: 1 means the last card, `None` the first.
    lag: Option<usize>,
    action_space: ActionSpace,
}

impl Repeat {
    pub(crate) fn first(level: Level) -> Self {
        Self::new(level.of([1, 8, 16]), None)
    }

    pub(crate) fn previous(level: Level) -> Self {
        let (decks, lag) = level.of([(1, 4), (2, 32), (3, 64)]);
        Self::new(decks, Some(lag))
    }

    fn new(decks: usize, lag: Option<usize>) -> Self {
        Self { deck: Deck::new(decks), lag, action_space: ActionSpace::Discrete { choices: SUITS } }
    }
}

impl Dynamics for Repeat {
    fn observation_size(&self) -> usize {
        SUITS
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.deck.size() - 1)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.deck.shuffle(random);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        if self.deck.left() == 0 {
            return BEYOND;
        }
        let asked = match self.lag {
            None => Some(0),
            Some(lag) => self.deck.dealt().checked_sub(lag),
        };
        let scale = 1.0 / (self.deck.size() - self.lag.unwrap_or(1)) as f64;
        let suit = asked.map(|index| Kind::Suit.of(self.deck.card(index)));
        let reward = suit.map_or(0.0, |suit| reward(action[0] as usize == suit, scale));
        self.deck.deal();
        Step { reward, terminated: self.deck.left() == 0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        one_hot(observation, Kind::Suit.of(self.deck.last()));
    }
}

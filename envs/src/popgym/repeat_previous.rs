//! POPGym's RepeatPrevious.

use super::deck::{Deck, Kind, SUITS};
use super::{BEYOND, Level, one_hot, reward};
use crate::ActionSpace;
use crate::environment::{Dynamics, Step};
use crate::numpy::Generator;

/// RepeatPrevious of POPGym: one card after the other is dealt; at each, name the suit of the one that came
/// `lag` − 1 cards earlier.
///
/// Observation: the suit of the last card, one-hot. Once there is such a card, a right answer is worth 1 / so many
/// steps, a wrong one as much less than nothing; the last card ends the episode.
pub(super) struct RepeatPrevious {
    deck: Deck,
    /// The package's `k`: 1 means the last card.
    lag: usize,
    action_space: ActionSpace,
}

impl RepeatPrevious {
    pub(super) fn new(level: Level) -> Self {
        let (decks, lag) = level.of([(1, 4), (2, 32), (3, 64)]);
        Self { deck: Deck::new(decks), lag, action_space: ActionSpace::Discrete { choices: SUITS } }
    }
}

impl Dynamics for RepeatPrevious {
    fn observation_size(&self) -> usize {
        SUITS
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.deck.size() - 1)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.deck.shuffle(random);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        if self.deck.left() == 0 {
            return BEYOND;
        }
        let scale = 1.0 / (self.deck.size() - self.lag) as f64;
        let asked = self.deck.dealt().checked_sub(self.lag).map(|index| Kind::Suit.of(self.deck.card(index)));
        let reward = asked.map_or(0.0, |suit| reward(action[0] as usize == suit, scale));
        self.deck.deal();
        Step { reward, terminated: self.deck.left() == 0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        one_hot(observation, Kind::Suit.of(self.deck.last()));
    }
}

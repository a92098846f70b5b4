//! POPGym's Autoencode.

use super::deck::{Deck, Kind, SUITS};
use super::{BEYOND, Level, RETURNS, one_hot, reward};
use crate::ActionSpace;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;

/// Autoencode of POPGym: all cards are shown; then name their suits, the last one first.
///
/// Observation: whether to answer or to watch, and a suit, each one-hot; once the answers have begun the suit is
/// always the first. A right answer is worth 1 / cards, a wrong one as much less than nothing; the last one ends
/// the episode.
pub(crate) struct Autoencode {
    deck: Deck,
    answers: usize,
    action_space: ActionSpace,
}

impl Autoencode {
    pub(crate) fn new(level: Level) -> Self {
        let deck = Deck::new(level.of([1, 2, 3]));
        Self { deck, answers: 0, action_space: ActionSpace::Discrete { choices: SUITS } }
    }
}

impl Dynamics for Autoencode {
    fn observation_size(&self) -> usize {
        2 + SUITS
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(2 * self.deck.size() - 1)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.deck.shuffle(random);
        self.answers = 0;
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        if self.deck.left() > 0 {
            self.deck.deal();
            return Step::default();
        }
        let size = self.deck.size();
        let Some(index) = size.checked_sub(self.answers + 1) else {
            return BEYOND;
        };
        let right = action[0] as usize == Kind::Suit.of(self.deck.card(index));
        self.answers += 1;
        Step { reward: reward(right, 1.0 / size as f64), terminated: index == 0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let (mode, suit) = observation.split_at_mut(2);
        let watching = self.deck.left() > 0;
        one_hot(mode, usize::from(watching));
        one_hot(suit, if self.answers == 0 { Kind::Suit.of(self.deck.last()) } else { 0 });
    }
}

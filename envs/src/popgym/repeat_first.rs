//! POPGym's RepeatFirst.

use super::deck::{Deck, Kind, SUITS};
use super::{BEYOND, Level, one_hot, reward};
use crate::ActionSpace;
use crate::environment::{Dynamics, Step};
use crate::numpy::Generator;

/// RepeatFirst of POPGym: one card after the other is dealt; at each, name the suit of the first one.
///
/// Observation: the suit of the last card, one-hot. A right answer is worth 1 / steps, a wrong one as much less
/// than nothing; the last card ends the episode.
pub(super) struct RepeatFirst {
    deck: Deck,
    action_space: ActionSpace,
}

impl RepeatFirst {
    pub(super) fn new(level: Level) -> Self {
        Self { deck: Deck::new(level.of([1, 8, 16])), action_space: ActionSpace::Discrete { choices: SUITS } }
    }
}

impl Dynamics for RepeatFirst {
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
        let right = action[0] as usize == Kind::Suit.of(self.deck.card(0));
        self.deck.deal();
        let reward = reward(right, 1.0 / (self.deck.size() - 1) as f64);
        Step { reward, terminated: self.deck.left() == 0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        one_hot(observation, Kind::Suit.of(self.deck.last()));
    }
}

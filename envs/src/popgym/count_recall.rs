//! POPGym's CountRecall.

use super::deck::{Deck, Kind};
use super::{BEYOND, Level, RETURNS, one_hot, reward};
use crate::ActionSpace;
use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;

/// CountRecall of POPGym: at each step a card is dealt and another one, of a deck of its own, asks: how many of its
/// kind (colours, suits or ranks) have been dealt so far?
///
/// Observation: the kind dealt and the kind asked for, each one-hot. A right answer is worth 1 / steps, a wrong one
/// as much less than nothing; the last card ends the episode.
pub(crate) struct CountRecall {
    values: Deck,
    queries: Deck,
    kind: Kind,
    /// Cards dealt of each kind.
    counts: [usize; 13],
    action_space: ActionSpace,
}

impl CountRecall {
    pub(crate) fn new(level: Level) -> Self {
        let (decks, kind) = level.of([(1, Kind::Colour), (2, Kind::Suit), (4, Kind::Rank)]);
        let values = Deck::new(decks);
        // From none to all of a kind.
        let action_space = ActionSpace::Discrete { choices: values.size() / kind.count() + 1 };
        Self { values, queries: Deck::new(decks), kind, counts: [0; 13], action_space }
    }
}

impl Dynamics for CountRecall {
    fn observation_size(&self) -> usize {
        2 * self.kind.count()
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn longest_episode(&self) -> Option<usize> {
        Some(self.values.size() - 1)
    }

    fn return_range(&self, _steps: usize) -> Option<(f64, f64)> {
        Some(RETURNS)
    }

    fn reset(&mut self, random: &mut Generator) {
        self.values.shuffle(random);
        self.queries.shuffle(random);
        self.counts = [0; 13];
        self.counts[self.kind.of(self.values.last())] = 1;
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        if self.values.left() == 0 {
            return BEYOND;
        }
        let right = action[0] as usize == self.counts[self.kind.of(self.queries.last())];
        self.values.deal();
        self.queries.deal();
        self.counts[self.kind.of(self.values.last())] += 1;
        let reward = reward(right, 1.0 / (self.values.size() - 1) as f64);
        Step { reward, terminated: self.values.left() == 0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let (dealt, asked) = observation.split_at_mut(self.kind.count());
        one_hot(dealt, self.kind.of(self.values.last()));
        one_hot(asked, self.kind.of(self.queries.last()));
    }
}

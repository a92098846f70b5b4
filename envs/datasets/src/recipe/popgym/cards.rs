//! Right answers in POPGym's card games. Where none is asked for, the answer is the first one.

use aaren_envs::ActionSpace;
use rand_chacha::ChaCha8Rng;

use super::Behaviour;

/// The number that a vector of zeros with a one stands for.
fn number(one_hot: &[f32]) -> usize {
    one_hot.iter().position(|&entry| entry == 1.0).unwrap_or_default()
}

/// Remembers the first suit.
#[derive(Default)]
pub(super) struct RepeatFirst {
    first: Option<usize>,
}

impl Behaviour for RepeatFirst {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, _: &mut ChaCha8Rng, action: &mut [f32]) {
        action[0] = *self.first.get_or_insert_with(|| number(observation)) as f32;
    }
}

/// Remembers all suits.
pub(super) struct RepeatPrevious {
    lag: usize,
    suits: Vec<usize>,
}

impl RepeatPrevious {
    /// `lag` 1 asks for the last card.
    pub(super) fn new(lag: usize) -> Self {
        Self { lag, suits: Vec::new() }
    }
}

impl Behaviour for RepeatPrevious {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, _: &mut ChaCha8Rng, action: &mut [f32]) {
        self.suits.push(number(observation));
        action[0] = self.suits.len().checked_sub(self.lag).map_or(0, |index| self.suits[index]) as f32;
    }
}

/// Counts the cards of each kind.
#[derive(Default)]
pub(super) struct CountRecall {
    counts: Vec<usize>,
}

impl Behaviour for CountRecall {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, _: &mut ChaCha8Rng, action: &mut [f32]) {
        let (dealt, asked) = observation.split_at(observation.len() / 2);
        self.counts.resize(dealt.len(), 0);
        self.counts[number(dealt)] += 1;
        action[0] = self.counts[number(asked)] as f32;
    }
}

/// Piles up the suits it watches, and takes them from the pile.
#[derive(Default)]
pub(super) struct Autoencode {
    suits: Vec<usize>,
    answering: bool,
}

impl Behaviour for Autoencode {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, _: &mut ChaCha8Rng, action: &mut [f32]) {
        let (mode, suit) = observation.split_at(2);
        // The last card is shown together with the first question.
        if !self.answering {
            self.suits.push(number(suit));
        }
        self.answering = number(mode) == 0;
        action[0] = if self.answering { self.suits.pop().unwrap_or_default() as f32 } else { 0.0 };
    }
}

//! A shuffled deck of cards.

use crate::numpy::Generator;

pub(super) const SUITS: usize = 4;
const RANKS: usize = 13;

/// The cards of one or more decks, dealt from the last one on.
pub(super) struct Deck {
    cards: Vec<usize>,
    dealt: usize,
}

impl Deck {
    pub(super) fn new(decks: usize) -> Self {
        Self { cards: (0..decks * SUITS * RANKS).collect(), dealt: 1 }
    }

    /// Takes all cards back, shuffles them, and deals the first one.
    pub(super) fn shuffle(&mut self, random: &mut Generator) {
        self.cards.iter_mut().enumerate().for_each(|(index, card)| *card = index);
        random.shuffle(&mut self.cards);
        self.dealt = 1;
    }

    pub(super) fn size(&self) -> usize {
        self.cards.len()
    }

    /// Cards that have been dealt, at least one.
    pub(super) fn dealt(&self) -> usize {
        self.dealt
    }

    /// Cards that are left.
    pub(super) fn left(&self) -> usize {
        self.cards.len() - self.dealt
    }

    /// Deals a card. There has to be one.
    pub(super) fn deal(&mut self) {
        self.dealt += 1;
    }

    /// The card that was dealt as number `index`, from 0.
    pub(super) fn card(&self, index: usize) -> usize {
        self.cards[self.cards.len() - 1 - index]
    }

    /// The card dealt last.
    pub(super) fn last(&self) -> usize {
        self.card(self.dealt - 1)
    }
}

/// What of a card counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Colour,
    Suit,
    Rank,
}

impl Kind {
    /// How many there are.
    pub(super) fn count(self) -> usize {
        match self {
            Kind::Colour => 2,
            Kind::Suit => SUITS,
            Kind::Rank => RANKS,
        }
    }

    /// That of a card: the package sorts a deck by rank, then suit.
    pub(super) fn of(self, card: usize) -> usize {
        match self {
            Kind::Colour | Kind::Suit => card % self.count(),
            Kind::Rank => card / SUITS % RANKS,
        }
    }
}

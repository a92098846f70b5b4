//! Right answers in POPGym's card games. Where none is asked for, the answer is the first one.

use super::Script;

/// The number that a vector of zeros with a one stands for.
fn number(one_hot: &[f32]) -> usize {
    one_hot.iter().position(|&entry| entry == 1.0).unwrap_or_default()
}

/// Remembers the first suit.
pub(super) fn repeat_first() -> Script {
    let mut first = None;
    Box::new(move |observation| *first.get_or_insert_with(|| number(observation)) as f32)
}

/// Remembers all suits; `lag` 1 asks for the last card.
pub(super) fn repeat_previous(lag: usize) -> Script {
    let mut suits = Vec::new();
    Box::new(move |observation| {
        suits.push(number(observation));
        suits.len().checked_sub(lag).map_or(0, |index| suits[index]) as f32
    })
}

/// Counts the cards of each kind.
pub(super) fn count_recall() -> Script {
    let mut counts = Vec::new();
    Box::new(move |observation| {
        let (dealt, asked) = observation.split_at(observation.len() / 2);
        counts.resize(dealt.len(), 0);
        counts[number(dealt)] += 1;
        counts[number(asked)] as f32
    })
}

/// Piles up the suits it watches, and takes them from the pile.
pub(super) fn autoencode() -> Script {
    let (mut suits, mut answering) = (Vec::new(), false);
    Box::new(move |observation| {
        let (mode, suit) = observation.split_at(2);
        // The last card is shown together with the first question.
        if !answering {
            suits.push(number(suit));
        }
        answering = number(mode) == 0;
        if answering { suits.pop().unwrap_or_default() as f32 } else { 0.0 }
    })
}

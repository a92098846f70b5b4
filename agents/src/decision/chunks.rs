//! Chunks of whole episodes, one after the other, for training that carries the state on.

use std::ops::Range;

use aaren_datasets::Dataset;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which part of the data each row of a batch sees at an update, where the encoder's state is carried:
/// chunk after chunk of an episode from its start to its end, then another episode: in the same chunk, where the encoder
/// can forget inside a row, else in the next.
///
/// Episodes are drawn uniformly, and each is seen whole, so that every transition counts alike. The first
/// episode of a row starts at a transition drawn from all, or the rows would stay in step wherever
/// episodes are of one length. The order depends on the seed alone.
#[derive(Debug)]
pub(super) struct Chunks {
    rows: Vec<Row>,
    context_length: usize,
    filled: bool,
}

#[derive(Debug)]
struct Row {
    random: ChaCha8Rng,
    /// Transition that the next chunk starts at, and the end of its episode.
    next: usize,
    end: usize,
    /// Whether the next chunk is the first one of its episode.
    fresh: bool,
}

/// Where a row stands between two updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Words drawn from the row's generator.
    drawn: u64,
    next: usize,
    end: usize,
    fresh: bool,
}

/// The chunks of one update.
#[derive(Debug)]
pub(super) struct Step {
    /// Transitions of each row: of one episode, or of several one after the other.
    pub rows: Vec<Vec<Range<usize>>>,
    /// Rows whose chunk is of another episode than the one before it, where nothing inside a row forgets: their state is
    /// not theirs.
    pub fresh: Vec<i64>,
}

impl Chunks {
    /// Chunks of `context_length` timesteps for so many rows; all of that length where they are `filled`, else the last
    /// one of an episode is shorter.
    pub fn new(dataset: &Dataset, rows: usize, context_length: usize, filled: bool, seed: u64) -> Self {
        let row = |index| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(index as u64);
            let next = random.random_range(0..dataset.transitions());
            let episodes = dataset.episodes();
            let episode = &episodes[episodes.partition_point(|episode| episode.start <= next) - 1];
            Row { random, next, end: episode.start + episode.length, fresh: true }
        };
        Self { rows: (0..rows).map(row).collect(), context_length, filled }
    }

    /// Where every row stands.
    pub fn places(&self) -> Vec<Place> {
        let place = |row: &Row| {
            let Row { ref random, next, end, fresh } = *row;
            Place { drawn: random.get_word_pos() as u64, next, end, fresh }
        };
        self.rows.iter().map(place).collect()
    }

    /// Goes on from where the rows stood; `None` where no rows of this dataset can.
    pub fn resume(&mut self, places: Vec<Place>, dataset: &Dataset) -> Option<()> {
        let ends = |end| dataset.episodes().iter().any(|episode| episode.start + episode.length == end);
        if places.len() != self.rows.len() || places.iter().any(|p| p.next >= p.end || !ends(p.end)) {
            return None;
        }
        for (row, place) in self.rows.iter_mut().zip(places) {
            row.random.set_word_pos(place.drawn.into());
            (row.next, row.end, row.fresh) = (place.next, place.end, place.fresh);
        }
        Some(())
    }

    /// The chunks of the next update.
    pub fn step(&mut self, dataset: &Dataset) -> Step {
        let mut step = Step { rows: Vec::with_capacity(self.rows.len()), fresh: Vec::new() };
        for (index, row) in self.rows.iter_mut().enumerate() {
            if row.fresh && !self.filled {
                step.fresh.push(index as i64);
            }
            let (mut pieces, mut room) = (Vec::new(), self.context_length);
            while room > 0 {
                let piece = row.next..row.end.min(row.next + room);
                (row.next, room) = (piece.end, room - piece.len());
                pieces.push(piece);
                row.fresh = row.next == row.end;
                if row.fresh {
                    let episode = &dataset.episodes()[row.random.random_range(0..dataset.episodes().len())];
                    (row.next, row.end) = (episode.start, episode.start + episode.length);
                    if !self.filled {
                        break;
                    }
                }
            }
            step.rows.push(pieces);
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use aaren_datasets::Transitions;

    use super::*;

    #[test]
    fn a_row_sees_episode_after_episode_whole() {
        let lengths = [7, 1, 12];
        let ends: Vec<bool> =
            lengths.iter().flat_map(|&length| (1..=length).map(move |t| t == length)).collect();
        let count = ends.len();
        let transitions = Transitions {
            observations: vec![0.0; count],
            actions: vec![0.0; count],
            rewards: vec![0.0; count],
            timeouts: vec![false; count],
            terminals: ends.clone(),
        };
        let dataset = Dataset::new("toy", transitions, 1, 1, false);
        for filled in [false, true] {
            let mut chunks = Chunks::new(&dataset, 3, 5, filled, 1);
            let mut seen = vec![0; count];
            let mut next = [None; 3];
            for update in 0..60 {
                let mut resumed = Chunks::new(&dataset, 3, 5, filled, 1);
                resumed.resume(chunks.places(), &dataset).unwrap();
                let (step, again) = (chunks.step(&dataset), resumed.step(&dataset));
                assert_eq!((&again.rows, &again.fresh), (&step.rows, &step.fresh));
                for (row, next) in next.iter_mut().enumerate() {
                    let case = format!("filled {filled}, row {row}, update {update}");
                    let pieces = &step.rows[row];
                    let fresh = step.fresh.contains(&(row as i64));
                    assert_eq!(fresh, next.is_none() && !filled, "{case}");
                    let all: usize = pieces.iter().map(ExactSizeIterator::len).sum();
                    assert!(all == 5 || (!filled && pieces.len() == 1 && all < 5), "{case}: {pieces:?}");
                    for piece in pieces {
                        let begins = piece.start == 0 || ends[piece.start - 1];
                        assert!(
                            next.map_or(begins || update == 0, |next| next == piece.start),
                            "{case}: {pieces:?}"
                        );
                        assert!(piece.clone().all(|t| t + 1 == piece.end || !ends[t]), "{case}: {pieces:?}");
                        piece.clone().for_each(|t| seen[t] += 1);
                        *next = (!ends[piece.end - 1]).then_some(piece.end);
                    }
                    assert!(filled || all == 5 || next.is_none(), "{case}: {pieces:?}");
                }
            }
            assert!(seen.iter().all(|&times| times > 0), "{seen:?}");
        }
        let chunks = Chunks::new(&dataset, 3, 5, true, 1);
        let refused = |change: fn(&mut Vec<Place>)| {
            let mut places = chunks.places();
            change(&mut places);
            Chunks::new(&dataset, 3, 5, true, 1).resume(places, &dataset).is_none()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|places| places.truncate(2)));
        assert!(refused(|places| places[1].next = places[1].end));
        assert!(refused(|places| places[1].end += if places[1].end == 20 { 1 } else { 3 }));
    }
}

//! `t-maze-L` and `t-maze-L-M`: forward through the T-maze, then a turn to either side.
//!
//! `rate-t-maze-T` and `rate-t-maze-S-T`: RATE's T-maze as its authors made their data: winning episodes only, with
//! time limits up to T timesteps, or of S to T; a corridor is two steps shorter.

use aaren_envs::EnvSpec;
use rand::RngExt;
use serde_json::{Value, json};

use super::{Behaviour, Recipe};

/// The names.
pub(super) const KNOWN: &str = "rate-t-maze-T and rate-t-maze-S-T with time limits of S (else 3) to T steps; \
                                t-maze-L and t-maze-L-M with corridors of L to M steps";

/// RATE's shortest time limit: one step to the junction, the turn, and one to spare.
const SHORTEST: usize = 3;

pub(super) struct Maze {
    /// Whether it is RATE's.
    rate: bool,
    corridor: Value,
}

pub(super) fn find(name: &str) -> Option<Maze> {
    let lengths = name.strip_prefix("rate-");
    let rate = lengths.is_some();
    let lengths = lengths.unwrap_or(name).strip_prefix("t-maze-")?.split('-').map(str::parse);
    let lengths: Vec<usize> = lengths.collect::<Result<_, _>>().ok()?;
    let corridor = match (rate, &lengths[..]) {
        (true, &[longest]) => limited(SHORTEST, longest)?,
        (true, &[shortest, longest]) => limited(shortest, longest)?,
        (false, &[length]) => length.into(),
        (false, &[shortest, longest]) => json!([shortest, longest]),
        _ => return None,
    };
    Some(Maze { rate, corridor })
}

/// Corridors for RATE's time limits.
fn limited(shortest: usize, longest: usize) -> Option<Value> {
    (SHORTEST <= shortest && shortest <= longest).then(|| json!([shortest - 2, longest - 2]))
}

impl Recipe for Maze {
    fn env(&self) -> EnvSpec {
        let kwargs = serde_json::Map::from_iter([("corridor".to_owned(), self.corridor.clone())]);
        EnvSpec { kwargs, ..EnvSpec::new(if self.rate { "RateTMaze-v0" } else { "TMaze-v0" }) }
    }

    fn behaviour(&self, _: usize) -> Behaviour<'_> {
        if !self.rate {
            return Box::new(|observation, _, random, action| {
                let junction = observation[1] == 1.0;
                action[0] = if junction { random.random_range(1..=2u8).into() } else { 0.0 };
            });
        }
        // Of the first observation.
        let mut clue = None;
        Box::new(move |observation, _, _, action| {
            let clue = *clue.get_or_insert(observation[1]);
            let junction = observation[2] == 1.0;
            action[0] = match (junction, clue > 0.0) {
                (false, _) => 0.0,
                (true, true) => 1.0,
                (true, false) => 3.0,
            };
        })
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let rate = "right to the junction, then the turn of the clue";
        let algorithm = if self.rate { rate } else { "forward, then a turn to either side" };
        vec![("algorithm", algorithm.to_owned())]
    }
}

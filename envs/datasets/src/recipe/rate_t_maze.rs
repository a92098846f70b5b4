//! `rate-t-maze-T` and `rate-t-maze-S-T`: RATE's T-maze as its authors made their data: winning episodes only, with
//! time limits up to T timesteps, or of S to T; a corridor is two steps shorter.

use aaren_envs::{ActionSpace, EnvSpec};
use rand_chacha::ChaCha8Rng;

use super::{Behaviour, Recipe};

/// The names.
pub(super) const KNOWN: &str = "rate-t-maze-T and rate-t-maze-S-T with time limits of S (else 3) to T steps";

/// The shortest time limit: one step to the junction, the turn, and one to spare.
const SHORTEST: usize = 3;

pub(super) struct RateTMaze {
    limits: [usize; 2],
}

pub(super) fn find(name: &str) -> Option<RateTMaze> {
    let limits: Result<Vec<usize>, _> =
        name.strip_prefix("rate-t-maze-")?.split('-').map(str::parse).collect();
    let limits = match *limits.ok()? {
        [longest] => [SHORTEST, longest],
        [shortest, longest] => [shortest, longest],
        _ => return None,
    };
    (SHORTEST <= limits[0] && limits[0] <= limits[1]).then_some(RateTMaze { limits })
}

impl Recipe for RateTMaze {
    fn env(&self) -> EnvSpec {
        let corridor = self.limits.map(|limit| limit - 2);
        let kwargs = serde_json::Map::from_iter([("corridor".to_owned(), corridor.to_vec().into())]);
        EnvSpec { kwargs, ..EnvSpec::new("RateTMaze-v0") }
    }

    fn ends(&self, transitions: usize) -> Vec<usize> {
        vec![transitions]
    }

    fn behaviour(&self, _: usize) -> Box<dyn Behaviour> {
        Box::new(Winner::default())
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("algorithm", "right to the junction, then the turn of the clue".to_owned())]
    }
}

/// Remembers the clue.
#[derive(Default)]
struct Winner {
    clue: Option<f32>,
}

impl Behaviour for Winner {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, _: &mut ChaCha8Rng, action: &mut [f32]) {
        let clue = *self.clue.get_or_insert(observation[1]);
        let junction = observation[2] == 1.0;
        action[0] = match (junction, clue > 0.0) {
            (false, _) => 0.0,
            (true, true) => 1.0,
            (true, false) => 3.0,
        };
    }
}

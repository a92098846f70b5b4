//! `t-maze-L` and `t-maze-L-M`: forward through the T-maze, then a turn to either side.

use aaren_envs::{ActionSpace, EnvSpec};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Behaviour, Recipe};

/// The names.
pub(super) const KNOWN: &str = "t-maze-L and t-maze-L-M with corridors of L to M steps";

pub(super) struct TMaze {
    corridor: serde_json::Value,
}

pub(super) fn find(name: &str) -> Option<TMaze> {
    let lengths: Result<Vec<usize>, _> = name.strip_prefix("t-maze-")?.split('-').map(str::parse).collect();
    let corridor = match *lengths.ok()? {
        [length] => length.into(),
        [shortest, longest] => serde_json::json!([shortest, longest]),
        _ => return None,
    };
    Some(TMaze { corridor })
}

impl Recipe for TMaze {
    fn env(&self) -> EnvSpec {
        let kwargs = serde_json::Map::from_iter([("corridor".to_owned(), self.corridor.clone())]);
        EnvSpec { kwargs, ..EnvSpec::new("TMaze-v0") }
    }

    fn ends(&self, transitions: usize) -> Vec<usize> {
        vec![transitions]
    }

    fn behaviour(&self, _: usize) -> Box<dyn Behaviour> {
        Box::new(Walk)
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("algorithm", "forward, then a turn to either side".to_owned())]
    }
}

struct Walk;

impl Behaviour for Walk {
    fn act(&mut self, observation: &[f32], _: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
        let junction = observation[1] == 1.0;
        action[0] = if junction { random.random_range(1..=2u8).into() } else { 0.0 };
    }
}

//! Normalised scores, with D4RL's references.

use serde::Serialize;

/// Returns of a random and of an expert policy, which fix the scale of normalised scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReferenceScores {
    /// Return that counts as 0.
    pub random: f64,
    /// Return that counts as 100.
    pub expert: f64,
}

impl ReferenceScores {
    /// 100 (return − random) / (expert − random).
    pub fn normalised(&self, episode_return: f64) -> f64 {
        100.0 * (episode_return - self.random) / (self.expert - self.random)
    }
}

/// D4RL's reference returns (`d4rl/infos.py`) for any version of an environment or name of a dataset.
pub fn reference_scores(id: &str) -> Option<ReferenceScores> {
    let family = id.split('-').next().unwrap_or_default().to_lowercase();
    let (random, expert) = match family.as_str() {
        "halfcheetah" => (-280.178953, 12135.0),
        "hopper" => (-20.272305, 3234.3),
        "walker2d" => (1.629008, 4592.3),
        "ant" => (-325.6, 3879.7),
        _ => return None,
    };
    Some(ReferenceScores { random, expert })
}

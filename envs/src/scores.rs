//! Normalised scores, with D4RL's references.

use serde::{Deserialize, Serialize};

/// Returns of a random and of an expert policy, which fix the scale of normalised scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

//! Normalised scores, with D4RL's references; what returns can be.

use serde::{Deserialize, Serialize};

use crate::{EnvSpec, Error, make, registered_ids};

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

/// The least and the most that an episode of an environment can return; infinite where that is not known: of the
/// robots, and of environments that were registered.
///
/// # Errors
/// As [`make`].
pub fn return_range(spec: &EnvSpec) -> Result<(f64, f64), Error> {
    let longest = make(spec)?.max_episode_steps() as f64;
    if registered_ids().contains(&spec.id) {
        return Ok((f64::NEG_INFINITY, f64::INFINITY));
    }
    Ok(match spec.id.as_str() {
        "CartPole-v1" if spec.kwargs.get("sutton_barto_reward").is_some_and(|it| it == true) => (-1.0, 0.0),
        "CartPole-v1" => (0.0, longest),
        "Acrobot-v1" | "MountainCar-v0" => (-longest, 0.0),
        // A tenth of the squared action is the cost of a step, 100 the prize of the goal.
        "MountainCarContinuous-v0" => (-0.1 * longest, 100.0),
        // π² + 0.1 · 8² + 0.001 · 2² is the highest cost of a step.
        "Pendulum-v1" => (-16.2736045 * longest, 0.0),
        "TMaze-v0" | "RateTMaze-v0" => (0.0, 1.0),
        id if id.starts_with("popgym-") => (-1.0, 1.0),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    })
}

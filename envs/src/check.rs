use std::collections::HashMap;
use std::io::BufRead;

use serde::{Deserialize, Serialize};

use crate::{EnvSpec, Environment, Error};

/// How far an environment is from a trajectory of the Python one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Id of the environment.
    pub env: String,
    /// Steps compared.
    pub steps: usize,
    /// Largest absolute difference of an observation's entry.
    pub max_observation_difference: f64,
    /// Largest absolute difference of a reward.
    pub max_reward_difference: f64,
    /// Whether every terminated and truncated flag was equal.
    pub flags_equal: bool,
}

#[derive(Deserialize)]
struct Line {
    env: Option<String>,
    #[serde(default)]
    kwargs: serde_json::Map<String, serde_json::Value>,
    state: HashMap<String, Vec<f64>>,
    observation: Vec<f64>,
    action: Option<Action>,
    #[serde(default)]
    reward: f64,
    #[serde(default)]
    terminated: bool,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Action {
    Discrete(u32),
    Continuous(Vec<f32>),
}

/// Replays a trajectory that `oracle/rollout.py` printed: takes over the state of the first line and of
/// every reset, applies each action, and compares what comes back over whole episodes.
///
/// # Errors
/// [`Error::Trajectory`] where a line is not of that form, and the errors of [`EnvSpec::make`].
pub fn check(trajectory: impl BufRead) -> Result<Check, Error> {
    let mut replay: Option<(Environment, Check)> = None;
    for (index, text) in trajectory.lines().enumerate() {
        let fail = |reason: String| Error::Trajectory { line: index + 1, reason };
        let text = text.map_err(|e| fail(e.to_string()))?;
        let line: Line = serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?;
        let Some((environment, check)) = &mut replay else {
            let id = line.env.ok_or_else(|| fail("the first line names no env".into()))?;
            let mut environment = EnvSpec { id: id.clone(), kwargs: line.kwargs }.make()?;
            environment.set_state(&line.state).map_err(fail)?;
            let (zero, flags_equal) = (0.0, true);
            replay = Some((
                environment,
                Check {
                    env: id,
                    steps: 0,
                    max_observation_difference: zero,
                    max_reward_difference: zero,
                    flags_equal,
                },
            ));
            continue;
        };
        let Some(action) = line.action else {
            environment.set_state(&line.state).map_err(fail)?;
            environment.restart();
            continue;
        };
        let action = match action {
            Action::Discrete(choice) => vec![choice as f32],
            Action::Continuous(entries) => entries,
        };
        let mut observation = vec![0.0; environment.observation_size()];
        if line.observation.len() != observation.len() {
            let (found, expected) = (line.observation.len(), observation.len());
            return Err(fail(format!("the observation has {found} entries, expected {expected}")));
        }
        let step = environment.step(&action, &mut observation);
        let off = observation.iter().zip(&line.observation).map(|(a, b)| (a - b).abs());
        check.max_observation_difference = off.fold(check.max_observation_difference, f64::max);
        check.max_reward_difference = check.max_reward_difference.max((step.reward - line.reward).abs());
        check.flags_equal &= (step.terminated, step.truncated) == (line.terminated, line.truncated);
        check.steps += 1;
    }
    replay
        .map(|(_, check)| check)
        .ok_or(Error::Trajectory { line: 1, reason: "the trajectory is empty".into() })
}

//! Replays a trajectory of the Python environment and reports the largest differences.

use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EnvSpec, EnvState, Environment, Error, make};

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
    /// Whether every terminated and truncated flag was equal, and no step unstable.
    pub flags_equal: bool,
}

#[derive(Deserialize)]
struct Line {
    env: Option<String>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    /// On the first line and where an episode starts.
    state: Option<Start>,
    observation: Vec<f64>,
    action: Option<Action>,
    reward: Option<f64>,
    #[serde(default)]
    terminated: bool,
    #[serde(default)]
    truncated: bool,
}

/// Where an episode starts.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Start {
    State(EnvState),
    /// Where `reset(seed)` puts it; `null` is a reset without a seed.
    Seed {
        // So that it has to be there.
        #[serde(deserialize_with = "Option::deserialize")]
        seed: Option<u64>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Action {
    Discrete(u32),
    Continuous(Vec<f32>),
}

/// Replays a trajectory that `oracle/rollout.py` printed: starts in the state of the first line and of
/// every reset, or from its seed (`{"seed": n}`; `{"seed": null}` where Python's reset had none), applies each
/// action, and compares what comes back over whole episodes.
///
/// # Errors
/// [`Error::Trajectory`] where a line is not of that form or a number of ours is none, and the errors of
/// [`make`](crate::make).
pub fn check(trajectory: impl BufRead) -> Result<Check, Error> {
    let mut replay: Option<Replay> = None;
    for (index, text) in trajectory.lines().enumerate() {
        let fail = |reason: String| Error::Trajectory { line: index + 1, reason };
        let line = text.map_err(|e| e.to_string());
        let line = line.and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()));
        let line: Line = line.map_err(fail)?;
        let replay = match &mut replay {
            Some(replay) => replay,
            None => {
                let id = line.env.clone().ok_or_else(|| fail("the first line names no env".into()))?;
                replay.insert(Replay::new(EnvSpec { kwargs: line.kwargs.clone(), ..EnvSpec::new(id) })?)
            }
        };
        replay.take(&line).map_err(fail)?;
    }
    replay
        .map(|replay| replay.check)
        .ok_or(Error::Trajectory { line: 1, reason: "the trajectory is empty".into() })
}

struct Replay {
    environment: Environment,
    observation: Vec<f64>,
    check: Check,
}

impl Replay {
    fn new(spec: EnvSpec) -> Result<Self, Error> {
        let environment = make(&spec)?;
        let check = Check {
            env: spec.id,
            steps: 0,
            max_observation_difference: 0.0,
            max_reward_difference: 0.0,
            flags_equal: true,
        };
        Ok(Self { observation: vec![0.0; environment.observation_size()], environment, check })
    }

    fn take(&mut self, line: &Line) -> Result<(), String> {
        let (found, expected) = (line.observation.len(), self.observation.len());
        if found != expected {
            return Err(format!("the observation has {found} entries, expected {expected}"));
        }
        match &line.action {
            None => {
                let expected = "the episode has no `state` to start in, such as {\"seed\": 0}";
                match line.state.as_ref().ok_or(expected)? {
                    Start::Seed { seed: Some(seed) } => self.environment.reset(*seed, &mut self.observation),
                    Start::Seed { seed: None } => self.environment.reset_unseeded(&mut self.observation),
                    Start::State(state) => {
                        self.environment.set_state(state).map_err(|e| e.to_string())?;
                        self.environment.observe(&mut self.observation);
                    }
                }
            }
            Some(action) => {
                let action = match action {
                    Action::Discrete(choice) => &[*choice as f32][..],
                    Action::Continuous(entries) => entries,
                };
                let space = self.environment.action_space();
                if !space.takes(action) {
                    return Err(format!("{action:?} is no action of {space:?}"));
                }
                let step = self.environment.step(action, &mut self.observation);
                let reward = line.reward.ok_or("the step has no reward")?;
                larger(&mut self.check.max_reward_difference, step.reward, reward, "reward")?;
                self.check.flags_equal &= (step.terminated, step.truncated, step.unstable)
                    == (line.terminated, line.truncated, false);
                self.check.steps += 1;
            }
        }
        for (index, (&ours, &theirs)) in self.observation.iter().zip(&line.observation).enumerate() {
            let what = format_args!("observation's entry {index}");
            larger(&mut self.check.max_observation_difference, ours, theirs, what)?;
        }
        Ok(())
    }
}

/// Raises `largest` to the difference of two numbers, which has to be one.
fn larger(largest: &mut f64, ours: f64, theirs: f64, what: impl std::fmt::Display) -> Result<(), String> {
    let difference = (ours - theirs).abs();
    if !difference.is_finite() {
        return Err(format!("the {what} is {ours} here and {theirs} there"));
    }
    *largest = largest.max(difference);
    Ok(())
}

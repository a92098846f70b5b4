//! What a run leaves, as plain data: `result.json` in its folder. Reports are made of these files alone.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use aaren_datasets::{DatasetSummary, Difficulty};
use aaren_envs::{EnvSpec, ReferenceScores, Step};
use aaren_format::{AgentConfig, Precision, Regime, Target, target_return, target_returns};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, FixedPrimary, write};

/// A finished run: what was trained, and every episode that it played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Name of the policy.
    pub policy: String,
    /// Training seed.
    pub seed: u64,
    /// Hash of the settings that decided the training.
    pub fingerprint: String,
    /// What learned.
    pub agent: AgentConfig,
    /// Windows per update.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Arithmetic of the training.
    pub precision: Precision,
    /// Updates in all.
    pub updates: u64,
    /// Trainable parameters.
    pub parameters: usize,
    /// Seconds spent in updates.
    pub training_seconds: f64,
    /// libtorch's threads.
    pub threads: Option<usize>,
    /// The environment.
    pub env: EnvSpec,
    /// Its reference scores.
    pub reference_scores: Option<ReferenceScores>,
    /// The least and the most that an episode can return, where both are known.
    pub return_range: Option<(f64, f64)>,
    /// What was learned from.
    pub dataset: DatasetSummary,
    /// How hard that is to imitate.
    pub difficulty: Difficulty,
    /// Checksum of the dataset's content.
    pub data: u32,
    /// Every evaluation, in the order of the updates.
    pub evaluations: Vec<Evaluated>,
    /// The loss at every logged update: (update, loss).
    pub losses: Vec<(u64, f64)>,
    /// The primary endpoint that the YAML had fixed when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<FixedPrimary>,
    /// What made it.
    pub provenance: Provenance,
}

/// How a policy is played: scores of two protocols do not compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// What the policy remembers.
    pub rollout: Regime,
    /// Returns asked for; infinity, written `max`, is the most that can be had.
    #[serde(with = "target_returns")]
    pub target_returns: Vec<f64>,
    /// Episodes for each of them.
    pub episodes: usize,
    /// How much an asked return counts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub guidance: f64,
}

impl Protocol {
    /// What is other `now`, in words.
    pub fn differences(&self, now: &Protocol) -> String {
        let shown = |&target: &f64| Target(target).to_string();
        let list = |targets: &[f64]| targets.iter().map(shown).collect::<Vec<_>>().join(", ");
        let sides = [
            ("roll-out", self.rollout.to_string(), now.rollout.to_string()),
            ("target returns", list(&self.target_returns), list(&now.target_returns)),
            ("episodes", self.episodes.to_string(), now.episodes.to_string()),
            ("guidance", self.guidance.to_string(), now.guidance.to_string()),
        ];
        let differ = sides.into_iter().filter(|(_, then, now)| then != now);
        let said: Vec<_> =
            differ.map(|(what, then, now)| format!("{what} {now} instead of {then}")).collect();
        said.join(", ")
    }
}

/// Files from before it could be said.
fn one() -> f64 {
    1.0
}

pub(crate) fn is_one(it: &f64) -> bool {
    *it == 1.0
}

/// All episodes of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Updates done before it.
    pub update: u64,
    /// How it was played.
    pub protocol: Protocol,
    /// Its episodes; where nothing was played those that were held out, with the error of the policy's actions in the place
    /// of the return.
    pub episodes: Vec<EpisodeResult>,
    /// Mean error of the policy's actions over all timesteps that were held out, where any were: of continuous actions the
    /// squared difference of their entries scaled to [−1, 1], of discrete ones the share of other choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
}

impl Evaluated {
    /// The episodes of one target return.
    pub fn of_target(&self, target: f64) -> impl Iterator<Item = &EpisodeResult> {
        self.episodes.iter().filter(move |episode| episode.target_return == target)
    }

    /// Their mean return; NaN where there is none.
    pub fn mean_return(&self, target: f64) -> f64 {
        let (sum, count) =
            self.of_target(target).fold((0.0, 0.0), |(sum, count), it| (sum + it.total_return, count + 1.0));
        sum / count
    }
}

/// How one episode of an evaluation went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeResult {
    /// Return that the policy was asked for; infinity, written `max`, is the most that can be had.
    #[serde(with = "target_return")]
    pub target_return: f64,
    /// Index among the episodes of its target.
    pub episode: u64,
    /// Sum of the rewards.
    pub total_return: f64,
    /// Timesteps.
    pub length: usize,
    /// The task ended it.
    pub terminated: bool,
    /// The simulation blew up and ended it.
    pub unstable: bool,
    /// Checksum of all that the policy saw, observations and rewards: of the same episode the same.
    pub checksum: u32,
}

impl EpisodeResult {
    /// An episode before its first step.
    pub fn new(target_return: f64, episode: u64) -> Self {
        let (total_return, length, terminated, unstable, checksum) = Default::default();
        Self { target_return, episode, total_return, length, terminated, unstable, checksum }
    }

    /// Takes in what the policy sees before its next step.
    pub fn see(&mut self, observation: &[f64]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.checksum);
        observation.iter().for_each(|entry| hasher.update(&entry.to_le_bytes()));
        self.checksum = hasher.finalize();
    }

    /// Takes in a step; whether the episode is over.
    pub fn take(&mut self, step: &Step) -> bool {
        // Where the simulation blew up, the reward is of no state of the task.
        if !step.unstable {
            self.total_return += step.reward;
        }
        self.see(&[step.reward]);
        self.length += 1;
        self.terminated = step.terminated;
        self.unstable = step.unstable;
        step.done()
    }

    /// What episodes that are the same have in common, and no two others: all that was seen, and the return.
    pub fn identity(&self) -> u64 {
        let end = self.total_return.to_bits().rotate_left(32) ^ (self.length as u64).rotate_left(48);
        end ^ u64::from(self.checksum)
    }

    /// How many distinct episodes there are.
    pub fn distinct<'e>(episodes: impl IntoIterator<Item = &'e EpisodeResult>) -> usize {
        episodes.into_iter().map(EpisodeResult::identity).collect::<HashSet<u64>>().len()
    }
}

/// What made a result: the program, its source, and the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// This program's version.
    pub aaren: String,
    /// The commit it was built from.
    pub commit: String,
    /// Whether its source differed from that commit; unknown without a repository.
    #[serde(default)]
    pub dirty: Option<bool>,
    /// MuJoCo's version.
    pub mujoco: String,
    /// Versions of what stepped an environment of Python: of Python, gymnasium and the environment's packages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub python: BTreeMap<String, String>,
    /// Where it ran; absent from some of the committed references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// What speeds depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Which of the instructions that matter it has.
    pub instructions: Vec<String>,
}

impl RunResult {
    /// Reads a `result.json`.
    ///
    /// # Errors
    /// [`Error::Result`] names the file and the cure.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read(path, "remove it and run `aaren run` again: it is made anew from the checkpoint")
    }

    /// Writes it whole, or leaves what stood at `path` unharmed.
    ///
    /// # Errors
    /// [`Error::Write`].
    ///
    /// # Panics
    /// Never: a result is plain JSON.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(self).expect("a result is plain JSON") + "\n";
        write(path, text.as_bytes())
    }

    /// How its last evaluation was played.
    pub fn protocol(&self) -> Option<&Protocol> {
        Some(&self.evaluations.last()?.protocol)
    }
}

/// Reads a file of a results folder.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, cure: &str) -> Result<T, Error> {
    let wrong = |found: String| Error::Result { path: path.to_owned(), found, cure: cure.into() };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is damaged: {error}")))
}

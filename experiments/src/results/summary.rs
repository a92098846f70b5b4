//! `summary.json` and `summary.md`: what came out of an experiment, together with how.

use std::collections::BTreeMap;
use std::path::Path;

use aaren_agents::{AgentConfig, file};
use aaren_envs::dataset::{DatasetSummary, Difficulty};
use aaren_envs::{Dataset, EnvSpec, reference_scores};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Pictures;
use super::table::Table;
use crate::cost::Cost;
use crate::evaluation::EpisodeResult;
use crate::experiment::Spec;
use crate::statistics::{Estimate, bootstrap_mean, mean};
use crate::training::{Evaluated, Finished};
use crate::{ExperimentFolder, Refusal};

/// Everything that is kept of an experiment: `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the experiment.
    pub name: String,
    /// By name.
    pub policies: BTreeMap<String, PolicySummary>,
    /// How it was measured.
    pub protocol: Protocol,
}

/// One policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicySummary {
    /// Its agent; files from before there was a second one do not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentConfig>,
    /// Trainable parameters.
    pub parameters: usize,
    /// Over all seeds.
    pub updates_per_second: f64,
    /// libtorch's threads, by seed.
    pub threads: Vec<Option<usize>>,
    /// By target return, in the protocol's order.
    pub targets: Vec<TargetSummary>,
    /// Cost of acting as it does.
    pub rollout: Cost,
    /// Cost of acting with all of the episode, where it acts in a window.
    pub unbounded_rollout: Option<Cost>,
}

/// Evaluations at one target return, after the last update.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetSummary {
    /// The return asked for.
    pub target_return: f64,
    /// Where the environment has reference scores.
    pub normalised_score: Option<Score>,
    /// Over all episodes of all seeds.
    pub raw_return: Estimate,
    /// In timesteps.
    pub episode_length: Estimate,
    /// Episodes that the simulation ended by blowing up.
    pub unstable_episodes: u64,
}

/// A score over several seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// Over all episodes of all seeds, after the last update.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Mean over the episodes of each seed, after the last update.
    pub per_seed: Vec<f64>,
    /// Mean over the seeds, after the last update.
    pub last: f64,
    /// Mean over the seeds of the best evaluation.
    pub best: f64,
}

/// How an experiment was measured: a score without it is no result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Protocol {
    /// The environment.
    pub env: EnvSpec,
    /// What was learned from.
    pub dataset: DatasetSummary,
    /// How hard that is to imitate; absent from older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difficulty: Option<Difficulty>,
    /// Returns asked for.
    pub target_returns: Vec<f64>,
    /// Where windows are padded.
    pub padding: String,
    /// How windows are drawn.
    pub sampling: String,
    /// Updates of each run.
    pub updates: u64,
    /// Rows in a batch.
    pub batch: usize,
    /// Training seeds.
    pub seeds: Vec<u64>,
    /// Episodes of each seed and target.
    pub episodes: usize,
    /// Which evaluation a score is of.
    pub score_of: String,
    /// What its interval is.
    pub interval: String,
    /// What computes.
    pub backend: String,
    /// MuJoCo's version.
    pub mujoco: String,
    /// This program's version.
    pub aaren: String,
    /// The commit it was built from.
    pub commit: String,
}

impl Summary {
    /// Of the runs that finished, and its pictures.
    pub(crate) fn new(
        spec: &Spec,
        dataset: &Dataset,
        difficulty: Difficulty,
        targets: &[f64],
        finished: &[Finished],
        costs: &[Cost],
    ) -> (Self, Pictures) {
        let mut policies = BTreeMap::new();
        let mut pictures = Pictures::new(spec, targets[0]);
        for (place, policy) in spec.policies.iter().enumerate() {
            let runs: Vec<&Finished> = finished.iter().filter(|run| run.policy.name == policy.name).collect();
            if runs.is_empty() {
                continue;
            }
            let of_policy: Vec<&Cost> = costs.iter().filter(|cost| cost.policy == policy.name).collect();
            pictures.add(place, &policy.name, &runs, &of_policy);
            policies.insert(policy.name.clone(), PolicySummary::new(spec, targets, &runs, &of_policy));
        }
        let protocol = Protocol {
            env: spec.env.clone(),
            dataset: dataset.summary(),
            difficulty: Some(difficulty),
            target_returns: targets.to_vec(),
            padding: "right, masked".into(),
            sampling: "windows start at transitions drawn uniformly (trajectories by length), with context.start: episode where episodes drawn uniformly do; with context.carry chunk after chunk of episodes drawn uniformly; behaviour cloning draws transitions uniformly".into(),
            updates: spec.train.updates,
            batch: spec.train.batch,
            seeds: spec.seeds.clone(),
            episodes: spec.evaluate.episodes,
            score_of: "last update".into(),
            interval: "95 % percentile bootstrap: training seeds resampled, then the episodes of each".into(),
            backend: "streaming runtime (scores and µs per step), libtorch (updates/s)".into(),
            mujoco: aaren_envs::mujoco_version().into(),
            aaren: env!("CARGO_PKG_VERSION").into(),
            commit: env!("AAREN_COMMIT").into(),
        };
        (Self { name: spec.name.clone(), policies, protocol }, pictures)
    }

    /// Reads a `summary.json`.
    ///
    /// # Errors
    /// Where it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| {
            Refusal(format!("{}: {error}; run `aaren run` again to write it anew", path.display()))
        })?)
    }

    /// Writes it, its table, and its pictures.
    pub(crate) fn write(&self, folder: &ExperimentFolder, pictures: &Pictures) -> Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        file::write(&folder.summary(), json.as_bytes())?;
        file::write(&folder.path().join("summary.md"), self.markdown()?.as_bytes())?;
        for (name, svg) in pictures.draw() {
            file::write(&folder.path().join(name), svg.as_bytes())?;
        }
        Ok(())
    }

    /// Scores, sizes and speeds, a row for each policy.
    pub fn table(&self) -> Table {
        let normalised = reference_scores(&self.protocol.env.id).is_some();
        let score = if normalised { "normalised score" } else { "return" };
        let heads = ["policy", "parameters", score, "roll-out", "state bytes", "µs/step", "updates/s"];
        let mut table = Table::new(1, heads);
        for (name, policy) in &self.policies {
            let target = &policy.targets[0];
            let score = target.normalised_score.as_ref().map_or(&target.raw_return, |score| &score.estimate);
            table.row([
                name.clone(),
                policy.parameters.to_string(),
                score.to_string(),
                policy.rollout.regime.clone(),
                policy.rollout.state_bytes.to_string(),
                format!("{:.1}", policy.rollout.step_us_p50),
                format!("{:.1}", policy.updates_per_second),
            ]);
        }
        table
    }

    fn markdown(&self) -> Result<String> {
        let target = self.protocol.target_returns[0];
        Ok(format!(
            "# {}\n\n{}\n![Learning curves](learning_curves.svg) ![Training loss](loss.svg)\n\n![Scores](scores.svg)\n\n\
             ![Memory](memory.svg) ![Latency](latency.svg)\n\n\
             Scores are of the last update, at target return {target}: mean ± 95 % interval over all episodes of all \
             seeds. State bytes and median µs per step are of timestep 1000 in the streaming runtime on one core.\n\n\
             ## Protocol\n\n```json\n{}\n```\n",
            self.name,
            self.table().to_markdown(),
            serde_json::to_string_pretty(&self.protocol)?
        ))
    }
}

impl PolicySummary {
    fn new(spec: &Spec, targets: &[f64], runs: &[&Finished], costs: &[&Cost]) -> Self {
        let seconds: f64 = runs.iter().map(|run| run.progress.training_seconds).sum();
        Self {
            agent: Some(runs[0].policy.agent.clone()),
            parameters: runs[0].parameters,
            updates_per_second: (runs.len() as u64 * spec.train.updates) as f64 / seconds,
            threads: runs.iter().map(|run| run.progress.threads).collect(),
            targets: targets.iter().map(|&target| TargetSummary::new(spec, target, runs)).collect(),
            rollout: costs[0].clone(),
            unbounded_rollout: costs.get(1).map(|&cost| cost.clone()),
        }
    }
}

impl TargetSummary {
    fn new(spec: &Spec, target_return: f64, runs: &[&Finished]) -> Self {
        let of_last = |value: &dyn Fn(&EpisodeResult) -> f64| {
            values(runs, |run| run.progress.evaluations.last(), target_return, value)
        };
        let normalised_score = reference_scores(&spec.env.id).map(|scores| {
            let means = |run: &&Finished| -> Vec<f64> {
                let evaluations = run.progress.evaluations.iter();
                evaluations.map(|e| scores.normalised(e.mean_return(target_return))).collect()
            };
            let per_seed: Vec<f64> = runs.iter().filter_map(|run| means(run).last().copied()).collect();
            let best = |run: &&Finished| means(run).into_iter().fold(f64::NEG_INFINITY, f64::max);
            Score {
                estimate: bootstrap_mean(&of_last(&|e| scores.normalised(e.total_return)), 0),
                last: mean(&per_seed),
                per_seed,
                best: mean(&runs.iter().map(best).collect::<Vec<_>>()),
            }
        });
        let unstable = of_last(&|e| f64::from(e.unstable));
        Self {
            target_return,
            normalised_score,
            raw_return: bootstrap_mean(&of_last(&|e| e.total_return), 0),
            episode_length: bootstrap_mean(&of_last(&|e| e.length as f64), 0),
            unstable_episodes: unstable.iter().flatten().sum::<f64>() as u64,
        }
    }
}

/// A value of every episode of one target return, a list for each run's chosen evaluation.
pub(super) fn values<'r>(
    runs: &[&'r Finished],
    evaluation: impl Fn(&'r Finished) -> Option<&'r Evaluated>,
    target: f64,
    value: impl Fn(&EpisodeResult) -> f64,
) -> Vec<Vec<f64>> {
    runs.iter()
        .filter_map(|run| evaluation(run))
        .map(|evaluated| evaluated.of_target(target).map(&value).collect())
        .collect()
}

//! One policy of a summary: its scores at each target return, and what it costs.

use aaren_format::{AgentConfig, target_return};
use aaren_spec::{Cost, EpisodeResult, RunResult};
use aaren_statistics::{Estimate, Sample, mean};
use serde::{Deserialize, Serialize};

use crate::{Asked, Metric, Swing, lengths};

/// One policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicySummary {
    /// Its place in the experiment.
    pub place: usize,
    /// Its agent.
    pub agent: AgentConfig,
    /// Updates of each run; absent from older files, as the next two are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// Windows per update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Peak learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Trainable parameters.
    pub parameters: usize,
    /// Over all seeds.
    pub updates_per_second: f64,
    /// libtorch's threads, by seed.
    pub threads: Vec<Option<usize>>,
    /// By target return, in the protocol's order.
    pub targets: Vec<TargetSummary>,
    /// Asked against achieved, where it was played at several target returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// How far its last evaluations lie apart, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swing: Option<Swing>,
    /// Cost of acting as it does, where it was measured.
    pub rollout: Option<Cost>,
    /// Cost of acting with other memories, where it acts in a window: a sliding cache, and one that grows.
    pub other_rollouts: Vec<Cost>,
}

/// Evaluations at one target return, after the last update.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetSummary {
    /// The return asked for.
    #[serde(with = "target_return")]
    pub target_return: f64,
    /// Where the environment has reference scores.
    pub normalised_score: Option<Score>,
    /// The return itself.
    pub raw_return: Score,
    /// In timesteps.
    pub episode_length: Estimate,
    /// Distinct episodes of each seed, by all that the policy saw.
    pub distinct_episodes: Vec<usize>,
    /// Episodes that the simulation ended by blowing up.
    pub unstable_episodes: u64,
}

/// A score over several seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// Mean over the seeds, after the last update.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Mean over the episodes of each seed, after the last update.
    pub per_seed: Vec<f64>,
    /// Mean over the seeds, after the last update.
    pub last: f64,
    /// Mean over the seeds of the best evaluation.
    pub best: f64,
}

impl PolicySummary {
    pub(crate) fn new(
        place: usize,
        metric: Metric,
        targets: &[f64],
        runs: &[&RunResult],
        costs: &[&Cost],
    ) -> Self {
        let seconds: f64 = runs.iter().map(|run| run.training_seconds).sum();
        let updates: u64 = runs.iter().map(|run| run.updates).sum();
        Self {
            place,
            agent: runs[0].agent.clone(),
            updates: Some(runs[0].updates),
            batch: Some(runs[0].batch),
            learning_rate: Some(runs[0].learning_rate),
            parameters: runs[0].parameters,
            updates_per_second: updates as f64 / seconds,
            threads: runs.iter().map(|run| run.threads).collect(),
            targets: targets.iter().map(|&target| TargetSummary::new(metric, target, runs)).collect(),
            asked: Asked::new(metric, &runs[0].dataset, &played_last(runs)),
            swing: Swing::new(metric, targets[0], runs),
            rollout: costs.first().map(|&cost| cost.clone()),
            other_rollouts: costs.iter().skip(1).map(|&cost| cost.clone()).collect(),
        }
    }
}

impl TargetSummary {
    fn new(metric: Metric, target_return: f64, runs: &[&RunResult]) -> Self {
        let last = || of_last(runs, target_return);
        let score = |sample: Sample, value: &dyn Fn(f64) -> f64| {
            let best = |run: &&RunResult| {
                let evaluations = run.evaluations.iter().filter(|it| Some(&it.protocol) == run.protocol());
                let values = evaluations.map(|e| value(e.mean_return(target_return)));
                values.reduce(|a, b| metric.better(a, b)).unwrap_or(f64::NAN)
            };
            let per_seed = sample.per_seed();
            Score {
                estimate: sample.estimate(),
                last: mean(&per_seed),
                per_seed,
                best: mean(&runs.iter().map(best).collect::<Vec<_>>()),
            }
        };
        Self {
            target_return,
            normalised_score: metric
                .normalised()
                .then(|| score(metric.sample(last()), &|raw| metric.value(raw))),
            raw_return: score(metric.returns(last()), &|raw| raw),
            episode_length: lengths(last()).estimate(),
            distinct_episodes: last().map(EpisodeResult::distinct).collect(),
            unstable_episodes: last().flatten().filter(|episode| episode.unstable).count() as u64,
        }
    }

    /// What the policy is judged by.
    pub fn score(&self) -> &Score {
        self.normalised_score.as_ref().unwrap_or(&self.raw_return)
    }

    /// How many of so many episodes of a seed are distinct, where in some seed not all are.
    pub fn repeats(&self, episodes: usize) -> Option<String> {
        let least = self.distinct_episodes.iter().min().filter(|least| **least < episodes)?;
        let most = self.distinct_episodes.iter().max()?;
        let count = if least == most { least.to_string() } else { format!("{least}–{most}") };
        Some(format!("{count} of {episodes}"))
    }
}

/// The episodes of all target returns after the last update, run by run.
fn played_last<'r>(runs: &[&'r RunResult]) -> Vec<Vec<&'r EpisodeResult>> {
    let last = runs.iter().filter_map(|run| run.evaluations.last());
    last.map(|evaluated| evaluated.episodes.iter().collect()).collect()
}

/// The episodes of one target return after the last update, run by run.
pub(crate) fn of_last<'r>(
    runs: &'r [&RunResult],
    target: f64,
) -> impl Iterator<Item = Vec<&'r EpisodeResult>> {
    let last = runs.iter().filter_map(|run| run.evaluations.last());
    last.map(move |evaluated| evaluated.of_target(target).collect())
}

//! Summary of an experiment: `summary.json`, `summary.md`, `learning_curves.svg`.

use std::fmt;
use std::path::Path;

use aaren_agents::file;
use aaren_envs::{Dataset, reference_scores};
use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::plot::{Axis, Figure, Level, Series};
use crate::setup;
use crate::spec::Spec;
use crate::train::{Finished, mean_return};

/// Mean with the half-width of its 95 % interval (normal approximation over the given values).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// Mean.
    pub mean: f64,
    /// 1.96 standard errors; 0 for a single value.
    pub ci95: f64,
}

impl Statistics {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let error = if values.len() > 1 { (squares / (count - 1.0) / count).sqrt() } else { 0.0 };
        Self { mean, ci95: 1.96 * error }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ± {:.1}", self.mean, self.ci95)
    }
}

/// Everything that is reported of an experiment.
pub struct Report {
    summary: Value,
    rows: Vec<Row>,
    figure: Figure,
    normalised: bool,
}

/// One policy in the table.
struct Row {
    policy: String,
    parameters: usize,
    score: Statistics,
    target: f64,
    rollout: String,
    state_bytes: usize,
    step_us: f64,
    updates_per_second: f64,
}

impl Report {
    /// Of the runs that finished.
    pub fn new(spec: &Spec, dataset: &Dataset, targets: &[f64], threads: usize, finished: &[Finished]) -> Self {
        let scores = reference_scores(&spec.env.id);
        let score = |episode_return: f64| scores.map_or(episode_return, |s| s.normalised(episode_return));
        let (mut policies, mut rows, mut series) = (serde_json::Map::new(), Vec::new(), Vec::new());
        for (place, policy) in spec.policies.iter().enumerate() {
            let runs: Vec<&Finished> = finished.iter().filter(|run| run.policy.name == policy.name).collect();
            let Some(first) = runs.first() else { continue };
            let seconds: f64 = runs.iter().map(|run| run.progress.training_seconds).sum();
            let updates_per_second = (runs.len() as u64 * spec.train.updates) as f64 / seconds;
            let rollout = setup::rollout(policy.context.rollout).to_string();
            let by_target: Vec<Value> = targets
                .iter()
                .map(|&target| target_summary(target, &runs, scores.is_some(), &score))
                .collect();
            policies.insert(
                policy.name.clone(),
                json!({
                    "parameters": first.parameters,
                    "updates_per_second": updates_per_second,
                    "targets": by_target,
                    "rollout": {
                        "regime": rollout, "timesteps": first.cost.timesteps,
                        "state_bytes_first": first.cost.state_bytes_first, "state_bytes": first.cost.state_bytes,
                        "step_us_p50": first.cost.step_us_p50, "step_us_p99": first.cost.step_us_p99,
                    },
                }),
            );
            let last = |run: &Finished| {
                let episodes = &run.progress.evaluations.last().map_or(&[][..], |e| &e.episodes);
                let of_target = episodes.iter().filter(|e| e.target_return == targets[0]);
                of_target.map(|e| score(e.total_return)).collect::<Vec<_>>()
            };
            rows.push(Row {
                policy: policy.name.clone(),
                parameters: first.parameters,
                score: Statistics::of(&runs.iter().flat_map(|run| last(run)).collect::<Vec<_>>()),
                target: targets[0],
                rollout,
                state_bytes: first.cost.state_bytes,
                step_us: first.cost.step_us_p50,
                updates_per_second,
            });
            series.push(curve(&policy.name, place, &runs, targets[0], &score));
        }
        let levels = if scores.is_some() { vec![Level { y: 100.0, label: "expert".into() }] } else { Vec::new() };
        let y = if scores.is_some() { "Normalised score" } else { "Return" };
        let figure = Figure {
            title: Some(spec.name.clone()),
            x: Axis::linear("Updates"),
            y: Axis::linear(y),
            series,
            levels,
        };
        let protocol = json!({
            "env": spec.env, "dataset": dataset.summary(), "target_returns": targets,
            "padding": "right, masked", "sampling": "windows start at transitions drawn uniformly (trajectories by length)",
            "updates": spec.train.updates, "batch": spec.train.batch, "context": spec.policies[0].context.train,
            "seeds": spec.seeds, "episodes": spec.evaluate.episodes, "score_of": "last update",
            "interval": "95 %, normal approximation over all episodes of all seeds",
            "backend": "streaming runtime (scores and µs per step), libtorch (updates/s)", "threads": threads,
            "mujoco": aaren_envs::mujoco_version(), "aaren": env!("CARGO_PKG_VERSION"), "commit": env!("AAREN_COMMIT"),
        });
        let summary = json!({ "name": spec.name, "policies": policies, "protocol": protocol });
        Self { summary, rows, figure, normalised: scores.is_some() }
    }

    /// Writes all three files.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.summary)? + "\n";
        file::write(&folder.join("summary.json"), json.as_bytes())?;
        file::write(&folder.join("summary.md"), self.markdown().as_bytes())?;
        file::write(&folder.join("learning_curves.svg"), self.figure.to_svg().as_bytes())?;
        Ok(())
    }

    /// `summary.json` on one line.
    pub fn json(&self) -> String {
        self.summary.to_string()
    }

    /// The table of policies, as Markdown that also reads well in a terminal.
    pub fn table(&self) -> String {
        let score = if self.normalised { "normalised score" } else { "return" };
        let heads = ["policy", "parameters", score, "roll-out", "state bytes", "µs/step", "updates/s"].map(String::from);
        let cells = self.rows.iter().map(|row| {
            [
                row.policy.clone(),
                row.parameters.to_string(),
                row.score.to_string(),
                row.rollout.clone(),
                row.state_bytes.to_string(),
                format!("{:.1}", row.step_us),
                format!("{:.1}", row.updates_per_second),
            ]
        });
        let lines: Vec<[String; 7]> = std::iter::once(heads).chain(cells).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                let pad = " ".repeat(width(column) - cell.chars().count());
                text += &if column == 0 { format!("| {cell}{pad} ") } else { format!("| {pad}{cell} ") };
            }
            text += "|\n";
            if index == 0 {
                for column in 0..7 {
                    let dashes = "-".repeat(width(column) - usize::from(column > 0));
                    text += &if column == 0 { format!("| {dashes} ") } else { format!("| {dashes}: ") };
                }
                text += "|\n";
            }
        }
        text
    }

    fn markdown(&self) -> String {
        let protocol = &self.summary["protocol"];
        let target = self.rows.first().map_or(0.0, |row| row.target);
        format!(
            "# {}\n\n{}\n![Learning curves](learning_curves.svg)\n\n\
             Scores are of the last update, at target return {target}: mean ± 95 % interval over all episodes of all \
             seeds. State bytes and median µs per step are of timestep 1000 in the streaming runtime on one core.\n\n\
             ## Protocol\n\n```json\n{}\n```\n",
            self.summary["name"].as_str().unwrap_or_default(),
            self.table(),
            serde_json::to_string_pretty(protocol).unwrap_or_default()
        )
    }
}

fn target_summary(target: f64, runs: &[&Finished], normalised: bool, score: &impl Fn(f64) -> f64) -> Value {
    let episodes: Vec<_> = runs
        .iter()
        .filter_map(|run| run.progress.evaluations.last())
        .flat_map(|evaluated| &evaluated.episodes)
        .filter(|episode| episode.target_return == target)
        .collect();
    let means = |run: &&Finished| -> Vec<f64> {
        run.progress.evaluations.iter().map(|evaluated| score(mean_return(evaluated, target))).collect()
    };
    let per_seed: Vec<f64> = runs.iter().filter_map(|run| means(run).last().copied()).collect();
    let best: Vec<f64> = runs.iter().map(|run| means(run).into_iter().fold(f64::NEG_INFINITY, f64::max)).collect();
    let scores: Vec<f64> = episodes.iter().map(|e| score(e.total_return)).collect();
    let statistics = Statistics::of(&scores);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let scored = json!({
        "mean": statistics.mean, "ci95": statistics.ci95, "per_seed": per_seed,
        "last": mean(&per_seed), "best": mean(&best),
    });
    json!({
        "target_return": target,
        "normalised_score": if normalised { scored } else { Value::Null },
        "raw_return": Statistics::of(&episodes.iter().map(|e| e.total_return).collect::<Vec<_>>()),
        "episode_length": Statistics::of(&episodes.iter().map(|e| e.length as f64).collect::<Vec<_>>()),
        "unstable_episodes": episodes.iter().filter(|e| e.unstable).count(),
    })
}

/// Mean over the episodes of all seeds at each evaluation, with its interval.
fn curve(name: &str, colour: usize, runs: &[&Finished], target: f64, score: &impl Fn(f64) -> f64) -> Series {
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (index, evaluated) in runs[0].progress.evaluations.iter().enumerate() {
        let scores: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.progress.evaluations.get(index))
            .flat_map(|evaluated| &evaluated.episodes)
            .filter(|episode| episode.target_return == target)
            .map(|episode| score(episode.total_return))
            .collect();
        let Statistics { mean, ci95 } = Statistics::of(&scores);
        points.push((evaluated.update as f64, mean));
        band.push((mean - ci95, mean + ci95));
    }
    Series { name: name.to_owned(), points, band: Some(band), colour, reference: false }
}

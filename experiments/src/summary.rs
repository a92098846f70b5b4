//! Summary of an experiment: `summary.json`, `summary.md`, and its pictures.

use std::path::Path;

use aaren_agents::file;
use aaren_envs::{Dataset, reference_scores};
use anyhow::Result;
use serde_json::{Value, json};

use crate::cost::{Cost, CostPoint};
use crate::evaluate::Episode;
use crate::plot::{self, Axis, DotChart, Figure, Level, Series};
use crate::spec::Spec;
use crate::statistics::{Estimate, bootstrap_mean, mean};
use crate::train::{Evaluated, Finished};

/// Everything that is reported of an experiment.
pub struct Summary {
    summary: Value,
    rows: Vec<Row>,
    figures: Vec<(&'static str, String)>,
    normalised: bool,
}

/// One policy in the table.
struct Row {
    policy: String,
    /// Its place in the spec, which fixes its colour in every figure.
    place: usize,
    parameters: usize,
    score: Estimate,
    per_seed: Vec<f64>,
    target: f64,
    rollout: String,
    state_bytes: usize,
    step_us: f64,
    updates_per_second: f64,
}

impl Summary {
    /// Of the runs that finished.
    pub fn new(
        spec: &Spec,
        dataset: &Dataset,
        targets: &[f64],
        finished: &[Finished],
        costs: &[Cost],
    ) -> Self {
        let scores = reference_scores(&spec.env.id);
        let score = |episode_return: f64| scores.map_or(episode_return, |s| s.normalised(episode_return));
        let (mut policies, mut rows) = (serde_json::Map::new(), Vec::new());
        let (mut series, mut losses) = (Vec::new(), Vec::new());
        let mut curves_of: Vec<(usize, String, &Cost)> = Vec::new();
        for (place, policy) in spec.policies.iter().enumerate() {
            let runs: Vec<&Finished> = finished.iter().filter(|run| run.policy.name == policy.name).collect();
            let Some(first) = runs.first() else { continue };
            let seconds: f64 = runs.iter().map(|run| run.progress.training_seconds).sum();
            let updates_per_second = (runs.len() as u64 * spec.train.updates) as f64 / seconds;
            let rollout = policy.context.rollout.to_string();
            let of_policy: Vec<&Cost> = costs.iter().filter(|cost| cost.policy == policy.name).collect();
            let by_target: Vec<Value> = targets
                .iter()
                .map(|&target| target_summary(target, &runs, scores.is_some(), &score))
                .collect();
            policies.insert(
                policy.name.clone(),
                json!({
                    "parameters": first.parameters, "context": policy.context,
                    "updates_per_second": updates_per_second,
                    "threads": runs.iter().map(|run| run.progress.threads).collect::<Vec<_>>(),
                    "targets": by_target,
                    "rollout": of_policy[0],
                    "unbounded_rollout": of_policy.get(1),
                }),
            );
            let last =
                values(&runs, |run| run.progress.evaluations.last(), targets[0], |e| score(e.total_return));
            rows.push(Row {
                policy: policy.name.clone(),
                place,
                parameters: first.parameters,
                score: bootstrap_mean(&last, 0),
                per_seed: last.iter().map(|seed| mean(seed)).collect(),
                target: targets[0],
                rollout,
                state_bytes: of_policy[0].state_bytes,
                step_us: of_policy[0].step_us_p50,
                updates_per_second,
            });
            curves_of.push((place, policy.name.clone(), of_policy[0]));
            if let Some(cost) = of_policy.get(1) {
                curves_of.push((place, format!("{}, growing cache", policy.name), cost));
            }
            losses.push(loss_curve(&policy.name, place, &runs));
            series.push(curve(&policy.name, place, &runs, targets[0], &score));
        }
        let levels =
            if scores.is_some() { vec![Level { y: 100.0, label: "expert".into() }] } else { Vec::new() };
        let y = if scores.is_some() { "Normalised score" } else { "Return" };
        let curves = Figure {
            title: Some(spec.name.clone()),
            x: Axis::linear("Updates"),
            y: Axis::linear(y),
            series,
            levels: levels.clone(),
        };
        let losses = Figure {
            title: Some(spec.name.clone()),
            x: Axis::linear("Updates"),
            y: Axis::log("Training loss"),
            series: losses,
            levels: Vec::new(),
        };
        let dots = rows.iter().map(|row| plot::Row {
            name: row.policy.clone(),
            value: row.score.value,
            interval: Some(row.score.ci95),
            samples: row.per_seed.clone(),
            colour: row.place,
        });
        let scores_chart =
            DotChart { title: Some(spec.name.clone()), axis: Axis::linear(y), rows: dots.collect(), levels };
        let over_time = |label: &str, value: fn(&CostPoint) -> f64| {
            let series = curves_of.iter().map(|(colour, name, cost)| Series {
                name: name.clone(),
                points: cost.points.iter().map(|point| (point.timestep as f64, value(point))).collect(),
                band: None,
                colour: *colour,
                reference: false,
            });
            let (x, y) = (Axis::log("Timestep of the episode"), Axis::log(label));
            Figure { title: None, x, y, series: series.collect(), levels: Vec::new() }.to_svg()
        };
        let figures = vec![
            ("learning_curves.svg", curves.to_svg()),
            ("loss.svg", losses.to_svg()),
            ("scores.svg", scores_chart.to_svg()),
            ("memory.svg", over_time("Bytes kept of the episode", |point| point.state_bytes as f64)),
            ("latency.svg", over_time("µs per environment step", |point| point.step_us_p50)),
        ];
        let protocol = json!({
            "env": spec.env, "dataset": dataset.summary(), "target_returns": targets,
            "padding": "right, masked", "sampling": "windows start at transitions drawn uniformly (trajectories by length); with context.carry chunk after chunk of episodes drawn uniformly",
            "updates": spec.train.updates, "batch": spec.train.batch,
            "seeds": spec.seeds, "episodes": spec.evaluate.episodes, "score_of": "last update",
            "interval": "95 % percentile bootstrap: training seeds resampled, then the episodes of each",
            "backend": "streaming runtime (scores and µs per step), libtorch (updates/s)",
            "mujoco": aaren_envs::mujoco_version(), "aaren": env!("CARGO_PKG_VERSION"), "commit": env!("AAREN_COMMIT"),
        });
        let summary = json!({ "name": spec.name, "policies": policies, "protocol": protocol });
        Self { summary, rows, figures, normalised: scores.is_some() }
    }

    /// Writes all files.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.summary)? + "\n";
        file::write(&folder.join("summary.json"), json.as_bytes())?;
        file::write(&folder.join("summary.md"), self.markdown().as_bytes())?;
        for (name, svg) in &self.figures {
            file::write(&folder.join(name), svg.as_bytes())?;
        }
        Ok(())
    }

    /// `summary.json` on one line.
    pub fn json(&self) -> String {
        self.summary.to_string()
    }

    /// The table of policies, as Markdown that also reads well in a terminal.
    pub fn table(&self) -> String {
        let score = if self.normalised { "normalised score" } else { "return" };
        let heads = ["policy", "parameters", score, "roll-out", "state bytes", "µs/step", "updates/s"]
            .map(String::from);
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
            "# {}\n\n{}\n![Learning curves](learning_curves.svg) ![Training loss](loss.svg)\n\n![Scores](scores.svg)\n\n\
             ![Memory](memory.svg) ![Latency](latency.svg)\n\n\
             Scores are of the last update, at target return {target}: mean ± 95 % interval over all episodes of all \
             seeds. State bytes and median µs per step are of timestep 1000 in the streaming runtime on one core.\n\n\
             ## Protocol\n\n```json\n{}\n```\n",
            self.summary["name"].as_str().unwrap_or_default(),
            self.table(),
            serde_json::to_string_pretty(protocol).unwrap_or_default()
        )
    }
}

/// A value of every episode of one target return, a list for each run's chosen evaluation.
fn values<'r>(
    runs: &[&'r Finished],
    evaluation: impl Fn(&'r Finished) -> Option<&'r Evaluated>,
    target: f64,
    value: impl Fn(&Episode) -> f64,
) -> Vec<Vec<f64>> {
    runs.iter()
        .filter_map(|run| evaluation(run))
        .map(|evaluated| evaluated.of_target(target).map(&value).collect())
        .collect()
}

fn target_summary(target: f64, runs: &[&Finished], normalised: bool, score: &impl Fn(f64) -> f64) -> Value {
    let of_last =
        |value: &dyn Fn(&Episode) -> f64| values(runs, |run| run.progress.evaluations.last(), target, value);
    let means = |run: &&Finished| -> Vec<f64> {
        run.progress.evaluations.iter().map(|evaluated| score(evaluated.mean_return(target))).collect()
    };
    let per_seed: Vec<f64> = runs.iter().filter_map(|run| means(run).last().copied()).collect();
    let best: Vec<f64> =
        runs.iter().map(|run| means(run).into_iter().fold(f64::NEG_INFINITY, f64::max)).collect();
    let estimate = bootstrap_mean(&of_last(&|e| score(e.total_return)), 0);
    let scored = json!({
        "mean": estimate.value, "ci95": estimate.ci95, "per_seed": per_seed,
        "last": mean(&per_seed), "best": mean(&best),
    });
    let unstable: f64 = of_last(&|e| f64::from(e.unstable)).iter().flatten().sum();
    json!({
        "target_return": target,
        "normalised_score": if normalised { scored } else { Value::Null },
        "raw_return": bootstrap_mean(&of_last(&|e| e.total_return), 0),
        "episode_length": bootstrap_mean(&of_last(&|e| e.length as f64), 0),
        "unstable_episodes": unstable as u64,
    })
}

/// Mean over the episodes of all seeds at each evaluation, with its interval.
fn curve(name: &str, colour: usize, runs: &[&Finished], target: f64, score: &impl Fn(f64) -> f64) -> Series {
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (index, evaluated) in runs[0].progress.evaluations.iter().enumerate() {
        let scores = values(
            runs,
            |run| run.progress.evaluations.get(index),
            target,
            |episode| score(episode.total_return),
        );
        let estimate = bootstrap_mean(&scores, 0);
        points.push((evaluated.update as f64, estimate.value));
        band.push(estimate.ci95);
    }
    Series { name: name.to_owned(), points, band: Some(band), colour, reference: false }
}

/// Points of a curve of the loss: each the mean over so large a part of all updates that its noise shows little.
const LOSS_POINTS: usize = 100;

/// Mean loss over the updates between two points, and over all seeds.
fn loss_curve(name: &str, colour: usize, runs: &[&Finished]) -> Series {
    let logged = runs.iter().map(|run| run.losses.len()).min().unwrap_or(0);
    let part = logged.div_ceil(LOSS_POINTS).max(1);
    let parts = (0..logged).step_by(part).map(|from| from..logged.min(from + part));
    let points = parts.map(|part| {
        let of_part = runs.iter().flat_map(|run| &run.losses[part.clone()]);
        let (updates, losses): (Vec<f64>, Vec<f64>) =
            of_part.map(|&(update, loss)| (update as f64, loss)).unzip();
        (mean(&updates), mean(&losses))
    });
    Series { name: name.to_owned(), points: points.collect(), band: None, colour, reference: false }
}

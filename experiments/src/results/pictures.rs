//! The pictures of an experiment: learning curves, losses, scores, memory and latency.

use aaren_envs::{ReferenceScores, reference_scores};

use super::summary::values;
use crate::cost::{Cost, CostPoint};
use crate::experiment::Spec;
use crate::plot::{Axis, DotChart, Figure, Level, Row, Series};
use crate::statistics::{bootstrap_mean, mean};
use crate::training::Finished;

/// What is drawn of an experiment, policy by policy.
#[derive(Debug)]
pub struct Pictures {
    title: String,
    target: f64,
    scores: Option<ReferenceScores>,
    curves: Vec<Series>,
    losses: Vec<Series>,
    rows: Vec<Row>,
    /// Colour, name and cost.
    costs: Vec<(usize, String, Cost)>,
}

impl Pictures {
    pub(super) fn new(spec: &Spec, target: f64) -> Self {
        let scores = reference_scores(&spec.env.id);
        let (curves, losses, rows, costs) = Default::default();
        Self { title: spec.name.clone(), target, scores, curves, losses, rows, costs }
    }

    /// A policy with its runs and costs; `colour` is its own in every picture.
    pub(super) fn add(&mut self, colour: usize, name: &str, runs: &[&Finished], costs: &[&Cost]) {
        let (scores, target) = (self.scores, self.target);
        let score = |raw: f64| scores.map_or(raw, |scores| scores.normalised(raw));
        let last = values(runs, |run| run.progress.evaluations.last(), target, |e| score(e.total_return));
        let estimate = bootstrap_mean(&last, 0);
        self.rows.push(Row {
            name: name.into(),
            value: estimate.mean,
            interval: Some(estimate.ci95),
            samples: last.iter().map(|seed| mean(seed)).collect(),
            colour,
        });
        self.curves.push(curve(name, colour, runs, target, &score));
        self.losses.push(loss_curve(name, colour, runs));
        for (index, &cost) in costs.iter().enumerate() {
            let name = if index == 0 { name.to_owned() } else { format!("{name}, growing cache") };
            self.costs.push((colour, name, cost.clone()));
        }
    }

    /// All of them, each with its file's name.
    pub(super) fn draw(&self) -> [(&'static str, String); 5] {
        let normalised = self.scores.is_some();
        let levels = if normalised { vec![Level { y: 100.0, label: "expert".into() }] } else { Vec::new() };
        let y = if normalised { "Normalised score" } else { "Return" };
        let title = Some(self.title.clone());
        let over_updates = |y: Axis, series: &[Series], levels: Vec<Level>| {
            Figure { title: title.clone(), x: Axis::linear("Updates"), y, series: series.to_vec(), levels }
                .to_svg()
        };
        let over_time = |label: &str, value: fn(&CostPoint) -> f64| {
            let series = self.costs.iter().map(|(colour, name, cost)| Series {
                name: name.clone(),
                points: cost.points.iter().map(|point| (point.timestep as f64, value(point))).collect(),
                band: None,
                colour: *colour,
                reference: false,
            });
            let (x, y) = (Axis::log("Timestep of the episode"), Axis::log(label));
            Figure { title: None, x, y, series: series.collect(), levels: Vec::new() }.to_svg()
        };
        let curves = over_updates(Axis::linear(y), &self.curves, levels.clone());
        let losses = over_updates(Axis::log("Training loss"), &self.losses, Vec::new());
        let scores =
            DotChart { title: title.clone(), axis: Axis::linear(y), rows: self.rows.clone(), levels };
        [
            ("learning_curves.svg", curves),
            ("loss.svg", losses),
            ("scores.svg", scores.to_svg()),
            ("memory.svg", over_time("Bytes kept of the episode", |point| point.state_bytes as f64)),
            ("latency.svg", over_time("µs per environment step", |point| point.step_us_p50)),
        ]
    }
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
        points.push((evaluated.update as f64, estimate.mean));
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

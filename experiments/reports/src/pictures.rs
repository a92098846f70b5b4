//! The pictures of an experiment: learning curves, losses, scores, memory and latency.

use aaren_spec::{Cost, CostPoint, Evaluated, RunResult};
use aaren_statistics::mean;

use crate::plot::{Axis, Dot, DotChart, Figure, Level, Look, Row, Series};
use crate::{Kind, Metric, cost_name, looks};

/// What is drawn of an experiment, policy by policy.
#[derive(Debug)]
pub struct Pictures {
    title: String,
    target: f64,
    metric: Metric,
    looks: Vec<Look>,
    curves: Vec<Series>,
    losses: Vec<Series>,
    rows: Vec<Row>,
    /// Look, name and cost.
    costs: Vec<(Look, String, Cost)>,
}

impl Pictures {
    /// Of the experiment of that name, whose policies are of these kinds; scores are of one target return.
    pub(crate) fn new(name: &str, kinds: &[Kind], metric: Metric, target: f64) -> Self {
        let (curves, losses, rows, costs) = Default::default();
        Self { title: name.to_owned(), target, metric, looks: looks(kinds), curves, losses, rows, costs }
    }

    /// The policy at a place among the kinds, with its runs and costs.
    pub(crate) fn add(&mut self, place: usize, name: &str, runs: &[&RunResult], costs: &[&Cost]) {
        let look = self.looks[place];
        let last = runs.iter().filter_map(|run| run.evaluations.last());
        let sample = self.metric.sample(last.map(|evaluated| evaluated.of_target(self.target)));
        let estimate = sample.estimate();
        let dot = Dot { value: estimate.mean, interval: estimate.ci95, samples: sample.per_seed(), look };
        self.rows.push(Row { name: name.into(), dots: vec![dot] });
        self.curves.push(self.curve(name, look, runs));
        self.losses.push(loss_curve(name, look, runs));
        for (index, &cost) in costs.iter().enumerate() {
            let name = cost_name(cost, runs[0].agent.encoder(), index == 0);
            let look = Look { dash: look.dash + index, ..look };
            self.costs.push((look, name, cost.clone()));
        }
    }

    /// Mean over the seeds at each evaluation, with its interval.
    fn curve(&self, name: &str, look: Look, runs: &[&RunResult]) -> Series {
        let (mut points, mut band) = (Vec::new(), Vec::new());
        let of_runs: Vec<Vec<&Evaluated>> = runs.iter().map(|run| played_alike(run)).collect();
        for evaluated in &of_runs[0] {
            // Of what all runs evaluated: `evaluate.every` may have been another for some.
            let of_all = of_runs.iter().map(|run| run.iter().find(|it| it.update == evaluated.update));
            let Some(of_all) = of_all.collect::<Option<Vec<_>>>() else { continue };
            let sample = self.metric.sample(of_all.iter().map(|evaluated| evaluated.of_target(self.target)));
            let estimate = sample.estimate();
            points.push((evaluated.update as f64, estimate.mean));
            band.push(estimate.ci95.unwrap_or((estimate.mean, estimate.mean)));
        }
        Series { band: Some(band), ..Series::new(name, points, look) }
    }

    /// All of them, each with its file's name.
    pub(crate) fn draw(&self) -> Vec<(&'static str, String)> {
        let lines = self.figures().into_iter().map(|(name, figure)| (name, figure.to_svg()));
        let scores = DotChart {
            title: Some(self.title.clone()),
            axis: Axis::linear(self.metric.label()),
            rows: self.rows.clone(),
            legend: Vec::new(),
            levels: self.levels(),
        };
        lines.chain([("scores.svg", scores.to_svg())]).collect()
    }

    fn levels(&self) -> Vec<Level> {
        self.metric.expert().map(|y| Level { y, label: "expert".into() }).into_iter().collect()
    }

    /// Those that are lines, each with its file's name.
    pub(crate) fn figures(&self) -> [(&'static str, Figure); 4] {
        let title = Some(self.title.clone());
        let over_updates = |y: Axis, series: &[Series], levels: Vec<Level>| Figure {
            title: title.clone(),
            levels,
            ..Figure::new(Axis::linear("Updates"), y, series.to_vec())
        };
        let named = |behind: fn(&Cost) -> &'static str| {
            let costs = self.costs.iter();
            costs.map(move |(look, name, cost)| (*look, format!("{name}{}", behind(cost)), cost))
        };
        let curves = over_updates(Axis::linear(self.metric.label()), &self.curves, self.levels());
        let losses = over_updates(Axis::log("Training loss"), &self.losses, Vec::new());
        let kept = "Bytes kept of the episode";
        let memory = over_time(named(Cost::scratch_within), kept, |point| point.state_bytes as f64);
        let latency = over_time(named(|_| ""), "µs per environment step", |point| point.step_us_p50);
        [
            ("learning_curves.svg", curves),
            ("loss.svg", losses),
            ("memory.svg", memory),
            ("latency.svg", latency),
        ]
    }
}

/// What acting costs over the timesteps of an episode, a line for each cost with its look and name.
pub fn over_time<'c>(
    lines: impl Iterator<Item = (Look, String, &'c Cost)>,
    label: &str,
    value: fn(&CostPoint) -> f64,
) -> Figure {
    let series = lines.map(|(look, name, cost)| {
        let points = cost.points.iter().map(|point| (point.timestep as f64, value(point)));
        Series::new(name, points.collect(), look)
    });
    Figure::new(Axis::log("Timestep of the episode"), Axis::log(label), series.collect())
}

/// The evaluations of a run that were played as its last one was: others are not of the same curve.
fn played_alike(run: &RunResult) -> Vec<&Evaluated> {
    run.evaluations.iter().filter(|evaluated| Some(&evaluated.protocol) == run.protocol()).collect()
}

/// Points of a curve of the loss: each the mean over so large a part of all updates that its noise shows little.
const LOSS_POINTS: usize = 100;

/// Mean loss over the updates between two points, and over all seeds.
fn loss_curve(name: &str, look: Look, runs: &[&RunResult]) -> Series {
    let logged = runs.iter().map(|run| run.losses.len()).min().unwrap_or(0);
    let part = logged.div_ceil(LOSS_POINTS).max(1);
    let parts = (0..logged).step_by(part).map(|from| from..logged.min(from + part));
    let points = parts.map(|part| {
        let of_part = runs.iter().flat_map(|run| &run.losses[part.clone()]);
        let (updates, losses): (Vec<f64>, Vec<f64>) =
            of_part.map(|&(update, loss)| (update as f64, loss)).unzip();
        (mean(&updates), mean(&losses))
    });
    Series::new(name, points.collect(), look)
}

#[cfg(test)]
mod tests {
    use aaren_envs::EnvSpec;

    use super::*;

    /// An older file counts a window's working memory among its state bytes: the picture of them says so, as tables do.
    #[test]
    fn an_older_window_is_drawn_with_its_scratch() {
        let old = r#"{"policy": "transformer", "backend": "streaming", "regime": "window 20", "points": [],
            "step_us_p50": 1.0, "step_us_p99": 2.0, "state_bytes": 42160}"#;
        let mut pictures = Pictures::new("", &[], Metric::of(&EnvSpec::new("CartPole-v1")).unwrap(), 0.0);
        pictures.costs.push((Look::default(), "window 20".into(), serde_json::from_str(old).unwrap()));
        let [_, _, (_, memory), (_, latency)] = pictures.figures();
        assert_eq!(memory.series[0].name, "window 20 with scratch");
        assert_eq!(latency.series[0].name, "window 20");
    }
}

//! `aaren sweep --target-return`: achieved over asked.

use aaren_datasets::DatasetSummary;
use aaren_format::Target;
use aaren_reports::plot::{Axis, Figure, Histogram, Look, Series};
use aaren_reports::{Asked, Table};
use aaren_runs::Trained;
use aaren_runs::evaluation::Evaluation;
use aaren_spec::{EpisodeResult, RunResult};
use aaren_streaming::Policy;
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{Cell, lines, rows};

/// What a sweep over targets varies.
pub const VARIED: &str = "target return";

/// What the table of [`Obeyed`] holds, for the text below it.
pub const ABOUT: &str = "; distance from target: mean of |return − target| over the episodes of all targets within the data's \
    returns; best asked: at the target closest to the best return of the data";

/// Targets that a grid from the data has.
const GRID: usize = 9;

/// Returns to ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// These.
    List(Vec<f64>),
    /// Evenly from the lowest to the highest return of the data.
    Data,
}

/// `500,1000,max`, or `data`.
pub fn parse_targets(text: &str) -> Result<Targets, String> {
    if text == Targets::DATA {
        return Ok(Targets::Data);
    }
    let mut targets = Vec::new();
    for part in text.split(',') {
        let target = super::super::target_return(part.trim()).map_err(|expected| {
            format!("found {part:?}, {expected}; or several with commas between, or {}", Targets::DATA)
        })?;
        if targets.contains(&target) {
            return Err(format!("found {part:?} twice, expected each target once"));
        }
        targets.push(target);
    }
    Ok(Targets::List(targets))
}

impl Targets {
    /// The word for a grid from the data.
    pub const DATA: &str = "data";

    /// The returns, for policies that learned from these data.
    pub fn of(&self, data: &DatasetSummary) -> Vec<f64> {
        let (lowest, highest) = (data.return_min, data.return_max);
        match self {
            Targets::List(targets) => targets.clone(),
            Targets::Data if lowest == highest => vec![lowest],
            Targets::Data => {
                let step = (highest - lowest) / (GRID - 1) as f64;
                // As many digits as a step can be told apart by.
                let unit = 10_f64.powf(step.log10().floor() - 2.0);
                let target = |index: usize| ((lowest + step * index as f64) / unit).round() * unit;
                (0..GRID)
                    .map(target)
                    .map(|target| format!("{target:.6e}").parse().unwrap_or(target))
                    .collect()
            }
        }
    }
}

/// What the policies learned from, as the first run left it.
pub fn data(trained: &Trained) -> Result<DatasetSummary> {
    let spec = &trained.spec;
    let policy = spec.policies.first().context("an experiment has a policy")?;
    let run = trained.folder.run(&policy.name, spec.seeds[0]);
    Ok(RunResult::read(&run.result())?.dataset)
}

/// Plays a policy; one that hears no target plays once, and that counts for each.
pub fn play(evaluation: &Evaluation, policy: &Policy, bar: &ProgressBar) -> Result<Vec<EpisodeResult>> {
    let targets = evaluation.targets;
    if policy.header().decision().is_some() {
        return Ok(evaluation.stream(policy, bar)?);
    }
    let played = Evaluation { targets: &targets[..1], ..*evaluation }.stream(policy, bar)?;
    bar.inc((targets.len() as u64 - 1) * evaluation.episodes);
    let asked = |&target_return: &f64| {
        played.iter().map(move |episode| EpisodeResult { target_return, ..episode.clone() })
    };
    Ok(targets.iter().flat_map(asked).collect())
}

/// How long the episodes were at each target, where they differ: a lower return may be a slower gait or an earlier fall.
pub fn lengths(cells: &[Cell]) -> Option<String> {
    let first = cells.first()?.mean_length;
    if cells.iter().all(|cell| cell.mean_length == first) {
        return None;
    }
    let head = |cell: &Cell| cell.value.map_or_else(String::new, |target| format!("timesteps at {target}"));
    Some(rows(cells, head, |cell| format!("{:.0}", cell.mean_length)).to_markdown())
}

/// How one policy with one memory does what it is asked for.
#[derive(Serialize)]
pub struct Obeyed {
    pub policy: String,
    pub rollout: String,
    #[serde(flatten)]
    pub asked: Asked,
}

/// A row for each.
pub fn table(obeyed: &[Obeyed], score: &str) -> String {
    let heads =
        ["policy".into(), "roll-out".into(), "distance from target".into(), format!("best asked ({score})")];
    let mut table = Table::new(2, heads);
    for Obeyed { policy, rollout, asked: Asked { distance, best } } in obeyed {
        let distance = distance.as_ref().map_or_else(|| "–".into(), ToString::to_string);
        let best = format!("{}: {}", Target(best.target_return), best.score);
        table.row([policy.clone(), rollout.clone(), distance, best]);
    }
    table.to_markdown()
}

/// Achieved over asked, the line of those who do what they are asked for, and the data's returns below.
pub fn picture(cells: &[Cell], data: &DatasetSummary, label: &str) -> String {
    let finite = cells.iter().filter_map(|cell| cell.value).map(|value| value.0).filter(|it| it.is_finite());
    let (least, most) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), target| {
        (target.min(least), target.max(most))
    });
    let as_asked = Series::new("as asked", vec![(least, least), (most, most)], Look::COMPUTED);
    let as_asked = Series { reference: true, ..as_asked };
    let histogram = (!data.return_histogram.is_empty()).then(|| Histogram {
        low: data.return_min,
        high: data.return_max,
        counts: data.return_histogram.clone(),
        label: "episodes of the data".into(),
    });
    let series = lines(cells).into_iter().chain([as_asked]).collect();
    let (x, y) = (Axis::linear("Return asked for"), Axis::linear(label));
    Figure { histogram, ..Figure::new(x, y, series) }.to_svg()
}

#[cfg(test)]
mod tests {
    use aaren_statistics::{Estimate, Unit};

    use super::*;

    #[test]
    fn targets_are_given_or_come_from_the_data() {
        assert_eq!(parse_targets("data"), Ok(Targets::Data));
        assert_eq!(parse_targets("500, -2,max"), Ok(Targets::List(vec![500.0, -2.0, f64::INFINITY])));
        assert!(parse_targets("1,1").unwrap_err().contains("twice"));
        assert!(parse_targets("1,,2").unwrap_err().contains("expected a number"));
        let data = |lowest: f64, highest: f64| {
            let summary = serde_json::json!({
                "name": "toy", "format": "toy", "episodes": 2, "transitions": 2, "observation_size": 1, "action_size": 1,
                "discrete": false, "return_mean": 0.0, "return_std": 0.0, "return_min": lowest, "return_max": highest,
                "length_min": 1, "length_max": 1, "terminated": 2, "truncated": 0, "unfinished": 0,
            });
            serde_json::from_value(summary).unwrap()
        };
        let of_walker = Targets::Data.of(&data(102.1, 4101.2));
        assert_eq!(of_walker, [102.0, 602.0, 1102.0, 1602.0, 2102.0, 2602.0, 3101.0, 3601.0, 4101.0]);
        let of_shares = Targets::Data.of(&data(-0.4, 0.4));
        assert_eq!(of_shares[..3], [-0.4, -0.3, -0.2]);
        assert_eq!(Targets::Data.of(&data(7.0, 7.0)), [7.0]);
    }

    #[test]
    fn lengths_are_told_where_they_differ() {
        let cell = |target: f64, mean_length: f64| Cell {
            policy: "aaren".into(),
            look: Look::COMPUTED,
            rollout: "unbounded".into(),
            value: Some(Target(target)),
            score: Estimate { mean: target, ci95: None, over: Unit::Seeds },
            per_seed: vec![target],
            mean_length,
            distinct_episodes: vec![1],
        };
        let told = lengths(&[cell(500.0, 210.4), cell(1000.0, 430.0)]).unwrap();
        assert!(told.contains("| timesteps at 500 | timesteps at 1000 |"), "{told}");
        let row = told.lines().last().unwrap();
        assert!(row.contains(" 210 |") && row.ends_with(" 430 |"), "{told}");
        assert_eq!(lengths(&[cell(500.0, 30.0), cell(1000.0, 30.0)]), None);
    }
}

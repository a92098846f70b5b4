//! `aaren sweep`: the policies of an experiment with several memories, or in several forms of the environment.

use std::path::PathBuf;

use aaren_agents::PolicyFile;
use aaren_envs::{EnvSpec, make, reference_scores};
use aaren_format::Regime;
use aaren_streaming::Policy;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use crate::evaluation::Evaluation;
use crate::plot::{Axis, DotChart, Figure, Level, Row, Series};
use crate::results::{Table, Trained};
use crate::statistics::{Estimate, bootstrap_mean, mean};
use crate::{Refusal, output};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren sweep results/hopper-positions --rollout unbounded --rollout window:20
  aaren sweep results/t-maze --vary corridor=10,30,100,300,1000 --episodes 100")]
pub struct Args {
    /// Results folder of an experiment that `aaren run` has finished; gets sweep.json, sweep.md and sweep.svg.
    pub experiment: PathBuf,
    /// Memory: unbounded, window:K or reset:K timesteps; may be given again; each policy's own unless given.
    #[arg(long)]
    pub rollout: Vec<Regime>,
    /// Values of a keyword argument of the environment.
    #[arg(long, value_name = "KEY=A,B,…", value_parser = parse_vary)]
    pub vary: Option<Vary>,
    /// Episodes of each training seed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Target return; the first one of their training unless given.
    #[arg(long, allow_negative_numbers = true)]
    pub target_return: Option<f64>,
    /// Decides the episodes: the same seed gives the same returns.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Values of one keyword argument of the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Vary {
    key: String,
    values: Vec<f64>,
}

/// `corridor=10,30,100`.
pub fn parse_vary(text: &str) -> Result<Vary, String> {
    let expected = || format!("found {text:?}, expected KEY=NUMBER,NUMBER,… such as corridor=10,30,100");
    let (key, list) = text.split_once('=').ok_or_else(expected)?;
    let values: Result<Vec<f64>, _> = list.split(',').map(|number| number.trim().parse()).collect();
    let values = values.ok().filter(|values| values.iter().all(|value: &f64| value.is_finite()));
    Ok(Vary { key: key.trim().to_owned(), values: values.ok_or_else(expected)? })
}

/// One policy with one memory in one form of the environment.
#[derive(Serialize)]
struct Cell {
    policy: String,
    #[serde(skip)]
    place: usize,
    rollout: String,
    value: Option<f64>,
    /// Over all episodes of all seeds; of normalised scores where the environment has reference scores.
    score: Estimate,
    per_seed: Vec<f64>,
    mean_length: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let trained = Trained::open(&args.experiment)?;
    let spec = &trained.spec;
    let forms = forms(&spec.env, args.vary.as_ref())?;
    let scores = reference_scores(&spec.env.id);
    let rollouts = args.rollout.len().max(1);
    let episodes = rollouts * forms.len() * spec.policies.len() * spec.seeds.len() * args.episodes as usize;
    let style = "{prefix} {wide_bar} {human_pos}/{human_len} episodes, {per_sec}, {eta} left";
    let bar = ProgressBar::new(episodes as u64)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"));
    let mut cells = Vec::new();
    for (place, policy) in spec.policies.iter().enumerate() {
        bar.set_prefix(policy.name.clone());
        let paths: Vec<PathBuf> = trained.files(policy).collect();
        // Of all seeds the same.
        let header = PolicyFile::load(&paths[0])?.header;
        let of_seeds: Vec<Policy> = paths.iter().map(Policy::from_file).collect::<Result<_, _>>()?;
        let target = args.target_return.unwrap_or(header.target_returns[0]);
        let own = [header.regime()];
        for &regime in if args.rollout.is_empty() { &own[..] } else { &args.rollout } {
            for (value, env) in &forms {
                let (mut by_seed, mut lengths) = (Vec::new(), Vec::new());
                for policy in &of_seeds {
                    let (targets, episodes, seed) = (&[target], args.episodes, args.seed);
                    let evaluation = Evaluation { env, regime, targets, episodes, seed };
                    let episodes = evaluation.stream(policy, &bar)?;
                    let score = |raw: f64| scores.map_or(raw, |scores| scores.normalised(raw));
                    by_seed.push(episodes.iter().map(|e| score(e.total_return)).collect::<Vec<f64>>());
                    lengths.extend(episodes.iter().map(|e| e.length as f64));
                }
                cells.push(Cell {
                    policy: policy.name.clone(),
                    place,
                    rollout: regime.to_string(),
                    value: *value,
                    score: bootstrap_mean(&by_seed, args.seed),
                    per_seed: by_seed.iter().map(|seed| mean(seed)).collect(),
                    mean_length: mean(&lengths),
                });
            }
        }
    }
    bar.finish_and_clear();
    let varied = args.vary.as_ref().map(|vary| vary.key.as_str());
    let label = if scores.is_some() { "Normalised score" } else { "Return" };
    let json = json!({
        "name": spec.name, "varied": varied, "score": label.to_lowercase(), "cells": cells,
        "protocol": {
            "env": spec.env, "training_seeds": spec.seeds, "episodes": args.episodes, "seed": args.seed,
            "target_return": args.target_return, "score_of": "last update",
            "interval": "95 % percentile bootstrap, training seeds resampled, then the episodes of each",
            "mujoco": aaren_envs::mujoco_version(), "aaren": env!("CARGO_PKG_VERSION"), "commit": env!("AAREN_COMMIT"),
        },
    });
    let table = table(&cells, varied, label);
    let about = format!(
        "{} training seeds, {} episodes each: mean over all episodes ± half of the 95 % bootstrap interval (seeds \
         resampled, then the episodes of each).",
        spec.seeds.len(),
        args.episodes
    );
    let markdown = format!("# {}\n\n{table}\n{about}\n\n![{label}](sweep.svg)\n", spec.name);
    trained.write("sweep", &json, &markdown, &picture(&cells, varied, label))?;
    if args.json {
        output::print(json)?;
    } else {
        output::print(format_args!("{table}\n{about}\nwritten to {}", trained.folder.path().display()))?;
    }
    Ok(())
}

/// The forms of the environment, each with its value; each is made once, so that a bad one is refused at once.
fn forms(env: &EnvSpec, vary: Option<&Vary>) -> Result<Vec<(Option<f64>, EnvSpec)>> {
    let Some(vary) = vary else { return Ok(vec![(None, env.clone())]) };
    let size = make(env)?.observation_size();
    let form = |&value: &f64| {
        let mut form = env.clone();
        let number = if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) };
        form.kwargs.insert(vary.key.clone(), number);
        let found = make(&form)?.observation_size();
        if found != size {
            let reason = format!("its observations have {found} entries, the policies' {size}");
            return Err(Refusal(format!("--vary {}={value}: {reason}", vary.key)).into());
        }
        Ok((Some(value), form))
    };
    vary.values.iter().map(form).collect()
}

fn name(cell: &Cell) -> String {
    format!("{}, {}", cell.policy, cell.rollout)
}

/// A row for each policy and memory, a column for each value.
fn table(cells: &[Cell], varied: Option<&str>, label: &str) -> String {
    let first: Vec<&Cell> = cells.iter().filter(|cell| name(cell) == name(&cells[0])).collect();
    let columns = first.iter().map(|cell| match (varied, cell.value) {
        (Some(key), Some(value)) => format!("{key} {value}"),
        _ => label.to_lowercase(),
    });
    let mut table = Table::new(2, ["policy".into(), "roll-out".into()].into_iter().chain(columns));
    for row in cells.chunks(first.len()) {
        let scores = row.iter().map(|cell| shown(&cell.score));
        table.row([row[0].policy.clone(), row[0].rollout.clone()].into_iter().chain(scores));
    }
    table.to_markdown()
}

/// Two decimals for returns that are shares, as in a maze.
fn shown(score: &Estimate) -> String {
    if score.ci95.1.abs() <= 1.0 {
        format!("{:.2} ± {:.2}", score.mean, (score.ci95.1 - score.ci95.0) / 2.0)
    } else {
        score.to_string()
    }
}

fn picture(cells: &[Cell], varied: Option<&str>, label: &str) -> String {
    // Where nobody comes near the expert, its level would only press the rest together.
    let near = label.starts_with("Normalised") && cells.iter().any(|cell| cell.score.mean > 50.0);
    let levels = if near { vec![Level { y: 100.0, label: "expert".into() }] } else { Vec::new() };
    let Some(key) = varied else {
        let rows = cells.iter().map(|cell| Row {
            name: name(cell),
            value: cell.score.mean,
            interval: Some(cell.score.ci95),
            samples: cell.per_seed.clone(),
            colour: cell.place,
        });
        return DotChart { title: None, axis: Axis::linear(label), rows: rows.collect(), levels }.to_svg();
    };
    let mut series: Vec<Series> = Vec::new();
    for cell in cells {
        let point = (cell.value.unwrap_or_default(), cell.score.mean);
        let line = series.iter_mut().find(|line| line.name == name(cell));
        if let Some((line, band)) = line.and_then(|line| Some((&mut line.points, line.band.as_mut()?))) {
            line.push(point);
            band.push(cell.score.ci95);
        } else {
            series.push(Series {
                name: name(cell),
                points: vec![point],
                band: Some(vec![cell.score.ci95]),
                colour: cell.place,
                reference: false,
            });
        }
    }
    let positive = cells.iter().all(|cell| cell.value.is_some_and(|value| value > 0.0));
    let axis = if positive { Axis::log } else { Axis::linear };
    Figure { title: None, x: axis(key), y: Axis::linear(label), series, levels }.to_svg()
}

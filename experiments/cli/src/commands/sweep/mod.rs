//! `aaren sweep`: the policies of an experiment with several memories, in several forms of the environment, asked for several
//! returns, or as they were along their training.

mod asked;

use std::path::PathBuf;

use super::evaluate::other_shape;
use crate::refusal::Refusal;
use aaren_agents::PolicyFile;
use aaren_envs::{EnvSpec, describe};
use aaren_format::{Regime, Target};
use aaren_reports::plot::{Axis, Dot, DotChart, Figure, Level, Look, Row, Series};
use aaren_reports::{Asked, INTERVAL, Metric, Table, lengths, looks_of, training_seeds};
use aaren_runs::evaluation::Evaluation;
use aaren_runs::{Trained, output, provenance, write_findings};
use aaren_spec::{EpisodeResult, PolicySpec};
use aaren_statistics::{Estimate, ONE_SEED, Unit};
use aaren_streaming::Policy;
use anyhow::Result;
use asked::Targets;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren sweep results/hopper --rollout unbounded --rollout window:20
  aaren sweep results/rate-t-maze --vary corridor=88,148,358,898
  aaren sweep results/rate-t-maze --vary corridor=9598 --only aaren --only gru --out results/far
  aaren sweep results/asked --target-return
  aaren sweep results/asked --target-return 500,1000,2000,max --episodes 20
  aaren sweep results/hopper --kept                    (of a run with `evaluate: {keep: all}`)")]
pub struct Args {
    /// Results folder of a finished experiment.
    pub experiment: PathBuf,
    /// What a policy keeps of its episode: unbounded, window:K, sliding:K or reset:K timesteps; repeatable; unless
    /// given, as trained.
    #[arg(long)]
    pub rollout: Vec<Regime>,
    /// Evaluate only this policy; repeatable.
    #[arg(long, value_name = "POLICY")]
    pub only: Vec<String>,
    /// Values for a keyword argument of the environment.
    #[arg(long, value_name = "KEY=A,B,…", value_parser = parse_vary)]
    pub vary: Option<Vary>,
    /// Evaluate the policy of every evaluation instead of the last one; needs `evaluate: {keep: all}`.
    #[arg(long, conflicts_with = "vary")]
    pub kept: bool,
    /// Episodes of each training seed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Target returns: one; several, to draw achieved over asked; or none after the option, which is `data`, nine from the
    /// lowest to the highest return of the data. Several that begin with a minus need `=`: --target-return=-400,-200. Unless
    /// given, the first one of the experiment.
    #[arg(
        long, value_name = "A,B,…", num_args = 0..=1, default_missing_value = Targets::DATA,
        allow_negative_numbers = true, value_parser = asked::parse_targets
    )]
    pub target_return: Option<Targets>,
    /// Seed of the episodes; each training seed plays its own, and 0 gives those of the evaluations in training.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder to write sweep.json, sweep.md and sweep.svg to, in the place of those of an earlier sweep there; unless given, that
    /// of the experiment.
    #[arg(long)]
    pub out: Option<PathBuf>,
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

/// One policy with one memory, in one form of the environment or after some of its updates.
#[derive(Serialize)]
struct Cell {
    policy: String,
    #[serde(skip)]
    look: Look,
    rollout: String,
    value: Option<Target>,
    /// Of normalised scores where the environment has reference scores; where several returns are asked for, of returns.
    score: Estimate,
    per_seed: Vec<f64>,
    mean_length: f64,
    /// Distinct episodes of each seed.
    distinct_episodes: Vec<usize>,
}

/// What a column of the table is of.
struct Form {
    value: Option<f64>,
    env: EnvSpec,
    /// So many updates, else all of them.
    update: Option<u64>,
}

pub fn run(args: &Args) -> Result<()> {
    let trained = Trained::open(&args.experiment)?;
    let spec = &trained.spec;
    let policies = chosen(&trained, &args.only)?;
    let forms = if args.kept { kept(&trained, &policies)? } else { forms(&spec.env, args.vary.as_ref())? };
    if let Some((_, twice)) = args.rollout.iter().enumerate().find(|(i, it)| args.rollout[..*i].contains(it))
    {
        return Err(Refusal(format!("--rollout {twice}: found it twice, expected each once")).into());
    }
    let metric = Metric::of(&spec.env)?;
    let data = asked::data(&trained)?;
    let targets = args.target_return.as_ref().map(|targets| targets.of(&data));
    let over_targets = targets.as_ref().is_some_and(|targets| targets.len() > 1);
    if over_targets && (args.kept || args.vary.is_some()) {
        let reason =
            "several returns are a sweep of their own; leave out --vary and --kept, or ask for one return";
        return Err(Refusal(format!("--target-return: {reason}")).into());
    }
    let rollouts = args.rollout.len().max(1) * targets.as_ref().map_or(1, Vec::len);
    let episodes = rollouts * forms.len() * policies.len() * spec.seeds.len() * args.episodes as usize;
    let style = "{prefix} {wide_bar} {human_pos}/{human_len} episodes, {per_sec}, {eta} left";
    let bar = output::bar(episodes as u64, style);
    let (mut cells, mut obeyed) = (Vec::new(), Vec::new());
    for (policy, look) in policies {
        bar.set_prefix(policy.name.clone());
        // Of all seeds the same.
        let header = PolicyFile::load(&trained.file(policy, spec.seeds[0], None))?.header;
        let targets = targets.clone().unwrap_or_else(|| vec![header.target_returns[0]]);
        if let Some(unfit) = targets.iter().find_map(|&target| header.check_target(target).err()) {
            output::note(format_args!("{}: left out: {unfit}", policy.name));
            continue;
        }
        let own = [header.regime()];
        let regimes = if args.rollout.is_empty() { &own[..] } else { &args.rollout };
        for (memory, &regime) in regimes.iter().enumerate() {
            if let Err(unfit) = header.check_regime(regime) {
                output::note(format_args!("{}: left out: {unfit}", policy.name));
                continue;
            }
            for Form { value, env, update } in &forms {
                let mut by_seed = Vec::new();
                for &seed in &spec.seeds {
                    let file = Policy::from_file(trained.file(policy, seed, *update))?;
                    let (seed, episodes) = (args.seed.wrapping_add(seed), args.episodes);
                    let played =
                        Evaluation { env, regime, targets: &targets, episodes, seed, guidance: None };
                    by_seed.push(asked::play(&played, &file, &bar)?);
                }
                for &target in &targets {
                    let of_target = || {
                        by_seed
                            .iter()
                            .map(move |seed| seed.iter().filter(move |it| it.target_return == target))
                    };
                    let sample =
                        if over_targets { metric.returns(of_target()) } else { metric.sample(of_target()) };
                    cells.push(Cell {
                        policy: policy.name.clone(),
                        look: Look { dash: look.dash + memory, ..look },
                        rollout: regime.to_string(),
                        value: value.or(over_targets.then_some(target)).map(Target),
                        score: sample.estimate(),
                        per_seed: sample.per_seed(),
                        mean_length: lengths(of_target()).estimate().mean,
                        distinct_episodes: of_target().map(EpisodeResult::distinct).collect(),
                    });
                }
                let all: Vec<Vec<&EpisodeResult>> =
                    by_seed.iter().map(|seed| seed.iter().collect()).collect();
                if let Some(asked) = Asked::new(metric, &data, &all) {
                    obeyed.push(asked::Obeyed {
                        policy: policy.name.clone(),
                        rollout: regime.to_string(),
                        asked,
                    });
                }
            }
        }
    }
    bar.finish_and_clear();
    if cells.is_empty() {
        return Err(Refusal("nothing is left to play; see the reasons above".into()).into());
    }
    let varied = match &args.vary {
        _ if args.kept => Some("updates"),
        _ if over_targets => Some(asked::VARIED),
        vary => vary.as_ref().map(|vary| vary.key.as_str()),
    };
    let (score, label) =
        if over_targets { ("return", "Return achieved") } else { (metric.name(), metric.label()) };
    let of_targets = targets.map(|targets| targets.into_iter().map(Target).collect::<Vec<_>>());
    let mut json = json!({
        "name": spec.name, "varied": varied, "score": score, "cells": cells,
        "protocol": provenance::within(json!({
            "env": spec.env, "training_seeds": spec.seeds, "episodes": args.episodes, "seed": args.seed,
            "target_returns": of_targets, "score_of": if args.kept { "each evaluation" } else { "last update" },
            "interval": INTERVAL,
        })),
    });
    let mut table = table(&cells, varied, score, args.episodes);
    if over_targets {
        json["asked"] = serde_json::to_value(&obeyed)?;
        if let Some(lengths) = asked::lengths(&cells) {
            table += &format!("\n{lengths}");
        }
        table += &format!("\n{}", asked::table(&obeyed, metric.name()));
    }
    let one_seed = cells.iter().any(|cell| cell.score.over == Unit::Episodes);
    let about = format!(
        "{}{}, {} episodes each{}. Intervals: {INTERVAL}.",
        training_seeds(spec.seeds.len()),
        if one_seed { format!(" ({ONE_SEED})") } else { String::new() },
        args.episodes,
        if over_targets { asked::ABOUT } else { "" },
    );
    let markdown = format!("# {}\n\n{table}\n{about}\n\n![{label}](sweep.svg)\n", spec.name);
    let picture =
        if over_targets { asked::picture(&cells, &data, label) } else { picture(&cells, varied, label) };
    let out = args.out.as_deref().unwrap_or(trained.folder.path());
    aaren_spec::make_folder(out)?;
    write_findings(out, "sweep", &json, &markdown, &picture)?;
    if args.json {
        output::print(json)?;
    } else {
        output::print(format_args!("{table}\n{about}\nwritten to {}", out.display()))?;
    }
    Ok(())
}

/// The policies with these names, or all; they look as they do among all.
fn chosen<'t>(trained: &'t Trained, names: &[String]) -> Result<Vec<(&'t PolicySpec, Look)>> {
    let policies = &trained.spec.policies;
    if let Some(name) = names.iter().find(|name| policies.iter().all(|policy| policy.name != **name)) {
        let list: Vec<_> = policies.iter().map(|policy| policy.name.as_str()).collect();
        let reason = format!("no policy of this experiment; it has {}", list.join(", "));
        return Err(Refusal(format!("--only {name}: {reason}")).into());
    }
    let all = policies.iter().zip(looks_of(&trained.spec));
    Ok(all.filter(|(policy, _)| names.is_empty() || names.contains(&policy.name)).collect())
}

/// The forms of the environment, each with its value; each is made once, so that a bad one is refused at once.
fn forms(env: &EnvSpec, vary: Option<&Vary>) -> Result<Vec<Form>> {
    let Some(vary) = vary else { return Ok(vec![Form { value: None, env: env.clone(), update: None }]) };
    let trained = describe(env)?;
    let form = |&value: &f64| {
        let mut form = env.clone();
        let number = if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) };
        form.kwargs.insert(vary.key.clone(), number);
        if let Some(other) = other_shape(&describe(&form)?, trained.observation_size, &trained.action) {
            return Err(Refusal(format!("--vary {}={value}: {other}", vary.key)).into());
        }
        Ok(Form { value: Some(value), env: form, update: None })
    };
    vary.values.iter().map(form).collect()
}

/// The updates after which all runs of these policies keep one.
fn kept(trained: &Trained, policies: &[(&PolicySpec, Look)]) -> Result<Vec<Form>> {
    let updates = trained.kept_updates(policies.iter().map(|(policy, _)| *policy));
    if updates.is_empty() {
        let reason = "no policies of evaluations in it; train with `evaluate: {keep: all}`";
        return Err(Refusal(format!("{}: {reason}", trained.folder.path().display())).into());
    }
    let env = &trained.spec.env;
    let form = |update| Form { value: Some(update as f64), env: env.clone(), update: Some(update) };
    Ok(updates.into_iter().map(form).collect())
}

fn name(cell: &Cell) -> String {
    format!("{}, {}", cell.policy, cell.rollout)
}

/// For how many values each policy with each memory was played.
fn columns(cells: &[Cell]) -> usize {
    cells.iter().take_while(|cell| name(cell) == name(&cells[0])).count()
}

/// A row for each policy and memory, a column for each value.
fn rows(cells: &[Cell], head: impl Fn(&Cell) -> String, entry: impl Fn(&Cell) -> String) -> Table {
    let columns = columns(cells);
    let heads = cells[..columns].iter().map(head);
    let mut table = Table::new(2, ["policy".into(), "roll-out".into()].into_iter().chain(heads));
    for row in cells.chunks(columns) {
        let entries = row.iter().map(&entry);
        table.row([row[0].policy.clone(), row[0].rollout.clone()].into_iter().chain(entries));
    }
    table
}

/// Its scores; a row for how many episodes are distinct, where not all
/// are.
fn table(cells: &[Cell], varied: Option<&str>, score: &str, episodes: u64) -> String {
    let columns = columns(cells);
    let head = |cell: &Cell| match (varied, cell.value) {
        (Some(key), Some(value)) => format!("{key} {value}"),
        _ => score.to_owned(),
    };
    let mut table = rows(cells, head, |cell| cell.score.to_string());
    let distinct = |column: usize| {
        let of_column =
            || cells.iter().skip(column).step_by(columns).flat_map(|cell| &cell.distinct_episodes);
        (of_column().min().copied().unwrap_or_default(), of_column().max().copied().unwrap_or_default())
    };
    if (0..columns).any(|column| distinct(column).0 < episodes as usize) {
        let cell = |column| match distinct(column) {
            (least, most) if least == most => format!("{least} of {episodes}"),
            (least, most) => format!("{least}–{most} of {episodes}"),
        };
        table.row(["distinct episodes".into(), String::new()].into_iter().chain((0..columns).map(cell)));
    }
    table.to_markdown()
}

fn picture(cells: &[Cell], varied: Option<&str>, label: &str) -> String {
    // Where nobody comes near the expert, its level would only press the rest together.
    let near = label.starts_with("Normalised") && cells.iter().any(|cell| cell.score.mean > 50.0);
    let levels = if near { vec![Level { y: 100.0, label: "expert".into() }] } else { Vec::new() };
    let Some(key) = varied else {
        let dot = |cell: &Cell| Dot {
            value: cell.score.mean,
            interval: cell.score.ci95,
            samples: cell.per_seed.clone(),
            look: cell.look,
        };
        let rows = cells.iter().map(|cell| Row { name: name(cell), dots: vec![dot(cell)] }).collect();
        let axis = Axis::linear(label);
        return DotChart { title: None, axis, rows, legend: Vec::new(), levels }.to_svg();
    };
    let series = lines(cells);
    let positive = cells.iter().all(|cell| cell.value.is_some_and(|value| value.0 > 0.0));
    let axis = if positive && key != "updates" { Axis::log } else { Axis::linear };
    let key = if key == "updates" { "Updates" } else { key };
    Figure { levels, ..Figure::new(axis(key), Axis::linear(label), series) }.to_svg()
}

/// A line over the values for each policy and memory.
fn lines(cells: &[Cell]) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for cell in cells {
        let point = (cell.value.map_or(0.0, |value| value.0), cell.score.mean);
        let interval = cell.score.ci95.unwrap_or((cell.score.mean, cell.score.mean));
        let line = series.iter_mut().find(|line| line.name == name(cell));
        if let Some((line, band)) = line.and_then(|line| Some((&mut line.points, line.band.as_mut()?))) {
            line.push(point);
            band.push(interval);
        } else {
            let line = Series::new(name(cell), vec![point], cell.look);
            series.push(Series { band: Some(vec![interval]), ..line });
        }
    }
    series
}

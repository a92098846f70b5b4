//! `aaren attention`: how the policies of an experiment spread their attention over the past.

use std::path::PathBuf;

use crate::refusal::Refusal;
use aaren_agents::decision::Windows;
use aaren_agents::{Network, PolicyFile};
use aaren_reports::plot::{Axis, Figure, Look, Series};
use aaren_reports::{Table, looks_of, training_seeds};
use aaren_runs::{Trained, output, provenance, write_findings};
use aaren_statistics::mean;
use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use tch::{Device, Kind};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren attention results/hopper
  aaren attention results/hopper --timesteps 10 100 1000 --recent 5")]
pub struct Args {
    /// Results folder of a finished experiment; attention.json, .md and .svg are written there.
    pub experiment: PathBuf,
    /// Timesteps at which to look, counted from 1; unless given, 20, 100, 500 and 1000.
    #[arg(long, num_args = 1..)]
    pub timesteps: Vec<usize>,
    /// Number of timesteps that count as recent.
    #[arg(long, default_value_t = 20)]
    pub recent: usize,
    /// Largest number of episodes of the dataset to look at; shorter episodes than the last timestep are skipped.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub episodes: u16,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Where it is looked at unless the user says so.
const TIMESTEPS: [usize; 4] = [20, 100, 500, 1000];

/// The attention of one policy when it acts at one timestep; means over seeds, episodes, layers and heads.
#[derive(Serialize)]
struct Spread {
    policy: String,
    #[serde(skip)]
    look: Look,
    /// Timestep, counted from 1: so many timesteps are seen, this one too.
    timestep: usize,
    /// Share of the attention that lies on the most recent timesteps.
    recent: f64,
    /// The least and the most of it that any head of any layer has, in any seed and episode.
    recent_of_heads: (f64, f64),
    /// So many of the latest timesteps have half, and nine tenths, of the attention.
    half: usize,
    nine_tenths: usize,
}

fn left_out(policy: &str) {
    output::note(format_args!("{policy}: left out: it has no weights of the past to show"));
}

pub fn run(args: &Args) -> Result<()> {
    let trained = Trained::open(&args.experiment)?;
    let dataset = trained.dataset()?;
    let longest = dataset.longest_episode();
    if let Some(beyond) = args.timesteps.iter().find(|&&timestep| timestep == 0 || timestep > longest) {
        let reason = format!("the longest episode of {} has timesteps 1 to {longest}", dataset.name());
        return Err(Refusal(format!("--timesteps {beyond}: {reason}")).into());
    }
    let usual = TIMESTEPS.iter().copied().filter(|&timestep| timestep <= longest);
    let timesteps: Vec<usize> =
        if args.timesteps.is_empty() { usual.collect() } else { args.timesteps.clone() };
    let Some(&last) = timesteps.iter().max() else {
        let reason = format!("its episodes have {longest} timesteps at most; give --timesteps");
        return Err(Refusal(format!("dataset {}: {reason}", dataset.name())).into());
    };
    let long_enough = dataset.episodes().iter().filter(|episode| episode.length >= last);
    let starts: Vec<usize> = long_enough.map(|e| e.start).take(args.episodes.into()).collect();

    let spec = &trained.spec;
    let style = "{prefix} {wide_bar} {pos}/{len} episodes, {eta} left";
    let bar = output::bar((spec.policies.len() * spec.seeds.len() * starts.len()) as u64, style);
    let mut spreads = Vec::new();
    // A policy that has no attention has nothing to show.
    'policies: for (policy, look) in spec.policies.iter().zip(looks_of(&trained.spec)) {
        bar.set_prefix(policy.name.clone());
        // For each timestep the shares of the past, oldest first, of every seed, episode, layer and head.
        let mut shares: Vec<Vec<Vec<f64>>> = vec![Vec::new(); timesteps.len()];
        for path in trained.files(policy) {
            let file = PolicyFile::load(&path)?;
            let Some(network) = file.decision(&path, Device::Cpu)? else {
                bar.suspend(|| left_out(&policy.name));
                continue 'policies;
            };
            let windows = Windows::new(&dataset, network.task(), last, 0)?.of(network.config());
            let _guard = tch::no_grad_guard();
            for &start in &starts {
                let batch = windows.at(&[start], Device::Cpu);
                let at: Vec<usize> = timesteps.iter().map(|timestep| timestep - 1).collect();
                let Some(layers) = network.attention(&batch, &at) else {
                    bar.suspend(|| left_out(&policy.name));
                    continue 'policies;
                };
                for layer in layers {
                    for head in layer.squeeze_dim(0).unbind(0) {
                        for ((shares, row), &timestep) in
                            shares.iter_mut().zip(head.unbind(0)).zip(&timesteps)
                        {
                            let seen = row.narrow(0, 0, timestep as i64).to_kind(Kind::Double);
                            shares.push(Vec::<f64>::try_from(&seen)?);
                        }
                    }
                }
                bar.inc(1);
            }
        }
        for (&timestep, shares) in timesteps.iter().zip(&shares) {
            spreads.push(spread(&policy.name, look, timestep, args.recent, shares));
        }
    }
    bar.finish_and_clear();
    if spreads.is_empty() {
        let reason = "none of its policies has weights of the past to show; Transformers do, and Aarens with `keys: 1`";
        return Err(Refusal(format!("{}: {reason}", args.experiment.display())).into());
    }

    let json = json!({
        "name": spec.name, "recent": args.recent, "spreads": spreads,
        "protocol": provenance::within(json!({
            "dataset": dataset.name(), "episodes": starts.len(), "training_seeds": spec.seeds,
        })),
    });
    let table = table(&spreads, args.recent);
    let about = format!(
        "{} episodes of {}, read from their start to the timestep with nothing forgotten (a roll-out in windows sees \
         its window only). Means over {}, episodes, layers and heads; in brackets the least and the \
         most of any one.",
        starts.len(),
        dataset.name(),
        training_seeds(spec.seeds.len())
    );
    let markdown = format!("# {}: attention\n\n{table}\n{about}\n\n![Attention](attention.svg)\n", spec.name);
    write_findings(trained.folder.path(), "attention", &json, &markdown, &picture(&spreads, args.recent))?;
    if args.json {
        output::print(json)?;
    } else {
        output::print(format_args!("{table}\n{about}\nwritten to {}", trained.folder.path().display()))?;
    }
    Ok(())
}

/// Sums up the shares that every head of every seed and episode gives to timesteps 1 to `timestep`.
fn spread(policy: &str, look: Look, timestep: usize, recent: usize, shares: &[Vec<f64>]) -> Spread {
    let on_recent = |share: &Vec<f64>| share.iter().rev().take(recent).sum::<f64>();
    let of_heads: Vec<f64> = shares.iter().map(on_recent).collect();
    let average: Vec<f64> =
        (0..timestep).map(|t| mean(&shares.iter().map(|share| share[t]).collect::<Vec<f64>>())).collect();
    let latest_with = |part: f64| {
        let mut sum = 0.0;
        let enough = average.iter().rev().position(|share| {
            sum += share;
            sum >= part
        });
        enough.map_or(timestep, |age| age + 1)
    };
    let ends = of_heads.iter().fold((f64::INFINITY, 0.0), |(low, high), &x| (x.min(low), x.max(high)));
    Spread {
        policy: policy.into(),
        look,
        timestep,
        recent: mean(&of_heads),
        recent_of_heads: ends,
        half: latest_with(0.5),
        nine_tenths: latest_with(0.9),
    }
}

fn table(spreads: &[Spread], recent: usize) -> String {
    let share = format!("attention on the last {recent} timesteps");
    let heads = ["policy", "timestep", &share, "half of it on the last", "nine tenths on the last"];
    let mut table = Table::new(1, heads);
    for spread in spreads {
        let percent = |share: f64| 100.0 * share;
        let (low, high) = spread.recent_of_heads;
        table.row([
            spread.policy.clone(),
            spread.timestep.to_string(),
            format!("{:.1} % ({:.1}–{:.1})", percent(spread.recent), percent(low), percent(high)),
            spread.half.to_string(),
            spread.nine_tenths.to_string(),
        ]);
    }
    table.to_markdown()
}

fn picture(spreads: &[Spread], recent: usize) -> String {
    let mut series: Vec<Series> = Vec::new();
    for spread in spreads {
        let point = (spread.timestep as f64, spread.recent);
        match series.last_mut().filter(|line| line.name == spread.policy) {
            Some(line) => line.points.push(point),
            None => series.push(Series::new(&spread.policy, vec![point], spread.look)),
        }
    }
    let even = spreads.iter().filter(|spread| spread.policy == spreads[0].policy);
    let even = even.map(|s| (s.timestep as f64, (recent as f64 / s.timestep as f64).min(1.0)));
    let even = Series::new("spread evenly", even.collect(), Look::COMPUTED);
    series.push(Series { reference: true, ..even });
    let y = Axis::linear(format!("Share of the last {recent} timesteps"));
    Figure::new(Axis::log("Timestep of the episode"), y, series).to_svg()
}

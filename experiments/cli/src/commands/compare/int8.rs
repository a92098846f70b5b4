//! `aaren compare --int8`: the same episodes with a policy as it is and with its matrices rounded.

use std::path::{Path, PathBuf};

use aaren_format::Target;
use aaren_reports::Metric;
use aaren_runs::evaluation::Evaluation;
use aaren_runs::output;
use aaren_spec::EpisodeResult;
use aaren_streaming::{ActionSpace, Policy, quantise};
use anyhow::{Context, Result};
use serde_json::json;

use super::{Args, files};

/// Episodes whose choices are compared, for each policy: every step of them counts.
const SHADOWED: u64 = 20;
/// Continuous actions are equal where no entry differs by more than this share of its range.
const EQUAL: f32 = 0.01;

/// One training: its file, and both policies.
struct Pair {
    path: PathBuf,
    float32: Policy,
    int8: Policy,
    bytes: [usize; 2],
}

/// Does it: runs of one policy are its training seeds.
pub fn run(args: &Args) -> Result<()> {
    let mut groups: Vec<Vec<Pair>> = Vec::new();
    for path in files(&args.of, "policy files or folders of finished runs")? {
        let pair = read(path)?;
        match groups.iter_mut().find(|group| group[0].float32.header().policy == pair.float32.header().policy)
        {
            Some(group) => group.push(pair),
            None => groups.push(vec![pair]),
        }
    }
    let mut rows = Vec::new();
    for group in &groups {
        rows.extend(compare(group, args)?);
    }
    if args.json {
        let protocol =
            json!({"episodes": args.episodes, "seed": args.seed, "equal_within_share_of_range": EQUAL});
        return Ok(output::print(json!({"protocol": protocol, "policies": rows}))?);
    }
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        output::print(format_args!(
            "{} in {}, target {}: float32 {}, int8 {}, difference {}; {:.2} % of {} choices equal; {} bytes, of {}",
            text("policy"),
            text("env"),
            row["target_return"],
            text("float32_text"),
            text("int8_text"),
            text("difference_text"),
            100.0 * row["equal_choices"].as_f64().unwrap_or(0.0),
            row["choices"],
            row["bytes"]["int8"],
            row["bytes"]["float32"],
        ))?;
    }
    output::print(format_args!(
        "returns of the same {} episodes, int8 less float32, 95 % intervals paired by {}",
        args.episodes, "seed or, for one seed, by episode"
    ))?;
    Ok(())
}

fn read(path: PathBuf) -> Result<Pair> {
    let original = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let of = |path: &Path| path.display().to_string();
    let rounded = quantise(&original).with_context(|| of(&path))?.bytes;
    let bytes = [original.len(), rounded.len()];
    let float32 = Policy::from_bytes(&original).with_context(|| of(&path))?;
    let int8 = Policy::from_bytes(&rounded).with_context(|| of(&path))?;
    Ok(Pair { path, float32, int8, bytes })
}

/// A row for each target return.
fn compare(group: &[Pair], args: &Args) -> Result<Vec<serde_json::Value>> {
    let header = group[0].float32.header();
    let targets = &header.target_returns;
    let episodes = 2 * group.len() as u64 * targets.len() as u64 * args.episodes;
    let bar = output::bar(episodes, "{wide_bar} {pos}/{len} episodes");
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    // Of each target return: equal choices, and all.
    let mut agreed = vec![(0, 0); targets.len()];
    for pair in group {
        let of = || pair.path.display().to_string();
        let env = &pair.float32.header().env;
        let regime = pair.float32.regime();
        let evaluation =
            Evaluation { env, regime, targets, episodes: args.episodes, seed: args.seed, guidance: None };
        exact.push(evaluation.stream(&pair.float32, &bar).with_context(of)?);
        rounded.push(evaluation.stream(&pair.int8, &bar).with_context(of)?);
        for (&target, (equal, choices)) in targets.iter().zip(&mut agreed) {
            for episode in 0..SHADOWED.min(args.episodes) {
                let (same, all) = shadow(pair, &evaluation, target, episode).with_context(of)?;
                *equal += same;
                *choices += all;
            }
        }
    }
    bar.finish_and_clear();
    let metric = Metric::of(&header.env)?;
    let rows = targets.iter().zip(agreed).map(|(&target, (equal, choices))| {
        let of = |runs: &'_ [Vec<EpisodeResult>]| {
            let seeds: Vec<Vec<EpisodeResult>> = (runs.iter())
                .map(|run| run.iter().filter(|episode| episode.target_return == target).cloned().collect())
                .collect();
            metric.returns(seeds.iter())
        };
        let (exact, rounded) = (of(&exact), of(&rounded));
        let difference = rounded.less(&exact);
        json!({
            "policy": header.policy, "env": header.env.id, "target_return": Target(target), "seeds": group.len(),
            "float32": exact.estimate(), "int8": rounded.estimate(), "difference": difference,
            "float32_text": exact.estimate().to_string(), "int8_text": rounded.estimate().to_string(),
            "difference_text": difference.map_or("unknown".into(), |d| d.text(2)),
            "equal_choices": equal as f64 / (choices as f64).max(1.0), "choices": choices,
            "bytes": {"float32": group[0].bytes[0], "int8": group[0].bytes[1]},
        })
    });
    Ok(rows.collect())
}

/// How often the int8 policy chooses what the other does, of so many steps, along an episode that the other plays: it is
/// told the same observations and rewards, and remembers its own actions.
fn shadow(pair: &Pair, evaluation: &Evaluation<'_>, target: f64, episode: u64) -> Result<(u64, u64)> {
    let mut leading = evaluation.episode(&pair.float32, target, episode)?;
    let mut following = pair.int8.stream_with(evaluation.regime)?;
    following.reset(target);
    let (mut same, mut all) = (0, 0);
    while !leading.over() {
        let (observation, reward) = leading.seen();
        let other = following.act(observation, reward)?;
        let action = leading.step()?;
        let equal = match pair.float32.action_space() {
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => action == other,
            ActionSpace::Continuous { low, high } => {
                let ranges = low.iter().zip(high).map(|(low, high)| high - low);
                action.iter().zip(other).zip(ranges).all(|((a, b), range)| (a - b).abs() <= EQUAL * range)
            }
        };
        same += u64::from(equal);
        all += 1;
    }
    Ok((same, all))
}

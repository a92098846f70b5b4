//! `aaren evaluate`: roll-outs of one trained policy.

use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use aaren_envs::{Description, EnvSpec, describe};
use aaren_format::{ActionSpace, Header, Regime, Target};
use aaren_reports::{INTERVAL, Metric, lengths};
use aaren_runs::evaluation::Evaluation;
use aaren_runs::output;
use aaren_spec::{EpisodeResult, RunFolder, RunState};
use aaren_streaming::Policy;
use anyhow::Result;
use serde::Serialize;
use serde_json::json;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren evaluate results/hopper/aaren-seed0
  aaren evaluate policy.safetensors --episodes 100 --seed 7 --target-return 3600 1800
  aaren evaluate policy.safetensors --rollout window:20 --env Hopper-v5 --json
  aaren evaluate policy.safetensors --env '{gymnasium: Hopper-v5, interpreter: .venv/bin/python}'")]
pub struct Args {
    /// A policy.safetensors, or the folder of a run that holds one.
    pub policy: PathBuf,
    /// Environment, an id or a map as in an experiment; unless given, the one the policy was trained for.
    #[arg(long)]
    pub env: Option<String>,
    /// Episodes for each target return.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Target returns, or `max`, the most that can be had from each timestep on; unless given, those of its experiment.
    #[arg(long, num_args = 1.., allow_negative_numbers = true, value_parser = super::target_return)]
    pub target_return: Vec<f64>,
    /// What a policy keeps of its episode: unbounded, window:K, sliding:K or reset:K timesteps; unless given, as
    /// trained.
    #[arg(long)]
    pub rollout: Option<Regime>,
    /// How strongly the return that is asked for counts: 1 as asked, 0 not at all, above 1 beyond it; unless given, as the
    /// policy's file says.
    #[arg(long, allow_negative_numbers = true)]
    pub guidance: Option<f64>,
    /// Seed of the episodes: the same seed gives the same returns.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let path = policy_path(&args.policy)?;
    let policy = Policy::from_file(&path)?;
    let header = policy.header();
    let env = environment_of(args.env.as_deref(), header)?;
    let targets = if args.target_return.is_empty() { &header.target_returns } else { &args.target_return };
    let regime = args.rollout.unwrap_or(header.regime());
    for &target in targets {
        header.check_target(target).map_err(|invalid| Refusal(invalid.to_string()))?;
    }
    let (episodes, seed, guidance) = (args.episodes, args.seed, args.guidance);
    let evaluation = Evaluation { env: &env, regime, targets, episodes, seed, guidance };
    let style = "{wide_bar} {pos}/{len} episodes, {per_sec}, {eta} left";
    let bar = output::bar(targets.len() as u64 * args.episodes, style);
    let episodes = evaluation.stream(&policy, &bar)?;
    bar.finish_and_clear();
    let metric = Metric::of(&env)?;
    let mut rows = Vec::new();
    for &target in targets {
        let of_target = || [episodes.iter().filter(move |episode| episode.target_return == target)];
        let returns = metric.returns(of_target()).estimate();
        let normalised = metric.normalised().then(|| metric.sample(of_target()).estimate());
        let distinct = EpisodeResult::distinct(of_target().into_iter().flatten());
        rows.push((target, returns, normalised, lengths(of_target()).estimate(), distinct));
    }
    if args.json {
        let targets: Vec<_> = rows
            .iter()
            .map(|(target, raw, normalised, length, distinct)| {
                json!({
                    "target_return": Target(*target), "raw_return": raw, "normalised_score": normalised,
                    "episode_length": length.mean, "distinct_episodes": distinct,
                })
            })
            .collect();
        let episodes: Vec<_> = (episodes.iter())
            .map(|result| Seeded { result, seed: evaluation.episode_seed(result.episode) })
            .collect();
        let protocol = json!({
            "env": env, "python": describe(&env)?.versions, "rollout": regime.to_string(), "episodes": args.episodes, "seed": args.seed,
            "guidance": guidance.or(header.decision().map(|decision| decision.guidance)), "interval": INTERVAL,
        });
        let episodes =
            json!({"policy": header.policy, "protocol": protocol, "targets": targets, "episodes": episodes});
        return Ok(output::print(episodes)?);
    }
    output::print(format_args!(
        "{} (seed {}, {} updates) in {}, {regime}, {} episodes, seed {}",
        header.policy, header.seed, header.updates, env.id, args.episodes, args.seed
    ))?;
    let heads = ["target return", "return", "normalised", "timesteps", "distinct"];
    let line = |cells: [&str; 5]| {
        let [target, raw, normalised, length, distinct] = cells;
        output::print(format_args!("{target:>13} {raw:>24} {normalised:>22} {length:>9} {distinct:>8}"))
    };
    line(heads)?;
    for (target, raw, normalised, length, distinct) in rows {
        let normalised = normalised.map_or("no reference".into(), |n| n.to_string());
        let (target, length, distinct) =
            (Target(target).to_string(), format!("{:.1}", length.mean), distinct.to_string());
        line([&target, &raw.to_string(), &normalised, &length, &distinct])?;
    }
    output::print("95 % intervals are over the distinct episodes of this one training")?;
    Ok(())
}

/// An episode, and the seed that its environment was reset with.
#[derive(Serialize)]
struct Seeded<'e> {
    #[serde(flatten)]
    result: &'e EpisodeResult,
    seed: u64,
}

/// The environment that a policy acts in: the one that is asked for, else that of its training.
pub(super) fn environment_of(asked: Option<&str>, header: &Header) -> Result<EnvSpec> {
    let env = asked.map_or_else(|| Ok(header.env.clone()), aaren_spec::environment)?;
    if let Some(other) = other_shape(&describe(&env)?, header.observation_size, &header.action) {
        return Err(
            Refusal(format!("--env {}: {other}; choose an environment of the same shape", env.id)).into()
        );
    }
    Ok(env)
}

/// How an environment's observations and actions differ from those of a policy, where they do.
pub(super) fn other_shape(found: &Description, entries: usize, action: &ActionSpace) -> Option<String> {
    let actions = |space: &ActionSpace| match space.choices() {
        [] => format!("{} (continuous)", space.size()),
        choices => format!("{choices:?} choices ({})", space.kind()),
    };
    (found.observation_size != entries || !found.action.is_like(action)).then(|| {
        format!(
            "its observations have {} entries and its actions {}, the policy's {entries} and {}",
            found.observation_size,
            actions(&found.action),
            actions(action)
        )
    })
}

/// A policy's file, given itself or by its run's folder.
///
/// # Errors
/// [`Refusal`] where there is none.
pub(super) fn policy_path(path: &Path) -> Result<PathBuf> {
    let refuse = |path: &Path, reason: &str| {
        let cure = "give a policy.safetensors or the folder of a finished run";
        Err(Refusal(format!("{}: {reason}; {cure}", path.display())).into())
    };
    if !path.is_dir() {
        return if path.is_file() { Ok(path.to_owned()) } else { refuse(path, "no such policy") };
    }
    let run = RunFolder::at(path);
    match run.state_as_it_stands() {
        // A folder that is no run's, such as one of `aaren card`, may hold a policy too.
        RunState::Done | RunState::Missing if run.policy().is_file() => Ok(run.policy()),
        RunState::Done | RunState::Missing => refuse(&run.policy(), "no such policy"),
        state => refuse(path, &format!("the run is not done ({state})")),
    }
}

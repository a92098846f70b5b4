//! `aaren render`: a film of trained policies at work.

use std::path::PathBuf;

use aaren_envs::{EnvSpec, describe};
use aaren_format::{Regime, Target};
use aaren_streaming::Policy;
use anyhow::Result;

use super::evaluate::{environment_of, policy_path};
use crate::film::{Format, PICTURES, Part, Recording};
use crate::refusal::Refusal;
use aaren_runs::evaluation::Evaluation;
use aaren_runs::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren render results/hopper/aaren-seed0 --out episode.gif
  aaren render policy.safetensors --out episode.mp4 --seed 7 --episode 3 --target-return 3600
  aaren render results/hopper/aaren-seed0 results/hopper/transformer-seed0 --out both.gif --steps 300 --every 4 --size 240

A robot's pictures need EGL (Debian and Ubuntu: apt install libegl1
libgl1-mesa-dri), .mp4 needs ffmpeg.")]
pub struct Args {
    /// A policy.safetensors, or the folder of a run; several act side by side.
    #[arg(required = true, num_args = 1..=8)]
    pub policy: Vec<PathBuf>,
    /// The film to write, a name that ends with .gif or .mp4 (needs ffmpeg: that of AAREN_FFMPEG, else of the PATH).
    #[arg(long)]
    pub out: PathBuf,
    /// Environment, an id or a map as in an experiment; unless given, the one the policy was trained for.
    #[arg(long)]
    pub env: Option<String>,
    /// Target return; unless given, the first one of its experiment.
    #[arg(long, allow_negative_numbers = true, value_parser = super::target_return)]
    pub target_return: Option<f64>,
    /// What a policy keeps of its episode: unbounded, window:K, sliding:K or reset:K timesteps; unless given, as
    /// trained.
    #[arg(long)]
    pub rollout: Option<Regime>,
    /// Seed of the episodes, as for `aaren evaluate`: the same seed gives the same returns.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Number of the episode among the seed's, from 0.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1_000_000))]
    pub episode: u64,
    /// Largest number of timesteps; unless given, the whole episode.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Timesteps between two frames; unless given, so many that the film has at most 250 frames and the last.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,
    /// Width and height of each policy's picture, in pixels.
    #[arg(long, default_value_t = 480, value_parser = clap::value_parser!(u64).range(16..=4096))]
    pub size: u64,
    /// Frames per second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub fps: u32,
}

/// An environment as a sentence names it.
fn words(env: &EnvSpec) -> String {
    let kwargs: Vec<_> = env.kwargs.iter().map(|(key, value)| format!("{key} {value}")).collect();
    if kwargs.is_empty() { env.id.clone() } else { format!("{} with {}", env.id, kwargs.join(", ")) }
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    Format::of(&args.out)?;
    let load = |path: &PathBuf| Ok(Policy::from_file(policy_path(path)?)?);
    let policies = args.policy.iter().map(load).collect::<Result<Vec<_>>>()?;
    let environments = (policies.iter())
        .map(|policy| environment_of(args.env.as_deref(), policy.header()))
        .collect::<Result<Vec<_>>>()?;
    if let Some(other) = environments.iter().find(|env| **env != environments[0]) {
        let first = &environments[0];
        return Err(Refusal(format!(
            "policies act side by side in one environment; found {} and {}; name one for all with --env",
            words(first),
            words(other)
        ))
        .into());
    }
    let targets: Vec<f64> =
        policies.iter().map(|policy| args.target_return.unwrap_or(policy.target_returns()[0])).collect();
    let part = |((policy, env), target)| {
        let regime = args.rollout.unwrap_or(Policy::regime(policy));
        let targets = std::slice::from_ref(target);
        Part {
            policy,
            evaluation: Evaluation {
                env,
                regime,
                targets,
                episodes: args.episode + 1,
                seed: args.seed,
                guidance: None,
            },
        }
    };
    let longest = describe(&environments[0])?.max_episode_steps as u64;
    let steps = args.steps.unwrap_or(u64::MAX).min(longest);
    let recording = Recording {
        parts: policies.iter().zip(&environments).zip(&targets).map(part).collect(),
        episode: args.episode,
        steps,
        every: args.every.unwrap_or_else(|| if steps == u64::MAX { 1 } else { steps.div_ceil(PICTURES) }),
        size: args.size as usize,
        fps: args.fps,
    };
    let style = "{wide_bar} timestep {pos} of at most {len}, {per_sec}, {eta} left";
    let bar = output::bar(steps, style);
    let recorded = recording.film(&args.out, &bar)?;
    bar.finish_and_clear();
    for (part, result) in recording.parts.iter().zip(&recorded.results) {
        let Evaluation { env, regime, seed, .. } = &part.evaluation;
        let reset = part.evaluation.episode_seed(args.episode);
        output::print(format_args!(
            "{} in {}, {regime}, episode {} of seed {seed} (reset with {reset}), target return {}: return {} in {} timesteps",
            part.policy.name(),
            env.id,
            args.episode,
            Target(result.target_return),
            result.total_return,
            result.length
        ))?;
    }
    let megabytes = recorded.bytes as f64 / 1e6;
    let (path, pictures) = (args.out.display(), recorded.pictures);
    Ok(output::print(format_args!("{path}: {pictures} pictures, {megabytes:.2} MB"))?)
}

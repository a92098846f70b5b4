//! Roll-outs of trained policies, and `aaren evaluate`.

use std::path::{Path, PathBuf};

use aaren_agents::decision::{Actor, Model, PolicyFile, Rollout};
use aaren_envs::{EnvSpec, reference_scores};
use aaren_policies::open_device;
use aaren_streaming::{Policy, Regime};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Device;

use crate::cli::{EvaluateArgs, Usage};
use crate::interrupt;
use crate::statistics::{bootstrap_mean, mean};

/// One episode of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Return that the policy was asked for.
    pub target_return: f64,
    /// Index among the episodes of its target.
    pub episode: u64,
    /// Sum of the rewards.
    pub total_return: f64,
    /// Timesteps.
    pub length: usize,
    /// The task ended it.
    pub terminated: bool,
    /// The simulation blew up and ended it.
    pub unstable: bool,
}

/// What all episodes of an evaluation share.
pub struct Evaluation<'e> {
    /// The environment.
    pub env: &'e EnvSpec,
    /// Memory of the policy.
    pub rollout: Rollout,
    /// Target returns, each with the same episodes.
    pub targets: &'e [f64],
    /// Episodes for each target.
    pub episodes: u64,
    /// Decides the episodes.
    pub seed: u64,
}

impl Evaluation<'_> {
    fn episode_seed(&self, episode: u64) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(episode)
    }

    /// Rolls a policy out in the streaming runtime, episodes in parallel; a signal cuts them short.
    pub fn stream(&self, policy: &Policy, bar: &ProgressBar) -> Result<Vec<Episode>> {
        let all: Vec<(f64, u64)> =
            self.targets.iter().flat_map(|&target| (0..self.episodes).map(move |e| (target, e))).collect();
        all.into_par_iter()
            .map(|(target, index)| {
                let mut environment = self.env.make()?;
                let mut stream = policy.stream_with(regime(self.rollout))?;
                let mut observation = vec![0.0; environment.observation_size()];
                let mut episode = Episode::new(target, index);
                environment.reset(self.episode_seed(index), &mut observation);
                stream.reset(target);
                let mut reward = 0.0;
                loop {
                    let step = environment.step(stream.act(&observation, reward)?, &mut observation);
                    reward = step.reward;
                    if episode.take(&step) || interrupt::signal().is_some() {
                        bar.inc(1);
                        return Ok(episode);
                    }
                }
            })
            .collect()
    }

    /// Rolls a model out on libtorch, all episodes of a target as one batch; a signal cuts them short.
    pub fn batch(&self, model: &Model, bar: &ProgressBar) -> Result<Vec<Episode>> {
        let mut done = Vec::new();
        for &target in self.targets {
            let size = model.config().observation_size;
            let mut environments = Vec::new();
            let mut observations = vec![0.0; size * self.episodes as usize];
            for (index, observation) in (0..self.episodes).zip(observations.chunks_mut(size)) {
                let mut environment = self.env.make()?;
                environment.reset(self.episode_seed(index), observation);
                environments.push((environment, Episode::new(target, index)));
            }
            let mut actor = Actor::new(model, self.rollout, &vec![target; environments.len()]);
            let mut rewards = vec![0.0; environments.len()];
            while !environments.is_empty() {
                let inputs: Vec<f32> = observations.iter().map(|&x| x as f32).collect();
                let actions = actor.act(&inputs, &rewards);
                let over: Vec<bool> = (environments.par_iter_mut(), actions.par_iter())
                    .into_par_iter()
                    .zip(observations.par_chunks_mut(size).zip(rewards.par_iter_mut()))
                    .map(|(((environment, episode), action), (observation, reward))| {
                        let step = environment.step(action, observation);
                        *reward = step.reward;
                        episode.take(&step) || interrupt::signal().is_some()
                    })
                    .collect();
                let kept: Vec<usize> = (0..over.len()).filter(|&row| !over[row]).collect();
                if kept.len() < over.len() {
                    bar.inc((over.len() - kept.len()) as u64);
                    observations =
                        kept.iter().flat_map(|&row| observations[row * size..][..size].to_vec()).collect();
                    rewards = kept.iter().map(|&row| rewards[row]).collect();
                    let mut row = 0;
                    environments.retain(|(_, episode)| {
                        row += 1;
                        if over[row - 1] {
                            done.push(episode.clone());
                        }
                        !over[row - 1]
                    });
                    if !kept.is_empty() {
                        actor.keep(&kept);
                    }
                }
            }
        }
        done.sort_by(|a, b| {
            (b.target_return, a.episode).partial_cmp(&(a.target_return, b.episode)).expect("finite")
        });
        Ok(done)
    }
}

impl Episode {
    fn new(target_return: f64, episode: u64) -> Self {
        Self { target_return, episode, total_return: 0.0, length: 0, terminated: false, unstable: false }
    }

    /// Takes in a step; whether the episode is over.
    fn take(&mut self, step: &aaren_envs::Step) -> bool {
        // Where the simulation blew up, the reward is of no state of the task.
        if !step.unstable {
            self.total_return += step.reward;
        }
        self.length += 1;
        self.terminated = step.terminated;
        self.unstable = step.unstable;
        step.done()
    }
}

pub fn regime(rollout: Rollout) -> Regime {
    match rollout {
        Rollout::Unbounded => Regime::Unbounded,
        Rollout::Window(timesteps) => Regime::Window(timesteps),
        Rollout::Reset(timesteps) => Regime::Reset(timesteps),
    }
}

/// `unbounded`, `window:K` or `reset:K`.
pub fn parse_rollout(text: &str) -> Result<Rollout, String> {
    let expected = || format!("found {text:?}, expected unbounded, window:K or reset:K with K ≥ 1 timesteps");
    if text == "unbounded" {
        return Ok(Rollout::Unbounded);
    }
    let (kind, timesteps) = text.split_once(':').ok_or_else(expected)?;
    let timesteps = timesteps.parse().ok().filter(|&k: &usize| k > 0).ok_or_else(expected)?;
    match kind {
        "window" => Ok(Rollout::Window(timesteps)),
        "reset" => Ok(Rollout::Reset(timesteps)),
        _ => Err(expected()),
    }
}

pub fn command(args: &EvaluateArgs) -> Result<()> {
    let path = policy_path(&args.policy)?;
    let device = open_device(&args.device)?;
    let file = PolicyFile::load(&path)?;
    let header = &file.header;
    let env = args.env.as_ref().map_or_else(|| header.env.clone(), EnvSpec::new);
    let environment = env.make()?;
    if environment.observation_size() != header.observation_size
        || environment.action_space().size() != header.action.size()
    {
        let (found, expected) = (environment.observation_size(), header.observation_size);
        return Err(Usage(format!(
            "--env {}: its observations have {found} entries and its actions {}, the policy's {expected} and {}; choose an environment of the same shape",
            env.id, environment.action_space().size(), header.action.size()
        ))
        .into());
    }
    let targets = if args.target_return.is_empty() { &header.target_returns } else { &args.target_return };
    let rollout = args.rollout.unwrap_or(header.context.rollout);
    let evaluation = Evaluation { env: &env, rollout, targets, episodes: args.episodes, seed: args.seed };
    let style = "{wide_bar} {pos}/{len} episodes, {per_sec}, {eta} left";
    let bar = ProgressBar::new(targets.len() as u64 * args.episodes)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"));
    let episodes = if device == Device::Cpu {
        evaluation.stream(&Policy::from_file(&path)?, &bar)?
    } else {
        evaluation.batch(&file.model(&path, device)?, &bar)?
    };
    bar.finish_and_clear();
    let scores = reference_scores(&env.id);
    let mut rows = Vec::new();
    for &target in targets {
        let of_target: Vec<&Episode> = episodes.iter().filter(|e| e.target_return == target).collect();
        let returns: Vec<f64> = of_target.iter().map(|e| e.total_return).collect();
        let lengths: Vec<f64> = of_target.iter().map(|e| e.length as f64).collect();
        let normalised = scores.map(|s| returns.iter().map(|&r| s.normalised(r)).collect::<Vec<_>>());
        let estimate = |values: Vec<f64>| bootstrap_mean(&[values], args.seed);
        rows.push((target, estimate(returns), normalised.map(estimate), mean(&lengths)));
    }
    if args.json {
        let targets: Vec<_> = rows
            .iter()
            .map(|(target, raw, normalised, length)| {
                json!({"target_return": target, "raw_return": raw, "normalised_score": normalised, "episode_length": length})
            })
            .collect();
        let protocol =
            json!({"env": env, "rollout": rollout.to_string(), "episodes": args.episodes, "seed": args.seed});
        println!(
            "{}",
            json!({"policy": header.policy, "protocol": protocol, "targets": targets, "episodes": episodes})
        );
        return Ok(());
    }
    println!(
        "{} (seed {}, {} updates) in {}, {rollout}, {} episodes, seed {}",
        header.policy, header.seed, header.updates, env.id, args.episodes, args.seed
    );
    println!(
        "{:>13} {:>20} {:>20} {:>10}",
        "target return", "return ± 95 %", "normalised ± 95 %", "timesteps"
    );
    for (target, raw, normalised, length) in rows {
        let normalised = normalised.map_or("no reference".into(), |n| n.to_string());
        println!("{target:>13} {:>20} {normalised:>20} {:>10.1}", raw.to_string(), length);
    }
    Ok(())
}

fn policy_path(path: &Path) -> Result<PathBuf> {
    let path = if path.is_dir() { path.join("policy.safetensors") } else { path.to_owned() };
    if path.is_file() {
        return Ok(path);
    }
    Err(Usage(format!(
        "{}: no such policy; give a policy.safetensors or the folder of a finished run",
        path.display()
    ))
    .into())
}

//! Roll-outs of trained policies, and `aaren evaluate`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use aaren_agents::decision::{Actor, Model, PolicyFile};
use aaren_envs::{EnvSpec, Step, VectorEnv, make, reference_scores};
use aaren_policies::open_device;
use aaren_streaming::{Policy, Regime, Streams};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::current_num_threads;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Device;

use crate::cli::{EvaluateArgs, Usage};
use crate::interrupt;
use crate::statistics::{bootstrap_mean, mean};

/// Episodes that a thread plays at once, at most: beyond a few their steps no longer get cheaper, and the
/// cores are not evenly busy to the end.
const BATCH: u64 = 10;

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
    pub rollout: Regime,
    /// Target returns, each with the same episodes.
    pub targets: &'e [f64],
    /// Episodes for each target.
    pub episodes: u64,
    /// Decides the episodes.
    pub seed: u64,
}

impl Evaluation<'_> {
    pub fn episode_seed(&self, episode: u64) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(episode)
    }

    /// Rolls a policy out in the streaming runtime, on all cores; a signal cuts the episodes short.
    ///
    /// Each thread plays one batch of episodes after the other; their returns do not depend on how many
    /// threads there are.
    pub fn stream(&self, policy: &Policy, bar: &ProgressBar) -> Result<Vec<Episode>> {
        let threads = current_num_threads() as u64;
        let batches = threads * self.episodes.div_ceil(threads * BATCH);
        let batch = self.episodes.div_ceil(batches);
        let starts = (0..self.episodes).step_by(batch as usize);
        let groups: Vec<_> = (self.targets.iter())
            .flat_map(|&target| starts.clone().map(move |start| (target, start)))
            .collect();
        let played = groups.into_par_iter().with_max_len(1).map(|(target, start)| {
            let episodes = start..self.episodes.min(start + batch);
            let count = (episodes.end - start) as usize;
            let mut streams = policy.streams_with(self.rollout, count)?;
            (0..count).for_each(|index| streams.reset(index, target));
            self.play(target, episodes, &mut streams, bar)
        });
        Ok(played.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Rolls a model out on libtorch, all episodes of a target as one batch; a signal cuts them short.
    pub fn batch(&self, model: &Model, bar: &ProgressBar) -> Result<Vec<Episode>> {
        let played = self.targets.iter().map(|&target| {
            let mut actor = Actor::new(model, self.rollout, &vec![target; self.episodes as usize]);
            self.play(target, 0..self.episodes, &mut actor, bar)
        });
        Ok(played.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Plays some episodes of a target, each in an environment of its own; those that end leave the batch.
    fn play(
        &self,
        target: f64,
        episodes: Range<u64>,
        actors: &mut impl Actors,
        bar: &ProgressBar,
    ) -> Result<Vec<Episode>> {
        let mut playing: Vec<Episode> = episodes.clone().map(|index| Episode::new(target, index)).collect();
        let mut environments = VectorEnv::new(self.env, playing.len())?;
        let (size, entries) = (environments.observation_size(), environments.action_space().entries());
        let mut observations = vec![0.0; playing.len() * size];
        let mut actions = vec![0.0; playing.len() * entries];
        let mut rewards = vec![0.0; playing.len()];
        let mut steps = vec![Step::default(); playing.len()];
        environments.reset(self.episode_seed(episodes.start), &mut observations);
        let mut over = Vec::new();
        loop {
            actors.act(&observations, &rewards, &mut actions)?;
            environments.step(&actions, &mut observations, &mut steps);
            let stop = interrupt::signal().is_some();
            let mut kept = Vec::new();
            for (row, (episode, step)) in playing.iter_mut().zip(&steps).enumerate() {
                rewards[row] = step.reward;
                if episode.take(step) || stop {
                    over.push(episode.clone());
                    bar.inc(1);
                } else {
                    kept.push(row);
                }
            }
            if kept.is_empty() {
                break;
            }
            if kept.len() < playing.len() {
                for (to, &from) in kept.iter().enumerate() {
                    playing.swap(to, from);
                    rewards.swap(to, from);
                    observations.copy_within(from * size..(from + 1) * size, to * size);
                }
                playing.truncate(kept.len());
                rewards.truncate(kept.len());
                steps.truncate(kept.len());
                observations.truncate(kept.len() * size);
                actions.truncate(kept.len() * entries);
                environments.keep(&kept);
                actors.keep(&kept);
            }
        }
        over.sort_by_key(|episode| episode.episode);
        Ok(over)
    }
}

/// What acts in several episodes at once.
trait Actors {
    /// Actions `[rows, entries]` for observations `[rows, observation size]` and the last step's rewards `[rows]`.
    fn act(&mut self, observations: &[f64], rewards: &[f64], actions: &mut [f32]) -> Result<()>;
    /// Goes on with some of the rows only.
    fn keep(&mut self, rows: &[usize]);
}

impl Actors for Streams {
    fn act(&mut self, observations: &[f64], rewards: &[f64], actions: &mut [f32]) -> Result<()> {
        actions.copy_from_slice(Streams::act(self, observations, rewards)?);
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) {
        Streams::keep(self, rows);
    }
}

impl Actors for Actor<'_> {
    fn act(&mut self, observations: &[f64], rewards: &[f64], actions: &mut [f32]) -> Result<()> {
        let observations: Vec<f32> = observations.iter().map(|&x| x as f32).collect();
        actions.copy_from_slice(&Actor::act(self, &observations, rewards).concat());
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) {
        Actor::keep(self, rows);
    }
}

impl Episode {
    pub fn new(target_return: f64, episode: u64) -> Self {
        Self { target_return, episode, total_return: 0.0, length: 0, terminated: false, unstable: false }
    }

    /// Takes in a step; whether the episode is over.
    pub fn take(&mut self, step: &Step) -> bool {
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

pub fn command(args: &EvaluateArgs) -> Result<()> {
    let path = policy_path(&args.policy)?;
    let device = open_device(&args.device)?;
    let file = PolicyFile::load(&path)?;
    let header = &file.header;
    let env = args.env.as_ref().map_or_else(|| header.env.clone(), EnvSpec::new);
    let environment = make(&env)?;
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
    let rollout = args.rollout.unwrap_or(header.regime());
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

#[cfg(test)]
mod tests {
    use aaren_format::{EncoderKind, Recency};

    use super::*;
    use crate::stand_in::{hopper, policy, unbounded};

    /// Batches of other sizes on other threads, and episodes that end at different timesteps.
    #[test]
    fn returns_do_not_depend_on_the_number_of_threads() {
        let env = EnvSpec::new("Hopper-v4");
        for (encoder, rollout) in
            [(EncoderKind::Aaren, Regime::Unbounded), (EncoderKind::Transformer, Regime::Window(3))]
        {
            let file = policy("untrained", &hopper(encoder, 2, Recency::None), &env, unbounded()).unwrap();
            let policy = Policy::from_bytes(&file.to_bytes()).unwrap();
            let targets = &[1800.0, 3600.0];
            let evaluation = Evaluation { env: &env, rollout, targets, episodes: 11, seed: 5 };
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| evaluation.stream(&policy, &ProgressBar::hidden())).unwrap()
            };
            let one = on(1);
            let order: Vec<_> = one.iter().map(|episode| (episode.target_return, episode.episode)).collect();
            let expected = targets.iter().flat_map(|&target| (0..11).map(move |episode| (target, episode)));
            assert!(order.into_iter().eq(expected));
            assert!(one.iter().any(|episode| episode.length != one[0].length));
            assert_eq!(one, on(2));
            assert_eq!(one, on(5));
        }
    }
}

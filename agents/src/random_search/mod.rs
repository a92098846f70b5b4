//! Augmented random search: the behaviour agent of the datasets made from nothing.
//!
//! V2-t of Mania, Guy & Recht 2018 (arXiv 1803.07055, algorithm 2): a linear policy on whitened
//! observations, moved along the directions that did best. [`recipe`](crate::recipe) replays its snapshots.

mod policy;
mod tasks;

pub use policy::{LinearPolicy, Whitening};
pub use tasks::{TASKS, Task, thin};
pub(crate) use tasks::{expert, medium};

use aaren_envs::{EnvSpec, Environment, make};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Settings of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchConfig {
    /// Directions tried in an iteration (N).
    pub directions: usize,
    /// Directions that the update uses (b).
    pub best: usize,
    /// Step size (α).
    pub step_size: f64,
    /// Standard deviation of the exploration (ν).
    pub noise: f64,
    /// Subtracted from every reward while searching, so that standing still does not pay.
    pub survival_bonus: f64,
    /// Iterations.
    pub iterations: u64,
    /// Timesteps of an episode of the search, at most; a snapshot is tested over whole ones.
    pub horizon: usize,
    /// A snapshot is taken every so many iterations.
    pub snapshot_every: u64,
    /// Decides everything.
    pub seed: u64,
}

/// A policy on the way, and how good it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Iterations before it.
    pub iteration: u64,
    /// Environment steps before it.
    pub steps: u64,
    /// Mean return of its test episodes, without exploration.
    pub return_mean: f64,
    /// Standard deviation of these returns.
    pub return_std: f64,
    /// The policy.
    pub policy: LinearPolicy,
}

/// Episodes that test a snapshot.
const TEST_EPISODES: u64 = 16;

/// Searches, and hands every snapshot to `report`. The result depends on the seed alone, not on the
/// number of threads.
///
/// # Errors
/// Where the environment cannot be made.
pub fn search(env: &EnvSpec, config: &SearchConfig, mut report: impl FnMut(&Snapshot)) -> Result<(), Error> {
    let environment = make(env)?;
    let mut policy = LinearPolicy::zero(environment.observation_size(), environment.action_space());
    let mut steps = 0;
    for iteration in 0..=config.iterations {
        if iteration % config.snapshot_every == 0 {
            let returns = test(env, &policy, config.seed ^ iteration.rotate_left(32))?;
            let mean = returns.iter().sum::<f64>() / returns.len() as f64;
            let variance = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / returns.len() as f64;
            let (return_mean, return_std) = (mean, variance.sqrt());
            report(&Snapshot { iteration, steps, return_mean, return_std, policy: policy.clone() });
        }
        let directions: Vec<Vec<f64>> = (0..config.directions)
            .map(|direction| {
                normal(
                    config.seed,
                    iteration * config.directions as u64 + direction as u64,
                    policy.weights.len(),
                )
            })
            .collect();
        let rollouts: Vec<Rollout> = (0..2 * config.directions)
            .into_par_iter()
            .map(|index| {
                let sign = if index % 2 == 0 { config.noise } else { -config.noise };
                let tried = policy.moved(&directions[index / 2], sign);
                // Both signs of a direction meet the same episode.
                let seed = config.seed ^ (iteration << 20) ^ (index as u64 / 2);
                Rollout::run(&mut make(env)?, &tried, seed, config.survival_bonus, config.horizon)
            })
            .collect::<Result<_, Error>>()?;
        update(&mut policy, &directions, &rollouts, config);
        for rollout in &rollouts {
            steps += rollout.steps;
            policy.whitening.merge(&rollout.observations);
        }
    }
    Ok(())
}

fn test(env: &EnvSpec, policy: &LinearPolicy, seed: u64) -> Result<Vec<f64>, Error> {
    let episode = |index| {
        Ok(Rollout::run(&mut make(env)?, policy, seed.wrapping_add(index), 0.0, usize::MAX)?.total_return)
    };
    (0..TEST_EPISODES).into_par_iter().map(episode).collect()
}

/// The step of algorithm 2: along the best directions, weighted by their difference of returns, in
/// units of the standard deviation of these returns.
fn update(policy: &mut LinearPolicy, directions: &[Vec<f64>], rollouts: &[Rollout], config: &SearchConfig) {
    let mut order: Vec<usize> = (0..directions.len()).collect();
    let returns =
        |direction: usize| (rollouts[2 * direction].total_return, rollouts[2 * direction + 1].total_return);
    let better = |direction: usize| returns(direction).0.max(returns(direction).1);
    order.sort_by(|&a, &b| better(b).total_cmp(&better(a)));
    order.truncate(config.best);
    let used: Vec<f64> = order.iter().flat_map(|&d| [returns(d).0, returns(d).1]).collect();
    let mean = used.iter().sum::<f64>() / used.len() as f64;
    let variance = used.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / used.len() as f64;
    let scale = config.step_size / (config.best as f64 * variance.sqrt().max(1e-6));
    for direction in order {
        let (plus, minus) = returns(direction);
        *policy = policy.moved(&directions[direction], scale * (plus - minus));
    }
}

fn normal(seed: u64, stream: u64, count: usize) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    (0..count).map(|_| standard_normal(&mut random)).collect()
}

/// One draw from the standard normal distribution (Box–Muller).
pub(crate) fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * random.random::<f64>()).cos()
}

struct Rollout {
    total_return: f64,
    steps: u64,
    observations: Whitening,
}

impl Rollout {
    fn run(
        environment: &mut Environment,
        policy: &LinearPolicy,
        seed: u64,
        bonus: f64,
        horizon: usize,
    ) -> Result<Self, Error> {
        let size = environment.observation_size();
        let mut observation = vec![0.0; size];
        let mut action = vec![0.0; environment.action_space().entries()];
        let mut rollout = Self { total_return: 0.0, steps: 0, observations: Whitening::new(size) };
        environment.reset(seed, &mut observation);
        loop {
            rollout.observations.add(&observation);
            policy.act(&observation, &mut action);
            let step = environment.step(&action, &mut observation);
            rollout.total_return += step.reward - bonus;
            rollout.steps += 1;
            if step.done() || rollout.steps == horizon as u64 {
                return Ok(rollout);
            }
        }
    }
}

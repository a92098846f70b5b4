//! Steps per second of the environments.

use std::time::{Duration, Instant};

use aaren_envs::{ActionSpace, EnvSpec, make};
use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Row;
use super::python::Python;
use aaren_statistics::percentile;

const SECONDS: f64 = 1.0;
const ROUNDS: usize = 5;

/// Steps per second of each environment on one core, taking turns with Python Gymnasium.
pub fn measure(python: &Python) -> Result<Vec<Row>> {
    let mut reference = python.env_steps()?;
    let mut rows = Vec::new();
    for id in aaren_envs::ids() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate(id)?);
            if let Some(reference) = &mut reference {
                theirs.push(reference.rate(id, SECONDS)?);
            }
        }
        // The T-mazes are ours alone.
        let theirs = Some(percentile(&theirs, 50.0)).filter(|rate| rate.is_finite());
        let row = Row {
            what: "env",
            policy: (*id).to_owned(),
            value: percentile(&ours, 50.0),
            unit: "steps/s",
            ..Row::default()
        };
        rows.push(row.rate_against("Python Gymnasium", theirs));
    }
    Ok(rows)
}

fn rate(id: &str) -> Result<f64> {
    let mut environment = make(&EnvSpec::new(id))?;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let actions: Vec<Vec<f32>> = (0..1000)
        .map(|_| match environment.action_space() {
            space @ (ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. }) => {
                space.choices().iter().map(|&choices| random.random_range(0..choices) as f32).collect()
            }
            ActionSpace::Continuous { low, high } => {
                low.iter().zip(high).map(|(&low, &high)| random.random_range(low..=high)).collect()
            }
        })
        .collect();
    let mut observation = vec![0.0; environment.observation_size()];
    let (mut steps, mut episode) = (0, 0);
    environment.reset(episode, &mut observation);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs_f64(SECONDS) {
        for action in &actions {
            if environment.step(action, &mut observation).done() {
                episode += 1;
                environment.reset(episode, &mut observation);
            }
        }
        steps += actions.len();
    }
    Ok(steps as f64 / start.elapsed().as_secs_f64())
}

//! Steps per second of the environments.

use std::time::{Duration, Instant};

use aaren_envs::{ActionSpace, EnvSpec, PythonEnv, Step, VectorEnv, make};
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
                theirs.push(reference.rate(&format!("{id} {SECONDS}"))?);
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

/// Environments of Python that are stepped at once.
const COUNT: usize = 8;

/// Steps per second of 8 environments of Python at once on all cores, stepped by our processes, taking turns with
/// Gymnasium's `AsyncVectorEnv` in the same interpreter: a cheap environment and a dear one.
pub fn python(python: &Python) -> Result<Vec<Row>> {
    let Some(mut reference) = python.vector_steps()? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for id in ["CartPole-v1", "Ant-v5"] {
        let interpreter = python.path().to_str().map(str::to_owned);
        let spec =
            EnvSpec { python: Some(PythonEnv { interpreter, ..PythonEnv::default() }), ..EnvSpec::new(id) };
        let mut vector = VectorEnv::new(&spec, COUNT)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(vector_rate(&mut vector)?);
            theirs.push(reference.rate(&format!("{id} {COUNT} {SECONDS}"))?);
        }
        let row = Row {
            what: "env",
            policy: format!("{id}, {COUNT} of Python"),
            value: percentile(&ours, 50.0),
            unit: "steps/s",
            ..Row::default()
        };
        rows.push(row.rate_against("AsyncVectorEnv", Some(percentile(&theirs, 50.0))));
    }
    Ok(rows)
}

fn vector_rate(vector: &mut VectorEnv) -> Result<f64> {
    let actions: Vec<Vec<f32>> =
        random_actions(vector.action_space(), 100 * COUNT).chunks(COUNT).map(<[_]>::concat).collect();
    let mut observations = vec![0.0; COUNT * vector.observation_size()];
    let mut taken = [Step::default(); COUNT];
    vector.reset(0, &mut observations)?;
    let (mut steps, start) = (0, Instant::now());
    while start.elapsed() < Duration::from_secs_f64(SECONDS) {
        for action in &actions {
            vector.step(action, &mut observations, &mut taken)?;
        }
        steps += actions.len() * COUNT;
    }
    Ok(steps as f64 / start.elapsed().as_secs_f64())
}

fn random_actions(space: &ActionSpace, count: usize) -> Vec<Vec<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    (0..count)
        .map(|_| match space {
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
                space.choices().iter().map(|&choices| random.random_range(0..choices) as f32).collect()
            }
            ActionSpace::Continuous { low, high } => {
                low.iter().zip(high).map(|(&low, &high)| random.random_range(low..=high)).collect()
            }
        })
        .collect()
}

fn rate(id: &str) -> Result<f64> {
    let mut environment = make(&EnvSpec::new(id))?;
    let actions = random_actions(environment.action_space(), 1000);
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

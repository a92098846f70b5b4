//! Time of an evaluation.

use std::time::Instant;

use aaren_envs::{EnvSpec, make};
use aaren_format::Regime;
use aaren_streaming::Policy;
use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::Row;
use aaren_runs::evaluation::Evaluation;
use aaren_spec::EpisodeResult;
use aaren_statistics::percentile;

const EPISODES: u64 = 20;
const ROUNDS: usize = 7;

/// A trained policy of Hopper (width 128, 3 layers, 1 head): an untrained one falls at once, and a Hopper that lies
/// costs MuJoCo half as much again as one that hops.
const POLICY: &[u8] = include_bytes!("../../../results/reference/bench/aaren.safetensors");

/// Time of an evaluation of 20 episodes of Hopper on all cores, in turns with that of its environments alone:
/// the same episodes, played again from their recorded actions.
pub fn measure() -> Result<Row> {
    let (env, policy) = (EnvSpec::new("Hopper-v4"), Policy::from_bytes(POLICY)?);
    let regime = Regime::Unbounded;
    let evaluation =
        Evaluation { env: &env, regime, targets: &[3600.0], episodes: EPISODES, seed: 0, guidance: None };
    let recorded = (0..EPISODES).into_par_iter().map(|index| record(&evaluation, &policy, index));
    let recorded: Vec<(EpisodeResult, Vec<f32>)> = recorded.collect::<Result<_>>()?;
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let episodes = evaluation.stream(&policy, &ProgressBar::hidden())?;
        whole.push(start.elapsed().as_secs_f64());
        ensure!(episodes.iter().eq(recorded.iter().map(|(episode, _)| episode)), "other episodes");
        let start = Instant::now();
        recorded.par_iter().try_for_each(|(episode, actions)| replay(&evaluation, episode, actions))?;
        alone.push(start.elapsed().as_secs_f64());
    }
    let row = Row {
        what: "evaluate",
        policy: policy.name().to_owned(),
        backend: Some("streaming"),
        precision: Some("float32"),
        context: Some(regime.to_string()),
        value: percentile(&whole, 50.0),
        unit: "s",
        ..Row::default()
    };
    Ok(row.time_against("environments alone", Some(percentile(&alone, 50.0))))
}

/// An episode, played by a single stream, and its actions.
fn record(evaluation: &Evaluation, policy: &Policy, index: u64) -> Result<(EpisodeResult, Vec<f32>)> {
    let mut playing = evaluation.episode(policy, evaluation.targets[0], index)?;
    let mut actions = Vec::new();
    while !playing.over() {
        actions.extend(playing.step()?);
    }
    Ok((playing.result().clone(), actions))
}

/// The same without the policy.
fn replay(evaluation: &Evaluation, recorded: &EpisodeResult, actions: &[f32]) -> Result<()> {
    let mut environment = make(evaluation.env)?;
    let mut observation = vec![0.0; environment.observation_size()];
    let mut episode = EpisodeResult::new(recorded.target_return, recorded.episode);
    environment.reset(evaluation.episode_seed(recorded.episode), &mut observation);
    for action in actions.chunks_exact(environment.action_space().entries()) {
        episode.see(&observation);
        episode.take(&environment.step(action, &mut observation));
    }
    ensure!(episode == *recorded, "another episode from the same actions");
    Ok(())
}

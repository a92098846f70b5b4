//! How long the runs of an experiment will take.

use aaren_agents::{Task, Trainer};
use aaren_envs::make;
use aaren_policies::open_device;
use anyhow::{Context, Result};
use serde_json::json;

use super::{Experiment, Part, last_update, metrics, run, threads};
use crate::experiment::PolicySpec;
use crate::{ExperimentFolder, stand_in};

/// Records of `metrics.jsonl` that say how fast a run is.
const RECORDS: usize = 50;

/// Updates per second of a kind of run: what it is, and how fast.
pub type Rates = Vec<(String, f64)>;

/// How far a run is, and how long the rest takes.
pub struct Estimate {
    /// The run.
    pub run: Part,
    /// Updates done.
    pub done: u64,
    /// Updates in all.
    pub updates: u64,
    /// Updates per second, where any are left to do.
    pub rate: Option<f64>,
    /// Whether that is how fast it, or its policy with another seed, was; else it was measured now.
    pub from_metrics: bool,
    /// Whether it is still to be done, with the weights of another run.
    pub shared: bool,
}

impl Estimate {
    /// Seconds that its updates will take.
    pub fn seconds(&self) -> f64 {
        self.rate.map_or(0.0, |rate| (self.updates - self.done) as f64 / rate)
    }
}

/// How far a run is and how fast it trains: from its metrics, else measured on made-up data with these threads of
/// libtorch (the fastest number where none are given). `rates` remembers what was measured.
pub fn estimate(
    experiment: &Experiment,
    run: Part,
    folder: &ExperimentFolder,
    threads: Option<usize>,
    rates: &mut Rates,
) -> Result<Estimate> {
    let spec = &experiment.spec;
    let (policy, seed) = run.find(spec).context("a run of the experiment")?;
    let own = folder.run(&policy.name, seed);
    let updates = spec.train.updates;
    let mut estimate =
        Estimate { run, done: updates, updates, rate: None, from_metrics: false, shared: false };
    if own.policy().is_file() {
        return Ok(estimate);
    }
    // What learns as an earlier policy takes its weights.
    let learns = |policy| spec.fingerprint(policy, seed);
    let mut before = spec.policies.iter().take_while(|before| before.name != policy.name);
    if before.any(|before| learns(before) == learns(policy)) {
        return Ok(Estimate { done: 0, shared: true, ..estimate });
    }
    estimate.done = if own.checkpoint().is_file() { last_update(&own).unwrap_or(0).min(updates) } else { 0 };
    let seeds = std::iter::once(seed).chain(spec.seeds.iter().copied());
    let before = seeds.map(|seed| folder.run(&policy.name, seed)).find_map(|folder| {
        let values = metrics::values(&folder, "train/updates_per_second").ok()?;
        let last: Vec<f64> = values.iter().rev().take(RECORDS).map(|(_, rate)| *rate).collect();
        // So many seconds for each update, in the mean.
        let seconds: f64 = last.iter().map(|rate| 1.0 / rate).sum();
        (!last.is_empty()).then(|| last.len() as f64 / seconds)
    });
    estimate.from_metrics = before.is_some();
    estimate.rate = Some(match before {
        Some(rate) => rate,
        None => measured(experiment, policy, threads, rates)?,
    });
    Ok(estimate)
}

/// Updates per second on made-up data of the environment's sizes.
fn measured(
    experiment: &Experiment,
    policy: &PolicySpec,
    threads: Option<usize>,
    rates: &mut Rates,
) -> Result<f64> {
    let spec = &experiment.spec;
    let environment = make(&spec.env).with_context(|| experiment.document.place("env").to_string())?;
    let task = Task::new(&environment, spec.evaluate.return_scale);
    let threads = spec.train.threads.or(threads);
    let kind = json!([
        policy.agent,
        policy.precision,
        policy.batch,
        spec.train.device,
        task.observation_size,
        task.action.entries(),
        threads
    ]);
    let kind = kind.to_string();
    if let Some((_, rate)) = rates.iter().find(|(known, _)| *known == kind) {
        return Ok(*rate);
    }
    let dataset = stand_in::dataset(&task, 8);
    let device = open_device(&spec.train.device.to_string())?;
    let config = run::train_config(spec, policy, 0);
    let trainer = Trainer::new(&*policy.agent, &task, config, &dataset, device)?;
    let counts = threads.map_or_else(threads::candidates, |threads| vec![threads]);
    let found = threads::measure(trainer, &counts);
    let fastest = threads::fastest(&found);
    let rate = found.iter().find(|(count, _)| *count == fastest).map_or(f64::NAN, |(_, rate)| *rate);
    rates.push((kind, rate));
    Ok(rate)
}

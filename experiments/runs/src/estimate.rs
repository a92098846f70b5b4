//! How long the runs of an experiment will take.

use std::collections::HashMap;
use std::path::Path;

use aaren_agents::{Task, Trainer};
use aaren_encoders::open_device;
use aaren_envs::describe;
use aaren_spec::{ExperimentFolder, PolicySpec, RunState};
use serde_json::json;

use crate::ready::Ready;
use crate::trainer::train_config;
use crate::{Error, Experiment, Part, Result, metrics, stand_in, threads};

/// Records of `metrics.jsonl` that say how fast a run is.
const RECORDS: usize = 50;

/// Updates per second of a kind of run: what it is, and how fast.
pub type Rates = Vec<(String, f64)>;

/// How far a run is, and how long the rest takes.
#[derive(Clone, Debug)]
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
    /// Whether it is trained, and is played anew in another way.
    pub played_anew: bool,
}

impl Estimate {
    /// Seconds that its updates will take.
    pub fn seconds(&self) -> f64 {
        self.rate.map_or(0.0, |rate| (self.updates - self.done) as f64 / rate)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.rate.is_none() && !self.shared && !self.played_anew
    }
}

/// How far the runs of an experiment are that belong to `only` (no parts mean all), and how fast each trains: from its
/// metrics, else measured on made-up data with these threads of libtorch (the fastest number where none are given).
/// `rates` remembers what was measured.
///
/// # Errors
/// Where a run that is there was made with other settings, and where the data of one that is not there do not fit.
pub fn estimate(
    experiment: &Experiment,
    results: &Path,
    only: &[Part],
    threads: Option<usize>,
    rates: &mut Rates,
) -> Result<Vec<Estimate>> {
    let (spec, folder) = (&experiment.spec, experiment.folder(results));
    let ready = Ready::new(&experiment.document, spec, results, folder.clone());
    let mut estimates = Vec::new();
    let mut known: HashMap<&str, Option<f64>> = HashMap::new();
    for run in ready.runs() {
        let part = experiment.part(&run.policy.name, run.seed);
        if !part.is_among(only) {
            continue;
        }
        let mut estimate = Estimate {
            run: part,
            done: run.policy.updates,
            updates: run.policy.updates,
            rate: None,
            from_metrics: false,
            shared: false,
            played_anew: false,
        };
        estimate.done = match run.state()? {
            RunState::Done => {
                estimate.played_anew = run.result()?.is_none();
                estimates.push(estimate);
                continue;
            }
            RunState::Begun { update } => {
                update.max(metrics::last_update(&run.folder).unwrap_or(0)).min(estimate.updates)
            }
            RunState::Missing | RunState::Failed { .. } => 0,
        };
        if run.source.is_some() {
            // It takes the weights of an earlier policy.
            estimates.push(Estimate { done: 0, shared: true, ..estimate });
            continue;
        }
        let of_policy = known.entry(&run.policy.name);
        let before = *of_policy.or_insert_with(|| rate_of(&folder, run.policy, &spec.seeds));
        estimate.from_metrics = before.is_some();
        estimate.rate = Some(match before {
            Some(rate) => rate,
            None => measured(experiment, run.policy, threads, rates)?,
        });
        estimates.push(estimate);
    }
    Ok(estimates)
}

/// How fast the runs of a policy were, by the metrics of the first seed that has any.
fn rate_of(folder: &ExperimentFolder, policy: &PolicySpec, seeds: &[u64]) -> Option<f64> {
    seeds.iter().map(|&seed| folder.run(&policy.name, seed)).find_map(|folder| {
        let values = metrics::values(&folder, "train/updates_per_second").ok()?;
        let last: Vec<f64> = values.iter().rev().take(RECORDS).map(|(_, rate)| *rate).collect();
        // So many seconds for each update, in the mean.
        let seconds: f64 = last.iter().map(|rate| 1.0 / rate).sum();
        (!last.is_empty()).then(|| last.len() as f64 / seconds)
    })
}

/// Updates per second on made-up data of the environment's sizes.
fn measured(
    experiment: &Experiment,
    policy: &PolicySpec,
    threads: Option<usize>,
    rates: &mut Rates,
) -> Result<f64> {
    let spec = &experiment.spec;
    let scale = spec.evaluate.return_scale.unwrap_or(1000.0);
    let task = match spec.played_in() {
        Some(env) => Task::new(&describe(env).map_err(Error::at(experiment.place("env")))?, scale),
        None => Task::of_data(&crate::dataset::of_experiment(spec, Path::new(""))?, spec.env.clone(), scale),
    };
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
    let device = open_device(spec.train.device)?;
    let config = train_config(spec, policy, 0);
    let trainer = Trainer::new(&policy.agent, &task, config, &dataset, device)?;
    let counts = threads.map_or_else(threads::candidates, |threads| vec![threads]);
    let found = threads::rates(trainer, &counts);
    let fastest = threads::fastest(&found);
    let rate = found.iter().find(|(count, _)| *count == fastest).map_or(f64::NAN, |(_, rate)| *rate);
    rates.push((kind, rate));
    Ok(rate)
}

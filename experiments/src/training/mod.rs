//! Runs an experiment: every policy × seed, then the report.

mod board;
mod metrics;
mod record;
mod run;
mod threads;

use std::path::Path;

use aaren_agents::{AgentConfig, Task, file};
use aaren_envs::dataset::Difficulty;
use aaren_envs::{Dataset, make};
use aaren_format::Regime;
use aaren_policies::open_device;
use anyhow::{Context, Result};

use crate::cost::{self, Cost, Subject};
use crate::experiment::{Document, PolicySpec, Spec};
use crate::results::Summary;
use crate::{ExperimentFolder, dataset, interrupt, lock, output};
use run::Run;
pub use run::{Evaluated, Finished, Progress};

/// An experiment: its spec, and where each key of it was written.
#[derive(Debug)]
pub struct Experiment {
    document: Document,
    spec: Spec,
}

/// What running an experiment left.
#[derive(Debug)]
pub struct Outcome {
    /// Its folder.
    pub folder: ExperimentFolder,
    /// The summary of the runs that finished, if any did.
    pub summary: Option<Summary>,
    /// The runs that did not: their loss was no number any more.
    pub failed: Vec<String>,
}

impl Experiment {
    /// Reads an experiment's file, with overrides such as `train.updates=500`.
    ///
    /// # Errors
    /// The first thing wrong with it, with its place and the cure.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        Self::of(Document::read(path, overrides)?)
    }

    /// An experiment from its text. Relative paths in it are relative to the working directory, and `name` is
    /// required.
    ///
    /// # Errors
    /// As [`Experiment::read`].
    pub fn from_yaml(text: &str) -> Result<Self> {
        Self::of(Document::parse(Path::new(""), text, &[])?)
    }

    fn of(document: Document) -> Result<Self> {
        let spec = document.spec()?;
        Ok(Self { document, spec })
    }

    /// The spec, every default filled in.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Trains every policy × seed, evaluates and reports, in a folder below `results`; what is done already
    /// is not done again.
    ///
    /// # Errors
    /// Where the experiment does not fit its data, or something cannot be read or written; a run that diverges
    /// is no error, but one of [`Outcome::failed`].
    pub fn run(&self, results: &Path) -> Result<Outcome> {
        let spec = &self.spec;
        let at = |key: &str| self.document.place(key).to_string();
        let environment = make(&spec.env).with_context(|| at("env"))?;
        let device = open_device(&spec.train.device.to_string())?;
        let dataset = dataset::of_experiment(spec, results).with_context(|| at("dataset"))?;
        output::note(dataset.summary());
        let difficulty = Difficulty::of(&dataset, Some(&spec.env)).with_context(|| at("env"))?;
        warn_of_repetition(&dataset, &difficulty);
        let task = Task::new(&environment, spec.evaluate.return_scale)
            .with_dataset(&dataset)
            .with_context(|| at("dataset"))?;
        let targets = targets(spec, &dataset);

        let folder = ExperimentFolder::of(results, &spec.name);
        std::fs::create_dir_all(folder.path()).with_context(|| folder.path().display().to_string())?;
        let _claim = lock::claim(folder.path())?;
        interrupt::watch()?;
        file::write(&folder.spec(), spec.to_yaml().as_bytes())?;
        let data = dataset::checksum(&dataset);
        let (mut finished, mut failed) = (Vec::new(), Vec::new());
        for policy in &spec.policies {
            for &seed in &spec.seeds {
                let run = Run {
                    spec,
                    policy,
                    seed,
                    task: &task,
                    targets: &targets,
                    dataset: &dataset,
                    data,
                    device,
                    folder: folder.run(&policy.name, seed),
                };
                // A run that diverges must not take the others with it.
                match run.execute() {
                    Ok(done) => finished.push(done),
                    Err(error) if diverged(&error) => {
                        output::note(format_args!("{run}: {error:#}"));
                        failed.push(run.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let mut summary = None;
        if !finished.is_empty() {
            let costs = measure(&spec.policies, &finished)?;
            let (made, pictures) = Summary::new(spec, &dataset, difficulty, &targets, &finished, &costs)?;
            made.write(&folder, &pictures)?;
            summary = Some(made);
        }
        Ok(Outcome { folder, summary, failed })
    }
}

/// Says where a dataset is nearly one trajectory: then scores on it tell little of a policy.
fn warn_of_repetition(dataset: &Dataset, difficulty: &Difficulty) {
    let Some(left) = difficulty.left_given_timestep.filter(|left| *left < 0.1) else { return };
    output::note(format_args!(
        "{} is nearly one trajectory: the timestep alone tells all but {:.0} % of the actions' variance",
        dataset.name(),
        100.0 * left
    ));
}

/// The returns that evaluations ask for: those of the spec, else the best in the data and its half. What the data
/// never reach is warned of.
fn targets(spec: &Spec, dataset: &Dataset) -> Vec<f64> {
    let best = dataset.summary().return_max;
    // Cut to what can be read, and stays within the data.
    let cut = |target: f64| {
        let parts = if target.abs() < 10.0 { 1e4 } else { 10.0 };
        (target * parts).floor() / parts
    };
    // Half of a negative return would be a better one.
    let from_data = || if best > 0.0 { vec![cut(best), cut(best / 2.0)] } else { vec![cut(best)] };
    let targets = spec.evaluate.target_returns.clone().unwrap_or_else(from_data);
    if let Some(above) = targets.iter().copied().find(|&target| target > best) {
        output::note(format_args!(
            "evaluate.target_returns: {above} is above every return in the data, whose best is {best:.1}: no policy has \
             seen what it asks for"
        ));
    }
    targets
}

/// Time and memory of each policy, as it acts and, where that is in a window, with a cache that slides and with all of
/// the episode.
fn measure(policies: &[PolicySpec], finished: &[Finished]) -> Result<Vec<Cost>> {
    let mut subjects = Vec::new();
    for policy in policies {
        let Some(run) = finished.iter().find(|run| run.policy.name == policy.name) else { continue };
        let regime = run.streaming.regime();
        subjects.push(Subject::streaming(&policy.name, &run.streaming, regime)?);
        if matches!((&policy.agent, regime), (AgentConfig::Decision(_), Regime::Window(_))) {
            let others = [regime.timesteps().map(Regime::Sliding), Some(Regime::Unbounded)];
            for other in others.into_iter().flatten() {
                if run.streaming.header().check_regime(other).is_ok() {
                    subjects.push(Subject::streaming(&policy.name, &run.streaming, other)?);
                }
            }
        }
    }
    cost::measure(&mut subjects, &cost::SHORT, &cost::TIMESTEPS)
}

/// Whether training ran into numbers that are none, or into weights that no policy can act with.
fn diverged(error: &anyhow::Error) -> bool {
    use aaren_streaming::Error as Streaming;
    matches!(error.downcast_ref(), Some(aaren_agents::Error::NonFinite { .. }))
        || matches!(error.downcast_ref(), Some(Streaming::NotFinite { .. } | Streaming::Element { .. }))
}

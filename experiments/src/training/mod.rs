//! Runs an experiment: every policy × seed, then the report.

mod board;
mod metrics;
mod part;
mod parts;
mod ready;
mod record;
mod run;
mod threads;

use std::path::Path;

use aaren_agents::AgentConfig;
use aaren_envs::Dataset;
use aaren_envs::dataset::Difficulty;
use aaren_format::Regime;
use anyhow::Result;

use crate::cost::{self, Cost, Subject};
use crate::experiment::{Document, PolicySpec, Spec};
use crate::results::Summary;
use crate::{ExperimentFolder, interrupt, output};
pub use part::Part;
use parts::{Parts, Reporting};
use ready::Ready;
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
    /// The summary, where no run of the experiment is left to be done and at least one finished.
    pub summary: Option<Summary>,
    /// The runs that were asked for and cannot finish: their loss was no number any more.
    pub failed: Vec<String>,
    /// The runs that other processes are at work on, each with who that is.
    pub elsewhere: Vec<String>,
    /// The runs that are not finished, and were not asked for.
    pub left: Vec<String>,
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
        self.run_only(results, &[])
    }

    /// As [`Experiment::run`], for the runs of some parts only; no parts mean all.
    ///
    /// Any number of processes may be at work in one results folder, on one machine or on several that share a file
    /// system: each run is done by one of them, and who finishes the last one reports.
    ///
    /// # Errors
    /// As [`Experiment::run`], and for a part that the experiment does not have.
    pub fn run_only(&self, results: &Path, only: &[Part]) -> Result<Outcome> {
        only.iter().try_for_each(|part| part.check(&self.spec))?;
        let ready = Ready::new(&self.document, &self.spec, results)?;
        warn_of_repetition(&ready.dataset, &ready.difficulty()?);
        ready.write_spec()?;
        interrupt::watch()?;
        let runs = ready.runs();
        let mut parts = Parts::of(&runs);
        let asked =
            |run: &Run| only.is_empty() || only.iter().any(|part| part.contains(&run.policy.name, run.seed));
        let trained = parts.work(asked)?;
        parts.close(&ready, |open| match open {
            true => Reporting::No,
            // Who runs a finished experiment again wants its report anew.
            false if only.is_empty() && !trained => Reporting::Anew,
            false => Reporting::IfOld,
        })
    }

    /// Writes the report of what is finished, where that is not the one that is there, and trains nothing.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn report(&self, folder: &ExperimentFolder) -> Result<Outcome> {
        let mut ready = Ready::new(&self.document, &self.spec, &folder.results())?;
        // Wherever it was moved to, and under whatever name.
        ready.folder = folder.clone();
        let runs = ready.runs();
        Parts::of(&runs).close(&ready, |_| Reporting::IfOld)
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

//! Runs an experiment: every policy × seed, then the report.

mod board;
mod estimate;
mod metrics;
mod part;
mod parts;
mod plan;
mod ready;
mod record;
mod run;
mod threads;

use std::path::Path;

use aaren_agents::AgentConfig;
use aaren_envs::Dataset;
use aaren_envs::dataset::Difficulty;
use aaren_format::Regime;
use anyhow::{Context, Result};

use crate::cost::{self, Cost, Subject};
use crate::experiment::{Document, PolicySpec, Spec};
use crate::results::{Standing, Summary};
use crate::{ExperimentFolder, RunFolder, folder, interrupt, output};
pub(crate) use estimate::{Estimate, estimate};
pub(crate) use metrics::last_update;
pub use part::Part;
use parts::{Parts, Reporting};
pub(crate) use plan::Plan;
use ready::Ready;
use run::Run;
pub use run::{Evaluated, Finished, Progress};

/// An experiment: its spec, and where each key of it was written.
#[derive(Debug)]
pub struct Experiment {
    document: Document,
    spec: Spec,
    /// The grid that it is a cell of.
    grid: Option<String>,
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

/// What is to be done with the runs of an experiment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    /// Those that are not finished are trained; `threads` are libtorch's for those that begin, where the spec does not
    /// say, and measured where this does not either.
    Train { threads: Option<usize> },
    /// Only those that are finished are reported.
    Gather,
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
        Ok(Self { document, spec, grid: None })
    }

    /// The spec, every default filled in.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its folder below `results`.
    pub fn folder(&self, results: &Path) -> ExperimentFolder {
        let results = self.grid.as_ref().map_or_else(|| results.to_owned(), |grid| results.join(grid));
        ExperimentFolder::of(&results, &self.spec.name)
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
        self.perform(results, only, Doing::Train { threads: None })
    }

    fn perform(&self, results: &Path, only: &[Part], doing: Doing) -> Result<Outcome> {
        part::check_all(only, std::slice::from_ref(self))?;
        let folder = self.folder(results);
        let ready = Ready::new(&self.document, &self.spec, results, folder)?;
        let runs = ready.runs();
        let asked = |run: &Run| {
            only.is_empty() || only.iter().any(|part| part.contains_run(&run.policy.name, run.seed))
        };
        let mut parts = Parts::of(&runs, asked);
        let mut anew = false;
        if let Doing::Train { threads } = doing {
            warn_of_repetition(&ready.dataset, &ready.difficulty()?);
            self.write_spec(&ready.folder)?;
            interrupt::watch()?;
            // Who runs a finished experiment again wants its report anew.
            anew = !parts.work(threads)? && only.is_empty();
        }
        parts.close(&ready, |open| match open {
            true => Reporting::No,
            false if anew => Reporting::Anew,
            false => Reporting::IfOld,
        })
    }

    /// Writes the spec, every default filled in, into the folder of the experiment.
    fn write_spec(&self, folder: &ExperimentFolder) -> Result<()> {
        std::fs::create_dir_all(folder.path()).with_context(|| folder.path().display().to_string())?;
        let _claim = ready::claim(folder)?;
        folder::write_if_new(&folder.spec(), &self.spec.to_yaml())
    }

    /// The folder of one of its runs below `results`.
    pub(crate) fn run_folder(&self, results: &Path, run: &Part) -> Option<RunFolder> {
        let (policy, seed) = run.find(&self.spec)?;
        Some(self.folder(results).run(&policy.name, seed))
    }

    /// Which of its runs are done.
    pub(crate) fn finished(&self, results: &Path) -> Result<Vec<Part>> {
        let folder = self.folder(results);
        if !Standing::of(&self.spec, &folder).any_finished() {
            return Ok(Vec::new());
        }
        let ready = Ready::new(&self.document, &self.spec, results, folder)?;
        let cell = self.grid.as_ref().map(|_| self.spec.name.as_str());
        let mut done = Vec::new();
        for run in ready.runs() {
            if run.finished()?.is_some() {
                done.push(Part::run(cell, &run.policy.name, run.seed));
            }
        }
        Ok(done)
    }

    /// Writes the report of what is finished, where that is not the one that is there, and trains nothing.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn report(&self, folder: &ExperimentFolder) -> Result<Outcome> {
        let ready = Ready::new(&self.document, &self.spec, &folder.results(), folder.clone())?;
        let runs = ready.runs();
        Parts::of(&runs, |_| false).close(&ready, |_| Reporting::IfOld)
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

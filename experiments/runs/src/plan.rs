//! Everything that one YAML describes: an experiment, or a grid of them.

use std::path::{Path, PathBuf};

use aaren_spec::{Document, ExperimentFolder, write_if_new};
use serde_json::json;

use crate::part::check_all;
use crate::{Doing, Error, Experiment, Outcome, Part, Result, lock, output};

/// The experiments of one YAML.
pub struct Plan {
    /// Name of the experiment, or of the grid.
    pub name: String,
    /// All of them; one where nothing varies.
    pub experiments: Vec<Experiment>,
    /// What `grid` varies in each, where it is a grid.
    varied: Option<Vec<Vec<(String, String)>>>,
}

impl Plan {
    /// Reads a YAML with overrides such as `train.updates=500`, and checks every experiment of it.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        Self::of(Document::read(path, overrides)?)
    }

    /// As [`Plan::read`], of a document that was read or parsed before.
    pub fn of(document: Document) -> Result<Self> {
        let Some((name, cells)) = document.cells()? else {
            let experiment = Experiment::of(document)?;
            return Ok(Self {
                name: experiment.spec.name.clone(),
                experiments: vec![experiment],
                varied: None,
            });
        };
        let (documents, varied): (Vec<_>, _) =
            cells.into_iter().map(|cell| (cell.document, cell.varied)).unzip();
        let in_grid = |document| Ok(Experiment { grid: Some(name.clone()), ..Experiment::of(document)? });
        let experiments = documents.into_iter().map(in_grid).collect::<Result<_>>()?;
        Ok(Self { name, experiments, varied: Some(varied) })
    }

    /// Says before more is trained what the report will refuse: a primary endpoint that is not the one that runs began with.
    pub fn say_changed_endpoint(&self, results: &Path) {
        let changed = self.experiments.iter().find_map(|experiment| experiment.changed_endpoint(results));
        changed.iter().for_each(output::note);
    }

    /// Whether it is a grid of experiments.
    pub fn is_grid(&self) -> bool {
        self.varied.is_some()
    }

    /// The folder of the experiment, or of the grid, below `results`.
    pub fn folder(&self, results: &Path) -> PathBuf {
        results.join(&self.name)
    }

    /// Refuses parts that it does not have, and experiments whose environment does not exist.
    pub fn check(&self, only: &[Part]) -> Result<()> {
        let specs: Vec<_> = self.experiments.iter().map(Experiment::spec).collect();
        check_all(only, &specs)?;
        // One of Python is asked when a run needs it: that takes an interpreter.
        let mut here = self.experiments.iter().filter(|experiment| experiment.spec.env.python.is_none());
        here.try_for_each(|experiment| {
            let made = experiment.spec.played_in().map(aaren_envs::make).transpose();
            made.map(drop).map_err(Error::at(experiment.place("env")))
        })
    }

    /// Writes what a report has to know, before anything is done: the specs, and what a grid varies.
    pub fn write(&self, results: &Path) -> Result<()> {
        for experiment in &self.experiments {
            experiment.write_spec(results)?;
        }
        let Some(varied) = &self.varied else { return Ok(()) };
        let folder = ExperimentFolder::at(&self.folder(results));
        let cells: Vec<_> = (self.experiments.iter().zip(varied))
            .map(|(experiment, varied)| json!({"name": experiment.spec.name, "varied": varied}))
            .collect();
        let text = format!("{:#}\n", json!({"name": self.name, "experiments": cells}));
        let _claim = lock::wait_for(&folder.lock(), |_| ())?;
        Ok(write_if_new(&folder.grid(), &text)?)
    }

    /// Does the runs that are asked for, one experiment after the other, `done` gets what came of each.
    pub fn run<E: From<Error>>(
        &self,
        results: &Path,
        only: &[Part],
        how: Doing,
        mut done: impl FnMut(&Experiment, Outcome) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_grid() {
            self.write(results)?;
        }
        for experiment in &self.experiments {
            // No parts mean all; those of other experiments must not end as none.
            let own: Vec<Part> = experiment.parts().filter(|run| run.is_among(only)).collect();
            if own.is_empty() {
                continue;
            }
            // What is gathered is told with its name when it is there.
            if self.is_grid() && matches!(how, Doing::Train { .. }) {
                output::note(format_args!("{}:", experiment.spec.name));
            }
            let only = if only.is_empty() { &[] } else { own.as_slice() };
            done(experiment, experiment.perform(results, only, how)?)?;
        }
        Ok(())
    }
}

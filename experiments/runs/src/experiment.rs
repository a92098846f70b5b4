//! Runs an experiment: every policy × seed.

use std::path::{Path, PathBuf};

use aaren_datasets::recipe;
use aaren_envs::describe;
use aaren_spec::{DatasetSource, Document, ExperimentFolder, RunFolder, Spec, make_folder, write_if_new};

use crate::part::Part;
use crate::parts::{Outcome, Parts};
use crate::ready::{self, Ready};
use crate::run::Run;
use crate::{Error, Result, interrupt};

/// An experiment: its spec, and where each key of it was written.
#[derive(Debug)]
pub struct Experiment {
    pub(crate) document: Document,
    pub(crate) spec: Spec,
    /// The grid that it is a cell of.
    pub(crate) grid: Option<String>,
}

/// A run that is to be done.
#[derive(Debug)]
pub struct Open {
    /// Which one it is.
    pub run: Part,
    /// Its folder.
    pub folder: RunFolder,
    /// The checkpoint of its training, which may be that of another run.
    pub checkpoint: PathBuf,
    /// How many updates it has in all.
    pub updates: u64,
}

/// What is to be done with the runs of an experiment.
#[derive(Clone, Copy, Debug)]
pub enum Doing {
    /// Those that are not done are trained, with libtorch's threads; measured where nobody says how many.
    Train {
        /// How many, where neither the spec nor a checkpoint says.
        threads: Option<usize>,
    },
    /// Only what is done already is gathered.
    Gather,
}

impl Experiment {
    /// An experiment from its text. Relative paths in it are relative to the working directory, and `name` is
    /// required.
    ///
    /// # Errors
    /// The first thing wrong with it, with its place and the cure.
    pub fn from_yaml(text: &str) -> Result<Self> {
        Self::of(Document::parse(Path::new(""), text, &[])?)
    }

    pub(crate) fn of(document: Document) -> Result<Self> {
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

    /// Trains and evaluates every policy × seed, in a folder below `results`; what is done already is not done again,
    /// and what was played in another way than the spec says is played anew.
    ///
    /// Any number of processes may be at work in one results folder, on one machine or on several that share a file
    /// system: each run is done by one of them.
    ///
    /// # Errors
    /// Where the experiment does not fit its data, or something cannot be read or written; a run that diverges
    /// is no error, but one of [`Outcome::failed`].
    pub fn run(&self, results: &Path) -> Result<Outcome> {
        self.perform(results, &[], Doing::Train { threads: None })
    }

    /// Does what is to be done with the runs of some parts; no parts mean all.
    pub(crate) fn perform(&self, results: &Path, only: &[Part], doing: Doing) -> Result<Outcome> {
        let ready = Ready::new(&self.document, &self.spec, results, self.folder(results));
        let runs = ready.runs();
        let asked = |run: &Run| self.part(&run.policy.name, run.seed).is_among(only);
        let mut parts = Parts::of(&ready, &runs, asked);
        if let Doing::Train { threads } = doing {
            self.write_spec(results)?;
            interrupt::watch()?;
            parts.work(threads)?;
        }
        parts.close()
    }

    /// What the report will refuse: a primary endpoint that is not the one that runs began with.
    pub(crate) fn changed_endpoint(&self, results: &Path) -> Option<String> {
        let now = self.spec.primary.as_ref()?;
        let mut over = self.runs().filter(|&(policy, seed)| now.is_over(&self.spec.name, policy, seed));
        let what = over.find_map(|(policy, seed)| {
            let began_with = self.folder(results).run(policy, seed).primary()?;
            let differences = now.differences(&self.spec.name, began_with.as_ref()).join("; ");
            let run = self.part(policy, seed);
            (!differences.is_empty()).then(|| format!("changed after {run} began with {differences}"))
        })?;
        Some(format!(
            "{}: `primary`: {what}; `aaren report` will refuse it: put that back, or remove `primary`, and all results are \
             exploratory",
            self.place("primary")
        ))
    }

    /// Writes the spec, every default filled in, into the folder of the experiment below `results`.
    ///
    /// # Errors
    /// Where a run that is there was made with other settings: then the spec that was its own stays.
    pub(crate) fn write_spec(&self, results: &Path) -> Result<()> {
        let (folder, text) = (self.folder(results), self.spec.to_yaml());
        if std::fs::read_to_string(folder.spec()).is_ok_and(|there| there != text) {
            for policy in &self.spec.policies {
                for &seed in &self.spec.seeds {
                    let now = self.spec.fingerprint(policy, seed);
                    folder.run(&policy.name, seed).state_of_any_name(now)?;
                }
            }
        }
        make_folder(folder.path())?;
        let _claim = ready::claim(&folder)?;
        Ok(write_if_new(&folder.spec(), &text)?)
    }

    /// Every policy × seed, in the order of the spec.
    fn runs(&self) -> impl Iterator<Item = (&str, u64)> {
        let Spec { policies, seeds, .. } = &self.spec;
        policies.iter().flat_map(move |policy| seeds.iter().map(move |&seed| (policy.name.as_str(), seed)))
    }

    /// The same as parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        self.runs().map(|(policy, seed)| self.part(policy, seed))
    }

    /// One of its runs; in a grid with the experiment's name.
    pub(crate) fn part(&self, policy: &str, seed: u64) -> Part {
        Part::run(self.grid.as_ref().map(|_| self.spec.name.as_str()), policy, seed)
    }

    /// Those of its runs that are to be done: not trained, or not played as the spec says. Of these the ones of some parts
    /// only; no parts mean all.
    ///
    /// # Errors
    /// Where a run that is there was made with other settings.
    pub fn open(&self, results: &Path, only: &[Part]) -> Result<Vec<Open>> {
        let ready = Ready::new(&self.document, &self.spec, results, self.folder(results));
        let mut open = Vec::new();
        let runs = ready.runs();
        for run in &runs {
            let part = self.part(&run.policy.name, run.seed);
            if run.result()?.is_none() && part.is_among(only) {
                let (folder, updates) = (run.folder.clone(), run.policy.updates);
                let checkpoint = run.source.map_or(&folder, |source| &runs[source].folder).checkpoint();
                open.push(Open { run: part, folder, checkpoint, updates });
            }
        }
        Ok(open)
    }

    /// Whether its data can be learned from: those of a file are looked at, of a recipe that there is one.
    ///
    /// # Errors
    /// What [`Experiment::run`] would refuse.
    pub fn check_data(&self, results: &Path) -> Result<()> {
        if let DatasetSource::Recipe(name) = &self.spec.dataset {
            let made = recipe::env(name).map_err(Error::at(self.place("dataset")))?;
            let Some(env) = self.spec.played_in() else { return Ok(()) };
            let (there, here) = (describe(&made)?, describe(env).map_err(Error::at(self.place("env")))?);
            if there.action.kind() != here.action.kind() {
                return Err(Error::Refused(format!(
                    "{}: the recipe {name} is of {}, which does not fit environment {}",
                    self.place("dataset"),
                    made.id,
                    self.spec.env.id
                )));
            }
            return Ok(());
        }
        Ready::new(&self.document, &self.spec, results, self.folder(results)).data().map(drop)
    }

    /// Where a key of it was written.
    pub(crate) fn place(&self, key: &str) -> String {
        self.document.place(key).to_string()
    }
}

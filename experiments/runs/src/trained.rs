//! What `aaren run` left in an experiment's results folder: its spec and its trained policies.

use std::path::{Path, PathBuf};

use aaren_datasets::Dataset;
use aaren_spec::{ExperimentFolder, PolicySpec, RunState, Spec, write};
use serde_json::Value;

use crate::{Error, Result, dataset};

/// The trained policies of one experiment.
pub struct Trained {
    /// The experiment as it was run, every default filled in.
    pub spec: Spec,
    /// Its folder.
    pub folder: ExperimentFolder,
}

impl Trained {
    /// Of the experiment with this results folder.
    ///
    /// # Errors
    /// Where it is none, or a policy of it is not trained to the end.
    pub fn open(folder: &Path) -> Result<Self> {
        let at = ExperimentFolder::at(folder);
        let path = at.spec();
        let usage = |reason: &str| Error::Refused(format!("{}: {reason}", folder.display()));
        if !path.is_file() {
            let reason = "no spec.yaml in it; give the results folder of an experiment, such as results/demo";
            return Err(usage(reason));
        }
        let trained = Self { spec: Spec::left(&path)?, folder: at };
        for policy in &trained.spec.policies {
            for &seed in &trained.spec.seeds {
                let run = trained.folder.run(&policy.name, seed);
                let now = trained.spec.fingerprint(policy, seed);
                if run.state_of_any_name(now)? != RunState::Done {
                    let reason = "is not finished; let `aaren run` finish the experiment";
                    return Err(Error::Refused(format!("{}: {reason}", run.path().display())));
                }
            }
        }
        Ok(trained)
    }

    /// The files of a policy, one for each seed.
    pub fn files(&self, policy: &PolicySpec) -> impl Iterator<Item = PathBuf> {
        self.spec.seeds.iter().map(|&seed| self.file(policy, seed, None))
    }

    /// The file of a policy and seed: after all updates, or that of the evaluation after so many.
    pub fn file(&self, policy: &PolicySpec, seed: u64, update: Option<u64>) -> PathBuf {
        let run = self.folder.run(&policy.name, seed);
        update.map_or_else(|| run.policy(), |update| run.kept(update))
    }

    /// The updates after which all runs of `policies` keep one, in order.
    pub fn kept_updates<'p>(&self, policies: impl Iterator<Item = &'p PolicySpec>) -> Vec<u64> {
        let runs = policies.flat_map(|policy| {
            self.spec.seeds.iter().map(|&seed| self.folder.run(&policy.name, seed).kept_updates())
        });
        runs.reduce(|common, run| common.into_iter().filter(|update| run.contains(update)).collect())
            .unwrap_or_default()
    }

    /// What they were trained on.
    pub fn dataset(&self) -> Result<Dataset> {
        dataset::of_experiment(&self.spec, &self.folder.results()).map_err(Error::at("dataset"))
    }
}

/// Writes what was found out about trained policies into a folder, as NAME.json, NAME.md and NAME.svg.
pub fn write_findings(folder: &Path, name: &str, json: &Value, markdown: &str, picture: &str) -> Result<()> {
    let json = format!("{json:#}\n");
    for (kind, text) in [("json", json.as_str()), ("md", markdown), ("svg", picture)] {
        write(&folder.join(format!("{name}.{kind}")), text.as_bytes())?;
    }
    Ok(())
}

//! One policy and one seed of an experiment, and its folder.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aaren_agents::PolicyFile;
use aaren_datasets::DatasetSummary;
use aaren_envs::reference_scores;
use aaren_spec::{
    DatasetSource, Evaluated, Fingerprint, PolicySpec, Protocol, RunFolder, RunResult, RunState, Spec,
    make_folder, write, write_if_new,
};

use crate::evaluations_csv::evaluations_csv;
use crate::lock::{self, Claim};
use crate::{Error, Result, protocol};

/// One policy and seed of an experiment.
pub struct Run<'r> {
    /// The experiment.
    pub spec: &'r Spec,
    /// The policy.
    pub policy: &'r PolicySpec,
    /// The seed.
    pub seed: u64,
    /// The settings that decide its training.
    pub fingerprint: Fingerprint,
    /// The dataset, under the name that it had when the run began.
    pub dataset: DatasetSource,
    /// Its folder.
    pub folder: RunFolder,
    /// The place among the experiment's runs of an earlier one that learns the same, if there is one.
    pub source: Option<usize>,
}

impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} seed {}", self.policy.name, self.seed)
    }
}

impl Run<'_> {
    /// Makes its folder, and claims it.
    pub fn claim(&self) -> Result<Claim> {
        lock::claim(&self.lock()?)
    }

    /// The path of its lock, in a folder that exists.
    pub fn lock(&self) -> Result<PathBuf> {
        let folder = self.folder.path();
        make_folder(folder)?;
        Ok(self.folder.lock())
    }

    /// How far it is.
    pub fn state(&self) -> Result<RunState> {
        Ok(self.folder.state(&self.fingerprint)?)
    }

    /// What it left, where it is done and was played as the spec says.
    pub fn result(&self) -> Result<Option<RunResult>> {
        Ok(self.left()?.filter(|result| self.is_played(result)))
    }

    /// Whether what it left was played as the spec says.
    pub fn is_played(&self, left: &RunResult) -> bool {
        left.protocol() == Some(&self.protocol(&left.dataset))
    }

    /// What it left, where it is done.
    pub fn left(&self) -> Result<Option<RunResult>> {
        match self.state()? {
            RunState::Done => Ok(Some(RunResult::read(&self.folder.result())?)),
            _ => Ok(None),
        }
    }

    /// How its policy is to be played.
    pub(crate) fn protocol(&self, dataset: &DatasetSummary) -> Protocol {
        protocol::protocol(self.spec, self.policy, dataset)
    }

    /// What was written down when it was last given up.
    pub fn failure(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.failure()).ok()
    }

    /// Writes down why it is given up, and who did: no two attempts write the same.
    pub fn remember_failure(&self, error: &Error) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let text = format!("{error}\n{}{now:.6} s since 1970\n", lock::holder());
        Ok(write(&self.folder.failure(), text.as_bytes())?)
    }

    /// Removes the note of an earlier failure: the run is tried again.
    pub fn forget_failure(&self) -> Result<()> {
        let path = self.folder.failure();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::at(path.display())(error))
            }
            _ => Ok(()),
        }
    }

    /// Its part of the spec.
    fn spec_text(&self) -> String {
        Spec { dataset: self.dataset.clone(), ..self.spec.single(self.policy, self.seed) }.to_yaml()
    }

    /// Whether its part of the spec stands in its folder.
    pub fn has_spec(&self) -> bool {
        std::fs::read_to_string(self.folder.spec()).is_ok_and(|there| there == self.spec_text())
    }

    /// Writes its part of the spec into its folder.
    pub fn write_spec(&self) -> Result<()> {
        Ok(write_if_new(&self.folder.spec(), &self.spec_text())?)
    }

    /// Keeps the policy of the evaluation after so many updates.
    pub(crate) fn keep(&self, file: &PolicyFile, update: u64) -> Result<()> {
        let folder = self.folder.policies();
        make_folder(&folder)?;
        Ok(file.save(&self.folder.kept(update))?)
    }

    /// Writes what a run leaves. The result comes last: it says how the policy was played, and that all is there.
    pub(crate) fn leave(&self, file: &PolicyFile, result: RunResult) -> Result<RunResult> {
        self.write_evaluations(&result.evaluations)?;
        file.save(&self.folder.policy())?;
        result.write(&self.folder.result())?;
        Ok(result)
    }

    pub(crate) fn write_evaluations(&self, evaluations: &[Evaluated]) -> Result<()> {
        let text = evaluations_csv(evaluations, self.seed, reference_scores(&self.spec.env.id));
        Ok(write(&self.folder.evaluations(), text.as_bytes())?)
    }
}

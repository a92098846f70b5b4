//! How far a run is: one answer, read from the first kilobytes of its files.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::{DatasetSource, Error, Fingerprint, FixedPrimary, RunFolder, RunResult, Spec};

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Nothing is there.
    Missing,
    /// There is a checkpoint to go on from.
    Begun {
        /// Updates done.
        update: u64,
    },
    /// Its loss became NaN or infinite.
    Failed {
        /// What its `failure.txt` says.
        reason: String,
    },
    /// It is trained and evaluated: policy and result are there.
    Done,
}

/// Why a run is not done, or `done`.
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunState::Missing => f.write_str("no checkpoint yet"),
            RunState::Begun { update } => write!(f, "begun, {update} updates done"),
            RunState::Failed { reason } => f.write_str(reason),
            RunState::Done => f.write_str("done"),
        }
    }
}

impl RunFolder {
    /// How far the run with these settings is. Times of files decide nothing, so that a copied folder is what the
    /// original was; a file that is damaged counts as one that is not there.
    ///
    /// # Errors
    /// [`Error::OtherSettings`] where the files are of other settings.
    pub fn state(&self, fingerprint: &Fingerprint) -> Result<RunState, Error> {
        let (policy, checkpoint) = (Said::read(&self.policy()), Said::read(&self.checkpoint()));
        let hash = fingerprint.hash();
        for (path, said) in [(self.policy(), &policy), (self.checkpoint(), &checkpoint)] {
            let there = said.as_ref().and_then(|said| said.fingerprint.as_deref().or(said.spec.as_deref()));
            if let Some(there) = there.filter(|there| *there != hash) {
                return Err(self.other_settings(&path, there, fingerprint));
            }
        }
        Ok(self.state_by(policy, checkpoint))
    }

    /// As [`state`](Self::state), also where the dataset has another name by now.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn state_of_any_name(&self, fingerprint: Fingerprint) -> Result<RunState, Error> {
        self.state(&self.renamed(&fingerprint).map_or(fingerprint, |(then, _)| then))
    }

    /// How far the run in this folder is, whatever its settings: for a report, which can be made without the data that
    /// an experiment's YAML names.
    pub fn state_as_it_stands(&self) -> RunState {
        self.state_by(Said::read(&self.policy()), Said::read(&self.checkpoint()))
    }

    fn state_by(&self, policy: Option<Said>, checkpoint: Option<Said>) -> RunState {
        if policy.is_some_and(|said| said.fingerprint.is_some()) && self.result().is_file() {
            return RunState::Done;
        }
        if let Ok(reason) = std::fs::read_to_string(self.failure()) {
            let reason = reason.lines().next().unwrap_or_default().to_owned();
            return RunState::Failed { reason };
        }
        checkpoint.map_or(RunState::Missing, |said| RunState::Begun { update: said.updates })
    }

    /// The settings and the dataset that its files were made with, where these settings differ from `fingerprint` in the
    /// dataset's name alone.
    pub fn renamed(&self, fingerprint: &Fingerprint) -> Option<(Fingerprint, DatasetSource)> {
        let (there, dataset) = self.made_with()?;
        let is_it = fingerprint.differs_in_dataset(&there) && self.state(&there).is_ok();
        is_it.then_some((there, dataset))
    }

    /// The checksum of the data that it was trained on, where a file of it says that.
    pub fn data(&self) -> Option<u32> {
        let of_checkpoint = Said::read(&self.checkpoint()).and_then(|said| said.progress?.data);
        of_checkpoint.or_else(|| Some(RunResult::read(&self.result()).ok()?.data))
    }

    /// The primary endpoint that it began with, if any; `None` where it has not begun.
    pub fn primary(&self) -> Option<Option<FixedPrimary>> {
        let of_checkpoint = Said::read(&self.checkpoint()).and_then(|said| Some(said.progress?.primary));
        of_checkpoint.or_else(|| Some(RunResult::read(&self.result()).ok()?.primary))
    }

    /// What its `spec.yaml` says of its training.
    fn made_with(&self) -> Option<(Fingerprint, DatasetSource)> {
        let spec = Spec::left(&self.spec()).ok()?;
        Some((spec.fingerprint(spec.policies.first()?, *spec.seeds.first()?), spec.dataset))
    }

    /// Says which settings a file was made with.
    fn other_settings(&self, path: &Path, found: &str, fingerprint: &Fingerprint) -> Error {
        let there = self.made_with().map(|(there, _)| there);
        Error::OtherSettings {
            path: path.to_owned(),
            found: found.to_owned(),
            expected: fingerprint.hash(),
            differences: there.map_or_else(Vec::new, |there| fingerprint.differences(&there)),
        }
    }
}

/// What a policy or a checkpoint says of itself.
#[derive(Deserialize)]
struct Said {
    updates: u64,
    /// Of a policy.
    fingerprint: Option<String>,
    /// Of a checkpoint.
    spec: Option<String>,
    /// Of a checkpoint.
    progress: Option<Progress>,
}

/// What a checkpoint says of the run beside its updates.
#[derive(Deserialize)]
struct Progress {
    /// Checksum of the dataset.
    data: Option<u32>,
    primary: Option<FixedPrimary>,
}

impl Said {
    /// Of a safetensors file, without its tensors; `None` where that cannot be read.
    fn read(path: &Path) -> Option<Self> {
        #[derive(Deserialize)]
        struct Outer {
            #[serde(rename = "__metadata__")]
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            aaren: String,
        }
        // On a network file system, what another machine wrote is only seen for sure once the folder was opened.
        let _ = path.parent()?.read_dir();
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).ok()?;
        let size = u64::from_le_bytes(size);
        if size > length {
            return None;
        }
        let mut json = Vec::new();
        file.take(size).read_to_end(&mut json).ok()?;
        let outer: Outer = serde_json::from_slice(&json).ok()?;
        serde_json::from_str(&outer.metadata.aaren).ok()
    }
}

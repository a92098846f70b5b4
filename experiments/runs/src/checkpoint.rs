//! What a run keeps to go on from: a checkpoint, and beside the weights how far it is.

use aaren_agents::{Checkpoint, Trainer};
use aaren_spec::{Evaluated, FixedPrimary};
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;
use crate::run::Run;
use crate::trainer::Data;
use crate::{Error, Result};

/// What a run remembers beside the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Every evaluation so far.
    pub evaluations: Vec<Evaluated>,
    /// libtorch's threads: the run goes on with as many, as their sums are rounded differently.
    pub threads: Option<usize>,
    /// Seconds spent in updates.
    pub training_seconds: f64,
    /// Records of `metrics.jsonl` that belong to it.
    pub records: usize,
    /// Checksum of the dataset.
    data: u32,
    /// The primary endpoint that was fixed when it began.
    #[serde(default)]
    pub primary: Option<FixedPrimary>,
}

impl Run<'_> {
    /// Takes up a checkpoint where there is one.
    pub(crate) fn resume(&self, trainer: &mut Trainer, data: &Data) -> Result<Progress> {
        let path = self.folder.checkpoint();
        if !path.exists() {
            let primary = self.spec.primary.clone().map(|endpoint| FixedPrimary {
                endpoint,
                experiment: Some(self.spec.name.clone()),
                protocol: Some(self.protocol(&data.summary)),
            });
            return Ok(Progress { data: data.checksum, primary, ..Progress::default() });
        }
        let checkpoint = Checkpoint::load(&path, &self.fingerprint.hash())?;
        let shown = path.display();
        let progress: Progress = serde_json::from_value(checkpoint.progress.clone()).map_err(|error| {
            Error::Refused(format!(
                "{shown}: its progress is not readable ({error}); remove the file to start that policy afresh"
            ))
        })?;
        if progress.data != data.checksum {
            return Err(Error::Refused(format!(
                "dataset {}: found content of checksum {:08x}, expected {:08x}, which {shown} was trained \
                 on; restore the dataset, or the version of aaren that trained it, or choose another --results folder",
                data.dataset.name(),
                data.checksum,
                progress.data,
            )));
        }
        trainer.restore(&checkpoint)?;
        Ok(progress)
    }

    /// Writes a checkpoint in the place of that after `saved` updates; the updates it stands at.
    pub(crate) fn save(
        &self,
        trainer: &Trainer,
        progress: &mut Progress,
        metrics: &Metrics,
        saved: u64,
    ) -> Result<u64> {
        metrics.sync()?;
        progress.records = metrics.records();
        let said = serde_json::to_value(&*progress).expect("progress is plain JSON");
        let checkpoint = trainer.checkpoint(&self.fingerprint.hash(), said);
        checkpoint.map_err(|error| self.name_checkpoint(error, saved))?.save(&self.folder.checkpoint())?;
        Ok(trainer.done())
    }

    /// Adds to an error of training what is left of it.
    pub(crate) fn name_checkpoint(&self, error: aaren_agents::Error, saved: u64) -> Error {
        let path = self.folder.checkpoint();
        let left = match saved {
            0 => "there is no checkpoint yet".into(),
            _ => format!("the last good checkpoint is {}, after update {saved}", path.display()),
        };
        Error::at(left)(error)
    }
}

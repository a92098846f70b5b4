//! How far the runs of an experiment are, told from its folder alone.

use std::path::Path;
use std::time::SystemTime;

use super::Summary;
use crate::experiment::Spec;
use crate::{ExperimentFolder, RunFolder};

/// Every run of an experiment, and how far it is.
pub struct Standing {
    runs: Vec<(String, RunFolder)>,
}

impl Standing {
    /// Of the experiment in that folder.
    pub fn of(spec: &Spec, folder: &ExperimentFolder) -> Self {
        let run = |policy: &str, seed| (format!("{policy} seed {seed}"), folder.run(policy, seed));
        let of_policy = |name| spec.seeds.iter().map(move |&seed| run(name, seed));
        Self { runs: spec.policies.iter().flat_map(|policy| of_policy(policy.name.as_str())).collect() }
    }

    /// Whether any run left something to report.
    pub fn any_finished(&self) -> bool {
        self.runs.iter().any(|(_, run)| run.policy().is_file())
    }

    /// The runs without a trained policy, each with what is known of it.
    pub fn unfinished(&self) -> Vec<String> {
        let open = self.runs.iter().filter(|(_, run)| !run.policy().is_file());
        let described = open.map(|(name, run)| {
            let why = match std::fs::read_to_string(run.failure()) {
                Ok(reason) => reason.trim_end().to_owned(),
                Err(_) if run.checkpoint().is_file() => "begun, not finished".into(),
                Err(_) => "no checkpoint yet".into(),
            };
            format!("{name}: {why}")
        });
        described.collect()
    }

    /// The report that is there, if it is of the runs that are there.
    pub fn summary(&self, spec: &Spec, folder: &ExperimentFolder) -> Option<Summary> {
        let made = modified(&folder.summary())?;
        let newer = |path: &Path| modified(path).is_some_and(|time| time > made);
        if newer(&folder.spec()) || self.runs.iter().any(|(_, run)| newer(&run.policy())) {
            return None;
        }
        let summary = Summary::read(&folder.summary()).ok()?;
        let trained = |policy: &str| {
            let seeds = spec.seeds.iter();
            seeds.filter(|&&seed| folder.run(policy, seed).policy().is_file()).count()
        };
        let reported = |policy: &str| summary.policies.get(policy).map_or(0, |policy| policy.threads.len());
        let all = spec.policies.iter().all(|policy| reported(&policy.name) == trained(&policy.name));
        let known = |name: &String| spec.policies.iter().any(|policy| policy.name == *name);
        let same = summary.protocol.seeds == spec.seeds && summary.policies.keys().all(known);
        (all && same).then_some(summary)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

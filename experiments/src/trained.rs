//! What `aaren run` left in an experiment's results folder: its spec and its trained policies.

use std::path::{Path, PathBuf};

use aaren_agents::file;
use aaren_envs::Dataset;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::Usage;
use crate::data;
use crate::spec::{PolicySpec, Spec};

/// The trained policies of one experiment.
pub struct Trained {
    /// The experiment as it was run, every default filled in.
    pub spec: Spec,
    /// Its folder.
    pub folder: PathBuf,
}

impl Trained {
    /// Of the experiment with this results folder.
    ///
    /// # Errors
    /// Where it is none, or a policy of it is not trained to the end.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("spec.yaml");
        let usage = |reason: &str| Usage(format!("{}: {reason}", folder.display()));
        if !path.is_file() {
            let reason = "no spec.yaml in it; give the results folder of an experiment, such as results/demo";
            return Err(usage(reason).into());
        }
        let trained = Self { spec: Spec::load(&path, &[])?, folder: folder.to_owned() };
        for policy in &trained.spec.policies {
            if let Some(missing) = trained.files(policy).find(|path| !path.is_file()) {
                let reason = "is not there; let `aaren run` finish the experiment";
                return Err(Usage(format!("{}: {reason}", missing.display())).into());
            }
        }
        Ok(trained)
    }

    /// The files of a policy, one for each seed.
    pub fn files(&self, policy: &PolicySpec) -> impl Iterator<Item = PathBuf> {
        let name = policy.name.clone();
        self.spec
            .seeds
            .iter()
            .map(move |seed| self.folder.join(format!("{name}-seed{seed}")).join("policy.safetensors"))
    }

    /// Writes what was found out about them into the folder, as NAME.json, NAME.md and NAME.svg.
    pub fn write(&self, name: &str, json: &Value, markdown: &str, picture: &str) -> Result<()> {
        let json = serde_json::to_string_pretty(json)? + "\n";
        for (kind, text) in [("json", json.as_str()), ("md", markdown), ("svg", picture)] {
            file::write(&self.folder.join(format!("{name}.{kind}")), text.as_bytes())?;
        }
        Ok(())
    }

    /// What they were trained on.
    pub fn dataset(&self) -> Result<Dataset> {
        let results = self.folder.parent().unwrap_or(Path::new(".."));
        data::of(&self.spec, results).context("dataset")
    }
}

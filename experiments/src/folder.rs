//! Where everything of an experiment lies: the one place that spells its paths.

use std::path::{Path, PathBuf};

use aaren_agents::file;
use anyhow::Result;

/// The results folder of one experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentFolder(PathBuf);

impl ExperimentFolder {
    /// Of the experiment of that name.
    pub fn of(results: &Path, name: &str) -> Self {
        Self(results.join(name))
    }

    /// One that is known by its path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder that holds this and other experiments' results.
    pub fn results(&self) -> PathBuf {
        self.0.parent().map_or_else(|| "..".into(), Path::to_owned)
    }

    /// Every default written out.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.yaml")
    }

    /// The summary of all runs.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }

    /// Held by the process that writes the spec or the report.
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// The folder of one run.
    pub fn run(&self, policy: &str, seed: u64) -> RunFolder {
        RunFolder(self.0.join(format!("{policy}-seed{seed}")))
    }
}

/// The folder of one policy and seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// One that is known by its path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its part of the experiment.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.yaml")
    }

    /// What it goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// What it learned.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.safetensors")
    }

    /// Every episode of every evaluation.
    pub fn evaluations(&self) -> PathBuf {
        self.0.join("evaluations.csv")
    }

    /// Scalars on the way, a JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// Why it cannot be finished, where its loss is no number any more.
    pub fn failure(&self) -> PathBuf {
        self.0.join("failure.txt")
    }

    /// Held by the process that trains it.
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// TensorBoard's events.
    pub fn tensorboard(&self) -> PathBuf {
        self.0.join("tensorboard")
    }
}

/// Where the dataset of a recipe is kept.
pub fn dataset(results: &Path, recipe: &str) -> PathBuf {
    results.join("datasets").join(format!("{recipe}.hdf5"))
}

/// Writes a file unless that is what it says already: the time of the last change then still means something.
pub fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    Ok(file::write(path, text.as_bytes())?)
}

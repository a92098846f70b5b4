//! Which runs of which experiment a command is about: what `aaren run` and `aaren submit` have in common.

use std::path::PathBuf;

use aaren_runs::{Part, Plan};
use anyhow::Result;

/// An experiment, what is changed in it, which of its runs are meant, and where they go.
#[derive(clap::Args)]
pub struct Selection {
    /// The experiment, or the grid of experiments.
    pub experiment: PathBuf,
    /// Override a key of the experiment, as KEY=YAML; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Only this policy, or only this policy and seed; may be given again. Other processes can do the others at the
    /// same time.
    #[arg(long, value_name = "[EXPERIMENT/]POLICY[:SEED]")]
    pub only: Vec<Part>,
    /// Folder that gets a folder for this experiment.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
}

impl Selection {
    /// The experiments, read and checked.
    pub fn plan(&self) -> Result<Plan> {
        let plan = Plan::read(&self.experiment, &self.overrides)?;
        plan.check(&self.only)?;
        Ok(plan)
    }
}

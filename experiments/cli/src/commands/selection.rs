//! Which runs of which experiment a command is about: what `aaren run` and `aaren submit` have in common.

use std::path::PathBuf;

use aaren_runs::{Part, Plan};
use aaren_spec::Document;
use anyhow::Result;

/// What `aaren run demo` runs, for those who have the command and not its source.
const DEMO: &str = include_str!("../../../demo.yaml");

/// An experiment, what is changed in it, which of its runs are meant, and where they go.
#[derive(clap::Args)]
pub struct Selection {
    /// The YAML of an experiment or a grid; `demo`, where no file has that name, is the built-in demo.
    pub experiment: PathBuf,
    /// Override a key of the experiment, as KEY=YAML; repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Run only this policy, or this policy and seed; repeatable. Other processes can run the rest at the same time.
    #[arg(long, value_name = "[EXPERIMENT/]POLICY[:SEED]")]
    pub only: Vec<Part>,
    /// Folder of all results; the experiment has a folder of its name in it.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
}

impl Selection {
    /// The experiments, read and checked.
    pub fn plan(&self) -> Result<Plan> {
        let path = &self.experiment;
        let plan = if path.as_os_str() == "demo" && !path.is_file() {
            Plan::of(Document::parse(path, DEMO, &self.overrides)?)?
        } else {
            Plan::read(path, &self.overrides)?
        };
        plan.check(&self.only)?;
        Ok(plan)
    }
}

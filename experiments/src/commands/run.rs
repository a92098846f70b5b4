//! `aaren run`: YAML → spec → dataset → training → report.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::output;
use crate::training::Experiment;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren run experiments/hopper-medium-expert.yaml
  aaren run my.yaml --set train.updates=500 --set train.learning_rate=1e-3
  aaren run my.yaml --set dataset=../data/walker2d-medium.hdf5 --results scratch")]
pub struct Args {
    /// The experiment.
    pub experiment: PathBuf,
    /// Override a key of the experiment, as KEY=YAML; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder that gets a folder for this experiment.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Print the summary as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let outcome = Experiment::read(&args.experiment, &args.overrides)?.run(&args.results)?;
    if let Some(summary) = &outcome.summary {
        if args.json {
            output::print(serde_json::to_string(summary)?)?;
        } else {
            output::print(summary.table().to_markdown())?;
            output::print(format_args!("written to {}", outcome.folder.path().display()))?;
        }
    }
    if outcome.failed.is_empty() { Ok(()) } else { bail!("did not finish: {}", outcome.failed.join(", ")) }
}

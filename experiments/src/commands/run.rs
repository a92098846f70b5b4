//! `aaren run`: YAML → spec → dataset → training → report.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::output;
use crate::training::{Experiment, Outcome, Part};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren run experiments/hopper-medium-expert.yaml
  aaren run my.yaml --set train.updates=500 --set train.learning_rate=1e-3
  aaren run my.yaml --set dataset=../data/walker2d-medium.hdf5 --results scratch
  aaren run my.yaml --only aaren --only transformer:0")]
pub struct Args {
    /// The experiment.
    pub experiment: PathBuf,
    /// Override a key of the experiment, as KEY=YAML; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Do only this policy, or only this policy and seed; may be given again. Other processes can do the others at the
    /// same time.
    #[arg(long, value_name = "POLICY[:SEED]")]
    pub only: Vec<Part>,
    /// Folder that gets a folder for this experiment.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Print the summary as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let experiment = Experiment::read(&args.experiment, &args.overrides)?;
    let Outcome { folder, summary, failed, elsewhere, left } =
        experiment.run_only(&args.results, &args.only)?;
    let folder = folder.path().display();
    if let Some(summary) = &summary {
        if args.json {
            output::print(serde_json::to_string(summary)?)?;
        } else {
            output::print(summary.table().to_markdown())?;
            output::print(format_args!("written to {folder}"))?;
        }
    }
    if !elsewhere.is_empty() {
        output::note(format_args!("in other hands: {}", elsewhere.join(", ")));
    }
    if !left.is_empty() {
        output::note(format_args!("not finished: {}", left.join(", ")));
    }
    if summary.is_none() && failed.is_empty() {
        output::note(format_args!(
            "the report is made when the last run ends; `aaren report {folder}` makes one of those that are done"
        ));
    }
    if failed.is_empty() { Ok(()) } else { bail!("did not finish: {}", failed.join(", ")) }
}

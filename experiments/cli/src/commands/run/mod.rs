//! `aaren run`: YAML → specs → datasets → training → reports.

mod dry_run;
mod jobs;

use std::fmt::Display;

use aaren_reports::Summary;
use aaren_runs::{Doing, Outcome, output};
use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

use super::report::{close, report};
use super::selection::Selection;

#[derive(clap::Args)]
#[command(after_help = "A run that is interrupted saves; the same command continues it. What is done is
not done again.

Examples:
  aaren run experiments/hopper-medium-expert.yaml
  aaren run my.yaml --set train.updates=500 --set train.learning_rate=1e-3
  aaren run my.yaml --set dataset=../data/walker2d-medium.hdf5 --results scratch
  aaren run my.yaml --only aaren --only transformer:0
  aaren run my.yaml --dry-run --jobs 4
  aaren run demo --jobs 2 --html")]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Run N runs at a time, each in its own process with one thread.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// List the runs and how long they take, without training or writing anything.
    #[arg(long)]
    pub dry_run: bool,
    /// Write report.html into the results folder when the last run ends: curves, tables and costs in one file, as `aaren
    /// report --html` does.
    #[arg(long, conflicts_with = "json")]
    pub html: bool,
    /// Start with one libtorch thread instead of the fastest number.
    #[arg(long, hide = true)]
    pub one_thread: bool,
    /// Report progress as lines of JSON on standard error, for another process.
    #[arg(long, hide = true)]
    pub events: bool,
    /// Print the summary, and the folder it was written to, as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    if args.events {
        output::tell_events();
    }
    let plan = args.selection.plan()?;
    if args.dry_run {
        return dry_run::list(&plan, args);
    }
    // A child of --jobs leaves it to its parent.
    if !(args.events && args.one_thread) {
        plan.say_changed_endpoint(&args.selection.results);
    }
    let mut doing = Doing::Train { threads: args.one_thread.then_some(1) };
    let mut broken = Vec::new();
    if let Some(jobs) = args.jobs {
        broken = jobs::run(&plan, args, jobs.into())?;
        doing = Doing::Gather;
    }
    let (mut failed, mut summaries) = (Vec::new(), Map::new());
    // What cannot be printed does not keep the other experiments from being run.
    let mut printed = Ok(());
    plan.run(&args.selection.results, &args.selection.only, doing, |experiment, outcome| {
        let name = experiment.spec().name.as_str();
        let summary = report(experiment.spec(), &outcome)?;
        let heading = plan.is_grid().then_some(name);
        let said = say(&outcome, heading, summary.as_ref(), args.json);
        printed = std::mem::replace(&mut printed, Ok(())).and(said);
        if let Some(summary) = &summary {
            let mut summary = serde_json::to_value(summary)?;
            summary["folder"] = outcome.folder.path().to_string_lossy().into();
            summaries.insert(name.into(), summary);
        }
        let of_grid = |run: String| if plan.is_grid() { format!("{name}/{run}") } else { run };
        failed.extend(outcome.failed.into_iter().map(of_grid));
        anyhow::Ok(())
    })?;
    if args.json {
        let one = (!plan.is_grid()).then(|| summaries.remove(&plan.name)).flatten();
        let all = || plan.is_grid().then_some(Value::Object(summaries));
        if let Some(json) = one.or_else(all) {
            printed = print(json);
        }
    } else if args.html && summaries.len() == plan.experiments.len() {
        close(&plan.folder(&args.selection.results))?;
    } else if plan.is_grid() && args.selection.only.is_empty() {
        let folder = plan.folder(&args.selection.results);
        output::note(format_args!(
            "`aaren report {}` gathers the experiments in one table",
            folder.display()
        ));
    }
    failed.extend(broken);
    if !failed.is_empty() {
        bail!("did not finish: {}", failed.join(", "));
    }
    printed
}

/// Prints what is in the results folder already.
fn print(text: impl Display) -> Result<()> {
    let cure = "every result is in the results folder";
    output::print(text).map_err(|error| anyhow!("standard output cannot be written: {error}; {cure}"))
}

/// Says what came of one experiment, in a grid under its name.
fn say(outcome: &Outcome, heading: Option<&str>, summary: Option<&Summary>, json: bool) -> Result<()> {
    let Outcome { folder, failed, elsewhere, left, .. } = outcome;
    let folder = folder.path().display();
    if let Some(summary) = summary.filter(|_| !json) {
        if let Some(name) = heading {
            print(format_args!("{name}:"))?;
        }
        print(summary.table().to_markdown())?;
        print(format_args!("written to {folder}"))?;
    }
    if !elsewhere.is_empty() {
        output::note(format_args!("held by other processes: {}", elsewhere.join(", ")));
    }
    if !left.is_empty() {
        output::note(format_args!("not finished: {}", left.join(", ")));
    }
    if summary.is_none() && failed.is_empty() {
        output::note(format_args!(
            "the report is written when the last run ends; `aaren report {folder}` reports the runs that are done"
        ));
    }
    Ok(())
}

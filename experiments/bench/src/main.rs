//! `aaren-bench`: the performance figures, beside what a user would run instead, in one run.

mod data;
mod env;
mod evaluate;
mod python;
mod step;
mod train;

use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde::Serialize;

use aaren_reports::Table;
use aaren_runs::{output, provenance};
use python::Python;

/// Speed and memory, as ratios to what one would run instead.
#[derive(clap::Parser)]
#[command(
    name = "aaren-bench",
    version,
    after_help = "Examples:
  aaren-bench
  aaren-bench step --json
  aaren-bench train --threads 1"
)]
struct Args {
    /// What to measure; everything unless given.
    #[arg(value_enum)]
    subject: Option<Subject>,
    /// Threads of libtorch, for us and for the reference, in training; all cores unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Python with PyTorch and Gymnasium, for the references; `make bench` installs it.
    #[arg(long, default_value = ".deps/python/bin/python")]
    python: PathBuf,
    /// Folder for bench.json and bench.md.
    #[arg(long, default_value = "results")]
    results: PathBuf,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Updates per second.
    Train,
    /// Time of one environment step of a policy.
    Step,
    /// Steps per second of the environments.
    Env,
    /// Steps per second of environments of Python.
    Python,
    /// Time of an evaluation, and of its environments alone.
    Evaluate,
    /// Time and memory of loading data.
    Data,
}

/// One measured figure.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    /// `train`, `step`, `env`, `evaluate` or `data`.
    pub what: &'static str,
    /// The policy, or what else was measured.
    pub policy: String,
    /// What computed it.
    pub backend: Option<&'static str>,
    /// Precision of the weights.
    pub precision: Option<&'static str>,
    /// Timesteps of a training window, or memory in roll-out.
    pub context: Option<String>,
    /// Timestep of the episode.
    pub at: Option<usize>,
    /// Episodes that are stepped together.
    pub episodes: Option<usize>,
    /// Whether the processor's caches held what was used, `warm` or `cold`.
    pub caches: Option<&'static str>,
    /// What the comparison with the reference shows: what the `algorithm` gives, in one runtime, or what the
    /// `runtime` gives, with one algorithm.
    pub gives: Option<&'static str>,
    /// The figure: a median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// 99th percentile, for times.
    pub p99: Option<f64>,
    /// The same of the reference.
    pub reference: Option<f64>,
    /// What the reference is.
    pub against: Option<String>,
    /// How many times better than the reference.
    pub ratio: Option<f64>,
    /// Bytes that must be kept of the episode from step to step.
    pub state_bytes: Option<usize>,
    /// Working memory of a step, of which the next step needs nothing.
    pub scratch_bytes: Option<usize>,
}

impl Row {
    /// With a reference for which more is better.
    fn rate_against(self, against: impl Into<String>, reference: Option<f64>) -> Self {
        let ratio = reference.map(|reference| self.value / reference);
        Self { ratio, reference, against: Some(against.into()), ..self }
    }

    /// With a reference for which less is better.
    fn time_against(self, against: impl Into<String>, reference: Option<f64>) -> Self {
        let row = self.rate_against(against, reference);
        Self { ratio: row.ratio.map(f64::recip), ..row }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let threads = args.threads.unwrap_or_else(|| available_parallelism().map_or(1, |n| n.get() as u16));
    tch::set_num_threads(threads.into());
    let python = Python::new(&args.python);
    if !python.found() {
        output::note(format_args!(
            "{}: not found, so no figure has a reference; `make bench` installs it",
            args.python.display()
        ));
    }
    let wanted = |subject: Subject| args.subject.is_none_or(|chosen| chosen == subject);
    let mut rows = Vec::new();
    if wanted(Subject::Python) {
        rows.extend(env::python(&python)?);
    }
    if wanted(Subject::Env) {
        rows.extend(env::measure(&python)?);
    }
    if wanted(Subject::Step) {
        rows.extend(step::measure(&python)?);
    }
    if wanted(Subject::Evaluate) {
        rows.push(evaluate::measure()?);
    }
    if wanted(Subject::Data) {
        rows.extend(data::measure()?);
    }
    if wanted(Subject::Train) {
        rows.extend(train::measure(&python, threads)?);
    }
    let json = serde_json::json!({
        "training_threads": threads, "rows": rows, "protocol": provenance::within(serde_json::json!({})),
    });
    let subject = args.subject.and_then(|subject| subject.to_possible_value());
    let name = subject.map_or("bench".to_owned(), |subject| format!("bench-{}", subject.get_name()));
    std::fs::create_dir_all(&args.results).with_context(|| args.results.display().to_string())?;
    let text = serde_json::to_string_pretty(&json)? + "\n";
    aaren_spec::write(&args.results.join(format!("{name}.json")), text.as_bytes())?;
    let table = table(&rows);
    aaren_spec::write(&args.results.join(format!("{name}.md")), table.as_bytes())?;
    if args.json {
        output::print(json)?;
    } else {
        output::print(table)?;
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let heads = [
        "what",
        "policy",
        "precision",
        "context",
        "episodes",
        "caches",
        "unit",
        "gives",
        "reference",
        "at",
        "median",
    ];
    let mut table = Table::new(9, heads.into_iter().chain(["p99", "ratio"]));
    for row in rows {
        let reference = match (&row.against, row.reference) {
            (Some(against), Some(value)) => format!("{} ({against})", significant(value)),
            (Some(against), None) => format!("not measured ({against})"),
            (None, _) => String::new(),
        };
        table.row([
            row.what.into(),
            row.policy.clone(),
            row.precision.unwrap_or_default().into(),
            row.context.clone().unwrap_or_default(),
            row.episodes.map_or(String::new(), |episodes| episodes.to_string()),
            row.caches.unwrap_or_default().into(),
            row.unit.into(),
            row.gives.unwrap_or_default().into(),
            reference,
            row.at.map_or(String::new(), |at| at.to_string()),
            significant(row.value),
            row.p99.map_or(String::new(), significant),
            row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2} ×")),
        ]);
    }
    table.to_markdown()
}

/// Three significant digits.
fn significant(value: f64) -> String {
    let decimals = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 6);
    format!("{value:.*}", decimals as usize)
}

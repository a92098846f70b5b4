//! The command line: a file for each command, its arguments beside its code.

mod attention;
mod card;
mod check;
mod compare;
mod completions;
mod data;
mod envs;
mod evaluate;
mod export;
mod help;
mod paths;
#[cfg(test)]
mod reference_tests;
mod render;
pub mod report;
mod run;
mod selection;
mod submit;
mod sweep;
mod up_to_date;

use std::process::ExitCode;

use crate::refusal::Refusal;
use aaren_format::Target;
use aaren_runs::interrupt::Interrupted;
use aaren_runs::{output, provenance};
use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Offline reinforcement learning with Aaren and Transformer agents.
#[derive(Parser)]
#[command(
    name = "aaren",
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  aaren run demo --jobs 2 --html
  aaren evaluate results/hopper/aaren-seed0 --episodes 50
  aaren data info halfcheetah-medium.hdf5

Exit status: 0 done, 1 failed, 2 refused (arguments, experiment or data)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train, evaluate and compare the policies of an experiment.
    Run(run::Args),
    /// Submit runs to Slurm, or print them for GNU parallel.
    Submit(submit::Args),
    /// Play episodes with a trained policy.
    Evaluate(evaluate::Args),
    /// Export a policy: an ONNX model, an int8 policy file, a C99 header.
    Export(export::Args),
    /// Film trained policies.
    Render(render::Args),
    /// Write a folder for a model hub: the policy, its scores, a film.
    Card(card::Args),
    /// Measure memory and time of acting and training, policy by policy.
    Compare(compare::Args),
    /// Evaluate policies with other memories, environments or targets.
    Sweep(sweep::Args),
    /// Show where in the past the attention of policies lies.
    Attention(attention::Args),
    /// Gather experiments into one table, and into one HTML page.
    Report(report::Args),
    /// Check that a GPU computes what the CPU computes, and how fast.
    Check(check::Args),
    /// Print what makes a shell complete the commands and options.
    Completions(completions::Args),
    /// Inspect, download, make and convert datasets.
    #[command(
        subcommand,
        after_help = "Examples:
  aaren data info hopper-medium.hdf5
  aaren data make hopper-medium-expert"
    )]
    Data(data::Command),
    /// List the environments, or compare one with Python.
    #[command(
        subcommand,
        after_help = "Example:
  aaren envs list"
    )]
    Envs(envs::Command),
}

impl Command {
    fn execute(&self) -> Result<()> {
        match self {
            Command::Run(args) => run::run(args),
            Command::Submit(args) => submit::run(args),
            Command::Evaluate(args) => evaluate::run(args),
            Command::Export(args) => export::run(args),
            Command::Render(args) => render::run(args),
            Command::Card(args) => card::run(args),
            Command::Compare(args) => compare::run(args),
            Command::Sweep(args) => sweep::run(args),
            Command::Attention(args) => attention::run(args),
            Command::Report(args) => report::run(args),
            Command::Check(args) => check::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Data(command) => data::run(command),
            Command::Envs(command) => envs::run(command),
        }
    }
}

/// The command `aaren`: reads the arguments of this process, does what they ask for, and says how it ended: 0 done,
/// 1 failed, 2 refused, 128 and the signal's number where a signal ended it.
pub fn main() -> ExitCode {
    let arguments = match std::env::args_os().map(paths::at_home).collect::<Result<Vec<_>, _>>() {
        Ok(arguments) => arguments,
        Err(refusal) => {
            output::note(format_args!("error: {refusal}"));
            return ExitCode::from(2);
        }
    };
    let matches = help::grouped(command_line()).get_matches_from(arguments);
    let command = match Cli::from_arg_matches(&matches) {
        Ok(Cli { command }) => command,
        Err(error) => error.exit(),
    };
    let Err(error) = command.execute() else { return ExitCode::SUCCESS };
    if let Some(interrupted) = interrupted(&error) {
        output::note(interrupted);
        return ExitCode::from(128 + interrupted.signal as u8);
    }
    output::note(format_args!("error: {}", told(&error)));
    ExitCode::from(if refused(&error) { 2 } else { 1 })
}

/// All commands and options.
fn command_line() -> clap::Command {
    let libraries = (provenance::LIBTORCH, aaren_envs::mujoco_version());
    let version = format!("{} (libtorch {}, MuJoCo {})", env!("CARGO_PKG_VERSION"), libraries.0, libraries.1);
    // clap wants it for as long as the program lasts.
    Cli::command().version(&*version.leak())
}

/// The error and its causes; many of them tell their cause themselves.
fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told += &format!(": {cause}");
        }
    }
    told
}

/// A target return as `--target-return` gives it.
fn target_return(text: &str) -> Result<f64, String> {
    if text == Target::MAX {
        return Ok(f64::INFINITY);
    }
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| (*number as f32).is_finite());
    number.ok_or_else(|| "expected a number of at most 3.4e38 in size, such as 3600, or max".into())
}

/// The signal that ended it, if one did.
fn interrupted(error: &anyhow::Error) -> Option<&Interrupted> {
    match error.downcast_ref().map(aaren_runs::Error::innermost) {
        Some(aaren_runs::Error::Interrupted(interrupted)) => Some(interrupted),
        _ => error.downcast_ref(),
    }
}

/// Whether the input was refused (exit 2) rather than the work failed (1).
fn refused(error: &anyhow::Error) -> bool {
    fn says<E: std::error::Error + Send + Sync + 'static>(
        error: &anyhow::Error,
        refusal: fn(&E) -> bool,
    ) -> bool {
        error.downcast_ref().is_some_and(refusal)
    }
    says::<Refusal>(error, |_| true)
        || says(error, aaren_runs::Error::is_refusal)
        || says(error, aaren_reports::Error::is_refusal)
        || says(error, aaren_spec::Error::is_refusal)
        || says(error, aaren_agents::Error::is_refusal)
        || says(error, aaren_datasets::Error::is_refusal)
        || says(error, aaren_envs::Error::is_refusal)
        || says::<aaren_encoders::Error>(error, |_| true)
        || says::<aaren_streaming::Error>(error, |_| true)
}

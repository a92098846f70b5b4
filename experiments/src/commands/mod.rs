//! The command line: a file for each command, its arguments beside its code.

mod attention;
mod bench;
mod card;
mod check;
mod compare;
mod data;
mod envs;
mod evaluate;
mod export;
mod export_devices;
mod render;
mod report;
mod run;
mod selection;
mod submit;
mod sweep;
mod up_to_date;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::interrupt::Interrupted;
use crate::{Refusal, experiment, output};

/// Offline reinforcement learning with Aaren and Transformer agents.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  aaren run experiments/demo.yaml
  aaren evaluate results/demo/aaren-seed0 --episodes 50
  aaren data info halfcheetah-medium.hdf5

Exit status: 0 done, 1 failed, 2 the arguments, the experiment or its data were refused."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train every policy × seed of an experiment, evaluate, and report; run again to continue.
    Run(run::Args),
    /// Submit the runs of an experiment to Slurm, or print them for GNU parallel.
    Submit(submit::Args),
    /// Roll out a trained policy.
    Evaluate(evaluate::Args),
    /// Write a policy in another form: an ONNX model, an int8 policy file, a C99 header.
    Export(export::Args),
    /// Film trained policies at work.
    Render(render::Args),
    /// Make a folder of a trained policy for a model hub: its file, its scores, a film.
    Card(card::Args),
    /// Compare memory and time of acting and training with the Transformer.
    Compare(compare::Args),
    /// Roll the policies of an experiment out with several memories, or in several forms of the environment.
    Sweep(sweep::Args),
    /// Show how the policies of an experiment spread their attention over the past.
    Attention(attention::Args),
    /// Gather many experiments into one table, dataset × policy, as Markdown, CSV and LaTeX.
    Report(report::Args),
    /// Measure speed and memory, as ratios to what one would run instead.
    Bench(bench::Args),
    /// Check that a GPU computes what the CPU does, and how fast.
    Check(check::Args),
    /// Look at datasets, or make them from recipes.
    #[command(subcommand)]
    Data(data::Command),
    /// Know the environments.
    #[command(subcommand)]
    Envs(envs::Command),
}

impl Command {
    /// Whether libtorch will train.
    fn trains(&self) -> bool {
        matches!(self, Command::Run(_) | Command::Compare(_) | Command::Bench(_) | Command::Check(_))
    }

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
            Command::Bench(args) => bench::run(args),
            Command::Check(args) => check::run(args),
            Command::Data(command) => data::run(command),
            Command::Envs(command) => envs::run(command),
        }
    }
}

/// The command `aaren`: reads the arguments of this process, does what they ask for, and says how it ended: 0 done,
/// 1 failed, 2 refused, 128 and the signal's number where a signal ended it.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if command.trains() {
        spin_briefly();
    }
    keep_freed_memory();
    let Err(error) = command.execute() else { return ExitCode::SUCCESS };
    if output::is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        output::note(interrupted);
        return ExitCode::from(128 + interrupted.signal as u8);
    }
    output::note(format_args!("error: {error:#}"));
    ExitCode::from(if refused(&error) { 2 } else { 1 })
}

/// Starts the program anew with libtorch's threads told to sleep sooner while they wait. As they come, two of them
/// fall to half the speed of one when something else keeps a core busy; so they keep 70 % of it, and all of their
/// speed on an idle machine. The setting is read before `main`.
fn spin_briefly() {
    #[cfg(unix)]
    if std::env::var_os("GOMP_SPINCOUNT").is_none() && std::env::var_os("OMP_WAIT_POLICY").is_none() {
        use std::os::unix::process::CommandExt;
        let Ok(program) = std::env::current_exe() else { return };
        let mut again = std::process::Command::new(program);
        // Only comes back where it failed; then training is as fast as it is.
        let _ = again.args(std::env::args_os().skip(1)).env("GOMP_SPINCOUNT", "3000").exec();
    }
}

/// Tells the allocator to keep what it has: the tensors of an update come and go at the next one, and
/// fetching their pages from the system anew took a tenth of the training time.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}

/// Whether the input was refused (exit 2) rather than the work failed (exit 1).
fn refused(error: &anyhow::Error) -> bool {
    use aaren_agents::Error as Agent;
    use aaren_envs::Error as Env;
    let by_env = |e: &Env| !matches!(e, Env::Mujoco { .. } | Env::Picture { .. } | Env::Write { .. });
    let by_agent = |e: &Agent| match e {
        Agent::Env(e) => by_env(e),
        Agent::Policy(e) => !matches!(e, aaren_policies::Error::Device { .. }),
        Agent::NonFinite { .. } | Agent::Read { .. } | Agent::Write { .. } => false,
        _ => true,
    };
    error.downcast_ref::<experiment::Error>().is_some()
        || error.downcast_ref::<Refusal>().is_some()
        || error.downcast_ref::<aaren_streaming::Error>().is_some()
        || error.downcast_ref().is_some_and(by_env)
        || error.downcast_ref().is_some_and(by_agent)
}

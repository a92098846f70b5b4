//! The command `aaren`: offline reinforcement-learning experiments from YAML.

mod attention;
mod bench;
mod board;
mod cli;
mod compare;
mod cost;
mod data;
mod envs;
mod evaluate;
mod interrupt;
mod lock;
mod metrics;
mod plot;
mod report;
mod run;
mod setup;
mod spec;
mod stand_in;
mod statistics;
mod summary;
mod sweep;
mod threads;
mod train;
mod trained;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let command = cli::Cli::parse();
    if command.trains() {
        spin_briefly();
    }
    keep_freed_memory();
    let Err(error) = command.execute() else { return ExitCode::SUCCESS };
    if let Some(interrupted) = error.downcast_ref::<interrupt::Interrupted>() {
        eprintln!("{interrupted}");
        return ExitCode::from(128 + interrupted.signal as u8);
    }
    eprintln!("error: {error:#}");
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
    let by_env = |e: &Env| !matches!(e, Env::Mujoco { .. } | Env::Write { .. });
    let by_agent = |e: &Agent| match e {
        Agent::Env(e) => by_env(e),
        Agent::Policy(e) => !matches!(e, aaren_policies::Error::Device { .. }),
        Agent::NonFinite { .. } | Agent::Read { .. } | Agent::Write { .. } => false,
        _ => true,
    };
    error.downcast_ref::<spec::Error>().is_some()
        || error.downcast_ref::<cli::Usage>().is_some()
        || error.downcast_ref::<aaren_streaming::Error>().is_some()
        || error.downcast_ref().is_some_and(by_env)
        || error.downcast_ref().is_some_and(by_agent)
}

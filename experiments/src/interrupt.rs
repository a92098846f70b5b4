//! SIGINT and SIGTERM: the first lets `aaren run` finish its update and write a checkpoint, the second
//! ends the process at once.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level::signal_name};

/// What the kernel sends to a child of `--jobs` when its parent dies, which it may do once for each of the parent's
/// threads: as SIGTERM, but never a second signal.
pub const ORPHANED: i32 = SIGUSR1;

static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From now on signals are kept until [`signal`] is asked.
pub fn watch() -> Result<()> {
    if SIGNAL.get().is_some() {
        return Ok(());
    }
    let signal = SIGNAL.get_or_init(Arc::default);
    let seen = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        let watched = || -> std::io::Result<()> {
            // In this order: the first signal finds `seen` still false.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&seen))?;
            flag::register(number, Arc::clone(&seen))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
            Ok(())
        };
        watched().context("signals cannot be watched")?;
    }
    flag::register_usize(ORPHANED, Arc::clone(signal), SIGTERM as usize)
        .context("signals cannot be watched")?;
    Ok(())
}

/// The signal that asked this process to stop.
pub fn signal() -> Option<i32> {
    let number = SIGNAL.get()?.load(Relaxed);
    (number != 0).then_some(number as i32)
}

/// A run that stopped because it was asked to, with everything saved.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {} {done}. To continue:\n  {}", signal_name(*signal).unwrap_or("a signal"), this_command())]
pub struct Interrupted {
    /// The signal's number.
    pub signal: i32,
    /// How far it got, and where that is saved.
    pub done: String,
}

/// The command line of this process, for a shell.
fn this_command() -> String {
    std::env::args_os().map(|argument| quoted(&argument)).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell reads it.
pub fn quoted(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_back_what_was_given() {
        for (argument, expected) in [
            ("train.updates=500", "train.updates=500"),
            ("my results", "'my results'"),
            ("it's", r"'it'\''s'"),
            ("seeds=[0]", "'seeds=[0]'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(argument.as_ref()), expected);
        }
    }
}

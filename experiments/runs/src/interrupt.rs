//! SIGINT and SIGTERM: the first lets `aaren run` finish its update and write a checkpoint, the second
//! ends the process at once. SIGHUP, a terminal that is closed, is as the first.

use std::ffi::OsStr;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::{exit, register, signal_name};

/// What the kernel sends to a child of `--jobs` when its parent dies, which it may do once for each of the parent's
/// threads: as SIGTERM, but never a second signal.
pub const ORPHANED: i32 = SIGUSR1;

/// The number of the signal to stop by, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// From now on signals are kept until [`signal`] is asked.
///
/// # Errors
/// Where the system does not let them be watched.
pub fn watch() -> io::Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    static SEEN: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, SeqCst) {
        return Ok(());
    }
    aaren_envs::stop_waiting_when(|| signal().is_some());
    for number in [SIGINT, SIGTERM] {
        // Asked and noted in one step: two signals may be handled at once, in two threads or one within the other.
        let note = move || match SEEN.swap(true, SeqCst) {
            false => SIGNAL.store(number, SeqCst),
            true => exit(128 + number),
        };
        // SAFETY: atomics and `_exit`, which a signal handler may use.
        unsafe { register(number, note) }.map_err(unwatched)?;
    }
    // A terminal that is closed says so more than once: the shell tells its jobs, and the kernel those before it. Under
    // `nohup` nothing is to happen.
    let hung_up = if is_ignored(SIGHUP) { None } else { Some((SIGHUP, SIGHUP)) };
    for (number, stands_for) in [(ORPHANED, SIGTERM)].into_iter().chain(hung_up) {
        let note = move || {
            let _ = SIGNAL.compare_exchange(0, stands_for, SeqCst, SeqCst);
        };
        // SAFETY: an atomic.
        unsafe { register(number, note) }.map_err(unwatched)?;
    }
    Ok(())
}

fn unwatched(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("signals cannot be watched: {error}"))
}

/// Whether whoever started this process wants it to ignore a signal.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: zeros are a valid `sigaction`, which is only written to.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}

/// The signal that asked this process to stop.
pub fn signal() -> Option<i32> {
    Some(SIGNAL.load(SeqCst)).filter(|&number| number != 0)
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

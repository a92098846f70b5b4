//! One process at a time at each run, report and recipe. The kernel releases a lock when its holder ends, however it
//! ends.
//!
//! Locks are `flock`'s, on Linux over NFS too: there the client asks the server for a lock of the whole file. That
//! needs NFSv4, or NFSv3 with its lock manager, and neither `nolock` nor `local_lock` nor `nocto` among the options of
//! the mount. Where a whole machine dies, the server keeps its locks until their lease ends (NFSv4) or until it is back
//! (NFSv3).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::interrupt::{self, Interrupted};
use crate::{Error, Result};

/// What came of asking for a lock.
pub enum Claim {
    /// Ours for as long as the file lives.
    Ours(File),
    /// Another process has it: which, as far as it could be told.
    Others(String),
}

/// Claims the lock at `path` if no process holds it.
pub fn claim(path: &Path) -> Result<Claim> {
    let mut file = open(path).map_err(Error::at(path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.read_to_string(&mut holder);
            let holder = read.ok().map(|_| holder.trim().to_owned()).filter(|holder| !holder.is_empty());
            return Ok(Claim::Others(holder.unwrap_or_else(|| "another process".into())));
        }
        Err(TryLockError::Error(error)) => return Err(not_locked(path, error)),
    }
    taken(file, path).map_err(Error::at(path.display()))
}

/// Claims the lock at `path`, waiting for its holder; `waiting` is called if that takes time.
pub fn wait_for(path: &Path, waiting: impl FnOnce(&str)) -> Result<Claim> {
    let mut waiting = Some(waiting);
    loop {
        let holder = match claim(path)? {
            Claim::Others(holder) => holder,
            ours => return Ok(ours),
        };
        if let Some(signal) = interrupt::signal() {
            return Err(Interrupted {
                signal,
                done: format!("while it waited for {holder}; nothing is lost"),
            }
            .into());
        }
        if let Some(waiting) = waiting.take() {
            waiting(&holder);
        }
        // The kernel's own waiting would go on after a signal.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Why a file cannot be locked: for want of a lock manager, of the call, or of either in its file system.
fn not_locked(path: &Path, source: std::io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP) => {
            Error::NoLocks { path: path.to_owned(), source }
        }
        _ => Error::at(path.display())(source),
    }
}

/// What its last holder said of itself stays readable for those who do not get it.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Says in a lock that was just taken who holds it, and looks at what its last holder left.
fn taken(mut file: File, path: &Path) -> std::io::Result<Claim> {
    file.set_len(0)?;
    file.write_all(holder().as_bytes())?;
    // An NFS client may remember for a while that a file was not there, and so miss what the last holder made on
    // another machine: opening the folder makes it ask.
    path.parent().map_or(Ok(()), |folder| folder.read_dir().map(drop))?;
    Ok(Claim::Ours(file))
}

/// This process, as it says of itself in what it holds.
pub(crate) fn holder() -> String {
    format!("process {} on {}\n", std::process::id(), host())
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "this machine".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_said_with_its_mount_options() {
        let said = |number| {
            let error = not_locked(Path::new("r/.lock"), std::io::Error::from_raw_os_error(number));
            assert!(!error.is_refusal());
            error.to_string()
        };
        for number in [libc::ENOLCK, libc::ENOSYS, libc::EOPNOTSUPP] {
            let message = said(number);
            assert!(message.starts_with("r/.lock: cannot be locked: "), "{message}");
            assert!(
                message.contains("without `nolock`") && message.contains("Lustre with `flock`"),
                "{message}"
            );
        }
        assert!(!said(libc::EACCES).contains("nolock"));
    }
}

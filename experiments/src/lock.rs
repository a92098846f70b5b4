//! One process at a time in a folder. The kernel releases a lock when its holder ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Claims a results folder for as long as the returned file lives.
pub fn claim(folder: &Path) -> Result<File> {
    let (path, file) = open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `aaren run` is at work in {}; wait until it has finished, or choose another --results folder",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context(path),
    }
}

/// Claims a folder, once whoever has it is done.
pub fn wait_for(folder: &Path) -> Result<File> {
    let (path, file) = open(folder)?;
    file.lock().context(path)?;
    Ok(file)
}

fn open(folder: &Path) -> Result<(String, File)> {
    let path = folder.join(".lock");
    let shown = path.display().to_string();
    let file = File::create(path).with_context(|| shown.clone())?;
    Ok((shown, file))
}

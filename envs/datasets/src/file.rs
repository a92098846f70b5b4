//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to a temporary name beside `path`, flushes them to the disk, and renames. Safe against
/// a kill or a power cut at any moment; two writers of one path at the same time must be kept apart.
///
/// # Errors
/// What the file system says; whatever stood at `path` before is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    // The new name has to reach the disk too; not every file system can be asked for that.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Makes the folder `path`, which must not exist: `fill` fills it under a temporary name beside it, which
/// is then renamed.
///
/// # Errors
/// What the file system says, and what `fill` does; there is no folder then.
pub fn folder_whole<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if path.symlink_metadata().is_ok() {
        let reason = "it exists already; remove it or give another name";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason).into());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(&temporary)?;
    fill(&temporary).and_then(|()| Ok(fs::rename(&temporary, path)?)).inspect_err(|_| {
        let _ = fs::remove_dir_all(&temporary);
    })
}

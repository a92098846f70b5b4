//! Files that are there whole or not at all.

use std::path::Path;

use crate::Error;

/// [`aaren_datasets::write_whole`] with this crate's error.
///
/// # Errors
/// [`Error::Write`]; whatever stood at `path` before is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    aaren_datasets::write_whole(path, bytes).map_err(|reason| Error::Write { path: path.to_owned(), reason })
}

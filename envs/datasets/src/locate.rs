//! Where the dataset is that a user names: a path, with `~`, or the id of a Minari dataset on this machine.

use std::path::{Path, PathBuf};

use crate::ids::{self, is_minari_id, minari_root};

/// A dataset that is not there: what was found instead, and what helps.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// What the text is.
    pub found: String,
    /// A command or a key.
    pub cure: Option<String>,
}

/// The file or folder of that name, relative to `folder`.
///
/// A leading `~` and `$HOME` are the home folder. An id such as `D4RL/pointmaze/umaze-v2` that is no path is looked for
/// in `$MINARI_DATASETS_PATH`, else in `~/.minari/datasets`.
///
/// # Errors
/// [`Missing`] for what is not there.
pub fn locate(text: &str, folder: &Path) -> Result<PathBuf, Missing> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(Missing {
            found: format!("`{text}`, an address"),
            cure: Some(ids::address(text, scheme, rest)),
        });
    }
    let path = folder.join(expand(text));
    let error = match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) => error,
    };
    if is_minari_id(text)
        && let Ok(path) = minari_root().join(text).canonicalize()
    {
        return Ok(path);
    }
    let shown = path.display().to_string().replace(char::is_control, "?");
    let opened = || format!("`{shown}`, which cannot be opened ({error})");
    Err(match ids::known(text, folder) {
        Some((what, cure)) => {
            Missing { found: what.map_or_else(opened, |what| format!("`{text}`, {what}")), cure }
        }
        None => Missing { found: opened(), cure: None },
    })
}

/// The home folder for `~` and `$HOME`.
fn expand(text: &str) -> PathBuf {
    for home in ["~", "$HOME", "${HOME}"] {
        let rest = text.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let (Some(rest), Some(folder)) = (rest, std::env::home_dir()) {
            return folder.join(rest.trim_start_matches('/'));
        }
    }
    text.into()
}

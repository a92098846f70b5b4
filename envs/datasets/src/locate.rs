//! Where the dataset is that a user names: a path, with `~`, or the id of a Minari dataset on this machine.

use std::path::{Path, PathBuf};

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
        return Err(address(text, scheme, rest));
    }
    let path = folder.join(expand(text));
    let error = match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) => error,
    };
    let shown = path.display().to_string().replace(char::is_control, "?");
    let mut missing = Missing { found: format!("`{shown}`, which cannot be opened ({error})"), cure: None };
    if is_d4rl_id(text) {
        missing.found = format!("`{text}`, a D4RL dataset that is not on this machine");
        missing.cure = Some(d4rl_cure(text));
    } else if is_minari_id(text) {
        let root = minari_root();
        let there = root.join(text);
        if let Ok(path) = there.canonicalize() {
            return Ok(path);
        }
        missing.found = format!("`{text}`, a Minari dataset that is not in {}", root.display());
        missing.cure = Some(format!("`aaren data fetch {text}`"));
    }
    Err(missing)
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

/// Where Minari keeps datasets.
pub fn minari_root() -> PathBuf {
    match std::env::var_os("MINARI_DATASETS_PATH").filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => std::env::home_dir().unwrap_or_default().join(".minari/datasets"),
    }
}

/// Whether a text is an id as Minari spells it: `(namespace/)*name-vN`.
pub fn is_minari_id(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let version = text.rsplit_once("-v").map(|(_, version)| version);
    text.split('/').all(plain)
        && version.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
}

/// `hopper-medium-v2`, `antmaze-umaze-v0`, `pen-human-v1`: ids of D4RL, which are no folders.
fn is_d4rl_id(text: &str) -> bool {
    const TASKS: [&str; 13] = [
        "hopper",
        "halfcheetah",
        "walker2d",
        "ant",
        "antmaze",
        "maze2d",
        "pen",
        "door",
        "hammer",
        "relocate",
        "kitchen",
        "minigrid",
        "carla",
    ];
    let task = text.split('-').next().unwrap_or(text);
    is_minari_id(text) && !text.contains('/') && TASKS.contains(&task) && text != task
}

/// Whether an id is of D4RL's Gym sets, which are there to be fetched.
pub(crate) fn is_d4rl_gym_id(text: &str) -> bool {
    let task = text.split('-').next().unwrap_or(text);
    is_d4rl_id(text) && ["hopper", "halfcheetah", "walker2d", "ant"].contains(&task)
}

/// What brings a D4RL dataset here; a recipe of almost the same name is another one.
fn d4rl_cure(id: &str) -> String {
    let (name, _) = id.rsplit_once("-v").unwrap_or((id, ""));
    let (task, rest) = name.split_once('-').unwrap_or((name, ""));
    if is_d4rl_gym_id(id) {
        return format!(
            "`aaren data fetch {id}`, then `dataset: {id}.hdf5`; the recipe `{name}` is another dataset, made here"
        );
    }
    let minari = format!("D4RL/{task}/{rest}-v2");
    format!("its successor is Minari's: `aaren data fetch {minari}`, then `dataset: {minari}`")
}

/// What to do with an address of the internet.
fn address(text: &str, scheme: &str, rest: &str) -> Missing {
    let name = rest.trim_end_matches('/').rsplit('/').next().unwrap_or(rest);
    let cure = match scheme {
        "http" | "https" | "ftp" => format!("download it: `curl -LO {text}`, then `dataset: {name}`"),
        "hf" => {
            let id = rest.split('/').skip(1).collect::<Vec<_>>().join("/");
            let id = if id.is_empty() { name.to_owned() } else { id };
            format!(
                "download it: `MINARI_REMOTE=hf://{} minari download {id}`, then `dataset: {id}`",
                rest.split('/').next().unwrap_or(rest)
            )
        }
        "file" => format!("write `dataset: {rest}`"),
        "s3" => format!("download it: `aws s3 cp {text} .`, then `dataset: {name}`"),
        "gs" => format!("download it: `gsutil cp {text} .`, then `dataset: {name}`"),
        _ => format!("download it, then `dataset: {name}`"),
    };
    Missing { found: format!("`{text}`, an address"), cure: Some(cure) }
}

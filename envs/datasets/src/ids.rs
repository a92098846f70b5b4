//! Ids and addresses that people give for datasets, and what brings each of them here.

use std::path::{Path, PathBuf};

use crate::offers;

/// What a text is that leads to no file, where that is more than a path, and what helps.
pub(crate) fn known(text: &str, folder: &Path) -> Option<(Option<String>, Option<String>)> {
    let said = |what: String, cure: String| Some((Some(what), Some(cure)));
    if let Some(name) = ogbench(text) {
        let cure = format!(
            "`pip install ogbench`, then `python -c \"import ogbench; ogbench.download_datasets(['{name}'])\"`, then \
             `dataset: ~/.ogbench/data/{name}.npz`"
        );
        return said("an OGBench dataset that is not on this machine".into(), cure);
    }
    if aaren_envs::ids().contains(&text) {
        let cure = format!("write `env: {text}`; a recipe such as `hopper-medium` makes data");
        return said("an environment, not a dataset".into(), cure);
    }
    if let Some(file) = text.strip_suffix(".hdf5") {
        let name = file.rsplit('/').next().unwrap_or(file);
        if let Some(id) = offers::spelled(name).filter(|id| offers::is_gym(id)) {
            return Some((None, Some(format!("`aaren data fetch {id}`"))));
        }
    }
    let bare = offers::bare(text);
    if offers::is_gym(bare) {
        let (how, recipe) = (offers::how(bare), bare.trim_end_matches("-v2"));
        let cure = format!("{how}; the recipe `{recipe}` is another dataset, made here");
        return said("a D4RL dataset that is not on this machine".into(), cure);
    }
    if !offers::is_minari(text)
        && let Some(cure) = offers::instead(text)
    {
        let what = if offers::is_d4rl(bare) { "a D4RL dataset" } else { "a dataset" };
        return said(format!("{what} that is not on this machine"), cure);
    }
    if is_minari_id(text) {
        let what = format!("a Minari dataset that is not in {}", minari_root().display());
        return said(what, format!("`aaren data fetch {text}`"));
    }
    // What was expanded stands in the path.
    let home = ["~/", "$HOME/", "${HOME}/"].iter().any(|start| text.starts_with(start));
    if text.starts_with(['~', '$', '%']) && !home {
        let cure = "write the path in full; `~` and `$HOME` are expanded, nothing else is".into();
        return Some((None, Some(cure)));
    }
    if let [drive, b':', b'\\' | b'/', ..] = text.as_bytes() {
        let drive = char::from(*drive).to_ascii_lowercase();
        let rest = text.get(3..).unwrap_or_default().replace('\\', "/");
        return said("a path of Windows".into(), format!("under WSL it is `/mnt/{drive}/{rest}`"));
    }
    let (owner, name) = text.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !part.starts_with('.')
    };
    let hub =
        plain(owner) && plain(name) && Path::new(name).extension().is_none() && !folder.join(owner).exists();
    hub.then(|| {
        (None, Some(format!("if it is a dataset of the Hugging Face hub, {}", hub_cure(owner, name))))
    })
}

fn hub_cure(owner: &str, name: &str) -> String {
    format!(
        "`hf download {owner}/{name} --repo-type dataset --local-dir {name}` (`pip install huggingface_hub`), then \
         `dataset: ./{name}`"
    )
}

/// The file of an id such as `antmaze-medium-navigate-v0` or `cube-single-play-singletask-task2-v0`.
fn ogbench(text: &str) -> Option<String> {
    const TASKS: [&str; 8] =
        ["pointmaze", "antmaze", "humanoidmaze", "antsoccer", "cube", "scene", "puzzle", "powderworld"];
    const WAYS: [&str; 5] = ["navigate", "stitch", "explore", "play", "noisy"];
    let (name, version) = text.rsplit_once("-v")?;
    let (name, _) = name.split_once("-singletask").unwrap_or((name, ""));
    let mut parts = name.trim_start_matches("visual-").split('-');
    let task = parts.next()?;
    let way = parts.next_back()?;
    // D4RL's `antmaze-medium-play` is another one.
    let own = TASKS.contains(&task) && WAYS.contains(&way) && !(task == "antmaze" && way == "play");
    (own && version.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{name}-v{version}"))
}

/// What to do with an address of the internet.
pub(crate) fn address(text: &str, scheme: &str, rest: &str) -> String {
    let name = rest.trim_end_matches('/').rsplit('/').next().unwrap_or(rest);
    let repository = |path: &str| {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        Some((parts.next()?.to_owned(), parts.next()?.to_owned(), parts.next().is_none()))
    };
    match scheme {
        "http" | "https" => {
            let hub = rest.strip_prefix("huggingface.co/datasets/").and_then(repository);
            if let Some((owner, name, true)) = hub {
                return hub_cure(&owner, &name);
            }
            // A page that shows a file is not the file.
            let file = text
                .replace("/blob/", if rest.starts_with("huggingface.co/") { "/resolve/" } else { "/raw/" });
            format!("download it: `curl -LO {file}`, then `dataset: {name}`")
        }
        "ftp" => format!("download it: `curl -LO {text}`, then `dataset: {name}`"),
        "hf" => {
            let rest = rest.strip_prefix("datasets/").unwrap_or(rest);
            let (owner, id) = rest.split_once('/').unwrap_or((rest, name));
            if !is_minari_id(id)
                && let Some((owner, name, true)) = repository(rest)
            {
                return hub_cure(&owner, &name);
            }
            format!("download it: `MINARI_REMOTE=hf://{owner} minari download {id}`, then `dataset: {id}`")
        }
        "file" => format!("write `dataset: {rest}`"),
        "s3" => format!("download it: `aws s3 cp {text} .`, then `dataset: {name}`"),
        "gs" => format!("download it: `gsutil cp {text} .`, then `dataset: {name}`"),
        _ => format!("download it, then `dataset: {name}`"),
    }
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

//! Downloads of the datasets that people type: D4RL's ids, and Minari's. `curl` does the work, so that proxies and
//! certificates are the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ids::{is_minari_id, minari_root};
use crate::{Dataset, Error, offers};

/// Connections for one file that bring nothing new, before it is given up.
const TRIES: usize = 3;

/// Where D4RL's v2 files are, unless `D4RL_ENDPOINT` says otherwise.
const D4RL: &str = "https://rail.eecs.berkeley.edu/datasets/offline_rl";
/// Where Minari's datasets are, unless `HF_ENDPOINT` says otherwise.
const HUGGING_FACE: &str = "https://huggingface.co";
/// Who keeps them there.
const MINARI_USER: &str = "farama-minari";

/// Downloads a dataset and checks that it can be read: a D4RL id (`hopper-medium-v2`) to `ID.hdf5` below `folder`, a
/// Minari id (`D4RL/pointmaze/umaze-v2`) to where Minari keeps its own. What was cut off goes on where it stopped, also
/// in a later call; the name is given at the end. `progress` gets bytes done and bytes in all.
///
/// # Errors
/// [`Error::Fetch`] with the cure; [`Error::Open`] where the place is taken or nothing has that id; those of [`Dataset::load`].
pub fn fetch(id: &str, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<PathBuf, Error> {
    let bare = offers::bare(id);
    let path = if offers::is_gym(bare) {
        let path = folder.join(format!("{bare}.hdf5"));
        free(&path)?;
        let name = bare.trim_end_matches("-v2").replace('-', "_");
        let url = format!("{}/gym_mujoco_v2/{name}-v2.hdf5", endpoint("D4RL_ENDPOINT", D4RL));
        let size = length(&url)?;
        let part = beside(&path);
        file(&url, &part, size, &|done| progress(done, size))?;
        check(&part)?;
        rename(&part, &path)?;
        path
    } else if let Some(instead) = offers::instead(bare).filter(|_| !bare.contains('/')) {
        return Err(Error::open(Path::new(id), format!("not there to be fetched; {instead}")));
    } else if is_minari_id(id) {
        minari(id, progress, 0)?
    } else {
        let reason = "expected an id of D4RL (hopper-medium-v2) or of Minari (D4RL/pointmaze/umaze-v2, mujoco/hopper/medium-v0)";
        return Err(Error::open(Path::new(id), reason));
    };
    Ok(path)
}

/// A Minari dataset, and those that it combines.
fn minari(id: &str, progress: &dyn Fn(u64, u64), depth: usize) -> Result<PathBuf, Error> {
    let path = minari_root().join(id);
    free(&path)?;
    let part = beside(&path);
    let (repository, below) = id.split_once('/').unwrap_or((id, ""));
    let endpoint = endpoint("HF_ENDPOINT", HUGGING_FACE);
    let slash = if below.is_empty() { "" } else { "/" };
    let mut page = Some(format!(
        "{endpoint}/api/datasets/{MINARI_USER}/{repository}/tree/main{slash}{below}?recursive=true"
    ));
    let mut files: Vec<(String, u64)> = Vec::new();
    while let Some(url) = page.take() {
        let [head, body] = printed(&["--dump-header", "/dev/stderr"], &url)?;
        let wrong = || failed(&url, "found no list of files, expected Hugging Face's; is the id right?");
        let list: Value = serde_json::from_str(&body).map_err(|_| wrong())?;
        for entry in list.as_array().ok_or_else(wrong)? {
            if let (Some("file"), Some(path), Some(size)) =
                (entry["type"].as_str(), entry["path"].as_str(), entry["size"].as_u64())
            {
                let inside = path.strip_prefix(below).map(|rest| rest.trim_start_matches('/'));
                let sound =
                    inside.filter(|inside| inside.split('/').all(|part| !matches!(part, "" | "." | "..")));
                files.push((sound.ok_or_else(wrong)?.to_owned(), size));
            }
        }
        page = next_page(&head);
    }
    if files.is_empty() {
        let what = format!("{endpoint}/datasets/{MINARI_USER}/{repository}");
        return Err(failed(what, "found no files of that dataset"));
    }
    let total: u64 = files.iter().map(|(_, size)| size).sum();
    let mut before = 0;
    for (name, size) in &files {
        let to = part.join(name);
        fs::create_dir_all(to.parent().unwrap_or(&part)).map_err(|e| failed(to.display(), e))?;
        let url = format!("{endpoint}/datasets/{MINARI_USER}/{repository}/resolve/main/{below}{slash}{name}");
        file(&url, &to, *size, &|done| progress(before + done, total))?;
        before += size;
    }
    let metadata = fs::read(part.join("data/metadata.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let combined = metadata.as_ref().and_then(|metadata| metadata["combined_datasets"].as_array());
    for other in combined.into_iter().flatten().filter_map(Value::as_str) {
        // It becomes a path and an address.
        if !is_minari_id(other) {
            let (place, found) = (part.join("data/metadata.json"), format!("`{}`", other.escape_debug()));
            let expected = "ids of Minari's such as D4RL/pen/human-v2; ask whoever made the dataset";
            return Err(Error::content(&place, "combined_datasets", found, expected));
        }
        if depth < 4 && !minari_root().join(other).exists() {
            minari(other, progress, depth + 1)?;
        }
    }
    check(&part)?;
    rename(&part, &path)?;
    Ok(path)
}

/// Whether a whole download can be read; what cannot is not kept, so that the next call fetches it anew.
fn check(part: &Path) -> Result<(), Error> {
    let read = Dataset::load(part).map(drop);
    if read.is_err() {
        let _ = if part.is_dir() { fs::remove_dir_all(part) } else { fs::remove_file(part) };
    }
    read
}

fn endpoint(variable: &str, usual: &str) -> String {
    let said = std::env::var(variable).ok().filter(|text| !text.is_empty());
    said.unwrap_or_else(|| usual.to_owned()).trim_end_matches('/').to_owned()
}

fn failed(what: impl ToString, reason: impl ToString) -> Error {
    Error::Fetch { what: what.to_string(), reason: reason.to_string() }
}

/// Refuses what is there.
fn free(path: &Path) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::open(path, "it exists already; remove it to fetch it anew"))
}

/// The name under which a download is begun.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn rename(part: &Path, path: &Path) -> Result<(), Error> {
    fs::rename(part, path).map_err(|e| failed(path.display(), e))
}

fn curl(arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--globoff",
        "--connect-timeout",
        "30",
    ]);
    command.args(["--speed-limit", "1", "--speed-time", "60"]).args(arguments).stdin(Stdio::null());
    command
}

fn not_started(error: &std::io::Error) -> Error {
    failed("curl", format!("{error}; install it (Debian: `apt install curl`)"))
}

/// What curl says went wrong, on one line.
fn said(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr).trim().trim_start_matches("curl: ").replace(char::is_control, " ")
}

/// What curl prints about an address, errors and output.
fn printed(option: &[&str], url: &str) -> Result<[String; 2], Error> {
    let done = curl(&[option, &[url]].concat()).output().map_err(|e| not_started(&e))?;
    if !done.status.success() {
        // Headers come before it.
        let reason = said(&done.stderr).rsplit("  ").next().unwrap_or_default().to_owned();
        return Err(failed(url, format!("{reason}; is the id right, and the network there?")));
    }
    Ok([done.stderr, done.stdout].map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// The address in a `Link` header with `rel="next"`.
fn next_page(head: &str) -> Option<String> {
    let link = head.lines().rev().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("link").then_some(value)
    })?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

/// The length of a file that the server says.
fn length(url: &str) -> Result<u64, Error> {
    let [_, head] = printed(&["--head"], url)?;
    let head = head.to_lowercase();
    let said = head.lines().rev().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    said.ok_or_else(|| failed(url, "the server does not say how long the file is"))
}

/// Downloads a file of so many bytes, going on where an earlier try stopped.
fn file(url: &str, to: &Path, size: u64, progress: &dyn Fn(u64)) -> Result<(), Error> {
    let here = || fs::metadata(to).map_or(0, |metadata| metadata.len());
    let place = to.display().to_string();
    let (mut idle, mut reason) = (0, String::new());
    while here() != size {
        let before = here();
        if before > size {
            // Longer than it should be: another file, or a server that sent too much.
            fs::remove_file(to).map_err(|e| failed(&place, e))?;
        }
        if idle == TRIES {
            let found =
                format!("found {} bytes, expected {size} ({reason}); run the command again to go on", here());
            return Err(failed(url, found));
        }
        let mut child = curl(&["--continue-at", "-", "--output", &place, url])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| not_started(&e))?;
        while child.try_wait().map_err(|e| not_started(&e))?.is_none() {
            progress(here().min(size));
            std::thread::sleep(Duration::from_millis(20));
        }
        let done = child.wait_with_output().map_err(|e| not_started(&e))?;
        reason =
            if done.status.success() { "the server sent another length".into() } else { said(&done.stderr) };
        // 33: the server cannot go on in the middle.
        if done.status.code() == Some(33) {
            fs::remove_file(to).map_err(|e| failed(&place, e))?;
        }
        // 22: the server refuses the file.
        if done.status.code() == Some(22) {
            return Err(failed(url, format!("{reason}; is the id right?")));
        }
        idle = if here() > before && here() <= size { 0 } else { idle + 1 };
    }
    progress(size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_not_the_one_before() {
        let head =
            "HTTP/2 200\r\nLink: <https://x/a?p=1>; rel=\"prev\", <https://x/a?p=3>; rel=\"next\"\r\n\r\n";
        assert_eq!(next_page(head).as_deref(), Some("https://x/a?p=3"));
        assert_eq!(next_page("HTTP/2 200\r\nlink: <https://x/a>; rel=\"prev\"\r\n\r\n"), None);
    }
}

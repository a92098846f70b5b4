//! What the README and the book quote was made by a commit of this history from a clean tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] })
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Each folder says by which command it was made (`experiments/reference.sh` writes that), and each JSON in it by
/// which commit; none by one that is not in this history, or from a tree with changes.
#[test]
fn references_are_made_by_this_history_from_clean_trees() {
    let history = git(&["rev-parse", "--is-shallow-repository"]).is_some_and(|shallow| shallow == "false");
    if !history {
        println!("no whole history here: which commits belong to it cannot be told");
    }
    let check = |path: &Path, made: &Value| {
        let commit = made["commit"].as_str().unwrap_or_else(|| panic!("{}: no commit", path.display()));
        assert_eq!(made["dirty"], false, "{}: made from a tree with changes", path.display());
        let known = git(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_some();
        assert!(!history || known, "{}: its commit {commit} is not in this history", path.display());
    };
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let folders = std::fs::read_dir(root().join("results/reference")).unwrap();
    for folder in folders.map(|folder| folder.unwrap().path()) {
        let provenance = folder.join("provenance.json");
        assert!(provenance.is_file(), "{}: `make reference` did not make it", folder.display());
        check(&provenance, &read(&provenance));
        for path in files(&folder, ".json") {
            // What a grid varies is not measured.
            if path != provenance && !path.ends_with("grid.json") {
                check(&path, &read(&path)["protocol"]);
            }
        }
    }
}

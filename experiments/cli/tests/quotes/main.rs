//! What the README and the book quote stands in `results/reference` as it was made, and what stands there was made by this
//! history and is what the program writes today.

mod made;
mod sentences;
mod tables;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Files below a folder, as they are named from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut entries: Vec<_> = std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap).collect();
    // As a shell lists folders.
    entries.sort_by_key(|entry| format!("{}/", entry.file_name().to_string_lossy()));
    let below = entries.iter().flat_map(|entry| {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() { files(&name, ending) } else { vec![name] }
    });
    below.filter(|name| name.ends_with(ending)).collect()
}

/// The README, the pages of the book, and the references that quote others.
fn documents() -> Vec<(String, String)> {
    let others = ["README.md", "results/reference/recipes/difficulty.md"].map(String::from);
    let all = others.into_iter().chain(files("docs/src", ".md"));
    all.map(|name| (name.clone(), read(&name))).collect()
}

/// Of these the README and the pages of results.
fn pages_of_results() -> impl Iterator<Item = (String, String)> {
    let is_it = |name: &str| name == "README.md" || name.starts_with("docs/src/results/");
    documents().into_iter().filter(move |(name, _)| is_it(name))
}

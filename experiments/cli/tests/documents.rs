//! The README and the book: their links lead somewhere, their YAML is accepted, their commands run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use aaren_spec::Document;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inside = |path: PathBuf| if path.is_dir() { pages(&path) } else { vec![path] };
    let mut found: Vec<PathBuf> = entries.flat_map(inside).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found.sort();
    found
}

/// Every document that a user reads, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let top =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    let all = top.into_iter().chain(pages(&root().join("docs/src")));
    all.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a text: language and content.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let (mut found, mut lines) = (Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let block = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            found.push((language, block.map(|line| line.to_owned() + "\n").collect()));
        }
    }
    found
}

/// The text without its fenced blocks and inline code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    outside.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("") + "\n").collect()
}

/// The anchors of a page, as mdBook and GitHub make them of its headings.
fn anchors(text: &str) -> Vec<String> {
    let slug = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let mut fenced = false;
    let headings = text.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced && line.starts_with('#')
    });
    headings.map(slug).collect()
}

#[test]
fn every_link_leads_somewhere_and_every_page_stands_in_the_book() {
    let (mut checked, mut listed) = (0, BTreeSet::new());
    for (path, text) in documents() {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        for target in prose(&text).split("](").skip(1).map(|rest| rest.split([')', ' ']).next().unwrap()) {
            checked += 1;
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let to = to.canonicalize().unwrap_or_else(|_| panic!("{shown}: {target} leads nowhere"));
            if !anchor.is_empty() {
                let there = anchors(&std::fs::read_to_string(&to).unwrap());
                assert!(there.iter().any(|it| it == anchor), "{shown}: {target}: no such heading: {there:?}");
            }
            if shown.ends_with("SUMMARY.md") {
                listed.insert(to);
            }
        }
    }
    assert!(checked > 100, "{checked} links");
    let there = pages(&root().join("docs/src"));
    let missing = there.iter().filter(|page| !page.ends_with("SUMMARY.md") && !listed.contains(*page));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "not in docs/src/SUMMARY.md");
}

/// Confirmatory or exploratory, seen or hidden: each page of results begins with what the overview says of it.
#[test]
fn pages_of_results_begin_with_their_status() {
    let folder = root().join("docs/src/results");
    let overview = std::fs::read_to_string(folder.join("overview.md")).unwrap();
    let heads = "| question | page | status | observations | seeds × updates | short answer |";
    let rows =
        overview.lines().skip_while(|line| *line != heads).skip(2).take_while(|line| line.starts_with('|'));
    let mut told = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let page = folder.join(cells[2].split_once("](").unwrap().1.trim_end_matches(')'));
        let said =
            ["observations", "seeds × updates"].iter().zip(&cells[4..6]).filter(|(_, cell)| **cell != "–");
        let said: String = said.map(|(head, cell)| format!(" · {head}: {cell}")).collect();
        let status = format!("*[Status](overview.md): {}{said}*", cells[3]);
        let text = std::fs::read_to_string(&page).unwrap();
        assert_eq!(text.lines().nth(2), Some(status.as_str()), "{}", page.display());
        told.insert(page);
    }
    told.insert(folder.join("overview.md"));
    assert_eq!(told, pages(&folder).into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn the_readme_is_short() {
    let lines = std::fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 200, "{lines} lines: move what is not on a newcomer's way into docs/src");
}

/// A file of Hopper's shapes, as D4RL's are.
fn write_d4rl(path: &Path) {
    let transitions = aaren_datasets::Transitions {
        observations: (0..200 * 11).map(|index| (index as f32 * 0.37).sin()).collect(),
        actions: (0..200 * 3).map(|index| (index as f32 * 0.71).sin()).collect(),
        rewards: (0..200).map(|index| (index as f32 * 0.13).cos()).collect(),
        terminals: vec![false; 200],
        timeouts: (0..200).map(|index| index % 20 == 19).collect(),
    };
    aaren_datasets::Dataset::new("hopper", transitions, 11, 3, false).write_d4rl(path, &[]).unwrap();
}

/// A command as a test affords it: trainings other than the first experiment's are listed, datasets are small.
fn afforded(words: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match (words[0].as_str(), words.get(1).map(String::as_str)) {
        ("run", Some("corridor.yaml")) => {}
        // The time of an update is measured, of small ones here.
        ("run", _) => {
            words.push("--dry-run".into());
            for key in ["model.width=8", "model.layers=1", "train.batch=2", "train.threads=1"] {
                words.extend(["--set".into(), key.into()]);
            }
        }
        ("data", Some("make")) => {
            if let Some(place) = words.iter().position(|word| word == "--transitions") {
                words.drain(place..place + 2);
            }
            words.extend(["--transitions".into(), "500".into()]);
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    words.retain(|word| word != "--dry-run" || seen.insert(word.clone()));
    words
}

/// The pages in the order in which a newcomer reads them, in one folder; what one leaves the next ones find.
#[test]
fn the_yaml_of_the_pages_is_accepted_and_their_commands_run() {
    let folder = tempfile::tempdir().unwrap();
    write_d4rl(&folder.path().join("hopper-medium-v2.hdf5"));
    // That an interpreter is there is checked; nothing of these pages starts it.
    std::fs::create_dir_all(folder.path().join(".venv/bin")).unwrap();
    std::fs::write(folder.path().join(".venv/bin/python"), "").unwrap();
    let summary = std::fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    let mut documents = documents();
    documents.sort_by_key(|(path, _)| {
        let page = path.strip_prefix(root().join("docs/src")).ok();
        page.and_then(|page| summary.find(&format!("({})", page.display()))).unwrap_or(usize::MAX)
    });
    let (mut accepted, mut ran) = (0, 0);
    let mut later = Vec::new();
    for (path, text) in documents {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        for (language, block) in blocks(&text) {
            match language {
                "yaml" => {
                    let name = block.lines().next().and_then(|line| line.strip_prefix("# "));
                    let name = name.filter(|name| name.ends_with(".yaml"));
                    let file = folder.path().join(name.unwrap_or("unnamed.yaml"));
                    std::fs::write(&file, &block).unwrap();
                    later.push((shown.clone(), name.unwrap_or("unnamed.yaml").to_owned(), block.clone()));
                }
                "console" => {
                    for line in block.lines() {
                        let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{shown}: {line}"));
                        let mut words = command.split_whitespace();
                        let program = words.next().unwrap();
                        assert!(program.ends_with("aaren"), "{shown}: {command}");
                        let words = afforded(&words.collect::<Vec<_>>());
                        let output = Command::new(env!("CARGO_BIN_EXE_aaren"))
                            .current_dir(&folder)
                            .args(&words)
                            .output()
                            .unwrap();
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        assert!(output.status.success(), "{shown}: {words:?}:\n{said}");
                        ran += 1;
                    }
                }
                // `sh` is for commands that need what a test has not: the network, an hour, a cluster.
                "text" | "sh" | "" | "python" | "rust" | "c" | "bibtex" | "json" => {}
                other => panic!("{shown}: a block of {other:?}: its language decides how it is tested"),
            }
        }
    }
    // A file that one page names may be made by another's commands.
    for (shown, name, block) in later {
        let file = folder.path().join(name);
        let data = block.lines().find_map(|line| line.strip_prefix("dataset: ")?.split_whitespace().next());
        let data = data.filter(|data| data.contains('.')).map(|data| folder.path().join(data));
        match data.filter(|data| !data.exists()) {
            Some(data) if data.extension().is_some_and(|ending| ending == "hdf5") => write_d4rl(&data),
            // What stands in another one is read by `run` only.
            Some(data) => std::fs::write(data, "").unwrap(),
            None => {}
        }
        std::fs::write(&file, block).unwrap();
        let document = Document::read(&file, &[]).unwrap_or_else(|error| panic!("{shown}: {error}"));
        // A grid is several documents.
        let cells = document.cells().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let all =
            cells.map_or(vec![document], |(_, cells)| cells.into_iter().map(|it| it.document).collect());
        for document in all {
            document.spec().unwrap_or_else(|error| panic!("{shown}: {error}"));
        }
        accepted += 1;
    }
    assert!(accepted >= 6 && ran > 30, "{accepted} accepted, {ran} ran");
}

/// Every dependency that is not of this repository says what it is for, where its version is declared.
#[test]
fn dependencies_have_their_reason() {
    let mut declared = 0;
    let crates = [
        "agents",
        "damaged-files",
        "envs",
        "envs/datasets",
        "experiments/bench",
        "experiments/cli",
        "experiments/reports",
        "experiments/runs",
        "experiments/spec",
        "experiments/statistics",
        "policies/encoders",
        "policies/format",
        "policies/streaming",
        "policies/streaming/c",
        "",
    ];
    for folder in crates {
        let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (mut within, mut above) = (false, "");
        for line in text.lines() {
            if line.starts_with('[') {
                within = line.ends_with("dependencies]");
            } else if within
                && line.contains(" = ")
                && !line.contains("path = ")
                && !line.contains("workspace = ")
            {
                declared += 1;
                let reason = line.contains("# ") || above.starts_with("# ");
                assert!(reason, "{folder}/Cargo.toml: {line}: say in a comment what it is for");
            }
            above = line;
        }
    }
    assert!(declared > 30, "{declared}");
}

/// The names of this project's crates that a crate imports, and whether it links libtorch itself.
fn imports(folder: &str) -> (BTreeSet<String>, bool) {
    let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let dependencies = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = dependencies.lines().take_while(|line| !line.starts_with('['));
    let names: Vec<&str> = lines.filter_map(|line| line.split([' ', '.', '=']).next()).collect();
    let ours = names.iter().filter_map(|name| name.strip_prefix("aaren-")).map(str::to_owned);
    (ours.collect(), names.contains(&"tch"))
}

/// ARCHITECTURE.md's table: what each crate imports, and what thereby links libtorch.
#[test]
fn the_architecture_is_what_the_crates_declare() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `aaren")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, folder, _, imported, torch] = cells[..] else { panic!("{line}") };
        let unquoted = |cell: &str| cell.trim_matches('`').to_owned();
        let imported: BTreeSet<String> = imported.split(", ").filter(|it| *it != "–").map(unquoted).collect();
        (unquoted(name).replace("aaren-", ""), unquoted(folder), imported, torch == "yes")
    });
    let rows: Vec<_> =
        rows.filter(|(_, folder, ..)| root().join(folder).join("Cargo.toml").exists()).collect();
    assert!(rows.len() >= 14, "{} crates", rows.len());
    for (name, folder, imported, torch) in &rows {
        let (declared, mut links) = imports(folder);
        assert_eq!(imported, &declared, "{name}");
        // What it imports stands above it.
        let above = |it: &String| rows.iter().take_while(|row| row.0 != *name).find(|row| row.0 == *it);
        for it in imported {
            links |= above(it).unwrap_or_else(|| panic!("{name}: {it} does not stand above it")).3;
        }
        assert_eq!(*torch, links, "{name}: libtorch");
    }
}

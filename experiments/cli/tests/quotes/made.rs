//! What stands in `results/reference` was made by a commit of this history from a clean tree, and its texts are what the program
//! writes today of its numbers.

use std::process::Command;

use aaren_reports::Summary;
use serde_json::Value;

use crate::{files, read, root};

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
    let check = |file: &str, made: &Value| {
        let commit = made["commit"].as_str().unwrap_or_else(|| panic!("{file}: no commit"));
        assert_eq!(made["dirty"], false, "{file}: made from a tree with changes");
        let known = git(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_some();
        assert!(!history || known, "{file}: its commit {commit} is not in this history");
    };
    let json = |file: &str| -> Value { serde_json::from_str(&read(file)).unwrap() };
    for folder in std::fs::read_dir(root().join("results/reference")).unwrap() {
        let folder = format!("results/reference/{}", folder.unwrap().file_name().to_string_lossy());
        let provenance = format!("{folder}/provenance.json");
        assert!(root().join(&provenance).is_file(), "{folder}: `make reference` did not make it");
        check(&provenance, &json(&provenance));
        for file in files(&folder, ".json") {
            // What a grid varies is not measured.
            if file != provenance && !file.ends_with("/grid.json") {
                check(&file, &json(&file)["protocol"]);
            }
        }
    }
}

/// Whether what is made from summaries is to be written anew.
fn writes() -> bool {
    std::env::var_os("AAREN_WRITE_REPORTS").is_some()
}

const CURE: &str = "AAREN_WRITE_REPORTS=1 cargo test -p aaren-cli --test quotes those_of_the";

/// A text without its pictures, which not every folder has, and without its protocol, where the program says more today.
fn told(text: &str) -> String {
    let before = text.split("## Protocol").next().unwrap_or_default();
    let lines = before.lines().filter(|line| !line.is_empty() && !line.starts_with("!["));
    lines.collect::<Vec<_>>().join("\n")
}

/// The tables of an experiment are what the program writes today of its numbers; with [`CURE`] they are written anew.
#[test]
fn summaries_are_those_of_the_numbers() {
    let summaries = files("results/reference", "/summary.json");
    assert!(summaries.len() > 150, "{}", summaries.len());
    for numbers in summaries {
        let text = format!("{}.md", numbers.strip_suffix(".json").unwrap());
        let today = Summary::read(&root().join(&numbers)).unwrap().markdown();
        let found = read(&text);
        if told(&found) == told(&today) {
            continue;
        }
        assert!(writes(), "{text} is not what {numbers} gives: {CURE}");
        let pictures = found.contains("\n![");
        let lines = today.lines().filter(|line| pictures || !line.starts_with("!["));
        std::fs::write(root().join(&text), lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    }
}

/// Where several experiments are gathered, `aaren report` writes today what was committed; with [`CURE`] it writes that
/// anew, pictures too.
#[test]
fn reports_are_those_of_the_summaries() {
    let writes = writes();
    let scratch = tempfile::tempdir().unwrap();
    let reports = files("results/reference", "/report.md");
    assert!(reports.len() > 20, "{reports:?}");
    for report in reports {
        let folder = report.strip_suffix("/report.md").unwrap();
        let (whole, part) = folder.rsplit_once('/').unwrap();
        // The cells of a grid where velocities are hidden, and those where they are not; grid.yaml has some in grid-gru.yaml.
        let hidden = match part {
            "hidden" => Some(true),
            "seen" => Some(false),
            _ => None,
        };
        let experiments: Vec<String> = match hidden {
            None if part == "beside" => vec!["results/reference/hidden-endpoint".into(), whole.to_owned()],
            None => vec![folder.to_owned()],
            Some(hidden) => [whole.to_owned(), format!("{whole}-gru")]
                .iter()
                .filter(|grid| root().join(grid).is_dir())
                .flat_map(|grid| files(grid, "/summary.json"))
                .filter(|summary| read(summary).contains("\"observe\": \"positions\"") == hidden)
                .map(|summary| summary.strip_suffix("/summary.json").unwrap().to_owned())
                .collect(),
        };
        let to = if writes { root().join(folder) } else { scratch.path().join(folder) };
        std::fs::create_dir_all(&to).unwrap();
        let mut aaren = Command::new(env!("CARGO_BIN_EXE_aaren"));
        aaren.current_dir(root()).arg("report").args(experiments).arg("--out").arg(&to);
        let output = aaren.output().unwrap();
        assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
        for file in ["report.md", "report.csv"] {
            let today = std::fs::read_to_string(to.join(file)).unwrap();
            assert!(
                today == read(&format!("{folder}/{file}")),
                "{folder}/{file} is not what `aaren report` writes: {CURE}"
            );
        }
    }
}

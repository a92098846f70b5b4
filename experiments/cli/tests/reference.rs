//! What the README and the book quote was made by a commit of this history from a clean tree, and stands there
//! as it was made.

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

/// The README, the pages of the book, and the references that quote others.
fn documents() -> Vec<(String, String)> {
    let others = ["README.md", "results/reference/recipes/difficulty.md"].map(|name| root().join(name));
    let all = others.into_iter().chain(files(&root().join("docs/src"), ".md"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().display().to_string(), text)
    };
    all.map(read).collect()
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The files that the comment above a table names, and whether the table holds lines of one or cells of them.
fn source(line: &str) -> Option<(Vec<&str>, bool)> {
    let named = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let cells = named.strip_prefix("cells of ");
    let named = cells.or(named.starts_with("results/").then_some(named))?;
    Some((named.split(", ").collect(), cells.is_some()))
}

/// The rows of all tables of a text, each cell with the head of its column.
fn rows(text: &str) -> Vec<Vec<(&str, &str)>> {
    let (mut heads, mut rows) = (None, Vec::new());
    for line in text.lines() {
        if !line.starts_with('|') {
            heads = None;
            continue;
        }
        let cells = cells(line);
        match &heads {
            None => heads = Some(cells),
            Some(heads) => rows.push(heads.iter().copied().zip(cells).collect()),
        }
    }
    rows
}

/// Below `<!-- results/reference/… -->` stand a table's head and lines of it as in that file, in its order; below `<!--
/// cells of … -->` each cell stands in one of these files in a row of the same name: in the column of the same head where
/// there is one, and numbers in any case.
#[test]
fn quoted_tables_are_those_of_the_references() {
    let mut quoted = 0;
    for (document, text) in documents() {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some((sources, by_cell)) = source(line) else { continue };
            let made: Vec<String> =
                sources.iter().map(|file| std::fs::read_to_string(root().join(file)).expect(file)).collect();
            let table: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with('|')).collect();
            assert!(table.len() > 2, "{document}: no table below {line}");
            if by_cell {
                let made: Vec<_> = made.iter().flat_map(|text| rows(text)).collect();
                for row in &rows(&table.join("\n"))[1..] {
                    let name = row[0].1;
                    let of_name = || made.iter().filter(|made| made[0].1 == name).flatten();
                    for (head, cell) in &row[1..] {
                        let same_head: Vec<&str> =
                            of_name().filter(|(other, _)| other == head).map(|(_, cell)| *cell).collect();
                        let number = cell.contains(|c: char| c.is_ascii_digit())
                            && !cell.contains(char::is_alphabetic);
                        let there = match same_head.is_empty() {
                            true => !number || of_name().any(|(_, other)| other == cell),
                            false => same_head.contains(cell),
                        };
                        assert!(there, "{document}: {cell} ({head}) of {name} is not in {sources:?}");
                    }
                }
            } else {
                let mut made = made[0].lines();
                for row in &table {
                    assert!(made.any(|line| line == *row), "{document}: not in {line}, or elsewhere:\n{row}");
                }
            }
            quoted += 1;
        }
    }
    assert!(quoted > 20, "{quoted}");
}

/// An estimate with its interval in a sentence stands in a table of the same page.
#[test]
fn estimates_in_sentences_are_those_of_the_page() {
    for (document, text) in documents() {
        let (tables, sentences): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with('|'));
        let tables = tables.join("\n");
        for sentence in sentences {
            for (place, _) in sentence.match_indices('±') {
                let before = sentence[..place].trim_end().rsplit([' ', '(']).next().unwrap();
                let after = sentence[place + '±'.len_utf8()..].trim_start();
                let digits = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
                let estimate =
                    format!("{} ± {}", before.replace('−', "-"), after[..digits].trim_end_matches('.'));
                if before.contains(|c: char| c.is_ascii_digit()) {
                    assert!(
                        tables.contains(&estimate),
                        "{document}: {estimate} stands in none of its tables"
                    );
                }
            }
        }
    }
}

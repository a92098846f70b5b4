//! What the README and the book quote stands in `results/reference` as it was made, and what is written there from summaries
//! is what the program writes today.

use std::path::{Path, PathBuf};
use std::process::Command;

use aaren_reports::Summary;
use serde_json::Value;

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
        // The cells of a grid where velocities are hidden, and those where they are not.
        let hidden = match part {
            "hidden" => Some(true),
            "seen" => Some(false),
            _ => None,
        };
        let experiments: Vec<String> = match hidden {
            None => vec![folder.to_owned()],
            Some(hidden) => files(whole, "/summary.json")
                .iter()
                .map(|summary| summary.strip_suffix("/summary.json").unwrap().to_owned())
                .filter(|cell| cell.ends_with("-positions") == hidden)
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

/// The README, the pages of the book, and the references that quote others.
fn documents() -> Vec<(String, String)> {
    let others = ["README.md", "results/reference/recipes/difficulty.md"].map(String::from);
    let all = others.into_iter().chain(files("docs/src", ".md"));
    all.map(|name| (name.clone(), read(&name))).collect()
}

/// A table of a text: its head and its rows, cell by cell.
struct Table<'t> {
    heads: Vec<&'t str>,
    rows: Vec<Vec<&'t str>>,
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Whether a cell is one, with or without an interval or a unit.
fn is_number(cell: &str) -> bool {
    cell.trim_start_matches(['-', '−', '+', '*', '≈', '≥', '≤', '<', '>', '['])
        .starts_with(|c: char| c.is_ascii_digit())
}

fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables: Vec<Table> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if !line.starts_with('|') {
            within = false;
        } else if !within {
            tables.push(Table { heads: cells(line), rows: Vec::new() });
            within = true;
        } else if line.contains(|c: char| !"|-: ".contains(c)) {
            tables.last_mut().expect("one was begun").rows.push(cells(line));
        }
    }
    tables
}

/// Where the cells of a column come from.
struct Origin<'t> {
    files: Vec<&'t str>,
    head: &'t str,
    /// Another column, and what stands there in the row.
    told: Option<(&'t str, &'t str)>,
}

impl Origin<'_> {
    /// The cell of a row's name, and of its roll-out where that is told: the first that holds something.
    fn find(&self, name: &str, rollout: Option<&str>) -> Option<String> {
        self.files.iter().find_map(|file| {
            let text = read(file);
            if file.ends_with(".yaml") {
                // `- name: {key: value, …}`.
                let line =
                    text.lines().find(|line| line.trim_start().starts_with(&format!("- {name}: {{")))?;
                let value = line.split(&format!("{}: ", self.head)).nth(1)?.split([',', '}']).next()?;
                return Some(value.replace(".0e", "e"));
            }
            tables(&text).iter().find_map(|table| {
                let column = table.heads.iter().position(|head| *head == self.head)?;
                let at = |head: &str| table.heads.iter().position(|other| *other == head);
                let mut told = vec![(0, name)];
                if let Some((head, cell)) = self.told {
                    told.push((at(head)?, cell));
                }
                told.extend(at("roll-out").zip(rollout));
                let is_it = |row: &&Vec<&str>| {
                    told.iter().all(|&(column, cell)| row.get(column) == Some(&cell))
                        && row.get(column).is_some_and(|cell| !cell.is_empty())
                };
                table.rows.iter().find(is_it).map(|row| row[column].to_owned())
            })
        })
    }
}

/// What a comment of a line of its own says.
fn comment(line: &str) -> Option<&str> {
    let within = line.trim().strip_prefix("<!--")?;
    Some(within.strip_suffix("-->").unwrap_or_else(|| panic!("a comment of several lines: {line}")).trim())
}

/// Below `<!-- results/reference/… -->` stand a table's head and lines of that one table, in its order.
fn check_lines(document: &str, file: &str, quoted: &[&str]) {
    let text = read(file);
    let lines: Vec<&str> = text.lines().collect();
    let is_it = |place: usize| {
        let mut table = lines[place..].iter().take_while(|line| line.starts_with('|'));
        quoted.iter().all(|row| table.any(|line| line == row))
    };
    let there = (0..lines.len()).any(|place| Some(&lines[place]) == quoted.first() && is_it(place));
    assert!(there, "{document}: no table of {file} has these lines in this order:\n{}", quoted.join("\n"));
}

/// Below `<!-- cells of FILE, FILE; COLUMN = HEAD [where HEAD is CELL] in FILE; … -->` each number, and each word of a
/// column that the file has, stands in the row of its name and roll-out, in the column that is told or else in that of the
/// same head.
fn check_cells(document: &str, sources: &str, quoted: &[&str]) {
    let mut sources = sources.split("; ");
    let files: Vec<&str> = sources.next().expect("one at least").split(", ").collect();
    let told: Vec<(&str, Origin)> = sources
        .map(|told| {
            let (column, from) = told.split_once(" = ").unwrap_or_else(|| panic!("{document}: {told}"));
            let (head, file) = from.rsplit_once(" in ").unwrap_or_else(|| panic!("{document}: {told}"));
            let (head, told) = match head.split_once(" where ") {
                Some((head, told)) => (head, Some(told.split_once(" is ").expect("HEAD is CELL"))),
                None => (head, None),
            };
            (column, Origin { files: vec![file], head, told })
        })
        .collect();
    let text = quoted.join("\n");
    let table = &tables(&text)[0];
    for (column, _) in &told {
        assert!(table.heads.contains(column), "{document}: there is no column {column}");
    }
    let rollouts = table.heads.iter().position(|head| *head == "roll-out");
    for (column, head) in table.heads.iter().enumerate().skip(1) {
        let same = Origin { files: files.clone(), head, told: None };
        let origin = told.iter().find(|(told, _)| told == head).map_or(&same, |(_, origin)| origin);
        for row in &table.rows {
            let cell = row[column];
            if Some(column) == rollouts {
                continue;
            }
            let found = origin.find(row[0], rollouts.map(|column| row[column]));
            // Words of a column that the file has; elsewhere they are the page's own.
            if is_number(cell) || (origin.head == *head && found.is_some() && !cell.is_empty()) {
                let expected = found.as_deref().unwrap_or("no such cell");
                assert!(
                    cell == expected,
                    "{document}: {cell} ({head}) of {}, not {expected} as in {:?}",
                    row[0],
                    origin.files
                );
            }
        }
    }
}

#[test]
fn quoted_tables_are_those_of_the_references() {
    let mut quoted = 0;
    for (document, text) in documents() {
        let lines: Vec<&str> = text.lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let Some(source) = comment(line) else { continue };
            let table: Vec<&str> =
                lines[place + 1..].iter().copied().take_while(|line| line.starts_with('|')).collect();
            match source.strip_prefix("cells of ") {
                Some(sources) => check_cells(&document, sources, &table),
                None if source.starts_with("results/") => check_lines(&document, source, &table),
                None => {
                    assert!(source.contains(" in results/"), "{document}: what is this? {line}");
                    continue;
                }
            }
            assert!(table.len() > 2, "{document}: no table below {line}");
            quoted += 1;
        }
    }
    assert!(quoted > 60, "{quoted}");
}

/// Tables of numbers that are no quotes: numbers of single trainings, some of which were not kept, and what YAMLs say.
const OWN: [&str; 7] = [
    "docs/src/results/asked.md: | name | what differs |",
    "docs/src/results/asked.md: | asked | 2500 | 3000 | 3300 | 3500 | 3700 | 3900 | 4100 |",
    "docs/src/results/asked.md: | | asked 4100 | 2500 | 1100 |",
    "docs/src/results/asked.md: | | asked 3600 | 2400 | 1200 |",
    "docs/src/results/asked.md: | form | updates | Aaren | Transformer |",
    "docs/src/results/overview.md: | question | page | status | observations | seeds × updates | short answer |",
    "docs/src/results/demo.md: | task | what it asks | updates |",
];

#[test]
fn tables_of_numbers_on_the_pages_of_results_are_quotes() {
    for (document, text) in documents() {
        if document != "README.md" && !document.starts_with("docs/src/results/") {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (place, line) in lines.iter().enumerate().skip(1) {
            let above = lines[place - 1];
            let begins = line.trim().starts_with('|') && !above.trim().starts_with('|');
            let head = format!("{document}: {line}");
            let quotes =
                comment(above).is_some_and(|it| it.starts_with("cells of ") || it.starts_with("results/"));
            if begins && !quotes && !OWN.contains(&head.as_str()) {
                let rows = lines[place + 1..].iter().take_while(|line| line.trim().starts_with('|'));
                let digits = rows.flat_map(|row| cells(row)).filter(|cell| is_number(cell)).count();
                assert!(digits == 0, "no file is named above this table\n{head}");
            }
        }
    }
}

/// Whether a number, as it is written, stands in a file: at `place` in a JSON, keys with dots between them, below which any
/// number counts that is rounded to it.
fn stands(number: &str, place: Option<&str>, file: &str) -> bool {
    fn any(value: &Value, is_it: &dyn Fn(f64) -> bool) -> bool {
        match value {
            Value::Number(number) => number.as_f64().is_some_and(is_it),
            Value::Array(values) => values.iter().any(|value| any(value, is_it)),
            _ => false,
        }
    }
    fn below<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
        match (value, keys) {
            (_, []) => vec![value],
            (Value::Array(values), _) => values.iter().flat_map(|value| below(value, keys)).collect(),
            (_, [key, rest @ ..]) => value.get(*key).map_or_else(Vec::new, |value| below(value, rest)),
        }
    }
    let text = read(file);
    let Some(place) = place else { return numbers(&text).iter().any(|other| other == number) };
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value: Value = serde_json::from_str(&text).unwrap();
    let found = below(&value, &place.split('.').collect::<Vec<_>>());
    found.iter().any(|value| any(value, &|x| format!("{x:.decimals$}") == number))
}

/// The numbers of a text, each with the minus that stands before it.
fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.replace('−', "-").chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len()
            && (chars[at].is_ascii_digit()
                || (chars[at] == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)))
        {
            at += 1;
        }
        // Not that of a range or of a word.
        let before = |n: usize| start.checked_sub(n).map(|place| chars[place]);
        let minus = before(1) == Some('-') && !before(2).is_some_and(char::is_alphanumeric);
        let sign = if minus { "-" } else { "" };
        found.push(format!("{sign}{}", chars[start..at].iter().collect::<String>()));
    }
    found
}

/// Every number with decimals in a sentence of the README and of the pages of results stands in a table of that page, or a
/// comment of the page says where it is from: `<!-- 0.71, 0.57 in FILE -->`, in a JSON `<!-- 62.2 of KEY.KEY in FILE -->`. A
/// number with a minus stands there with one.
#[test]
fn numbers_in_sentences_are_those_of_the_page() {
    for (document, text) in documents() {
        if document != "README.md" && !document.starts_with("docs/src/results/") {
            continue;
        }
        let mut known: Vec<String> = Vec::new();
        let (mut paragraphs, mut code) = (vec![String::new()], false);
        for line in text.lines() {
            if line.starts_with("```") {
                code = !code;
            } else if line.starts_with('|') || code {
                known.extend(numbers(line));
            } else if let Some(told) = comment(line) {
                let Some((told, file)) = told.rsplit_once(" in ") else { continue };
                if !told.starts_with("cells of ") {
                    let (told, place) = told.split_once(" of ").map_or((told, None), |(a, b)| (a, Some(b)));
                    for number in told.split(", ") {
                        assert!(stands(number, place, file), "{document}: {number} is not in {file}");
                        known.push(number.into());
                    }
                }
            } else if line.is_empty() {
                paragraphs.push(String::new());
            } else {
                let paragraph = paragraphs.last_mut().expect("one at least");
                *paragraph += line;
                paragraph.push(' ');
            }
        }
        let is_known = |number: &String| {
            known.contains(number) || (!number.starts_with('-') && known.contains(&format!("-{number}")))
        };
        let missing = |paragraph: &String| {
            let numbers = numbers(&plain(paragraph)).into_iter();
            numbers.filter(|number| number.contains('.') && !is_known(number)).collect::<Vec<_>>()
        };
        let missing: Vec<String> = paragraphs.iter().flat_map(missing).collect();
        assert!(missing.is_empty(), "{document}: where are these from? {missing:?}");
    }
}

/// A paragraph without code, links' targets, versions and papers' numbers.
fn plain(paragraph: &str) -> String {
    let prose: String = paragraph.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    let mut rest = prose.as_str();
    while let Some(begin) = rest.find("](") {
        text += &rest[..begin];
        let end = rest[begin..].find(')').map_or(rest.len(), |end| begin + end);
        rest = &rest[end..];
    }
    text += rest;
    let word = |word: &&str| {
        let number = word.trim_matches(|c: char| !c.is_ascii_digit());
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = number.split('.').collect();
        // MuJoCo 3.17.0, arXiv 2306.09459, Rust ≥ 1.95, Apache-2.0.
        let version = parts.len() > 2 && parts.iter().all(|part| digits(part));
        let paper = parts.len() == 2 && parts[0].len() == 4 && parts[1].len() == 5;
        !version && !paper && !word.starts_with(">=") && !word.starts_with("Apache-")
    };
    text.replace("≥ ", ">=").split_whitespace().filter(word).collect::<Vec<_>>().join(" ")
}

//! Tables are quoted from where a comment above them says.

use crate::{documents, pages_of_results, read, root};

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
pub fn comment(line: &str) -> Option<&str> {
    let within = line.trim().strip_prefix("<!--")?;
    Some(within.strip_suffix("-->").unwrap_or_else(|| panic!("a comment of several lines: {line}")).trim())
}

/// Below `<!-- results/reference/… -->` stands a table of that file, below `<!-- results/reference/…, 3 of 16 rows -->` its head
/// and so many of its lines, in its order: a row that is left out is told.
fn check_lines(document: &str, source: &str, quoted: &[&str]) {
    let (file, told) = source.split_once(", ").map_or((source, None), |(file, told)| (file, Some(told)));
    let text = read(file);
    let lines: Vec<&str> = text.lines().collect();
    let table = |place: usize| lines[place..].iter().take_while(|line| line.starts_with('|'));
    let is_it = |place: &usize| {
        let mut table = table(*place);
        quoted.iter().all(|row| table.any(|line| line == row))
    };
    let place = (0..lines.len()).filter(|&place| Some(&lines[place]) == quoted.first()).find(is_it);
    let Some(place) = place else {
        panic!("{document}: no table of {file} has these lines in this order:\n{}", quoted.join("\n"))
    };
    let rows = [quoted.len() - 2, table(place).count() - 2];
    let should = (rows[0] < rows[1]).then(|| format!("{} of {} rows", rows[0], rows[1]));
    assert_eq!(told, should.as_deref(), "{document}: rows of {file} below {}", quoted[0]);
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
                    let file = source.rsplit_once(" in ").map(|(_, file)| root().join(file));
                    assert!(file.is_some_and(|file| file.is_file()), "{document}: what is this? {line}");
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
    for (document, text) in pages_of_results() {
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

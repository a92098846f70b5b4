//! Tables: CSV and Parquet, a row for each transition.

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::column::{Column, Numbers};
use crate::flat::{self, Source};
use crate::minari::tree_of;
use crate::space::Tree;
use crate::{Dataset, Error, Reading};

/// A CSV file with a line of names; columns `observation_0, observation_1, …` are one observation.
pub(crate) fn load_csv(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let table = Csv::read(path)?;
    flat::dataset(&table, "CSV", reading)
}

/// A Parquet file.
pub(crate) fn load_parquet(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let batches = parquet_batches(path, None)?;
    flat::dataset(&Batches { path: path.to_owned(), batches }, "Parquet", reading)
}

/// Record batches, of one file or of several with the same columns.
pub(crate) struct Batches {
    pub(crate) path: PathBuf,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Source for Batches {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let schema = self.batches.first().map(RecordBatch::schema);
        let fields = schema.iter().flat_map(|schema| schema.fields().iter());
        Ok(fields.map(|field| field.name().clone()).collect())
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        tree_of(&self.path, name, &self.batches)
    }
}

/// The record batches of a Parquet file, those columns alone that are asked for.
pub(crate) fn parquet_batches(path: &Path, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>, Error> {
    let fail = |e: &dyn std::fmt::Display| {
        let found = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::Open {
            path: path.to_owned(),
            reason: format!("not a readable Parquet file ({found}); is the download complete?"),
        }
    };
    let file = File::open(path).map_err(|e| fail(&e))?;
    // The library panics on some damaged files.
    let read = without_panic(|| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
        let schema = reader.schema().clone();
        let wanted: Vec<usize> = (schema.fields().iter().enumerate())
            .filter(|(_, field)| columns.is_none_or(|columns| columns.contains(&field.name().as_str())))
            .map(|(place, _)| place)
            .collect();
        let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
        let batches = reader.with_projection(mask).build().map_err(|e| e.to_string())?;
        batches.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())
    });
    read.unwrap_or_else(|| Err("its parts contradict one another".into())).map_err(|e| fail(&e))
}

/// What `read` returns; none where it panics, of which nothing is printed: the caller says what is wrong with the file.
fn without_panic<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    thread_local!(static EXPECTED: Cell<bool> = const { Cell::new(false) });
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                usual(panic);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    EXPECTED.set(false);
    outcome.ok()
}

/// Its numbers, the first cell that is none with its row, and whether all are whole.
type CsvColumn = (Numbers, Option<(usize, String)>, bool);

struct Csv {
    path: PathBuf,
    names: Vec<String>,
    columns: Vec<CsvColumn>,
    rows: usize,
}

impl Csv {
    fn read(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Open { path: path.to_owned(), reason };
        let mut first = String::new();
        let peek = File::open(path).map(std::io::BufReader::new);
        peek.and_then(|mut file| std::io::BufRead::read_line(&mut file, &mut first))
            .map_err(|e| fail(format!("not a table as text ({e})")))?;
        // The separator that the line of names has most of.
        let delimiter = [b',', b'\t', b';']
            .into_iter()
            .max_by_key(|&it| first.bytes().filter(|&byte| byte == it).count());
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter.unwrap_or(b','))
            .trim(csv::Trim::All)
            .from_path(path);
        let mut reader = reader.map_err(|e| fail(e.to_string()))?;
        let names: Vec<String> = reader
            .headers()
            .map_err(|e| fail(e.to_string()))?
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').to_owned())
            .collect();
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            let found = "numbers in the first line";
            return Err(Error::content(
                path,
                "line 1",
                found,
                "the names of the columns, such as `a,b,u,r,episode`",
            ));
        }
        let mut columns: Vec<_> = names.iter().map(|_| (Numbers::filled(0, 0.0), None, true)).collect();
        let (mut rows, mut line) = (0, csv::StringRecord::new());
        while reader.read_record(&mut line).map_err(|e| fail(e.to_string()))? {
            for (cell, (numbers, wrong, integer)) in line.iter().zip(&mut columns) {
                let number = match cell {
                    "true" | "True" | "TRUE" => Some(1.0),
                    "false" | "False" | "FALSE" => Some(0.0),
                    cell => cell.parse::<f64>().ok(),
                };
                if number.is_none() && wrong.is_none() {
                    *wrong = Some((rows, cell.to_owned()));
                }
                *integer &= number.is_none_or(|number| number.fract() == 0.0) && !cell.contains('.');
                numbers.push(number.unwrap_or(0.0));
            }
            rows += 1;
        }
        Ok(Self { path: path.to_owned(), names, columns, rows })
    }

    fn column(&self, place: usize) -> Result<Column, Error> {
        let (name, (numbers, wrong, integer)) = (&self.names[place], &self.columns[place]);
        if let Some((row, cell)) = wrong {
            let found =
                if cell.is_empty() { "an empty cell".into() } else { format!("`{}`", cell.escape_debug()) };
            return Err(Error::content(
                &self.path,
                name,
                format!("{found} in line {}", row + 2),
                "a number in each row",
            ));
        }
        Column::new(&self.path, name, self.rows, &[], *integer, numbers.copied())
    }

    /// The columns `NAME_0, NAME_1, …`.
    fn numbered(&self, name: &str) -> Vec<usize> {
        let place = |number: usize| {
            ["_", "", ".", "["].iter().find_map(|between| {
                let end = if *between == "[" { "]" } else { "" };
                let wanted = format!("{name}{between}{number}{end}");
                self.names.iter().position(|there| *there == wanted)
            })
        };
        (0..).map_while(place).collect()
    }
}

impl Source for Csv {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.names.clone();
        let sets = ["observations", "obs", "states", "observation", "actions", "action"];
        names.extend(sets.into_iter().filter(|set| !self.numbered(set).is_empty()).map(str::to_owned));
        Ok(names)
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        if let Some(place) = self.names.iter().position(|there| there == name) {
            return self.column(place).map(Tree::Leaf);
        }
        let parts = self.numbered(name).into_iter().enumerate();
        let parts =
            parts.map(|(number, place)| Ok((format!("_index_{number}"), Tree::Leaf(self.column(place)?))));
        Ok(Tree::Group(parts.collect::<Result<_, Error>>()?))
    }
}

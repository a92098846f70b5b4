//! Tables as text, with a line of names and a row for each transition.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::column::{Column, Numbers};
use crate::flat::{self, Source};
use crate::labels::Labels;
use crate::tree::Tree;
use crate::{Dataset, End, Error, Reading};

/// A CSV file with a line of names; columns `observation_0, observation_1, …` are one observation.
pub(crate) fn load(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let table = Csv::read(path)?;
    flat::dataset(&table, "CSV", reading)
}

impl Dataset {
    /// Writes a table as text: `observation_0, …, action_0, …, reward, terminated, truncated`, exact in float32.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_csv(&self, path: &Path) -> Result<(), Error> {
        let (size, columns) = (self.observation_size, self.action_size);
        let names = (0..size).map(|entry| format!("observation_{entry}"));
        let names = names.chain((0..columns).map(|entry| format!("action_{entry}")));
        let mut text = names.collect::<Vec<_>>().join(",") + ",reward,terminated,truncated\n";
        let ends = self.ends(End::Terminated).into_iter().zip(self.ends(End::Truncated));
        let rows = self.observations.chunks_exact(size).zip(self.actions.chunks_exact(columns));
        for (((observation, action), &reward), (terminated, truncated)) in rows.zip(&self.rewards).zip(ends) {
            observation.iter().for_each(|&x| text += &(shown(x) + ","));
            match self.discrete {
                true => action.iter().for_each(|&choice| text += &format!("{choice:.0},")),
                false => action.iter().for_each(|&x| text += &(shown(x) + ",")),
            }
            let _ = writeln!(text, "{},{terminated},{truncated}", shown(reward));
        }
        crate::write_whole(path, text.as_bytes()).map_err(|e| Error::write(path, e))
    }
}

/// The shortest decimal that is read as this number, with a point: a whole number would be a choice.
fn shown(x: f32) -> String {
    let text = format!("{x:?}");
    // Readers take it for a float64 first, which rounds twice.
    let same = text.parse::<f64>().is_ok_and(|read| read as f32 == x);
    if same { text } else { format!("{:?}", f64::from(x)) }
}

/// Its numbers, the first cell that is none with its row, and whether all are whole.
type CsvColumn = (Numbers, Option<(usize, String)>, bool);

struct Csv {
    path: PathBuf,
    names: Vec<String>,
    columns: Vec<CsvColumn>,
    rows: usize,
}

/// The rows of a file.
fn open(path: &Path) -> Result<::csv::Reader<File>, Error> {
    let mut first = String::new();
    let peek = File::open(path).map(std::io::BufReader::new);
    peek.and_then(|mut file| std::io::BufRead::read_line(&mut file, &mut first)).map_err(|e| {
        let cure = if e.kind() == std::io::ErrorKind::InvalidData { "; save it as UTF-8" } else { "" };
        Error::open(path, format!("not a table as text ({e}){cure}"))
    })?;
    // The separator that the line of names has most of.
    let delimiter =
        [b',', b'\t', b';'].into_iter().max_by_key(|&it| first.bytes().filter(|&byte| byte == it).count());
    let reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .trim(::csv::Trim::All)
        .from_path(path);
    reader.map_err(|e| Error::open(path, e))
}

impl Csv {
    fn read(path: &Path) -> Result<Self, Error> {
        let fail = |e: ::csv::Error| Error::open(path, e);
        let mut reader = open(path)?;
        let names: Vec<String> = reader
            .headers()
            .map_err(fail)?
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
        let (mut rows, mut line) = (0, ::csv::StringRecord::new());
        while reader.read_record(&mut line).map_err(fail)? {
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
        Column::new(&self.path, name, self.rows, &[], *integer, numbers.clone())
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
        let sets = [flat::OBSERVATIONS, flat::ACTIONS].into_iter().flatten().copied();
        names.extend(sets.filter(|set| !self.numbered(set).is_empty()).map(str::to_owned));
        Ok(names)
    }

    /// The texts of the cells, which are not kept: the file is read again.
    fn labels(&self, name: &str) -> Result<Vec<u64>, Error> {
        let place = self.names.iter().position(|there| there == name);
        let place =
            place.ok_or_else(|| Error::content(&self.path, name, "nothing", "a column of that name"))?;
        let (mut known, mut labels, mut line) =
            (Labels::default(), Vec::with_capacity(self.rows), ::csv::StringRecord::new());
        let mut reader = open(&self.path)?;
        while reader.read_record(&mut line).map_err(|e| Error::open(&self.path, e))? {
            match line.get(place).unwrap_or_default() {
                "" => {
                    let found = format!("an empty cell in line {}", labels.len() + 2);
                    return Err(Error::content(&self.path, name, found, "an episode in each row"));
                }
                cell => labels.push(known.of(cell.as_bytes())),
            }
        }
        Ok(labels)
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

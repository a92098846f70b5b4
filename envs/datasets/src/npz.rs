//! NumPy's `.npz`: a zip archive of arrays, read without unpacking more than is asked for.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::column::{Column, Numbers};
use crate::flat::{self, Source};
use crate::hdf5::{Kind, Type};
use crate::tree::Tree;
use crate::{Dataset, End, Error, Reading};

/// Reads arrays `observations`, `actions`, `rewards`, `terminals`, `timeouts`, or those that `columns` names; OGBench's
/// files have no rewards, and a final state in each trajectory's last row.
pub(crate) fn load(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let archive = Archive::open(path)?;
    if archive.names.iter().any(|name| name.ends_with("data.pkl")) {
        let reason = "this is a PyTorch file, which holds pickled objects; write arrays in Python: \
                      `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`";
        return Err(Error::open(path, reason));
    }
    if !archive.names.iter().any(|name| name.ends_with(".npy")) {
        let reason = format!(
            "this is a zip archive of {}; unpack it first: `unzip FILE`",
            crate::hdf5::shown(&archive.names)
        );
        return Err(Error::open(path, reason));
    }
    flat::dataset(&archive, "NumPy npz", reading)
}

impl Dataset {
    /// Writes NumPy's `.npz`, uncompressed: `observations actions rewards terminals timeouts`.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_npz(&self, path: &Path) -> Result<(), Error> {
        let floats = |data: &[f32]| data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let choices = || self.actions.iter().flat_map(|&choice| (choice as i64).to_le_bytes()).collect();
        let (observation, action) = (self.observation_size, self.action_size);
        let actions = match self.discrete {
            true if action == 1 => array("<i8", self.transitions(), None, choices()),
            true => array("<i8", self.transitions(), Some(action), choices()),
            false => array("<f4", self.transitions(), Some(action), floats(&self.actions)),
        };
        let rows = self.transitions();
        let members = [
            ("observations", array("<f4", rows, Some(observation), floats(&self.observations))),
            ("actions", actions),
            ("rewards", array("<f4", rows, None, floats(&self.rewards))),
            ("terminals", array("|b1", rows, None, self.ends(End::Terminated))),
            ("timeouts", array("|b1", rows, None, self.ends(End::Truncated))),
        ];
        let bytes = packed(members).map_err(|e| Error::write(path, e))?;
        crate::write_whole(path, &bytes).map_err(|e| Error::write(path, e))
    }
}

/// An array in NumPy's format, version 1.0, its data at a multiple of 64 bytes.
fn array(kind: &str, rows: usize, columns: Option<usize>, data: Vec<u8>) -> Vec<u8> {
    let shape = columns.map_or_else(|| format!("({rows},)"), |columns| format!("({rows}, {columns})"));
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    text += &" ".repeat((63 - (10 + text.len()) % 64) % 64);
    text += "\n";
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// A zip archive of members that are not compressed.
fn packed(members: [(&str, Vec<u8>); 5]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // The same data make the same file, whenever they are written.
    let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    for (name, data) in members {
        archive.start_file(format!("{name}.npy"), options.last_modified_time(DateTime::default()))?;
        archive.write_all(&data)?;
    }
    Ok(archive.finish()?.into_inner())
}

struct Archive {
    path: PathBuf,
    members: RefCell<ZipArchive<BufReader<File>>>,
    names: Vec<String>,
    /// Bytes of the file.
    size: u64,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, Error> {
        let fail = |e: String| Error::open(path, e + "; is the download complete?");
        let file = File::open(path).map_err(|e| fail(e.to_string()))?;
        let size = file.metadata().map_err(|e| fail(e.to_string()))?.len();
        let members = ZipArchive::new(BufReader::new(file));
        let members = members.map_err(|e| fail(format!("a damaged zip archive ({e})")))?;
        let mut names: Vec<String> = members.file_names().map(str::to_owned).collect();
        names.sort();
        Ok(Self { path: path.to_owned(), members: RefCell::new(members), names, size })
    }

    fn content(&self, key: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::content(&self.path, key, found, expected)
    }

    fn array(&self, key: &str) -> Result<Column, Error> {
        let broken = |e: &dyn std::fmt::Display| {
            self.content(key, e.to_string(), "a readable array; is the download complete?")
        };
        let mut members = self.members.borrow_mut();
        let member = members.by_name(&format!("{key}.npy")).map_err(|e| broken(&e))?;
        let (packed, unpacked) = (member.compressed_size(), member.size());
        // Deflate makes at most 1032 bytes of one.
        let most = match member.compression() {
            CompressionMethod::Stored => packed,
            CompressionMethod::Deflated => packed.saturating_mul(1032),
            other => {
                return Err(broken(&format!("an array compressed with {other}, which NumPy does not write")));
            }
        };
        if packed > self.size {
            return Err(broken(&"more data than the file has"));
        }
        let mut stream = BufReader::new(member);
        let Header { kind, shape, fortran } = self.header(key, &mut stream)?;
        let Some((&rows, row)) = shape.split_first() else {
            return Err(self.content(key, "one number", "a row for each transition"));
        };
        let entries = shape.iter().try_fold(1usize, |all, &edge| all.checked_mul(edge));
        let bytes = entries.and_then(|entries| entries.checked_mul(kind.size));
        let Some(bytes) = bytes.filter(|&bytes| bytes as u64 <= most.min(unpacked)) else {
            return Err(self.content(
                key,
                format!("the shape {shape:?} in {unpacked} bytes"),
                "no more than that",
            ));
        };
        let mut numbers = Numbers::filled(bytes / kind.size, 0.0);
        // In Fortran's order the first dimension is the fastest.
        let columns: usize = row.iter().product();
        let place = |index: usize| {
            if fortran && row.len() == 1 { index % rows * columns + index / rows } else { index }
        };
        if fortran && row.len() > 1 {
            return Err(self.content(
                key,
                "an array of several dimensions in Fortran's order",
                "C's order: `np.ascontiguousarray`",
            ));
        }
        let mut block = vec![0; (1 << 16) / kind.size * kind.size];
        let mut done = 0;
        while done < bytes {
            let now = block.len().min(bytes - done);
            stream.read_exact(&mut block[..now]).map_err(|e| broken(&e))?;
            kind.numbers(&block[..now], |index, x| numbers.put(place(done / kind.size + index), x));
            done += now;
        }
        // The checksum is compared at the end.
        stream.read(&mut [0]).map_err(|e| broken(&e))?;
        let integer = kind.is_integer();
        let column = Column::new(&self.path, key, rows, row, integer, numbers)?;
        Ok(Column { bytes: integer && kind.size == 1, ..column })
    }

    /// The header of NumPy's format: a Python dictionary in text.
    fn header(&self, key: &str, stream: &mut dyn BufRead) -> Result<Header, Error> {
        let wrong = |found: String| {
            self.content(key, found, "an array of numbers or booleans, as `np.savez` writes it")
        };
        let mut start = [0; 8];
        stream.read_exact(&mut start).map_err(|e| wrong(e.to_string()))?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err(wrong("no array".into()));
        }
        let mut length = [0; 4];
        let bytes = if start[6] == 1 { 2 } else { 4 };
        stream.read_exact(&mut length[..bytes]).map_err(|e| wrong(e.to_string()))?;
        let length = u32::from_le_bytes(length);
        if length > 1 << 16 {
            return Err(wrong(format!("a header of {length} bytes")));
        }
        let mut text = vec![0; length as usize];
        stream.read_exact(&mut text).map_err(|e| wrong(e.to_string()))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let after = |name: &str| text.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
        let descr = after("descr").unwrap_or_default();
        let quoted = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(kind, _)| kind);
        let kind = quoted.and_then(kind).ok_or_else(|| match quoted {
            Some("|O") => self.content(
                key,
                "Python objects (rows of several lengths, or dictionaries), which are pickled",
                "an array of numbers; write the rows one after another, with `timeouts` or an `episode` beside them",
            ),
            _ => wrong(format!("type {}", descr.chars().take(40).collect::<String>().escape_debug())),
        })?;
        let shape =
            after("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
        let shape = shape.and_then(|(shape, _)| {
            let edges = shape.split(',').map(str::trim).filter(|edge| !edge.is_empty());
            edges.map(|edge| edge.parse().ok()).collect::<Option<Vec<usize>>>()
        });
        let shape = shape.ok_or_else(|| wrong("an array without a shape".into()))?;
        if shape.iter().skip(1).any(|&edge| edge == 0) {
            return Err(self.content(key, "no columns", "at least one"));
        }
        Ok(Header {
            kind,
            shape,
            fortran: after("fortran_order").is_some_and(|rest| rest.starts_with("True")),
        })
    }
}

struct Header {
    kind: Type,
    shape: Vec<usize>,
    fortran: bool,
}

/// `<f4` and its like.
fn kind(descr: &str) -> Option<Type> {
    let (order, rest) = descr.split_at_checked(1)?;
    let (class, size) = rest.split_at_checked(1)?;
    let size: usize = size.parse().ok()?;
    let kind = match (class, size) {
        ("f", 2 | 4 | 8) => Kind::Float,
        ("i", 1 | 2 | 4 | 8) => Kind::Signed,
        ("u", 1 | 2 | 4 | 8) | ("b", 1) => Kind::Unsigned,
        _ => return None,
    };
    Some(Type { kind, size, big_endian: order == ">" })
}

impl Source for Archive {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.names.iter().filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect())
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        self.array(name).map(Tree::Leaf)
    }
}

//! NumPy's `.npz`: a zip archive of arrays, read without unpacking more than is asked for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::column::{Column, Numbers};
use crate::flat::{self, Source};
use crate::hdf5::{Kind, Type};
use crate::tree::Tree;
use crate::{Dataset, End, Error, Reading};

/// Reads arrays `observations`, `actions`, `rewards`, `terminals`, `timeouts`, or those that `columns` names; OGBench's
/// files have no rewards, and a final state in each trajectory's last row.
pub(crate) fn load(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let archive = Archive::open(path)?;
    if archive.members.iter().any(|member| member.name.ends_with("data.pkl")) {
        let reason = "this is a PyTorch file, which holds pickled objects; write arrays in Python: \
                      `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`";
        return Err(Error::Open { path: path.to_owned(), reason: reason.into() });
    }
    let nothing = !archive.members.iter().any(|member| member.name.ends_with(".npy"));
    if nothing {
        let names: Vec<String> = archive.members.iter().map(|member| member.name.clone()).collect();
        let reason =
            format!("this is a zip archive of {}; unpack it first: `unzip FILE`", crate::hdf5::shown(&names));
        return Err(Error::Open { path: path.to_owned(), reason });
    }
    flat::dataset(&archive, "NumPy npz", reading)
}

/// Writes what [`load`] reads.
pub(crate) fn write(dataset: &Dataset, path: &Path) -> Result<(), Error> {
    let floats = |data: &[f32]| data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let choices = || dataset.actions.iter().flat_map(|&choice| (choice as i64).to_le_bytes()).collect();
    let (observation, action) = (dataset.observation_size, dataset.action_size);
    let actions = match dataset.discrete {
        true if action == 1 => array("<i8", dataset.transitions(), None, choices()),
        true => array("<i8", dataset.transitions(), Some(action), choices()),
        false => array("<f4", dataset.transitions(), Some(action), floats(&dataset.actions)),
    };
    let rows = dataset.transitions();
    let members = [
        ("observations", array("<f4", rows, Some(observation), floats(&dataset.observations))),
        ("actions", actions),
        ("rewards", array("<f4", rows, None, floats(&dataset.rewards))),
        ("terminals", array("|b1", rows, None, dataset.ends(End::Terminated))),
        ("timeouts", array("|b1", rows, None, dataset.ends(End::Truncated))),
    ];
    let fail = |reason: String| Error::Write { path: path.to_owned(), reason };
    let bytes = zip(&members).ok_or_else(|| {
        fail("more than 4 GB, which zip archives of this kind do not take; write .hdf5".into())
    })?;
    crate::write_whole(path, &bytes).map_err(|e| fail(e.to_string()))
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

/// A zip archive of stored members; none where it would be larger than the format's plain form takes.
fn zip(members: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let name = format!("{name}.npy");
        let start = u32::try_from(bytes.len()).ok()?;
        let size = u32::try_from(data.len()).ok()?.to_le_bytes();
        // Version 2.0, no flags, stored, the earliest date.
        let mut facts = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        facts.extend(crc32(data).to_le_bytes());
        facts.extend([size, size].as_flattened());
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&facts);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        list.extend(b"PK\x01\x02\x14\0");
        list.extend(&facts);
        list.extend([0; 10]);
        list.extend(start.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (start, size) = (u32::try_from(bytes.len()).ok()?, u32::try_from(list.len()).ok()?);
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend(list);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].as_flattened());
    bytes.extend([size.to_le_bytes(), start.to_le_bytes()].as_flattened());
    bytes.extend([0, 0]);
    Some(bytes)
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

struct Archive {
    path: PathBuf,
    members: Vec<Member>,
    size: u64,
}

/// A file of the archive.
struct Member {
    name: String,
    /// Where its own header begins.
    header: u64,
    packed: u64,
    unpacked: u64,
    deflated: bool,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, Error> {
        let fail = |reason: &str| Error::Open {
            path: path.to_owned(),
            reason: format!("{reason}; is the download complete?"),
        };
        let io = |e: std::io::Error| fail(&e.to_string());
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        // The list of members stands before a last record with a comment of at most 65535 bytes.
        let tail_start = size.saturating_sub(65_557);
        let mut tail = vec![0; (size - tail_start) as usize];
        file.seek(SeekFrom::Start(tail_start)).and_then(|_| file.read_exact(&mut tail)).map_err(io)?;
        let end = tail
            .windows(4)
            .rposition(|four| four == b"PK\x05\x06")
            .ok_or_else(|| fail("a zip archive without an end"))?;
        let mut record = Little(&tail[end..]);
        let damaged = || fail("a damaged zip archive");
        record.skip(12).ok_or_else(damaged)?;
        let (mut length, mut start) =
            (record.number(4).ok_or_else(damaged)?, record.number(4).ok_or_else(damaged)?);
        // A larger archive says so in a record of its own, before a pointer to that record.
        if let Some(place) = end.checked_sub(20).filter(|&place| tail[place..].starts_with(b"PK\x06\x07")) {
            let mut pointer = Little(&tail[place + 8..]);
            let at = pointer.number(8).ok_or_else(damaged)?;
            let mut record = [0; 56];
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut record)).map_err(io)?;
            let mut record = Little(&record[40..]);
            (length, start) = (record.number(8).ok_or_else(damaged)?, record.number(8).ok_or_else(damaged)?);
        }
        if start.checked_add(length).is_none_or(|end| end > size) {
            return Err(damaged());
        }
        let mut list = vec![0; length as usize];
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut list)).map_err(io)?;
        let mut members = Vec::new();
        let mut rest = Little(&list);
        while rest.0.starts_with(b"PK\x01\x02") {
            members.push(member(&mut rest).ok_or_else(damaged)?);
        }
        Ok(Self { path: path.to_owned(), members, size })
    }

    fn content(&self, key: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::content(&self.path, key, found, expected)
    }

    fn array(&self, member: &Member, key: &str) -> Result<Column, Error> {
        let broken = |e: &dyn std::fmt::Display| {
            self.content(key, e.to_string(), "a readable array; is the download complete?")
        };
        let mut file = File::open(&self.path).map_err(|e| broken(&e))?;
        let mut head = [0; 30];
        file.seek(SeekFrom::Start(member.header))
            .and_then(|_| file.read_exact(&mut head))
            .map_err(|e| broken(&e))?;
        let names = Little(&head[26..]).number(2).unwrap_or(0) + Little(&head[28..]).number(2).unwrap_or(0);
        if member.header.saturating_add(30 + names).saturating_add(member.packed) > self.size {
            return Err(broken(&"more data than the file has"));
        }
        file.seek(SeekFrom::Current(names as i64)).map_err(|e| broken(&e))?;
        let packed = BufReader::new(file).take(member.packed);
        let mut stream: Box<dyn BufRead> = if member.deflated {
            Box::new(BufReader::new(flate2::read::DeflateDecoder::new(packed)))
        } else {
            Box::new(packed)
        };
        let Header { kind, shape, fortran } = self.header(key, &mut stream)?;
        let Some((&rows, row)) = shape.split_first() else {
            return Err(self.content(key, "one number", "a row for each transition"));
        };
        let entries = shape.iter().try_fold(1usize, |all, &edge| all.checked_mul(edge));
        let bytes = entries.and_then(|entries| entries.checked_mul(kind.size));
        let most = if member.deflated { member.packed.saturating_mul(1032) } else { member.packed };
        let Some(bytes) = bytes.filter(|&bytes| bytes as u64 <= most.min(member.unpacked)) else {
            return Err(self.content(
                key,
                format!("the shape {shape:?} in {} bytes", member.unpacked),
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
        Ok(self
            .members
            .iter()
            .filter_map(|member| member.name.strip_suffix(".npy").map(str::to_owned))
            .collect())
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        let member = self.members.iter().find(|member| member.name.strip_suffix(".npy") == Some(name));
        let member = member.ok_or_else(|| self.content(name, "nothing", "an array of that name"))?;
        self.array(member, name).map(Tree::Leaf)
    }
}

/// A member's entry in the list.
fn member(rest: &mut Little) -> Option<Member> {
    rest.skip(10)?;
    let method = rest.number(2)?;
    rest.skip(8)?;
    let (mut packed, mut unpacked) = (rest.number(4)?, rest.number(4)?);
    let [name, extra, comment] = [rest.number(2)?, rest.number(2)?, rest.number(2)?];
    rest.skip(8)?;
    let mut header = rest.number(4)?;
    let name = String::from_utf8_lossy(rest.take(name as usize)?).into_owned();
    let mut extras = Little(rest.take(extra as usize)?);
    rest.skip(comment as usize)?;
    while extras.0.len() >= 4 {
        let (kind, size) = (extras.number(2)?, extras.number(2)?);
        let mut extra = Little(extras.take(size as usize)?);
        if kind == 1 {
            // Sizes beyond four bytes, those alone that are.
            for number in [&mut unpacked, &mut packed, &mut header] {
                if *number == u64::from(u32::MAX) {
                    *number = extra.number(8)?;
                }
            }
        }
    }
    matches!(method, 0 | 8).then_some(Member { name, header, packed, unpacked, deflated: method == 8 })
}

/// Little-endian numbers, one after another.
struct Little<'b>(&'b [u8]);

impl<'b> Little<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }
}

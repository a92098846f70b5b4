//! What a path leads to: a dataset of one of the forms, or something else that is named, with what makes data of it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Dataset, Error, Reading, csv, d4rl, lerobot, minari, npz, parquet};

/// Reads a file or a folder by what it holds, not by its name.
pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let fail = |reason: String| Error::Open { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(|e| {
        let known = "a D4RL .hdf5 file, a Minari or LeRobot folder, an .npz, .csv or .parquet file, or a recipe's name \
                     (`aaren data make --help`)";
        fail(format!("{e}; give {known}"))
    })?;
    if metadata.is_dir() {
        return if lerobot::is_one(path) {
            lerobot::load(path, reading)
        } else {
            minari::load(path, reading)
        };
    }
    let mut first = Vec::new();
    let file = File::open(path).and_then(|file| file.take(512).read_to_end(&mut first));
    file.map_err(|e| fail(e.to_string()))?;
    let name = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match kind(&first) {
        Kind::Hdf5 => d4rl::load(path, reading),
        Kind::Zip => npz::load(path, reading),
        Kind::Parquet => parquet::load(path, reading),
        Kind::Other(what) => Err(fail(what.into())),
        Kind::Unknown if first.is_empty() => Err(fail("the file is empty; is the download complete?".into())),
        Kind::Unknown if ["csv", "tsv", "txt"].contains(&name.as_str()) => csv::load(path, reading),
        // The signature may stand behind a block of a user's own.
        Kind::Unknown => d4rl::load(path, reading),
    }
}

enum Kind {
    Hdf5,
    Zip,
    Parquet,
    /// Something else, with the cure.
    Other(&'static str),
    Unknown,
}

fn kind(first: &[u8]) -> Kind {
    let start = String::from_utf8_lossy(first).trim_start().to_lowercase();
    match first {
        [0x89, b'H', b'D', b'F', ..] => Kind::Hdf5,
        [b'P', b'K', 3 | 5, ..] => Kind::Zip,
        [b'P', b'A', b'R', b'1', ..] => Kind::Parquet,
        [0x1f, 0x8b, ..] => {
            Kind::Other("this is a gzip archive; unpack it first: `gunzip FILE` (or `tar xzf FILE`)")
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Other("this is a zstd archive; unpack it first: `unzstd FILE`"),
        [b'B', b'Z', b'h', ..] => Kind::Other("this is a bzip2 archive; unpack it first: `bunzip2 FILE`"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            Kind::Other("this is an xz archive; unpack it first: `unxz FILE`")
        }
        [0x80, 2..=5, ..] => Kind::Other(
            "this is a Python pickle, which can run any program when it is read; turn it into arrays in Python: \
             `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`",
        ),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Other(
            "this is a single NumPy array; a dataset has several: \
             `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`",
        ),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Kind::Other(
            "this is a single Arrow file; give the Minari folder that holds it, two levels above `data`, or write Parquet",
        ),
        _ if start.starts_with("version https://git-lfs") => Kind::Other(
            "this is a git-LFS pointer, which stands for the file; fetch the file: `git lfs pull` in its repository",
        ),
        _ if start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml") => {
            Kind::Other(
                "this is a web page; the download fetched an error or a log-in page: download the file itself",
            )
        }
        _ if start.starts_with('{') || start.starts_with('[') => {
            Kind::Other("this is JSON; write a table: CSV, Parquet, or `np.savez`")
        }
        _ => Kind::Unknown,
    }
}

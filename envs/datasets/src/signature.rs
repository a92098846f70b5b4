//! What a file or a folder is, by what it begins with: something that is no dataset is named, with what makes data of it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file is that is no dataset, where that can be told.
pub(crate) fn other(path: &Path) -> Option<&'static str> {
    match kind(&beginning(path).ok()?, "") {
        Kind::Other(what) => Some(what),
        _ => None,
    }
}

pub(crate) fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut first)?;
    Ok(first)
}

/// What a folder is that is no dataset, where that can be told.
pub(crate) fn folder(path: &Path) -> Option<String> {
    let names: Vec<String> = std::fs::read_dir(path)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with("._") && name != ".DS_Store")
        .collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if names.is_empty() {
        return Some("an empty folder; is the download complete?".into());
    }
    if [".zgroup", ".zarray", ".zmetadata", "zarr.json"].into_iter().any(has) {
        return Some(
            "this is a Zarr store; write its arrays in Python: `import zarr, numpy as np; z = zarr.open('FOLDER'); \
             np.savez('data.npz', observations=z[…][:], actions=z[…][:], rewards=…, terminals=…, timeouts=…)`"
                .into(),
        );
    }
    if has("dataset_info.json") && has("features.json") || names.iter().any(|name| name.contains(".tfrecord"))
    {
        return Some(TFRECORD.into());
    }
    if has("data") {
        return None;
    }
    let ending = |name: &&String| {
        let ending = Path::new(name.as_str()).extension().and_then(|it| it.to_str());
        ending.is_some_and(|it| ["hdf5", "h5", "npz", "csv", "parquet"].contains(&it))
    };
    let mut files: Vec<&String> = names.iter().filter(ending).collect();
    files.sort();
    let first = files.first()?;
    Some(format!(
        "a folder with {} files of data; give one file, such as `{}`",
        files.len(),
        path.join(first).display()
    ))
}

const TFRECORD: &str = "this is an RLDS or TFRecord dataset; write its arrays in Python: `import tensorflow_datasets as tfds, numpy \
                        as np; episodes = tfds.builder_from_directory('FOLDER').as_dataset('train')`, then `np.savez('data.npz', \
                        observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`";

const PICKLE: &str = "this is a Python pickle, which can run any program when it is read; turn it into arrays in Python: \
                      `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`";

/// What a file is.
pub(crate) enum Kind {
    Hdf5,
    Zip,
    Parquet,
    /// Something else, with the cure.
    Other(&'static str),
    Unknown,
}

/// By what it begins with; the ending of its name decides where that tells nothing.
pub(crate) fn kind(first: &[u8], ending: &str) -> Kind {
    let start = String::from_utf8_lossy(first).trim_start().to_lowercase();
    match first {
        [0x89, b'H', b'D', b'F', ..] => Kind::Hdf5,
        [b'P', b'A', b'R', b'1', ..] => Kind::Parquet,
        [0x1f, 0x8b, ..] => {
            Kind::Other("this is a gzip archive; unpack it first: `gunzip FILE` (or `tar xzf FILE`)")
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Other("this is a zstd archive; unpack it first: `unzstd FILE`"),
        [b'B', b'Z', b'h', ..] => Kind::Other("this is a bzip2 archive; unpack it first: `bunzip2 FILE`"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            Kind::Other("this is an xz archive; unpack it first: `unxz FILE`")
        }
        [0x80, 2..=5, ..] => Kind::Other(PICKLE),
        // Protocols 0 and 1, which have no signature.
        [b'(', b'd' | b'l' | b't', b'p', ..] | [b'}' | b']', b'q', ..] => Kind::Other(PICKLE),
        [b'7', b'z', 0xbc, 0xaf, ..] => Kind::Other("this is a 7z archive; unpack it first: `7z x FILE`"),
        [b'R', b'a', b'r', b'!', ..] => Kind::Other("this is a RAR archive; unpack it first: `unrar x FILE`"),
        [0x04, b'"', b'M', 0x18, ..] => Kind::Other("this is an LZ4 archive; unpack it first: `unlz4 FILE`"),
        _ if first.get(257..262) == Some(b"ustar") => {
            Kind::Other("this is a tar archive; unpack it first: `tar xf FILE`")
        }
        [b'M', b'A', b'T', b'L', b'A', b'B', ..] => Kind::Other(
            "this is a MATLAB file; turn it into arrays in Python: `m = scipy.io.loadmat('FILE')`, then `np.savez('data.npz', \
             observations=m[…], actions=m[…], rewards=…, terminals=…, timeouts=…)`",
        ),
        [0x89, b'M', b'C', b'A', b'P', ..] | [b'#', b'R', b'O', b'S', b'B', b'A', b'G', ..] => Kind::Other(
            "this is a recording of ROS; write a table with a row for each timestep: CSV, Parquet, or `np.savez`",
        ),
        _ if first.starts_with(b"SQLite format 3") => Kind::Other(
            "this is an SQLite database (ROS 2 records into such); write a table with a row for each timestep: CSV, \
             Parquet, or `np.savez`",
        ),
        _ if ["tfrecord", "tfrecords"].contains(&ending) => Kind::Other(TFRECORD),
        _ if ["pkl", "pickle"].contains(&ending) && !first.starts_with(b"version") && !first.is_empty() => {
            Kind::Other(PICKLE)
        }
        [b'P', b'K', 3, ..] if ["xlsx", "ods"].contains(&ending) => {
            Kind::Other("this is a spreadsheet; save it as CSV")
        }
        [b'P', b'K', 3 | 5, ..] => Kind::Zip,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Other(
            "this is a single NumPy array; a dataset has several: \
             `np.savez('data.npz', observations=…, actions=…, rewards=…, terminals=…, timeouts=…)`",
        ),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Kind::Other(
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

//! HDF5 files from strangers: opened, bounded, read.

mod source;

use std::path::{Path, PathBuf};

use hdf5_pure::{DType, Dataset as Node, File, FormatError, Layout};

use self::source::Watched;
use crate::Error;
use crate::column::Column;

/// An HDF5 file whose claims are checked against its size.
pub(super) struct Hdf5 {
    file: File,
    watched: Watched,
    pub(super) path: PathBuf,
    bytes: u64,
}

/// Deflate packs at most 1032 bytes into one.
const LARGEST_RATIO: u64 = 1032;

impl Hdf5 {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Open { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        let size = bytes.len() as u64;
        let watched = Watched::new(bytes);
        let file = File::from_source(watched.clone())
            .map_err(|e| fail(format!("not a readable HDF5 file ({e}); is the download complete?")))?;
        Ok(Self { file, watched, path: path.to_owned(), bytes: size })
    }

    pub(super) fn groups(&self) -> Result<Vec<String>, Error> {
        self.watched.begin();
        self.file
            .root()
            .groups()
            .map_err(|e| self.content("/", e.to_string(), "a readable list of groups; is the file complete?"))
    }

    pub(super) fn content(&self, key: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::content(&self.path, key, found, expected)
    }

    /// Reads `key`, one or two-dimensional, of numbers or booleans, all finite.
    pub(super) fn read(&self, key: &str) -> Result<Column, Error> {
        self.watched.begin();
        let node = self.file.dataset(key).map_err(|error| {
            let expected = match error {
                hdf5_pure::Error::Format(FormatError::PathNotFound(_)) => "a dataset of that name",
                _ => "a readable dataset; is the file complete?",
            };
            self.content(key, error.to_string(), expected)
        })?;
        self.watched.expect_numeric().map_err(|found| self.content(key, found, "numbers or booleans"))?;
        let shape = node
            .shape()
            .map_err(|e| self.content(key, e.to_string(), "a readable shape; is the file complete?"))?;
        let (rows, size) = match shape[..] {
            [rows] => (rows, 1),
            [rows, size] => (rows, size),
            _ => return Err(self.content(key, format!("{} dimensions", shape.len()), "one or two")),
        };
        if size == 0 {
            return Err(self.content(key, "no columns", "at least one"));
        }
        let held = self
            .held(&node)
            .map_err(|e| self.content(key, e.to_string(), "a readable layout; is the file complete?"))?;
        if rows.checked_mul(size).is_none_or(|entries| entries > held) {
            let found = format!("{rows} × {size} entries where at most {held} are stored");
            return Err(self.content(key, found, "no more than that"));
        }
        let (integer, data) = self.numbers(key, &node)?;
        Column::new(&self.path, key, (rows as usize, size as usize), integer, data)
    }

    /// The most entries that a dataset's stored bytes can be. What was never written would be read as
    /// zeros, so that a few bytes could claim any size.
    fn held(&self, node: &Node) -> Result<u64, hdf5_pure::Error> {
        let entry = node.element_size()?;
        if !(1..=8).contains(&entry) {
            return Ok(0);
        }
        let chunk_shape = match node.layout()? {
            Layout::Chunked { chunk_shape, .. } => chunk_shape,
            Layout::Compact { size } | Layout::Contiguous { address: Some(_), size } => {
                return Ok(size.min(self.bytes) / entry);
            }
            _ => return Ok(0),
        };
        let ratio = if node.filters().is_empty() { 1 } else { LARGEST_RATIO };
        let unpacked = |bytes: u64| bytes.min(self.bytes).saturating_mul(ratio) / entry;
        // The library cannot list the chunks of one kind of index; then the file's size has to do.
        let Ok(chunks) = node.chunks() else { return Ok(unpacked(self.bytes)) };
        // The library adds a place inside the chunk to this without a check.
        let far = |offset: &u64| offset.checked_add(u64::from(u32::MAX)).is_none();
        if chunks.iter().any(|chunk| chunk.offset.iter().any(far)) {
            return Ok(0);
        }
        let in_chunk = chunk_shape.iter().fold(1, |entries: u64, &edge| entries.saturating_mul(edge));
        // Room is made for a chunk before it is read.
        let sound = |size: u64| size <= self.bytes && in_chunk <= unpacked(size);
        if !chunks.iter().all(|chunk| sound(chunk.storage_size)) {
            return Ok(0);
        }
        Ok(in_chunk.saturating_mul(chunks.len() as u64).min(unpacked(self.bytes)))
    }

    fn numbers(&self, key: &str, node: &Node) -> Result<(bool, Vec<f32>), Error> {
        let dtype = node.dtype().map_err(|e| self.content(key, e.to_string(), "a readable type"))?;
        let bad =
            |e: hdf5_pure::Error| self.content(key, e.to_string(), "readable data; is the file complete?");
        Ok(match dtype {
            DType::F32 => (false, node.read_f32().map_err(bad)?),
            DType::F64 => (false, node.read_f64().map_err(bad)?.into_iter().map(|x| x as f32).collect()),
            // h5py stores booleans as an enumeration of bytes.
            DType::Enum(_) => (true, node.read_raw().map_err(bad)?.into_iter().map(f32::from).collect()),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                (true, node.read_i64().map_err(bad)?.into_iter().map(|x| x as f32).collect())
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
                (true, node.read_u64().map_err(bad)?.into_iter().map(|x| x as f32).collect())
            }
            other => return Err(self.content(key, format!("type {other}"), "numbers or booleans")),
        })
    }
}

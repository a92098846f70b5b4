//! The bytes of an HDF5 file, read where they are needed.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) use crate::error::Fault;

impl Fault {
    /// What no sound file holds.
    pub(super) fn damaged(found: impl Into<String>) -> Self {
        Self::new(found, "a whole HDF5 file; is the download complete?")
    }
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Bytes of an offset and of a length in this file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// How often the size of a file may be read as structure for one of its keys; a sound file's structure is read once or
/// twice, and is but a part of it.
const TIMES: u64 = 4;

/// Trees that nest deeper are none.
pub(super) const DEEPEST: usize = 32;

/// An open file. Trees and lists may be named as deep and as often as the file likes, so that a few kilobytes could
/// keep a reader busy for ever: what is read of them is counted.
pub(super) struct Source {
    file: File,
    pub(super) size: u64,
    /// Where addresses count from.
    pub(super) base: u64,
    pub(super) sizes: Sizes,
    left: Cell<u64>,
}

impl Source {
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let sizes = Sizes { offset: 8, length: 8 };
        Ok(Self { file, size, base: 0, sizes, left: Cell::new(TIMES * size) })
    }

    /// Begins a new account of structure.
    pub(super) fn begin(&self) {
        self.left.set(TIMES * self.size);
    }

    /// So many bytes of structure at an address.
    pub(super) fn structure(&self, address: u64, count: u64) -> Result<Vec<u8>> {
        let left = self.left.get().checked_sub(count.max(1));
        self.left.set(left.ok_or_else(|| Fault::damaged("parts of the file that are named over and over"))?);
        self.data(address, count)
    }

    /// So many bytes at an address.
    pub(super) fn data(&self, address: u64, count: u64) -> Result<Vec<u8>> {
        let outside = || {
            let found = format!("{count} bytes at {address} in a file of {}", self.size);
            Fault::damaged(found)
        };
        let start = address.checked_add(self.base).ok_or_else(outside)?;
        if start.checked_add(count).is_none_or(|end| end > self.size) {
            return Err(outside());
        }
        let mut bytes = vec![0; count as usize];
        self.file.read_exact_at(&mut bytes, start).map_err(|e| Fault::damaged(e.to_string()))?;
        Ok(bytes)
    }

    pub(super) fn cursor<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor { bytes, sizes: self.sizes }
    }
}

/// Little-endian numbers, one after another.
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    sizes: Sizes,
}

impl<'b> Cursor<'b> {
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8]> {
        let (taken, rest) =
            self.bytes.split_at_checked(count).ok_or_else(|| Fault::damaged("a part that ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    /// A number of at most eight bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64> {
        let taken = self.take(bytes)?;
        if taken.iter().skip(8).any(|&byte| byte != 0) {
            return Err(Fault::damaged("a number of more than 8 bytes"));
        }
        Ok(taken.iter().take(8).rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn short(&mut self) -> Result<usize> {
        Ok(self.number(2)? as usize)
    }

    pub(super) fn word(&mut self) -> Result<u32> {
        Ok(self.number(4)? as u32)
    }

    pub(super) fn length(&mut self) -> Result<u64> {
        self.number(self.sizes.length)
    }

    /// An address; none where it is not defined.
    pub(super) fn address(&mut self) -> Result<Option<u64>> {
        let bytes = self.bytes;
        let address = self.number(self.sizes.offset)?;
        Ok((!bytes[..self.sizes.offset].iter().all(|&byte| byte == 0xff)).then_some(address))
    }

    /// An address that must be one.
    pub(super) fn place(&mut self) -> Result<u64> {
        self.address()?.ok_or_else(|| Fault::damaged("a part without an address"))
    }

    /// A signature.
    pub(super) fn expect(&mut self, signature: &[u8]) -> Result<()> {
        let found = self.take(signature.len())?;
        if found == signature {
            return Ok(());
        }
        let (found, expected) = (found.escape_ascii(), signature.escape_ascii());
        Err(Fault::damaged(format!("`{found}` where `{expected}` belongs")))
    }

    /// What is left, up to a zero byte.
    pub(super) fn text(&self) -> String {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[..end]).into_owned()
    }
}

/// Bytes that numbers up to `limit` take, as HDF5's `H5VM_limit_enc_size` counts them.
pub(super) fn bytes_of(limit: u64) -> usize {
    limit.checked_ilog2().unwrap_or(0) as usize / 8 + 1
}

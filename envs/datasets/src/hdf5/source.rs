//! The bytes of an HDF5 file, guarded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdf5_pure::{FormatError, Source};

/// An HDF5 file in memory that keeps account of what the library reads of its structure.
///
/// The library follows trees, lists and types within types as deep and as often as the file names them, so
/// that a few kilobytes could keep it busy for ever, or fill the memory or the stack.
#[derive(Clone)]
pub(super) struct Watched(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Bytes of structure read since [`Watched::begin`].
    read: usize,
    /// What was read of the object header begun last: its first bytes, and then its chunks.
    header: Vec<Vec<u8>>,
}

/// How often the size of a file may be read as structure for one of its keys; a sound file's structure is
/// read once or twice, and is but a part of it.
const TIMES: usize = 4;

const CLASSES: [&str; 11] = [
    "integer",
    "floating-point",
    "time",
    "string",
    "bit field",
    "opaque",
    "compound",
    "reference",
    "enumeration",
    "variable-length",
    "array",
];

impl Watched {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner { bytes, seen: Mutex::default() }))
    }

    /// Begins a new account.
    pub(super) fn begin(&self) {
        *self.seen() = Seen::default();
    }

    /// Checks that the object found last holds numbers or booleans, before the library parses its type:
    /// other types nest without end, and room is reserved for as many members as they claim.
    pub(super) fn expect_numeric(&self) -> Result<(), String> {
        let seen = self.seen();
        let types = types(&seen.header);
        if types.is_empty() {
            return Err("no type".into());
        }
        types.into_iter().try_for_each(|(shared, body)| {
            let class = |at: usize| body.get(at).map(|&byte| usize::from(byte & 0x0f));
            match class(0) {
                _ if shared => Err("a type that is stored elsewhere".into()),
                Some(0 | 1) => Ok(()),
                Some(8) if class(8) != Some(0) => Err("an enumeration of other things than integers".into()),
                Some(8) => match number(body, 1) {
                    // A member takes at least a byte for its name and one for its value.
                    members if members <= body.len() / 2 => Ok(()),
                    members => Err(format!("an enumeration of {members} members in {} bytes", body.len())),
                },
                Some(class) if class < CLASSES.len() => Err(format!("the type {}", CLASSES[class])),
                _ => Err("an unknown type".into()),
            }
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Watched {
    fn len(&self) -> u64 {
        self.0.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        // Every object header begins with a look at its first four bytes.
        if buffer.len() == 4 {
            self.seen().header.clear();
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let available = self.0.bytes.len();
        let bytes =
            self.0.bytes.get(start..end).ok_or(FormatError::UnexpectedEof { expected: end, available })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn read_metadata_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FormatError> {
        let mut seen = self.seen();
        seen.read = seen.read.saturating_add(length);
        if seen.read > TIMES * self.0.bytes.len() {
            return Err(FormatError::Source("parts of the file are named over and over".into()));
        }
        drop(seen);
        let bytes = self.read_exact_at(offset, length)?;
        self.seen().header.push(bytes.clone());
        Ok(bytes)
    }
}

/// A little-endian number of two bytes.
fn number(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 2).map_or(usize::MAX, |two| usize::from(u16::from_le_bytes([two[0], two[1]])))
}

/// The messages of an object header that describe types: whether each stands elsewhere, and what it says.
fn types(header: &[Vec<u8>]) -> Vec<(bool, &[u8])> {
    let mut types = Vec::new();
    let Some((first, chunks)) = header.split_first() else { return types };
    // The second version of headers has signatures, checksums, and flags for the size of what they hold.
    let flags = first.strip_prefix(b"OHDR").map(|rest| rest.get(1).copied().unwrap_or_default());
    for (index, chunk) in chunks.iter().enumerate() {
        let (start, end, head) = match flags {
            None => (0, chunk.len(), 8),
            Some(flags) => {
                let prefix = 6 + 16 * usize::from(flags >> 5 & 1) + 4 * usize::from(flags >> 4 & 1);
                let start = if index == 0 { prefix + (1 << (flags & 3)) } else { 4 };
                (start, chunk.len().saturating_sub(4), 4 + 2 * usize::from(flags >> 2 & 1))
            }
        };
        let mut rest = chunk.get(start..end).unwrap_or_default();
        while let Some((message, after)) = rest.split_at_checked(head) {
            let (kind, size, flags) = match flags {
                None => (number(message, 0), number(message, 2), message[4]),
                Some(_) => (message[0].into(), number(message, 1), message[3]),
            };
            let Some((body, after)) = after.split_at_checked(size) else { break };
            if kind == 3 {
                types.push((flags & 2 != 0, body));
            }
            rest = after;
        }
    }
    types
}

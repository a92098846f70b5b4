//! What the messages of a dataset say: its shape, type, fill value, filters, and where its bytes are.

use super::bytes::{Fault, Result, Source};
use super::filters::Filter;
use super::header::{DATASPACE, DATATYPE, EXTERNAL_FILES, FILL, FILTERS, LAYOUT, Message, OLD_FILL, find};

/// Where a dataset's bytes are.
pub(super) enum Layout {
    /// In its header.
    Compact(Vec<u8>),
    /// In one run; nowhere where nothing was written.
    Contiguous { address: Option<u64>, size: u64 },
    /// In chunks of these edges, the entries' size left out.
    Chunked { edges: Vec<u64>, index: Index, address: Option<u64> },
}

/// How chunks are found.
pub(super) enum Index {
    /// A tree of the first version.
    Tree,
    /// One chunk, with its stored size and filter mask where it is filtered.
    Single(Option<(u64, u32)>),
    /// All, one behind another.
    Implicit,
    /// An array of fixed size.
    Fixed,
    /// One that grows in one dimension.
    Extensible,
    /// A tree of the second version.
    Tree2 {
        /// Bytes of a chunk's stored size in its records.
        size_bytes: usize,
    },
}

/// What the entries of a dataset are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Unsigned,
    Signed,
    /// IEEE 754, of 2, 4 or 8 bytes.
    Float,
    /// The upper half of a float32.
    Brain,
    /// Text of this many bytes, filled up.
    Text,
    /// Text elsewhere in the file.
    TextElsewhere,
}

/// A type of numbers or text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) size: usize,
    pub(crate) big_endian: bool,
}

/// A dataset's description.
pub(super) struct Node {
    pub(super) shape: Vec<u64>,
    /// None for a dimension that may grow.
    pub(super) most: Vec<Option<u64>>,
    pub(super) kind: Type,
    pub(super) fill: Option<Vec<u8>>,
    pub(super) layout: Layout,
    pub(super) filters: Vec<Filter>,
}

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

impl Node {
    pub(super) fn of(source: &Source, messages: &[Message]) -> Result<Self> {
        let part = |kind: u16, name: &str| {
            find(messages, kind).ok_or_else(|| Fault::new(format!("an object without {name}"), "a dataset"))
        };
        let (shape, most) = shape(source, part(DATASPACE, "a shape")?)?;
        let kind = Type::read(source, part(DATATYPE, "a type")?, 0)?;
        if find(messages, EXTERNAL_FILES).is_some() {
            let found = "data in an external raw file";
            return Err(Fault::new(found, super::rewrite("with its data inside", false)));
        }
        let filters = find(messages, FILTERS).map(|body| Filter::all(source, body)).transpose()?;
        let (rank, body) = (shape.len(), part(LAYOUT, "a layout")?);
        if matches!(body, [4 | 5, 2, flags, ..] if flags & 1 != 0)
            && filters.as_ref().is_some_and(|all| !all.is_empty())
        {
            let found = "compressed chunks whose last ones are not compressed";
            return Err(Fault::new(found, super::rewrite("compressed with gzip", false)));
        }
        Ok(Self {
            layout: layout(source, body, rank)?,
            shape,
            most,
            kind,
            fill: fill(source, messages)?,
            filters: filters.unwrap_or_default(),
        })
    }

    /// Bytes of a chunk in memory; 0 without chunks.
    pub(super) fn chunk_bytes(&self) -> u64 {
        match &self.layout {
            Layout::Chunked { edges, .. } => {
                edges.iter().fold(self.kind.size as u64, |size, &edge| size.saturating_mul(edge))
            }
            _ => 0,
        }
    }

    /// Entries; none where there are more than numbers count.
    pub(super) fn entries(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |entries, &edge| entries.checked_mul(edge))
    }
}

fn shape(source: &Source, body: &[u8]) -> Result<(Vec<u64>, Vec<Option<u64>>)> {
    let mut cursor = source.cursor(body);
    let (version, rank, flags) = (cursor.byte()?, cursor.byte()?, cursor.byte()?);
    let empty = match version {
        1 => {
            cursor.skip(5)?;
            false
        }
        2 => cursor.byte()? == 2,
        _ => return Err(Fault::damaged(format!("a shape of version {version}"))),
    };
    if empty {
        return Err(Fault::new("an empty dataset", "one with rows"));
    }
    let shape = (0..rank).map(|_| cursor.length()).collect::<Result<Vec<_>>>()?;
    let most = match flags & 1 {
        0 => shape.iter().map(|&edge| Some(edge)).collect(),
        _ => {
            let unlimited =
                |edge: u64| (edge != u64::MAX >> (64 - 8 * source.sizes.length.min(8))).then_some(edge);
            (0..rank).map(|_| Ok(unlimited(cursor.length()?))).collect::<Result<Vec<_>>>()?
        }
    };
    Ok((shape, most))
}

impl Type {
    fn read(source: &Source, body: &[u8], depth: usize) -> Result<Self> {
        let mut cursor = source.cursor(body);
        let class = cursor.byte()? & 15;
        let (bits, high) = (cursor.byte()?, cursor.byte()?);
        cursor.skip(1)?;
        let size = cursor.word()? as usize;
        let unsupported = |what: String| Err(Fault::new(what, "numbers or booleans"));
        let precise =
            |cursor: &mut super::bytes::Cursor| Ok((cursor.short()? == 0, cursor.short()? == 8 * size));
        let whole = |kind, big_endian| Ok(Self { kind, size, big_endian });
        match class {
            0 | 4 => {
                if !matches!(size, 1 | 2 | 4 | 8) || precise(&mut cursor)? != (true, true) {
                    return unsupported(format!("integers of {size} bytes that do not fill them"));
                }
                let signed = class == 0 && bits & 8 != 0;
                whole(if signed { Kind::Signed } else { Kind::Unsigned }, bits & 1 != 0)
            }
            1 => {
                let filled = precise(&mut cursor)?;
                cursor.skip(1)?;
                let exponent = cursor.byte()?;
                let kind = match (size, exponent) {
                    (2, 5) | (4, 8) | (8, 11) => Kind::Float,
                    (2, 8) => Kind::Brain,
                    _ => return unsupported(format!("floating-point numbers of {size} bytes")),
                };
                // Bit 6 beside bit 0 is the order of VAX.
                if filled != (true, true) || bits & 0x40 != 0 {
                    return unsupported("floating-point numbers that are not IEEE 754's".into());
                }
                whole(kind, bits & 1 != 0)
            }
            3 => whole(Kind::Text, false),
            8 if depth == 0 => match Self::read(source, &body[8..], 1) {
                Ok(base) if base.is_integer() => Ok(base),
                _ => unsupported("an enumeration of other things than integers".into()),
            },
            9 if bits & 15 == 1 => whole(Kind::TextElsewhere, false),
            9 => unsupported("lists of varying length (images as JPEG, or ragged rows)".into()),
            6 => unsupported("compound entries, a record of several fields each".into()),
            class => match CLASSES.get(usize::from(class)) {
                Some(name) => unsupported(format!("the type {name}")),
                None => Err(Fault::damaged(format!("an unknown type ({class}, {high})"))),
            },
        }
    }

    pub(super) fn is_number(self) -> bool {
        !matches!(self.kind, Kind::Text | Kind::TextElsewhere)
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self.kind, Kind::Signed | Kind::Unsigned)
    }

    /// Hands each number of some bytes over; what is less than a number at their end is left.
    pub(crate) fn numbers(self, bytes: &[u8], mut each: impl FnMut(usize, f64)) {
        macro_rules! each {
            ($number:ty, $size:literal, $value:expr) => {{
                let (numbers, _) = bytes.as_chunks::<$size>();
                for (index, bytes) in numbers.iter().enumerate() {
                    let number = if self.big_endian {
                        <$number>::from_be_bytes(*bytes)
                    } else {
                        <$number>::from_le_bytes(*bytes)
                    };
                    each(index, $value(number));
                }
            }};
        }
        match (self.kind, self.size) {
            (Kind::Unsigned, 1) => each!(u8, 1, f64::from),
            (Kind::Unsigned, 2) => each!(u16, 2, f64::from),
            (Kind::Unsigned, 4) => each!(u32, 4, f64::from),
            (Kind::Unsigned, _) => each!(u64, 8, |x: u64| x as f64),
            (Kind::Signed, 1) => each!(i8, 1, f64::from),
            (Kind::Signed, 2) => each!(i16, 2, f64::from),
            (Kind::Signed, 4) => each!(i32, 4, f64::from),
            (Kind::Signed, _) => each!(i64, 8, |x: i64| x as f64),
            (Kind::Brain, _) => each!(u16, 2, |x: u16| f64::from(f32::from_bits(u32::from(x) << 16))),
            (Kind::Float, 2) => each!(u16, 2, |x: u16| f64::from(half::f16::from_bits(x))),
            (Kind::Float, 4) => each!(f32, 4, f64::from),
            (Kind::Float, _) => each!(f64, 8, |x: f64| x),
            (Kind::Text | Kind::TextElsewhere, _) => {}
        }
    }
}

/// The bytes of an entry that was never written; none for zeros.
fn fill(source: &Source, messages: &[Message]) -> Result<Option<Vec<u8>>> {
    let value = |cursor: &mut super::bytes::Cursor| {
        let size = cursor.word()? as usize;
        Ok((size > 0).then_some(cursor.take(size)?.to_vec()))
    };
    if let Some(body) = find(messages, FILL) {
        let mut cursor = source.cursor(body);
        let version = cursor.byte()?;
        if version < 3 {
            cursor.skip(2)?;
            let defined = cursor.byte()? != 0;
            return if version == 1 || defined { value(&mut cursor) } else { Ok(None) };
        }
        let defined = cursor.byte()? & 0x20 != 0;
        return if defined { value(&mut cursor) } else { Ok(None) };
    }
    find(messages, OLD_FILL).map_or(Ok(None), |body| value(&mut source.cursor(body)))
}

fn layout(source: &Source, body: &[u8], rank: usize) -> Result<Layout> {
    let mut cursor = source.cursor(body);
    let version = cursor.byte()?;
    // The edges of a chunk; the last number is the size of an entry.
    let edges = |cursor: &mut super::bytes::Cursor, count: usize, bytes: usize| {
        let mut edges = (0..count).map(|_| cursor.number(bytes)).collect::<Result<Vec<_>>>()?;
        let entry = edges.pop().unwrap_or_default();
        if edges.len() != rank || edges.contains(&0) {
            return Err(Fault::damaged(format!("chunks of shape {edges:?} for {rank} dimensions")));
        }
        Ok((edges, entry))
    };
    if matches!(version, 1 | 2) {
        let count = usize::from(cursor.byte()?);
        let class = cursor.byte()?;
        cursor.skip(5)?;
        let address = if class == 0 { None } else { cursor.address()? };
        if class == 2 {
            let (edges, _) = edges(&mut cursor, count, 4)?;
            return Ok(Layout::Chunked { edges, index: Index::Tree, address });
        }
        let sizes = (0..count).map(|_| Ok(u64::from(cursor.word()?))).collect::<Result<Vec<_>>>()?;
        if class == 0 {
            let size = cursor.word()? as usize;
            return Ok(Layout::Compact(cursor.take(size)?.to_vec()));
        }
        let size = sizes.iter().fold(1u64, |size, &edge| size.saturating_mul(edge));
        return Ok(Layout::Contiguous { address, size });
    }
    if !matches!(version, 3..=5) {
        return Err(Fault::damaged(format!("a layout of version {version}")));
    }
    match cursor.byte()? {
        0 => {
            let size = cursor.short()?;
            Ok(Layout::Compact(cursor.take(size)?.to_vec()))
        }
        1 => Ok(Layout::Contiguous { address: cursor.address()?, size: cursor.length()? }),
        2 if version == 3 => {
            let count = usize::from(cursor.byte()?);
            let address = cursor.address()?;
            let (edges, _) = edges(&mut cursor, count, 4)?;
            Ok(Layout::Chunked { edges, index: Index::Tree, address })
        }
        2 => {
            let (flags, count, bytes) = (cursor.byte()?, cursor.byte()?, cursor.byte()?);
            let (edges, entry) = edges(&mut cursor, count.into(), bytes.into())?;
            let chunk = edges.iter().fold(entry, |size, &edge| size.saturating_mul(edge));
            let index = match cursor.byte()? {
                1 if flags & 2 != 0 => Index::Single(Some((cursor.length()?, cursor.word()?))),
                1 => Index::Single(None),
                2 => Index::Implicit,
                3 => {
                    cursor.skip(1)?;
                    Index::Fixed
                }
                4 => {
                    cursor.skip(5)?;
                    Index::Extensible
                }
                5 => {
                    cursor.skip(6)?;
                    let size_bytes = (1 + (chunk.max(1).ilog2() as usize + 8) / 8).min(8);
                    Index::Tree2 { size_bytes: if version > 4 { 8 } else { size_bytes } }
                }
                other => return Err(Fault::damaged(format!("chunks with an index of kind {other}"))),
            };
            Ok(Layout::Chunked { edges, index, address: cursor.address()? })
        }
        3 => Err(Fault::new(
            "a virtual dataset, made of other files",
            super::rewrite("with its data inside", false),
        )),
        class => Err(Fault::damaged(format!("a layout of class {class}"))),
    }
}

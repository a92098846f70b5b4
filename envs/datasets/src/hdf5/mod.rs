//! HDF5 files from strangers, read as h5py reads them: every layout, index and link of the format, chunks that were
//! never written as their fill value, and what stays out refused by its name.
//!
//! Only the parts that are asked for are read, and no more structure than a sound file of that size has.

mod bytes;
mod chunks;
mod filters;
mod header;
mod heap;
mod links;
mod node;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use self::bytes::{DEEPEST, Fault, Source};
use self::chunks::Chunk;
pub(crate) use self::filters::LARGEST_RATIO;
use self::links::Link;
pub(crate) use self::node::{Kind, Type};
use self::node::{Layout, Node};
use crate::Error;
use crate::column::{self, Column, Numbers};

type Links = Rc<BTreeMap<String, Link>>;

/// An HDF5 file.
pub(super) struct Hdf5 {
    source: Source,
    root: u64,
    /// The links of groups, by their address.
    groups: RefCell<HashMap<u64, Option<Links>>>,
    pub(super) path: PathBuf,
}

/// What rewrites a file so that it can be read, where its own form cannot; `plugin` says that h5py needs more for it.
fn rewrite(how: &str, plugin: bool) -> String {
    let (import, install) =
        if plugin { (", hdf5plugin", "pip install h5py hdf5plugin") } else { ("", "pip install h5py") };
    format!(
        "a file {how}: `{install}`, then `python -c \"import h5py{import}; i = h5py.File('IN.hdf5'); o = h5py.File('OUT.hdf5', 'w'); \
         i.visititems(lambda k, d: (o.create_dataset(k, data=d[()], compression='gzip' if d.ndim else None), None)[1] if isinstance(d, h5py.Dataset) else None)\"`"
    )
}

/// Entries for each byte of a file that a dataset may have without any of them being written.
const UNWRITTEN: u64 = 8;

/// Bytes of a dataset that are read at once.
const BLOCK: u64 = 1 << 20;

impl Hdf5 {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut source = Source::open(path).map_err(|e| Error::open(path, e))?;
        let root = header::root(&mut source);
        let root = root.map_err(|_| {
            let other = crate::signature::other(path);
            Error::open(path, other.unwrap_or("not a readable HDF5 file; is the download complete?"))
        })?;
        Ok(Self { source, root, groups: RefCell::default(), path: path.to_owned() })
    }

    pub(super) fn content(&self, key: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::content(&self.path, key, found, expected)
    }

    fn at<T>(&self, key: &str, read: bytes::Result<T>) -> Result<T, Error> {
        let name = |text: &str| text.replace("IN.hdf5", &self.path.display().to_string());
        read.map_err(|fault| self.content(key, fault.found, name(&fault.expected)))
    }

    /// What a group holds; none where there is none.
    pub(super) fn names(&self, group: &str) -> Result<Option<Vec<String>>, Error> {
        self.source.begin();
        let found = self.find(group).and_then(|found| match found {
            None => Ok(None),
            Some(address) => self.links(address),
        });
        let links = self.at(group, found)?;
        Ok(links.map(|links| links.keys().cloned().collect()))
    }

    /// Whether something has that path.
    pub(super) fn has(&self, key: &str) -> Result<bool, Error> {
        self.source.begin();
        Ok(self.at(key, self.find(key))?.is_some())
    }

    fn links(&self, address: u64) -> bytes::Result<Option<Links>> {
        if let Some(links) = self.groups.borrow().get(&address) {
            return Ok(links.clone());
        }
        let links = links::links(&self.source, &header::messages(&self.source, address)?)?.map(Rc::new);
        self.groups.borrow_mut().insert(address, links.clone());
        Ok(links)
    }

    /// Address of the object with a path from the root.
    fn find(&self, path: &str) -> bytes::Result<Option<u64>> {
        let mut steps: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        // The groups down to the one that is looked in.
        let mut groups = vec![self.root];
        let mut followed = 0;
        while let Some(step) = steps.pop() {
            if step.is_empty() || step == "." {
                continue;
            }
            let here = groups[groups.len() - 1];
            let Some(links) = self.links(here)? else { return Ok(None) };
            match links.get(&step) {
                None => return Ok(None),
                Some(Link::Hard(address)) => groups.push(*address),
                Some(Link::Soft(target)) => {
                    followed += 1;
                    if followed > DEEPEST {
                        return Err(Fault::new(format!("the link `{step}` leads in a circle"), "a dataset"));
                    }
                    if target.starts_with('/') {
                        groups.truncate(1);
                    }
                    steps.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Link::External { file, path }) => {
                    let found = format!("a link to `{path}` of another file, `{file}`");
                    let expected = format!(
                        "the data in this file: `python -c \"import h5py; i = h5py.File('IN.hdf5'); o = h5py.File('OUT.hdf5', 'w'); \
                         [o.create_dataset(k, data=i[k][()]) for k in i]\"`, beside `{file}`"
                    );
                    return Err(Fault::new(found, expected));
                }
            }
        }
        Ok(groups.pop())
    }

    fn node(&self, key: &str) -> Result<Node, Error> {
        self.source.begin();
        let Some(address) = self.at(key, self.find(key))? else {
            let (group, _) = key.rsplit_once('/').unwrap_or(("", key));
            let names = self.names(group)?.unwrap_or_default();
            let there =
                if names.is_empty() { "nothing there".into() } else { format!("only {}", shown(&names)) };
            return Err(self.content(key, there, "a dataset of that name"));
        };
        let node = header::messages(&self.source, address).and_then(|found| Node::of(&self.source, &found));
        self.at(key, node)
    }

    /// Reads `key`, a row for each of the first dimension, of numbers or booleans, all finite.
    pub(super) fn read(&self, key: &str) -> Result<Column, Error> {
        let node = self.node(key)?;
        if !node.kind.is_number() {
            return Err(self.content(key, "text", "numbers or booleans"));
        }
        let shape: Vec<usize> =
            node.shape.iter().map(|&edge| usize::try_from(edge).unwrap_or(usize::MAX)).collect();
        let Some((&rows, row)) = shape.split_first() else {
            return Err(self.content(key, "one number", "a row for each transition"));
        };
        if row.contains(&0) {
            return Err(self.content(key, "no columns", "at least one"));
        }
        let chunks = self.at(key, self.chunks(&node))?;
        let written = match &node.layout {
            Layout::Compact(bytes) => bytes.len() as u64,
            Layout::Contiguous { address, size } => address.map_or(0, |_| (*size).min(self.source.size)),
            Layout::Chunked { .. } => node.chunk_bytes().saturating_mul(chunks.len() as u64),
        };
        // What was never written takes no bytes, so that a few could claim any size.
        let most = written / node.kind.size.max(1) as u64 + UNWRITTEN * self.source.size + 65_536;
        let Some(entries) = node.entries().filter(|&entries| entries <= most) else {
            let found =
                format!("{} entries in a file of {} bytes", column::shown(&node.shape), self.source.size);
            return Err(self.content(key, found, format!("at most {most}")));
        };
        let integer = node.kind.is_integer();
        let bytes = integer && node.kind.size == 1;
        let numbers = self.at(key, self.numbers(&node, chunks, entries as usize))?;
        Column::new(&self.path, key, rows, row, integer, numbers).map(|column| Column { bytes, ..column })
    }

    /// The entries of a dataset, which has so many.
    fn numbers(&self, node: &Node, chunks: Vec<Chunk>, entries: usize) -> bytes::Result<Numbers> {
        let mut unwritten = 0.0;
        node.kind.numbers(node.fill.as_deref().unwrap_or_default(), |_, x| unwritten = x);
        let mut numbers = Numbers::filled(entries, unwritten);
        match &node.layout {
            Layout::Compact(bytes) => {
                self.complete(bytes.len() as u64, node, entries)?;
                node.kind.numbers(bytes, |index, x| numbers.put(index, x));
            }
            Layout::Contiguous { address: None, .. } => {}
            Layout::Contiguous { address: Some(address), size } => {
                self.complete(*size, node, entries)?;
                let size = (entries * node.kind.size) as u64;
                let block = BLOCK.next_multiple_of(node.kind.size as u64);
                for start in (0..size).step_by(block as usize) {
                    let bytes = self.source.data(address + start, block.min(size - start))?;
                    let first = start as usize / node.kind.size;
                    node.kind.numbers(&bytes, |index, x| numbers.put(first + index, x));
                }
            }
            Layout::Chunked { edges, .. } => {
                for chunk in chunks {
                    place(node, edges, &chunk.place, &self.unpacked(node, &chunk)?, &mut numbers);
                }
            }
        }
        Ok(numbers)
    }

    /// Whether so many bytes are as many as the shape says.
    fn complete(&self, size: u64, node: &Node, entries: usize) -> bytes::Result<()> {
        let expected = (entries * node.kind.size) as u64;
        if size >= expected {
            return Ok(());
        }
        Err(Fault::damaged(format!("{size} bytes for a shape of {expected}")))
    }

    /// The chunks of a dataset; none where it has another layout.
    fn chunks(&self, node: &Node) -> bytes::Result<Vec<Chunk>> {
        let chunks = node.chunks(&self.source)?;
        // Chunks that overlap could make a small file unfold to a huge one.
        let stored = chunks.iter().fold(0u64, |sum, chunk| sum.saturating_add(chunk.size));
        if stored > self.source.size {
            return Err(Fault::damaged(format!(
                "chunks of {stored} bytes in all, in a file of {}",
                self.source.size
            )));
        }
        let whole = node.chunk_bytes();
        let ratio = if node.filters.is_empty() { 1 } else { LARGEST_RATIO };
        match chunks.iter().find(|chunk| whole > chunk.size.saturating_mul(ratio)) {
            Some(chunk) => Err(Fault::damaged(format!("{} bytes stored of a chunk of {whole}", chunk.size))),
            None => Ok(chunks),
        }
    }

    /// The bytes of a chunk, as many as its shape says.
    fn unpacked(&self, node: &Node, chunk: &Chunk) -> bytes::Result<Vec<u8>> {
        let whole = node.chunk_bytes() as usize;
        let mut bytes = self.source.data(chunk.address, chunk.size)?;
        for (index, filter) in node.filters.iter().enumerate().rev() {
            if chunk.mask >> index & 1 == 0 {
                bytes = filter.undo(bytes, whole)?;
            }
        }
        if bytes.len() < whole {
            return Err(Fault::damaged(format!("{} bytes of a chunk of {whole}", bytes.len())));
        }
        bytes.truncate(whole);
        Ok(bytes)
    }

    /// The truth of a dataset with one entry; false where there is none.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Error> {
        if !self.has(key)? {
            return Ok(false);
        }
        let node = self.node(key)?;
        if node.entries() != Some(1) {
            return Err(self.content(key, format!("{} entries", column::shown(&node.shape)), "one"));
        }
        if !node.kind.is_number() {
            return Err(self.content(key, "text", "a number or a boolean"));
        }
        let chunks = self.at(key, self.chunks(&node))?;
        let numbers = self.at(key, self.numbers(&node, chunks, 1))?;
        Ok(numbers.get(0) != Some(0.0))
    }

    /// The text at a key, of a dataset with one entry; none where there is none.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Error> {
        if !self.has(key)? {
            return Ok(None);
        }
        let node = self.node(key)?;
        if node.entries() != Some(1) || node.kind.is_number() {
            return Ok(None);
        }
        let bytes = match &node.layout {
            Layout::Compact(bytes) => bytes.clone(),
            Layout::Contiguous { address: Some(address), size } => {
                self.at(key, self.source.structure(*address, *size))?
            }
            _ => return Ok(None),
        };
        if node.kind.kind == Kind::Text {
            return Ok(Some(self.source.cursor(&bytes).text().trim_end().to_owned()));
        }
        self.at(key, self.text_elsewhere(&bytes)).map(Some)
    }

    /// The text that a reference into a global heap leads to.
    fn text_elsewhere(&self, reference: &[u8]) -> bytes::Result<String> {
        let source = &self.source;
        let mut cursor = source.cursor(reference);
        cursor.skip(4)?;
        let (heap, index) = (cursor.place()?, cursor.word()?);
        let head = source.structure(heap, 8 + source.sizes.length as u64)?;
        let mut cursor = source.cursor(&head);
        cursor.expect(b"GCOL")?;
        cursor.skip(4)?;
        let size = cursor.length()?;
        let bytes = source.structure(heap, size)?;
        let mut cursor = source.cursor(&bytes);
        cursor.skip(head.len())?;
        while cursor.left() > 8 + source.sizes.length {
            let found = cursor.short()? as u32;
            cursor.skip(6)?;
            let size = cursor.length()? as usize;
            if found == index {
                return Ok(source.cursor(cursor.take(size)?).text());
            }
            cursor.skip(size.saturating_add(7) / 8 * 8)?;
        }
        Err(Fault::damaged("text that is not there"))
    }
}

/// Puts a chunk's entries into their places; those beyond the shape are left.
fn place(node: &Node, edges: &[u64], at: &[u64], bytes: &[u8], numbers: &mut Numbers) {
    let shape = &node.shape;
    let Some((&line, outer)) = edges.split_last() else { return };
    if at.iter().zip(shape).any(|(at, edge)| at >= edge) {
        return;
    }
    let last = shape.len() - 1;
    let kept = line.min(shape[last] - at[last]) as usize;
    let line_bytes = line as usize * node.kind.size;
    let mut index = vec![0u64; outer.len()];
    for line in bytes.chunks_exact(line_bytes) {
        let inside = index.iter().zip(at).zip(shape).all(|((index, at), edge)| at + index < *edge);
        if inside {
            let rows = index.iter().zip(at).zip(shape);
            let row = rows.fold(0u64, |row, ((index, at), edge)| row * edge + at + index);
            let start = (row * shape[last] + at[last]) as usize;
            let line = &line[..kept * node.kind.size];
            node.kind.numbers(line, |column, x| numbers.put(start + column, x));
        }
        for (place, edge) in index.iter_mut().zip(outer).rev() {
            *place += 1;
            if *place < *edge {
                break;
            }
            *place = 0;
        }
    }
}

/// Some names, of many.
pub(crate) fn shown(names: &[String]) -> String {
    let more = if names.len() > 12 { format!(", … ({} in all)", names.len()) } else { String::new() };
    let first: Vec<_> = names.iter().take(12).map(|name| format!("`{}`", name.escape_debug())).collect();
    first.join(", ") + &more
}

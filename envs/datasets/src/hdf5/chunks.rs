//! The chunks of a dataset, found by each of HDF5's indices.

use super::bytes::{DEEPEST, Fault, Result, Source};
use super::heap::records;
use super::node::{Index, Layout, Node};

/// A chunk that was written.
pub(super) struct Chunk {
    /// Of its first entry.
    pub(super) place: Vec<u64>,
    pub(super) address: u64,
    /// Bytes stored.
    pub(super) size: u64,
    /// Filters left out, a bit each.
    pub(super) mask: u32,
}

/// Key and address of each child of a node.
type Children = Vec<(Vec<u8>, u64)>;

/// The level and the children of a node of the first version's trees.
pub(super) fn tree(source: &Source, address: u64, key: usize) -> Result<(u8, Children)> {
    let head = 8 + 2 * source.sizes.offset;
    let bytes = source.structure(address, head as u64)?;
    let mut cursor = source.cursor(&bytes);
    cursor.expect(b"TREE")?;
    cursor.skip(1)?;
    let (level, count) = (cursor.byte()?, cursor.short()?);
    let each = key + source.sizes.offset;
    let bytes = source.structure(address + head as u64, (count * each) as u64)?;
    let mut cursor = source.cursor(&bytes);
    let children = (0..count).map(|_| Ok((cursor.take(key)?.to_vec(), cursor.place()?)));
    Ok((level, children.collect::<Result<_>>()?))
}

impl Node {
    /// The chunks that were written.
    pub(super) fn chunks(&self, source: &Source) -> Result<Vec<Chunk>> {
        let Layout::Chunked { edges, index, address } = &self.layout else { return Ok(Vec::new()) };
        let Some(address) = *address else { return Ok(Vec::new()) };
        let whole = self.chunk_bytes();
        let mut order: Vec<usize> = (0..edges.len()).collect();
        if matches!(index, Index::Extensible)
            && let Some(growing) = self.most.iter().position(Option::is_none)
        {
            order[..=growing].rotate_right(1);
        }
        let mut found = Found { source, node: self, edges, whole, order, all: Vec::new() };
        match index {
            Index::Tree => found.tree(address, 0)?,
            Index::Single(stored) => {
                let (size, mask) = stored.unwrap_or((whole, 0));
                found.all.push(Chunk { place: vec![0; edges.len()], address, size, mask });
            }
            Index::Implicit => {
                let count = (0..edges.len()).fold(1u64, |all, axis| all.saturating_mul(found.count(axis)));
                if count.saturating_mul(whole) > source.size {
                    return Err(Fault::damaged(format!("{count} chunks of {whole} bytes")));
                }
                for linear in 0..count {
                    found.add(linear, Some(address + linear * whole), whole, 0);
                }
            }
            Index::Fixed => found.fixed(address)?,
            Index::Extensible => found.extensible(address)?,
            Index::Tree2 { size_bytes } => {
                let filtered = !self.filters.is_empty();
                for record in records(source, address)? {
                    let mut cursor = source.cursor(&record);
                    let address = cursor.address()?;
                    let (size, mask) =
                        if filtered { (cursor.number(*size_bytes)?, cursor.word()?) } else { (whole, 0) };
                    let place = edges
                        .iter()
                        .map(|edge| Ok(cursor.number(8)?.saturating_mul(*edge)))
                        .collect::<Result<_>>()?;
                    let chunk = |address| Chunk { place, address, size, mask };
                    found.all.extend(address.map(chunk));
                }
            }
        }
        Ok(found.all)
    }
}

struct Found<'n> {
    source: &'n Source,
    node: &'n Node,
    edges: &'n [u64],
    /// Bytes of a chunk as it is in memory.
    whole: u64,
    /// The dimensions in the order of an array: the one that grows leads an extensible one's.
    order: Vec<usize>,
    all: Vec<Chunk>,
}

impl Found<'_> {
    fn tree(&mut self, address: u64, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Fault::damaged("a tree without end"));
        }
        let rank = self.edges.len();
        let (level, children) = tree(self.source, address, 8 + 8 * (rank + 1))?;
        for (key, child) in children {
            if level > 0 {
                self.tree(child, depth + 1)?;
                continue;
            }
            let mut key = self.source.cursor(&key);
            let (size, mask) = (u64::from(key.word()?), key.word()?);
            let place: Vec<u64> = (0..rank).map(|_| key.number(8)).collect::<Result<_>>()?;
            let within = key.number(8)?;
            if within != 0 || place.iter().zip(self.edges).any(|(at, edge)| !at.is_multiple_of(*edge)) {
                let edges = self.edges;
                return Err(Fault::damaged(format!(
                    "a chunk at {place:?} and {within} among chunks of {edges:?}"
                )));
            }
            self.all.push(Chunk { place, address: child, size, mask });
        }
        Ok(())
    }

    /// Chunks along a dimension at its largest.
    fn count(&self, axis: usize) -> u64 {
        self.node.most[axis].unwrap_or(self.node.shape[axis]).div_ceil(self.edges[axis])
    }

    /// Adds the chunk at a place of an array.
    fn add(&mut self, linear: u64, address: Option<u64>, size: u64, mask: u32) {
        let Some(address) = address else { return };
        let (mut rest, mut place) = (linear, vec![0; self.edges.len()]);
        for &axis in self.order.iter().skip(1).rev() {
            let count = self.count(axis).max(1);
            (place[axis], rest) = (rest % count, rest / count);
        }
        if let Some(&first) = self.order.first() {
            place[first] = rest;
        }
        place.iter_mut().zip(self.edges).for_each(|(at, edge)| *at = at.saturating_mul(*edge));
        self.all.push(Chunk { place, address, size, mask });
    }

    /// Adds the chunks of some elements of an array, each of so many bytes.
    fn elements(&mut self, bytes: &[u8], element: u64, first: u64) -> Result<()> {
        for (index, element) in bytes.chunks_exact(element.max(1) as usize).enumerate() {
            let mut cursor = self.source.cursor(element);
            let address = cursor.address()?;
            let (size, mask) = match cursor.left().checked_sub(4) {
                Some(size) if !self.node.filters.is_empty() => (cursor.number(size)?, cursor.word()?),
                _ => (self.whole, 0),
            };
            self.add(first + index as u64, address, size, mask);
        }
        Ok(())
    }

    fn fixed(&mut self, address: u64) -> Result<()> {
        let sizes = self.source.sizes;
        let head = self.source.structure(address, (8 + sizes.length + sizes.offset) as u64)?;
        let mut cursor = self.source.cursor(&head);
        cursor.expect(b"FAHD")?;
        cursor.skip(2)?;
        let (element, page_bits) = (u64::from(cursor.byte()?), u32::from(cursor.byte()?));
        let count = cursor.length()?;
        let Some(block) = cursor.address()? else { return Ok(()) };
        let page = 1u64.checked_shl(page_bits).unwrap_or(u64::MAX);
        let array = Array { element, page, prefix: 6 + sizes.offset as u64 };
        let at = block + array.prefix;
        if count <= page {
            return self.block(at, &array, (0, count), None);
        }
        let written = self.source.structure(at, count.div_ceil(page).div_ceil(8))?;
        self.block(at + written.len() as u64, &array, (0, count), Some(&written))
    }

    fn extensible(&mut self, address: u64) -> Result<()> {
        let (offset, length) = (self.source.sizes.offset, self.source.sizes.length);
        let head = self.source.structure(address, (12 + 6 * length + offset) as u64)?;
        let mut cursor = self.source.cursor(&head);
        cursor.expect(b"EAHD")?;
        cursor.skip(2)?;
        let mut byte = || Ok(u64::from(cursor.byte()?));
        let (element, bits, in_index, least, pointers, page_bits) =
            (byte()?, byte()?, byte()?, byte()?, byte()?, byte()?);
        cursor.skip(6 * length)?;
        let Some(block) = cursor.address()? else { return Ok(()) };
        let sound = least.is_power_of_two()
            && pointers.is_power_of_two()
            && (1..=64).contains(&bits)
            && page_bits < 32;
        if !sound || bits < u64::from(least.ilog2()) {
            return Err(Fault::damaged("an index of chunks without sizes"));
        }
        let at = block + 6 + offset as u64;
        let array = Array { element, page: 1 << page_bits, prefix: 6 + offset as u64 + bits.div_ceil(8) };
        // How many data blocks each super block has, and how many elements each of those.
        let blocks = |number: u64| 1u64 << (number / 2).min(62);
        let held = |number: u64| least.saturating_mul(1 << number.div_ceil(2).min(40));
        let all = 1 + bits - u64::from(least.ilog2());
        let direct = (2 * u64::from(pointers.ilog2())).min(all);
        self.block(at, &array, (0, in_index), None)?;
        let addresses = 2 * (pointers - 1) + (all - direct);
        let bytes = self.source.structure(at + in_index * element, addresses * offset as u64)?;
        let mut cursor = self.source.cursor(&bytes);
        let mut first = in_index;
        for number in 0..direct {
            for _ in 0..blocks(number) {
                if let Some(block) = cursor.address()? {
                    self.block(block + array.prefix, &array, (first, held(number)), None)?;
                }
                first += held(number);
            }
        }
        for number in direct..all {
            if let Some(block) = cursor.address()? {
                self.super_block(block, &array, first, (blocks(number), held(number)))?;
            }
            let held = blocks(number).saturating_mul(held(number));
            first = first.saturating_add(held);
        }
        Ok(())
    }

    fn super_block(
        &mut self,
        block: u64,
        array: &Array,
        mut first: u64,
        (blocks, held): (u64, u64),
    ) -> Result<()> {
        let offset = self.source.sizes.offset as u64;
        let masks = if held > array.page { (held / array.page).div_ceil(8) } else { 0 };
        let bytes = self.source.structure(block + array.prefix, blocks.saturating_mul(masks + offset))?;
        let (written, addresses) = bytes.split_at((blocks * masks) as usize);
        let mut cursor = self.source.cursor(addresses);
        for number in 0..blocks {
            let written = &written[(number * masks) as usize..][..masks as usize];
            if let Some(block) = cursor.address()? {
                self.block(block + array.prefix, array, (first, held), Some(written).filter(|_| masks > 0))?;
            }
            first += held;
        }
        Ok(())
    }

    /// Adds the chunks of a data block, whose elements begin at an address: in one run, or in pages, each with a checksum
    /// behind it, of which some were `written`.
    fn block(
        &mut self,
        at: u64,
        array: &Array,
        (first, count): (u64, u64),
        written: Option<&[u8]>,
    ) -> Result<()> {
        let Some(written) = written else {
            let bytes = self.source.structure(at, count.saturating_mul(array.element))?;
            return self.elements(&bytes, array.element, first);
        };
        // After the checksum of the block's head.
        let mut at = at + 4;
        for number in 0..count.div_ceil(array.page) {
            if written[number as usize / 8] & 0x80 >> (number % 8) != 0 {
                let here = array.page.min(count - number * array.page);
                let bytes = self.source.structure(at, here.saturating_mul(array.element))?;
                self.elements(&bytes, array.element, first + number * array.page)?;
            }
            at += array.page * array.element + 4;
        }
        Ok(())
    }
}

/// An array of fixed size, or one that grows.
struct Array {
    /// Bytes of an element.
    element: u64,
    /// Elements of a page.
    page: u64,
    /// Bytes before what a block holds.
    prefix: u64,
}

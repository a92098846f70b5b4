//! Fractal heaps and trees of the second version: how groups with many links keep them, and how chunks of datasets with
//! several unlimited dimensions are found.

use super::bytes::{DEEPEST, Fault, Result, Source, bytes_of};

/// A fractal heap.
pub(super) struct Heap<'s> {
    source: &'s Source,
    root: u64,
    /// Rows of the root block; none where it is a direct block.
    rows: usize,
    width: u64,
    start: u64,
    largest_direct: u64,
    offset_bytes: usize,
    length_bytes: usize,
}

impl<'s> Heap<'s> {
    pub(super) fn open(source: &'s Source, address: u64) -> Result<Self> {
        let (offset, length) = (source.sizes.offset as u64, source.sizes.length as u64);
        let head = source.structure(address, 22 + 12 * length + 3 * offset)?;
        let mut cursor = source.cursor(&head);
        cursor.expect(b"FRHP")?;
        cursor.skip(3)?;
        let filters = cursor.short()?;
        cursor.skip(1)?;
        if filters > 0 {
            return Err(Fault::new(
                "a group whose names are compressed",
                "one that is not; rewrite the file with h5repack",
            ));
        }
        let largest_object = cursor.word()?;
        // Huge objects, free space, and counts of objects.
        cursor.skip(10 * source.sizes.length + 2 * source.sizes.offset)?;
        let width = cursor.short()? as u64;
        let (start, largest_direct) = (cursor.length()?, cursor.length()?);
        let bits = cursor.short()?;
        cursor.skip(2)?;
        let (root, rows) = (cursor.place()?, cursor.short()?);
        if width == 0 || start == 0 || !start.is_power_of_two() || bits > 64 {
            return Err(Fault::damaged("a heap without blocks"));
        }
        let block_bytes = (largest_direct.checked_ilog2().unwrap_or(0) as usize).div_ceil(8);
        let length_bytes = block_bytes.min(bytes_of(largest_object.into()));
        let offset_bytes = bits.div_ceil(8);
        Ok(Self { source, root, rows, width, start, largest_direct, offset_bytes, length_bytes })
    }

    /// The object of an identifier.
    pub(super) fn object(&self, id: &[u8]) -> Result<Vec<u8>> {
        let mut cursor = self.source.cursor(id);
        match cursor.byte()? >> 4 & 3 {
            0 => {
                let (offset, length) = (cursor.number(self.offset_bytes)?, cursor.number(self.length_bytes)?);
                let place = self.place(self.root, self.rows, offset, 0)?;
                self.source.structure(place, length)
            }
            2 => {
                let length = usize::from(id[0] & 15) + 1;
                Ok(cursor.take(length)?.to_vec())
            }
            _ => Err(Fault::damaged("a link of more bytes than a heap takes")),
        }
    }

    fn row_size(&self, row: usize) -> u64 {
        self.start.checked_shl(row.saturating_sub(1) as u32).unwrap_or(u64::MAX)
    }

    /// Address of what is so far inside the block at an address, which has so many rows.
    fn place(&self, block: u64, rows: usize, offset: u64, depth: usize) -> Result<u64> {
        if rows == 0 {
            return Ok(block + offset);
        }
        let lost = || Fault::damaged("a link outside of its heap");
        if depth > DEEPEST {
            return Err(lost());
        }
        let mut begin = 0u64;
        for row in 0..rows {
            let size = self.row_size(row);
            let end =
                size.checked_mul(self.width).and_then(|size| begin.checked_add(size)).ok_or_else(lost)?;
            if offset >= end {
                begin = end;
                continue;
            }
            let column = (offset - begin) / size;
            let entry = row as u64 * self.width + column;
            let head = 5 + self.source.sizes.offset as u64 + self.offset_bytes as u64;
            let at = block + head + entry * self.source.sizes.offset as u64;
            let bytes = self.source.structure(at, self.source.sizes.offset as u64)?;
            let child = self.source.cursor(&bytes).place()?;
            let inside = offset - begin - column * size;
            let below = match size <= self.largest_direct {
                true => 0,
                // Rows that a block of this size has: the first two are as large as the start.
                false => ((size / self.start / self.width).checked_ilog2().ok_or_else(lost)? + 1) as usize,
            };
            return self.place(child, below, inside, depth + 1);
        }
        Err(lost())
    }
}

/// All records of a tree of the second version, in order.
pub(super) fn records(source: &Source, address: u64) -> Result<Vec<Vec<u8>>> {
    let (offset, length) = (source.sizes.offset, source.sizes.length);
    let head = source.structure(address, (16 + offset + 2 + length) as u64)?;
    let mut cursor = source.cursor(&head);
    cursor.expect(b"BTHD")?;
    cursor.skip(2)?;
    let node_size = u64::from(cursor.word()?);
    let record = cursor.short()?;
    let depth = cursor.short()?;
    cursor.skip(2)?;
    let Some(root) = cursor.address()? else { return Ok(Vec::new()) };
    let count = cursor.short()?;
    if record == 0 || depth > DEEPEST || node_size < 10 + record as u64 {
        return Err(Fault::damaged("a tree without records"));
    }
    // Widths of the counts in pointers, by the depth that they point to.
    let leaf = (node_size - 10) / record as u64;
    let count_bytes = bytes_of(leaf);
    let (mut total, mut total_bytes) = (leaf, vec![0]);
    for _ in 0..depth {
        let pointer = (offset + count_bytes + total_bytes[total_bytes.len() - 1]) as u64;
        let most = node_size.saturating_sub(10 + pointer) / (record as u64 + pointer);
        total = (most + 1).saturating_mul(total).saturating_add(most);
        total_bytes.push(bytes_of(total));
    }
    let tree = Tree { source, record, count_bytes, total_bytes };
    let mut all = Vec::new();
    tree.visit(root, count, depth, &mut all)?;
    Ok(all)
}

struct Tree<'s> {
    source: &'s Source,
    record: usize,
    count_bytes: usize,
    total_bytes: Vec<usize>,
}

impl Tree<'_> {
    fn visit(&self, address: u64, count: usize, depth: usize, all: &mut Vec<Vec<u8>>) -> Result<()> {
        let pointer = self.source.sizes.offset + self.count_bytes + self.total_bytes[depth.saturating_sub(1)];
        let pointers = if depth > 0 { (count + 1) * pointer } else { 0 };
        let bytes = self.source.structure(address, (6 + count * self.record + pointers) as u64)?;
        let mut cursor = self.source.cursor(&bytes);
        cursor.expect(if depth > 0 { b"BTIN" } else { b"BTLF" })?;
        cursor.skip(2)?;
        let own = (0..count).map(|_| Ok(cursor.take(self.record)?.to_vec())).collect::<Result<Vec<_>>>()?;
        if depth == 0 {
            all.extend(own);
            return Ok(());
        }
        let mut own = own.into_iter();
        for _ in 0..=count {
            let (child, count) = (cursor.place()?, cursor.number(self.count_bytes)? as usize);
            cursor.skip(self.total_bytes[depth - 1])?;
            self.visit(child, count, depth - 1, all)?;
            all.extend(own.next());
        }
        Ok(())
    }
}

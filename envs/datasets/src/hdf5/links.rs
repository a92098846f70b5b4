//! Links: what a group holds, in its old form (a tree and a heap of names) and in its new one (messages, or a heap).

use std::collections::BTreeMap;

use super::bytes::{DEEPEST, Fault, Result, Source};
use super::header::{LINK, LINK_INFO, Message, SYMBOL_TABLE, find};
use super::heap::{Heap, records};

/// Where a name leads.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// To the object at an address.
    Hard(u64),
    /// To another path of this file.
    Soft(String),
    /// To a path of another file.
    External { file: String, path: String },
}

/// The links of the group with these messages; none of what is no group.
pub(super) fn links(source: &Source, messages: &[Message]) -> Result<Option<BTreeMap<String, Link>>> {
    let mut all = BTreeMap::new();
    if let Some(body) = find(messages, SYMBOL_TABLE) {
        let mut cursor = source.cursor(body);
        let (tree, heap) = (cursor.place()?, cursor.place()?);
        let names = local_heap(source, heap)?;
        symbols(source, tree, &names, 0, &mut all)?;
        return Ok(Some(all));
    }
    let mut is_group = false;
    for message in messages.iter().filter(|message| message.kind == LINK) {
        is_group = true;
        insert(source, &message.body, &mut all)?;
    }
    if let Some(body) = find(messages, LINK_INFO) {
        is_group = true;
        let mut cursor = source.cursor(body);
        cursor.skip(1)?;
        let flags = cursor.byte()?;
        cursor.skip(if flags & 1 != 0 { 8 } else { 0 })?;
        if let (Some(heap), Some(names)) = (cursor.address()?, cursor.address()?) {
            let heap = Heap::open(source, heap)?;
            for record in records(source, names)? {
                // A hash of the name comes first.
                let id = record.get(4..).ok_or_else(|| Fault::damaged("a link without a place"))?;
                insert(source, &heap.object(id)?, &mut all)?;
            }
        }
    }
    Ok(is_group.then_some(all))
}

/// Takes a link message.
fn insert(source: &Source, body: &[u8], all: &mut BTreeMap<String, Link>) -> Result<()> {
    let mut cursor = source.cursor(body);
    cursor.skip(1)?;
    let flags = cursor.byte()?;
    let kind = if flags & 8 != 0 { cursor.byte()? } else { 0 };
    cursor.skip(if flags & 4 != 0 { 8 } else { 0 })?;
    cursor.skip(if flags & 16 != 0 { 1 } else { 0 })?;
    let length = cursor.number(1 << (flags & 3))?;
    let name = cursor.take(usize::try_from(length).unwrap_or(usize::MAX))?;
    let name = String::from_utf8_lossy(name).into_owned();
    let link = match kind {
        0 => Link::Hard(cursor.place()?),
        1 => {
            let length = cursor.short()?;
            Link::Soft(String::from_utf8_lossy(cursor.take(length)?).into_owned())
        }
        64 => {
            let length = cursor.short()?;
            let value = cursor.take(length)?;
            let mut parts = value.get(1..).unwrap_or_default().split(|&byte| byte == 0);
            let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            Link::External { file: part(), path: part() }
        }
        _ => return Ok(()),
    };
    all.insert(name, link);
    Ok(())
}

fn local_heap(source: &Source, address: u64) -> Result<Vec<u8>> {
    let head = source.structure(address, 8 + 2 * source.sizes.length as u64 + source.sizes.offset as u64)?;
    let mut cursor = source.cursor(&head);
    cursor.expect(b"HEAP")?;
    cursor.skip(4)?;
    let (size, _) = (cursor.length()?, cursor.length()?);
    source.structure(cursor.place()?, size)
}

/// A tree of symbol nodes.
fn symbols(
    source: &Source,
    address: u64,
    names: &[u8],
    depth: usize,
    all: &mut BTreeMap<String, Link>,
) -> Result<()> {
    if depth > DEEPEST {
        return Err(Fault::damaged("a tree without end"));
    }
    let sizes = source.sizes;
    let name = |offset: u64| {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        source.cursor(names.get(start..).unwrap_or_default()).text()
    };
    let head = source.structure(address, 8)?;
    if head.starts_with(b"SNOD") {
        let count = u64::from(u16::from_le_bytes([head[6], head[7]]));
        let bytes = source.structure(address + 8, count * (2 * sizes.offset as u64 + 24))?;
        let mut cursor = source.cursor(&bytes);
        for _ in 0..count {
            let (at, object) = (cursor.number(sizes.offset)?, cursor.address()?);
            let kind = cursor.word()?;
            cursor.skip(4)?;
            let scratch = cursor.take(16)?;
            let link = match (kind, object) {
                (2, _) => Link::Soft(name(source.cursor(scratch).number(4)?)),
                (_, Some(object)) => Link::Hard(object),
                (_, None) => continue,
            };
            all.insert(name(at), link);
        }
        return Ok(());
    }
    let (_, children) = super::chunks::tree(source, address, sizes.length)?;
    children.into_iter().try_for_each(|(_, child)| symbols(source, child, names, depth + 1, all))
}

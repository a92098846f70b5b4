//! Superblocks and object headers: where a file begins, and the messages that describe its objects.

use super::bytes::{Fault, Result, Sizes, Source};

/// Kinds of messages.
pub(super) const DATASPACE: u16 = 1;
pub(super) const LINK_INFO: u16 = 2;
pub(super) const DATATYPE: u16 = 3;
pub(super) const OLD_FILL: u16 = 4;
pub(super) const FILL: u16 = 5;
pub(super) const LINK: u16 = 6;
pub(super) const EXTERNAL_FILES: u16 = 7;
pub(super) const LAYOUT: u16 = 8;
pub(super) const FILTERS: u16 = 11;
const CONTINUATION: u16 = 16;
pub(super) const SYMBOL_TABLE: u16 = 17;

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Finds the superblock, and returns the address of the root group.
pub(super) fn root(source: &mut Source) -> Result<u64> {
    let mut place = 0;
    while source.data(place, 8).is_ok_and(|bytes| bytes != SIGNATURE) {
        place = if place == 0 { 512 } else { 2 * place };
    }
    let count = source.size.saturating_sub(place).min(128);
    let bytes = source.data(place, count)?;
    let mut cursor = source.cursor(&bytes);
    cursor.expect(SIGNATURE)?;
    let version = cursor.byte()?;
    let (offset, length) = match version {
        0 | 1 => {
            cursor.skip(4)?;
            let sizes = (cursor.byte()?, cursor.byte()?);
            cursor.skip(if version == 1 { 13 } else { 9 })?;
            sizes
        }
        2 | 3 => {
            let sizes = (cursor.byte()?, cursor.byte()?);
            cursor.skip(1)?;
            sizes
        }
        _ => return Err(Fault::damaged(format!("a superblock of version {version}"))),
    };
    let sizes = [offset, length].map(usize::from);
    if sizes.iter().any(|size| ![2, 4, 8, 16, 32].contains(size)) {
        return Err(Fault::damaged(format!("numbers of {offset} and {length} bytes")));
    }
    source.sizes = Sizes { offset: sizes[0], length: sizes[1] };
    let left = &bytes[bytes.len() - cursor.left()..];
    let mut cursor = source.cursor(left);
    let base = cursor.place()?;
    // Free space or the extension; the end of the file.
    cursor.skip(2 * sizes[0])?;
    let root = match version {
        // The driver's information; then the root group's entry, its name first.
        0 | 1 => {
            cursor.skip(2 * sizes[0])?;
            cursor.place()?
        }
        _ => cursor.place()?,
    };
    source.base = base;
    Ok(root)
}

/// One message of an object header.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// The messages of the object at an address; those that stand elsewhere (committed types) are fetched.
pub(super) fn messages(source: &Source, address: u64) -> Result<Vec<Message>> {
    let raw = raw_messages(source, address)?;
    let mut messages = Vec::with_capacity(raw.len());
    for (message, shared) in raw {
        messages.push(if shared { elsewhere(source, &message)? } else { message });
    }
    Ok(messages)
}

/// A message that only says where it stands.
fn elsewhere(source: &Source, message: &Message) -> Result<Message> {
    let mut cursor = source.cursor(&message.body);
    let (version, kind) = (cursor.byte()?, cursor.byte()?);
    match (version, kind) {
        (1, _) => cursor.skip(6)?,
        (3, 1) => return Err(Fault::damaged("a message in the heap of shared messages")),
        _ => {}
    }
    let there = raw_messages(source, cursor.place()?)?;
    let found = there.into_iter().find(|(other, shared)| other.kind == message.kind && !shared);
    found.map(|(message, _)| message).ok_or_else(|| Fault::damaged("a committed type that is not there"))
}

fn raw_messages(source: &Source, address: u64) -> Result<Vec<(Message, bool)>> {
    let start = source.structure(address, 16)?;
    let mut cursor = source.cursor(&start);
    let newer = start.starts_with(b"OHDR");
    // Bytes before a message's body, and the first chunk.
    let (head, chunk) = if newer {
        cursor.skip(5)?;
        let flags = cursor.byte()?;
        let skipped = 6 + 16 * u64::from(flags >> 5 & 1) + 4 * u64::from(flags >> 4 & 1);
        let size_bytes = 1u64 << (flags & 3);
        let bytes = source.structure(address + skipped, size_bytes)?;
        let size = source.cursor(&bytes).number(size_bytes as usize)?;
        (4 + 2 * usize::from(flags >> 2 & 1), (address + skipped + size_bytes, size))
    } else {
        if cursor.byte()? != 1 {
            return Err(Fault::damaged("an object header of an unknown version"));
        }
        cursor.skip(7)?;
        (8, (address + 16, u64::from(cursor.word()?)))
    };
    let (mut messages, mut chunks, mut first) = (Vec::new(), vec![chunk], true);
    while let Some((address, size)) = chunks.pop() {
        let bytes = source.structure(address, size)?;
        let mut cursor = source.cursor(&bytes);
        let mut end = 0;
        if newer && !first {
            cursor.expect(b"OCHK")?;
            // A checksum.
            end = 4;
        }
        first = false;
        while cursor.left() >= end + head {
            let kind = if newer { cursor.byte()?.into() } else { cursor.short()? as u16 };
            let (size, flags) = (cursor.short()?, cursor.byte()?);
            cursor.skip(if newer { head - 4 } else { 3 })?;
            let body = cursor.take(size)?;
            if kind == CONTINUATION {
                let mut cursor = source.cursor(body);
                chunks.insert(0, (cursor.place()?, cursor.length()?));
            } else {
                messages.push((Message { kind, body: body.to_vec() }, flags & 2 != 0));
            }
        }
    }
    Ok(messages)
}

/// The body of the first message of a kind.
pub(super) fn find(messages: &[Message], kind: u16) -> Option<&[u8]> {
    messages.iter().find(|message| message.kind == kind).map(|message| message.body.as_slice())
}

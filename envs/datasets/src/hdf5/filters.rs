//! The filters of chunks: deflate, shuffle, LZF and Fletcher's checksum; others are named.

use std::io::Read;

use super::bytes::{Fault, Result, Source};

/// A filter of a dataset's chunks.
pub(super) struct Filter {
    id: u16,
    values: Vec<u32>,
}

/// Filters by the numbers that The HDF Group registers.
const NAMES: [(u16, &str); 16] = [
    (4, "szip"),
    (5, "n-bit"),
    (6, "scale-offset"),
    (305, "LZO"),
    (307, "bzip2"),
    (32001, "Blosc"),
    (32004, "LZ4"),
    (32008, "bitshuffle"),
    (32009, "SPDP"),
    (32013, "ZFP"),
    (32015, "Zstandard"),
    (32017, "SZ"),
    (32018, "FCIDECOMP"),
    (32019, "JPEG"),
    (32026, "Blosc2"),
    (32028, "Granular BitRound"),
];

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const LZF: u16 = 32000;

/// Deflate packs at most 1032 bytes into one.
pub(crate) const LARGEST_RATIO: u64 = 1032;

impl Filter {
    pub(super) fn all(source: &Source, body: &[u8]) -> Result<Vec<Self>> {
        let mut cursor = source.cursor(body);
        let (version, count) = (cursor.byte()?, cursor.byte()?);
        cursor.skip(if version == 1 { 6 } else { 0 })?;
        let mut all = Vec::new();
        for _ in 0..count {
            let id = cursor.short()? as u16;
            let named = version == 1 || id >= 256;
            let name = if named { cursor.short()? } else { 0 };
            cursor.skip(2)?;
            let values = cursor.short()?;
            cursor.skip(if version == 1 { name.next_multiple_of(8) } else { name })?;
            let values = (0..values).map(|_| cursor.word()).collect::<Result<Vec<_>>>()?;
            cursor.skip(if version == 1 && values.len() % 2 == 1 { 4 } else { 0 })?;
            all.push(Self { id, values });
        }
        if let Some(filter) =
            all.iter().find(|filter| ![DEFLATE, SHUFFLE, FLETCHER32, LZF].contains(&filter.id))
        {
            let name = NAMES.iter().find(|(id, _)| *id == filter.id).map(|(_, name)| (*name).to_owned());
            let name = name.unwrap_or_else(|| format!("filter {}", filter.id));
            let plugin = filter.id > 255;
            let expected = super::rewrite("compressed with gzip", plugin);
            return Err(Fault::new(format!("data compressed with {name}"), expected));
        }
        Ok(all)
    }

    /// Undoes the filter. The chunk is of so many bytes in the end.
    pub(super) fn undo(&self, bytes: Vec<u8>, whole: usize) -> Result<Vec<u8>> {
        match self.id {
            DEFLATE => {
                let mut unpacked = Vec::with_capacity(whole);
                // Checksums of other filters may stand behind the data.
                let mut stream = flate2::read::ZlibDecoder::new(bytes.as_slice()).take(whole as u64 + 64);
                let read = stream.read_to_end(&mut unpacked);
                read.map_err(|e| Fault::damaged(format!("a chunk that gzip cannot unpack ({e})")))?;
                Ok(unpacked)
            }
            SHUFFLE => {
                let size = self.values.first().map_or(1, |&size| size as usize);
                if size < 2 {
                    return Ok(bytes);
                }
                // The first bytes of all entries come first; what fills no entry is left at the end.
                let count = bytes.len() / size;
                let mut whole = bytes.clone();
                for entry in 0..count {
                    for byte in 0..size {
                        whole[entry * size + byte] = bytes[byte * count + entry];
                    }
                }
                Ok(whole)
            }
            FLETCHER32 => {
                let (data, checksum) = bytes
                    .split_last_chunk::<4>()
                    .ok_or_else(|| Fault::damaged("a chunk too short for its checksum"))?;
                let (found, said) = (fletcher32(data), u32::from_le_bytes(*checksum));
                // A half of 65535 is one of 0; old versions on little-endian machines swapped the bytes of each half.
                let reduced = |sum: u32| (((sum >> 16) % 65535) << 16) | ((sum & 0xffff) % 65535);
                let swapped = (said & 0x00ff_00ff) << 8 | (said >> 8 & 0x00ff_00ff);
                if ![reduced(said), reduced(swapped)].contains(&found) {
                    return Err(Fault::damaged("a chunk whose checksum differs"));
                }
                Ok(data.to_vec())
            }
            _ => lzf(&bytes, whole),
        }
    }
}

/// The checksum of HDF5's filter: words of two bytes, the first byte the higher one.
fn fletcher32(data: &[u8]) -> u32 {
    let (mut low, mut high) = (0u32, 0u32);
    for pair in data.chunks(2) {
        let word = u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&byte| byte.into());
        low = (low + word) % 65535;
        high = (high + low) % 65535;
    }
    high << 16 | low
}

/// LibLZF's format: runs of literals, and copies of what came before.
fn lzf(mut packed: &[u8], whole: usize) -> Result<Vec<u8>> {
    let damaged = || Fault::damaged("a chunk that LZF cannot unpack");
    let mut data = Vec::with_capacity(whole);
    let mut take = |count: usize| {
        let (taken, rest) = packed.split_at_checked(count)?;
        packed = rest;
        Some(taken)
    };
    while let Some(&[control]) = take(1) {
        let control = usize::from(control);
        if control < 32 {
            data.extend_from_slice(take(control + 1).ok_or_else(damaged)?);
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(take(1).ok_or_else(damaged)?[0]);
            }
            let back = ((control & 31) << 8 | usize::from(take(1).ok_or_else(damaged)?[0])) + 1;
            let start = data.len().checked_sub(back).ok_or_else(damaged)?;
            (start..start + length + 2).for_each(|at| data.push(data[at]));
        }
        if data.len() > whole {
            return Err(damaged());
        }
    }
    Ok(data)
}

//! How files are damaged.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One thing that happens to a file. Places are fractions of the length it then has.
#[derive(Clone, Debug)]
enum Damage {
    /// Some bits of a byte are turned over.
    Flip(Index, u8),
    /// A length, size or address, little-endian, becomes another.
    Number(Index, usize, u64),
    /// A digit of a text becomes another.
    Digit(Index, u8),
    /// A whole number of a text becomes one of nines.
    Nines(Index),
    /// The file ends early.
    Truncate(Index),
    /// So many bytes are written over others.
    Copy(Index, Index, usize),
    /// So many bytes are repeated elsewhere, and the rest moves on.
    Insert(Index, Index, usize),
    /// So many bytes are gone.
    Remove(Index, usize),
}

/// Damaged forms of `originals`.
pub fn damaged(originals: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let damages = proptest::collection::vec(damage(), 1..6);
    (select(originals.to_vec()), damages).prop_map(|(mut bytes, damages)| {
        for damage in damages {
            if bytes.is_empty() {
                break;
            }
            damage.happen(&mut bytes);
        }
        bytes
    })
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    let number = prop_oneof![
        0u64..70,
        select(vec![
            0x7f,
            0xff,
            0x7fff,
            0xffff,
            1 << 20,
            1 << 24,
            0x7fff_ffff,
            0xffff_ffff,
            1 << 32,
            1 << 40,
            1 << 62,
            u64::MAX >> 1,
            u64::MAX - 7,
            u64::MAX,
        ]),
        any::<u64>(),
    ];
    prop_oneof![
        4 => (place(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        4 => (place(), select(vec![1, 2, 4, 8]), number).prop_map(|(at, width, n)| Damage::Number(at, width, n)),
        3 => (place(), b'0'..=b'9').prop_map(|(at, digit)| Damage::Digit(at, digit)),
        1 => place().prop_map(Damage::Nines),
        1 => place().prop_map(Damage::Truncate),
        2 => (place(), place(), 1usize..200).prop_map(|(from, to, length)| Damage::Copy(from, to, length)),
        1 => (place(), place(), 1usize..200).prop_map(|(from, to, length)| Damage::Insert(from, to, length)),
        1 => (place(), 1usize..200).prop_map(|(at, length)| Damage::Remove(at, length)),
    ]
}

impl Damage {
    fn happen(self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        let digit_from = |bytes: &[u8], at: usize| (at..end).find(|&i| bytes[i].is_ascii_digit());
        match self {
            Damage::Flip(at, bits) => bytes[at.index(end)] ^= bits,
            Damage::Number(at, width, number) => {
                let at = at.index(end);
                let width = width.min(end - at);
                bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
            Damage::Digit(at, digit) => {
                if let Some(at) = digit_from(bytes, at.index(end)) {
                    bytes[at] = digit;
                }
            }
            Damage::Nines(at) => {
                let Some(at) = digit_from(bytes, at.index(end)) else { return };
                bytes[at..].iter_mut().take_while(|byte| byte.is_ascii_digit()).for_each(|byte| *byte = b'9');
            }
            Damage::Truncate(at) => bytes.truncate(at.index(end)),
            Damage::Copy(from, to, length) => {
                let (from, to) = (from.index(end), to.index(end));
                let length = length.min(end - from.max(to));
                bytes.copy_within(from..from + length, to);
            }
            Damage::Insert(from, to, length) => {
                let from = from.index(end);
                let part = bytes[from..end.min(from + length)].to_vec();
                let to = to.index(end);
                bytes.splice(to..to, part);
            }
            Damage::Remove(at, length) => {
                let at = at.index(end);
                bytes.drain(at..end.min(at + length));
            }
        }
    }
}

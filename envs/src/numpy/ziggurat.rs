//! Tables of the ziggurat for the standard normal distribution (Marsaglia and Tsang 2000), with NumPy's rounding:
//! `ziggurat.bin`, 3 × 256 numbers of eight bytes, is written by `oracle/ziggurat.py`.

static TABLES: &[u8; 3 * 256 * 8] = include_bytes!("ziggurat.bin");

/// Right end of each layer; of the lowest one, that of a rectangle of its area.
pub(super) static RIGHT: [f64; 256] = floats(0);

/// The density, scaled to 1 at 0, at each right end.
pub(super) static HEIGHT: [f64; 256] = floats(1);

/// Below this of 2⁵² parts of a layer's width, the density is above the whole layer.
pub(super) static INSIDE: [u64; 256] = words(2);

const fn words(table: usize) -> [u64; 256] {
    let (bytes, _) = TABLES.as_chunks();
    let mut words = [0; 256];
    let mut layer = 0;
    while layer < 256 {
        words[layer] = u64::from_le_bytes(bytes[256 * table + layer]);
        layer += 1;
    }
    words
}

const fn floats(table: usize) -> [f64; 256] {
    let words = words(table);
    let mut floats = [0.0; 256];
    let mut layer = 0;
    while layer < 256 {
        floats[layer] = f64::from_bits(words[layer]);
        layer += 1;
    }
    floats
}

//! NumPy's `SeedSequence` (`numpy/random/bit_generator.pyx`), after M. E. O'Neill's `seed_seq_fe`: a seed's bits
//! spread over as many words as a generator wants.

const POOL: usize = 4;

/// A hash whose multiplier changes with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn of(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let word = word.wrapping_mul(self.constant);
        word ^ (word >> 16)
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
    mixed ^ (mixed >> 16)
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
pub(super) fn words(seed: u64) -> [u64; 4] {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    // NumPy takes as many words as the seed needs and pads them with zeros to the pool's four.
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| hash.of(word));
    for source in 0..POOL {
        for target in (0..POOL).filter(|&target| target != source) {
            pool[target] = mix(pool[target], hash.of(pool[source]));
        }
    }
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    let mut next = pool.iter().cycle().map(|&word| u64::from(hash.of(word)));
    std::array::from_fn(|_| {
        let mut half = || next.next().unwrap_or_default();
        half() | half() << 32
    })
}

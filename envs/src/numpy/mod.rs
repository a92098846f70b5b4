//! NumPy's random numbers, to the last bit: what Gymnasium's `np_random(seed)` is, the
//! `Generator(PCG64(SeedSequence(seed)))` of NumPy 1.17 to 2.4, with the draws that environments make.

mod seed;
mod ziggurat;

use ziggurat::{HEIGHT, INSIDE, RIGHT};

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// Where the ziggurat's tail begins.
const TAIL: f64 = 3.654_152_885_361_009;
const INVERSE_TAIL: f64 = 0.273_661_237_329_758_3;

/// `numpy.random.Generator` on a PCG64: a 128-bit linear congruential generator whose output is folded and
/// rotated (O'Neill 2014, PCG XSL RR 128/64).
#[derive(Clone, Debug)]
pub struct Generator {
    state: u128,
    increment: u128,
    /// The upper half of a draw whose lower half was wanted alone.
    half: Option<u32>,
}

impl Generator {
    /// `numpy.random.default_rng(seed)`.
    pub fn new(seed: u64) -> Self {
        let words = seed::words(seed).map(u128::from);
        let increment = (words[2] << 64 | words[3]) << 1 | 1;
        let mut generator = Self { state: increment, increment, half: None };
        generator.state = generator.state.wrapping_add(words[0] << 64 | words[1]);
        generator.advance();
        generator
    }

    fn advance(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.advance();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// 32 bits; two such draws share one of 64.
    pub fn next_u32(&mut self) -> u32 {
        self.half.take().unwrap_or_else(|| {
            let next = self.next_u64();
            self.half = Some((next >> 32) as u32);
            next as u32
        })
    }

    /// `random()`: a number of [0, 1).
    pub fn random(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `uniform(low, high)`: a number of [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random()
    }

    /// `standard_normal()`, by the ziggurat.
    pub fn standard_normal(&mut self) -> f64 {
        loop {
            let bits = self.next_u64();
            let layer = (bits & 0xff) as usize;
            let negative = bits & 0x100 != 0;
            let part = bits >> 9 & 0x000f_ffff_ffff_ffff;
            // RIGHT / 2⁵² is exact.
            let x = part as f64 * (RIGHT[layer] / (1u64 << 52) as f64);
            let x = if negative { -x } else { x };
            if part < INSIDE[layer] {
                return x;
            }
            if layer == 0 {
                return self.tail(part >> 8 & 1 == 1);
            }
            let within = (HEIGHT[layer - 1] - HEIGHT[layer]) * self.random() + HEIGHT[layer];
            if within < (-0.5 * x * x).exp() {
                return x;
            }
        }
    }

    /// Beyond the ziggurat's right end (Marsaglia 1964).
    fn tail(&mut self, negative: bool) -> f64 {
        loop {
            let x = -INVERSE_TAIL * (-self.random()).ln_1p();
            let y = -(-self.random()).ln_1p();
            if y + y > x * x {
                return if negative { -(TAIL + x) } else { TAIL + x };
            }
        }
    }

    /// `integers(low, high)`: a number of low to high − 1, of which there are 2³² at most and at least one
    /// (Lemire 2019).
    pub fn integers(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.up_to((high - 1 - low) as u32))
    }

    /// A number of 0 to `last`.
    fn up_to(&mut self, last: u32) -> u32 {
        if last == 0 {
            return 0;
        }
        let Some(count) = last.checked_add(1) else {
            return self.next_u32();
        };
        // So many of the 2³² draws would make some numbers likelier than others.
        let surplus = (u32::MAX - last) % count;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(count);
            if product as u32 >= surplus {
                return (product >> 32) as u32;
            }
        }
    }

    /// `shuffle(entries)` of an array of less than 2³¹ entries; other than `integers` it masks bits and draws again.
    pub fn shuffle<T>(&mut self, entries: &mut [T]) {
        for last in (1..entries.len()).rev() {
            let mask = (last as u32 + 1).next_power_of_two() - 1;
            let other = loop {
                let other = (self.next_u32() & mask) as usize;
                if other <= last {
                    break other;
                }
            };
            entries.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::Generator;

    /// What `oracle/numpy_draws.py` printed.
    #[derive(Deserialize)]
    struct Draws {
        seed: u64,
        random: Vec<f64>,
        uniform: Vec<f64>,
        standard_normal: Vec<f64>,
        integers: Vec<(i64, i64, Vec<i64>)>,
        shuffle: Vec<u32>,
        after: f64,
        normals: (usize, u64),
        tail: f64,
    }

    fn bits(numbers: &[f64]) -> Vec<u64> {
        numbers.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn draws_are_numpys_to_the_last_bit() {
        let draws: Vec<Draws> = serde_json::from_str(include_str!("draws.json")).unwrap();
        assert!(draws.iter().any(|draws| draws.seed > u64::from(u32::MAX)));
        for draws in draws {
            let seed = draws.seed;
            let mut generator = Generator::new(seed);
            let random: Vec<f64> = draws.random.iter().map(|_| generator.random()).collect();
            assert_eq!(bits(&random), bits(&draws.random), "random, {seed}");
            let uniform: Vec<f64> = draws.uniform.iter().map(|_| generator.uniform(-0.6, -0.4)).collect();
            assert_eq!(bits(&uniform), bits(&draws.uniform), "uniform, {seed}");
            let normal: Vec<f64> =
                draws.standard_normal.iter().map(|_| generator.standard_normal()).collect();
            assert_eq!(bits(&normal), bits(&draws.standard_normal), "standard_normal, {seed}");
            for (low, high, expected) in draws.integers {
                let found: Vec<i64> = expected.iter().map(|_| generator.integers(low, high)).collect();
                assert_eq!(found, expected, "integers of {low} to {high}, {seed}");
            }
            let mut cards: Vec<u32> = (0..draws.shuffle.len() as u32).collect();
            generator.shuffle(&mut cards);
            assert_eq!(cards, draws.shuffle, "shuffle, {seed}");
            assert_eq!(generator.random().to_bits(), draws.after.to_bits(), "what is left after it, {seed}");

            // Every entry of the tables, the tail, and what is refused.
            let (count, expected) = draws.normals;
            let (mut sum, mut largest) = (0u64, 0.0f64);
            for index in 0..count as u64 {
                let normal = generator.standard_normal();
                sum = sum.wrapping_add(normal.to_bits().wrapping_mul(2 * index + 1));
                largest = largest.max(normal.abs());
            }
            assert_eq!((sum, largest), (expected, draws.tail), "{count} normals, {seed}");
            assert!(largest > super::TAIL);
        }
    }
}

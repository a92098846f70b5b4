//! A linear layer with its weights packed for streaming.

use alloc::vec::Vec;

use aaren_format::Precision;

use crate::simd::{Kernel, Lanes};
use crate::vector::dot;

/// Outputs of a wide panel: three tokens fill 12 of the 16 vector registers of AVX2 with half a
/// panel, and 12 of the 32 of AVX-512 with a whole one.
const WIDE: usize = 64;
/// Outputs of a narrow panel: one vector of AVX-512, which is one cache line.
const NARROW: usize = 16;

/// `y = W x + b` for one or several tokens.
///
/// Outputs are packed into panels of 64, then 16; a panel holds, for input after input, a line of
/// its outputs' weights, so that all tokens share one forward pass over memory. Fewer than 16
/// remaining outputs are kept as rows.
///
/// In bfloat16 a line serves two inputs: the upper halves of its words are the first one's weights,
/// the lower halves the second one's. The first are used as they stand, lower half included, which
/// costs no instruction; [`pair`] rounds them with that in mind.
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    precision: Precision,
    panels: Aligned,
    rows: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    /// Pack `weight`, `[outputs, inputs]` row after row, and `bias`, `[outputs]`.
    pub(crate) fn new(weight: &[f32], bias: &[f32], precision: Precision) -> Linear {
        let outputs = bias.len();
        let inputs = weight.len().checked_div(outputs).unwrap_or(0);
        assert_eq!(weight.len(), inputs * outputs);
        let paneled = outputs - outputs % NARROW;
        Linear {
            inputs,
            outputs,
            precision,
            panels: pack(&weight[..paneled * inputs], inputs, paneled, precision),
            rows: weight[paneled * inputs..].to_vec(),
            bias: bias.to_vec(),
        }
    }

    /// `first`, then `then`, both `[width, width]` with a bias, as one matrix and one bias, in float64.
    ///
    /// One head's output projection moves so into its values: weights sum to 1, so that the mean of projected
    /// values is the projected mean. With more heads it would multiply the values' width.
    pub(crate) fn fold(first: (&[f32], &[f32]), then: (&[f32], &[f32])) -> (Vec<f32>, Vec<f32>) {
        let width = first.1.len();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (row, &b) in then.0.chunks_exact(width).zip(then.1) {
            let mut sums = alloc::vec![0.0; width];
            let mut shift = f64::from(b);
            for ((&w, from), &b) in row.iter().zip(first.0.chunks_exact(width)).zip(first.1) {
                sums.iter_mut().zip(from).for_each(|(sum, &v)| *sum += f64::from(w) * f64::from(v));
                shift += f64::from(w) * f64::from(b);
            }
            weight.extend(sums.iter().map(|&sum: &f64| sum as f32));
            bias.push(shift as f32);
        }
        (weight, bias)
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.panels.as_slice()) + size_of_val(&*self.rows) + size_of_val(&*self.bias)
    }

    /// `y[t] = W x[t] + b`; `x` is `[tokens, inputs]`, `y` is `[tokens, outputs]`.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[f32], tokens: usize, y: &mut [f32]) {
        // SAFETY: this is below `InstructionSet::run` already, for the same vectors.
        unsafe { L::run(Apply { linear: self, x, tokens, y }) }
    }

    #[inline(always)]
    fn apply_panels<L: Lanes, const PAIRS: bool>(&self, x: &[f32], tokens: usize, y: &mut [f32]) {
        let paneled = self.outputs - self.outputs % NARROW;
        let words = self.panels.as_slice();
        let lines = lines(self.precision, self.inputs);
        let mut output = 0;
        while output < paneled {
            let width = if paneled - output >= WIDE { WIDE } else { NARROW };
            let mut job = Job {
                inputs: self.inputs,
                outputs: self.outputs,
                tokens,
                x,
                y: &mut y[output..],
                bias: &self.bias[output..output + width],
                words: &words[output * lines..(output + width) * lines],
            };
            if width == WIDE {
                job.panel::<L, PAIRS, WIDE>();
            } else {
                job.panel::<L, PAIRS, NARROW>();
            }
            output += width;
        }
    }
}

/// [`Linear::apply`] as a function of its own.
struct Apply<'a> {
    linear: &'a Linear,
    x: &'a [f32],
    tokens: usize,
    y: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Apply { linear, x, tokens, y } = self;
        let (inputs, outputs) = (linear.inputs, linear.outputs);
        assert_eq!(x.len(), tokens * inputs);
        assert_eq!(y.len(), tokens * outputs);
        if tokens == 0 {
            return;
        }
        match linear.precision {
            Precision::Float32 => linear.apply_panels::<L, false>(x, tokens, y),
            Precision::Bfloat16 => linear.apply_panels::<L, true>(x, tokens, y),
        }
        let first = outputs - outputs % NARROW;
        for (r, row) in linear.rows.chunks_exact(inputs).enumerate() {
            for (t, x) in x.chunks_exact(inputs).enumerate() {
                y[t * outputs + first + r] = dot::<L>(row, x) + linear.bias[first + r];
            }
        }
    }
}

/// Lines of a panel.
fn lines(precision: Precision, inputs: usize) -> usize {
    match precision {
        Precision::Float32 => inputs,
        Precision::Bfloat16 => inputs.div_ceil(2),
    }
}

/// Reorder the rows of `weight` into panels.
fn pack(weight: &[f32], inputs: usize, outputs: usize, precision: Precision) -> Aligned {
    let lines = lines(precision, inputs);
    let mut packed = Aligned::zeroed(lines * outputs);
    let words = packed.as_mut_slice();
    let mut output = 0;
    while output < outputs {
        let width = if outputs - output >= WIDE { WIDE } else { NARROW };
        let panel = &mut words[output * lines..(output + width) * lines];
        for (line, words) in panel.chunks_exact_mut(width).enumerate() {
            for (column, word) in words.iter_mut().enumerate() {
                let row = &weight[(output + column) * inputs..(output + column + 1) * inputs];
                *word = match precision {
                    Precision::Float32 => row[line],
                    Precision::Bfloat16 => pair(row[2 * line], row.get(2 * line + 1).copied().unwrap_or(0.0)),
                };
            }
        }
        output += width;
    }
    packed
}

/// A word that is `first` to within half a unit of bfloat16, and whose lower half is `second` as a
/// bfloat16, both finite.
fn pair(first: f32, second: f32) -> f32 {
    const SIGN: u32 = 0x8000_0000;
    const LARGEST: u32 = 0x7f7f;
    // The smallest normal number: the processor may be slow on those below.
    const SMALLEST: u32 = 0x0080;
    let rounded = |x: f32, rest: u32| {
        let magnitude = (x.to_bits() & !SIGN).saturating_sub(rest) + 0x8000;
        (magnitude >> 16).min(LARGEST) | (x.to_bits() & SIGN) >> 16
    };
    let low = rounded(second, 0);
    let high = rounded(first, low);
    let high = if high & 0x7fff < SMALLEST { high & 0x8000 | SMALLEST } else { high };
    f32::from_bits(high << 16 | low)
}

/// One panel times all tokens.
struct Job<'a> {
    inputs: usize,
    outputs: usize,
    tokens: usize,
    /// `[tokens, inputs]`.
    x: &'a [f32],
    /// `[tokens, outputs]`, without the outputs before the panel's first.
    y: &'a mut [f32],
    /// Of the panel's outputs.
    bias: &'a [f32],
    /// The panel: lines of one word for each of its outputs.
    words: &'a [f32],
}

impl Job<'_> {
    #[inline(always)]
    fn panel<L: Lanes, const PAIRS: bool, const WIDTH: usize>(&mut self) {
        // Of a pair the compiler keeps both inputs of all tokens in registers: too many for
        // AVX2 beside four vectors of sums (measured: 56 µs a step against 43).
        let crowded = PAIRS && L::N == 8;
        if 4 * L::N <= WIDTH && !crowded {
            self.columns::<L, PAIRS, WIDTH, 4>();
        } else if 2 * L::N <= WIDTH {
            self.columns::<L, PAIRS, WIDTH, 2>();
        } else {
            self.columns::<L, PAIRS, WIDTH, 1>();
        }
    }

    #[inline(always)]
    fn columns<L: Lanes, const PAIRS: bool, const WIDTH: usize, const VECTORS: usize>(&mut self) {
        for column in (0..WIDTH).step_by(VECTORS * L::N) {
            let mut token = 0;
            // Several streams, or timesteps of a window: 24 vectors of sums of AVX-512's 32.
            while L::N == 16 && token + 6 <= self.tokens {
                self.tile::<L, PAIRS, WIDTH, VECTORS, 6>(column, token);
                token += 6;
            }
            while token + 3 <= self.tokens {
                self.tile::<L, PAIRS, WIDTH, VECTORS, 3>(column, token);
                token += 3;
            }
            match self.tokens - token {
                1 => self.tile::<L, PAIRS, WIDTH, VECTORS, 1>(column, token),
                2 => self.tile::<L, PAIRS, WIDTH, VECTORS, 2>(column, token),
                _ => {}
            }
        }
    }

    /// `VECTORS` vectors of outputs from `column` on, for `TOKENS` tokens from `token` on.
    #[inline(always)]
    fn tile<L: Lanes, const PAIRS: bool, const WIDTH: usize, const VECTORS: usize, const TOKENS: usize>(
        &mut self,
        column: usize,
        token: usize,
    ) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let lines = if PAIRS { inputs.div_ceil(2) } else { inputs };
        // Each of the columns is a place in every line, of the bias, and of every token's outputs.
        let end = column + VECTORS * L::N;
        assert!(end <= WIDTH && end <= self.bias.len() && lines * WIDTH <= self.words.len());
        assert!((token + TOKENS) * inputs <= self.x.len());
        assert!((token + TOKENS - 1) * outputs + end <= self.y.len());
        // SAFETY: as asserted, `words` holds `lines` lines from `column` on, `bias` the columns, `x` the
        // `inputs` entries of every token, `y` its columns.
        unsafe {
            let words = self.words.as_ptr().add(column);
            let x = self.x.as_ptr().add(token * inputs);
            let y = self.y.as_mut_ptr().add(token * outputs + column);
            let mut sums = [[L::splat(0.0); VECTORS]; TOKENS];
            for v in 0..VECTORS {
                let bias = L::load(self.bias.as_ptr().add(column + v * L::N));
                for sum in &mut sums {
                    sum[v] = bias;
                }
            }
            if PAIRS {
                for input in (0..inputs - inputs % 2).step_by(2) {
                    let line = words.add(input / 2 * WIDTH);
                    add_line::<L, VECTORS, TOKENS, false>(&mut sums, line, x.add(input), inputs);
                    add_line::<L, VECTORS, TOKENS, true>(&mut sums, line, x.add(input + 1), inputs);
                }
                if inputs % 2 == 1 {
                    let line = words.add(inputs / 2 * WIDTH);
                    add_line::<L, VECTORS, TOKENS, false>(&mut sums, line, x.add(inputs - 1), inputs);
                }
            } else {
                for input in 0..inputs {
                    let line = words.add(input * WIDTH);
                    add_line::<L, VECTORS, TOKENS, false>(&mut sums, line, x.add(input), inputs);
                }
            }
            for (t, sum) in sums.iter().enumerate() {
                for (v, sum) in sum.iter().enumerate() {
                    sum.store(y.add(t * outputs + v * L::N));
                }
            }
        }
    }
}

/// Add one input of every token times its line of weights; `LOW`: those in the lower halves.
///
/// # Safety
///
/// `line` is valid for `VECTORS` vectors, `x` for `TOKENS` reads that are `inputs` apart.
#[inline(always)]
unsafe fn add_line<L: Lanes, const VECTORS: usize, const TOKENS: usize, const LOW: bool>(
    sums: &mut [[L; VECTORS]; TOKENS],
    line: *const f32,
    x: *const f32,
    inputs: usize,
) {
    unsafe {
        let mut now = [L::splat(0.0); TOKENS];
        for (t, now) in now.iter_mut().enumerate() {
            *now = L::splat(*x.add(t * inputs));
        }
        // With three tokens and four vectors this order needs 16 registers, AVX2's all.
        for v in 0..VECTORS {
            let word = L::load(line.add(v * L::N));
            let weight = if LOW { word.low_half() } else { word };
            for (sum, &x) in sums.iter_mut().zip(&now) {
                sum[v] = x.mul_add(weight, sum[v]);
            }
        }
    }
}

/// Words of which the first begins a cache line.
struct Aligned {
    storage: Vec<f32>,
    start: usize,
    length: usize,
}

impl Aligned {
    /// Words of a cache line.
    const LINE: usize = 16;

    fn zeroed(length: usize) -> Aligned {
        let storage = alloc::vec![0.0f32; length + Self::LINE];
        let past = storage.as_ptr().addr() / size_of::<f32>() % Self::LINE;
        Aligned { storage, start: (Self::LINE - past) % Self::LINE, length }
    }

    fn as_slice(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.length]
    }

    fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_holds_both_weights_to_half_a_unit_of_bfloat16() {
        let weights = [1.0, -1.0, 0.3, -7e-4, 3.999, 1e-20, -65504.0, 1.003_906_2, 2.5e30];
        for &first in &weights {
            for second in weights.into_iter().chain([0.0, f32::MAX]) {
                let word = pair(first, second);
                assert!((word / first - 1.0).abs() <= 1.0 / 256.0, "{first} {second}: {word}");
                let low = f32::from_bits(word.to_bits() << 16);
                assert!((low - second).abs() <= second.abs() / 256.0, "{first} {second}: {low}");
            }
        }
        for extreme in [0.0, -0.0, f32::MAX, f32::MIN, 1e-45] {
            let word = pair(extreme, -1.0);
            assert!(word.is_normal() && (word - extreme).abs() <= extreme.abs() / 256.0 + 1.3e-38);
        }
    }
}

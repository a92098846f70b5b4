//! A linear layer with its weights packed for streaming.

use alloc::vec::Vec;

use aaren_format::Precision;

use crate::matrix::{Matrix, Weight};
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
///
/// What a file holds as bytes stays bytes, but for the rows. Inputs stay float32: rounding them to 16 bits too was
/// a fifth faster at most, and made processors differ by 1e-4; to 8 bits, by as much as rounding the weights does.
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    panels: Panels,
    /// Outputs in panels; those after them are rows.
    paneled: usize,
    rows: Vec<f32>,
    bias: Vec<f32>,
}

enum Panels {
    Float32(Aligned<f32>),
    /// Pairs.
    Bfloat16(Aligned<f32>),
    /// Bytes, and the scale of each output.
    Int8(Aligned<i8>, Vec<f32>),
}

impl Linear {
    /// Packs a matrix. `precision` is that of one in float32.
    pub(crate) fn new(matrix: &Matrix, precision: Precision) -> Linear {
        Linear::stacked(matrix, (&[], &[]), precision)
    }

    /// A matrix and, as its last outputs, the rows and biases of another one in float32.
    pub(crate) fn stacked(matrix: &Matrix, more: (&[f32], &[f32]), precision: Precision) -> Linear {
        let outputs = matrix.outputs() + more.1.len();
        let bias = [&matrix.bias, more.1].concat();
        match &matrix.weight {
            Weight::Float32(weight) => {
                let weight = [weight, more.0].concat();
                let inputs = weight.len().checked_div(outputs).unwrap_or(0);
                assert_eq!(weight.len(), inputs * outputs);
                let paneled = outputs - outputs % NARROW;
                let (packed, rest) = weight.split_at(paneled * inputs);
                let panels = match precision {
                    Precision::Float32 => {
                        Panels::Float32(pack(inputs, paneled, |o, i| packed[o * inputs + i]))
                    }
                    Precision::Bfloat16 => {
                        Panels::Bfloat16(pack(inputs.div_ceil(2), paneled, |output, line| {
                            let row = &packed[output * inputs..(output + 1) * inputs];
                            pair(row[2 * line], row.get(2 * line + 1).copied().unwrap_or(0.0))
                        }))
                    }
                };
                Linear { inputs, outputs, panels, paneled, rows: rest.to_vec(), bias }
            }
            Weight::Int8(bytes) => {
                let inputs = bytes.codes.len().checked_div(matrix.outputs()).unwrap_or(0);
                assert!(
                    bytes.codes.len() == inputs * matrix.outputs() && more.0.len() == inputs * more.1.len()
                );
                let paneled = matrix.outputs() - matrix.outputs() % NARROW;
                let rows = bytes.floats().skip(paneled * inputs).chain(more.0.iter().copied()).collect();
                let codes = pack(inputs, paneled, |output, input| bytes.codes[output * inputs + input]);
                let panels = Panels::Int8(codes, bytes.scales[..paneled].to_vec());
                Linear { inputs, outputs, panels, paneled, rows, bias }
            }
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        let panels = match &self.panels {
            Panels::Float32(words) | Panels::Bfloat16(words) => size_of_val(words.as_slice()),
            Panels::Int8(codes, scales) => size_of_val(codes.as_slice()) + size_of_val(&**scales),
        };
        panels + size_of_val(&*self.rows) + size_of_val(&*self.bias)
    }

    /// `y[t] = W x[t] + b`; `x` is `[tokens, inputs]`, `y` is `[tokens, outputs]`.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[f32], tokens: usize, y: &mut [f32]) {
        // SAFETY: this is below `InstructionSet::run` already, for the same vectors.
        unsafe { L::run(Apply { linear: self, x, tokens, y }) }
    }

    #[inline(always)]
    fn apply_panels<L: Lanes, W: Word, const PAIRS: bool>(
        &self,
        panels: &Aligned<W>,
        scales: &[f32],
        x: &[f32],
        tokens: usize,
        y: &mut [f32],
    ) {
        let words = panels.as_slice();
        let lines = lines::<PAIRS>(self.inputs);
        let mut output = 0;
        while output < self.paneled {
            let width = if self.paneled - output >= WIDE { WIDE } else { NARROW };
            let mut job = Job {
                inputs: self.inputs,
                outputs: self.outputs,
                tokens,
                x,
                y: &mut y[output..],
                bias: &self.bias[output..output + width],
                scales: if W::SCALED { &scales[output..output + width] } else { &[] },
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
        match &linear.panels {
            Panels::Float32(panels) => linear.apply_panels::<L, f32, false>(panels, &[], x, tokens, y),
            Panels::Bfloat16(panels) => linear.apply_panels::<L, f32, true>(panels, &[], x, tokens, y),
            Panels::Int8(panels, scales) => {
                linear.apply_panels::<L, i8, false>(panels, scales, x, tokens, y);
            }
        }
        let first = linear.paneled;
        for (r, row) in linear.rows.chunks_exact(inputs).enumerate() {
            for (t, x) in x.chunks_exact(inputs).enumerate() {
                y[t * outputs + first + r] = dot::<L>(row, x) + linear.bias[first + r];
            }
        }
    }
}

/// What a panel is made of.
trait Word: Copy + Default {
    /// Whether each output has a scale.
    const SCALED: bool;

    /// # Safety
    ///
    /// As [`Lanes`].
    unsafe fn load<L: Lanes>(from: *const Self) -> L;
}

impl Word for f32 {
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const f32) -> L {
        unsafe { L::load(from) }
    }
}

impl Word for i8 {
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const i8) -> L {
        unsafe { L::load_bytes(from) }
    }
}

/// Lines of a panel.
fn lines<const PAIRS: bool>(inputs: usize) -> usize {
    if PAIRS { inputs.div_ceil(2) } else { inputs }
}

/// The words for each output and line, in panels.
fn pack<W: Word>(lines: usize, outputs: usize, word: impl Fn(usize, usize) -> W) -> Aligned<W> {
    let mut packed = Aligned::zeroed(lines * outputs);
    let mut output = 0;
    while output < outputs {
        let width = if outputs - output >= WIDE { WIDE } else { NARROW };
        let panel = &mut packed.as_mut_slice()[output * lines..(output + width) * lines];
        for (line, words) in panel.chunks_exact_mut(width).enumerate() {
            words.iter_mut().enumerate().for_each(|(column, to)| *to = word(output + column, line));
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
struct Job<'a, W> {
    inputs: usize,
    outputs: usize,
    tokens: usize,
    /// `[tokens, inputs]`.
    x: &'a [f32],
    /// `[tokens, outputs]`, without the outputs before the panel's first.
    y: &'a mut [f32],
    /// Of the panel's outputs.
    bias: &'a [f32],
    /// Likewise, where words are scaled.
    scales: &'a [f32],
    /// The panel: lines of one word for each of its outputs.
    words: &'a [W],
}

impl<W: Word> Job<'_, W> {
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
            // Several streams, or timesteps of a window: 24 vectors of sums of AVX-512's and NEON's 32.
            while L::REGISTERS == 32 && token + 6 <= self.tokens {
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
        let lines = lines::<PAIRS>(inputs);
        // Each of the columns is a place in every line, of the bias, and of every token's outputs.
        let end = column + VECTORS * L::N;
        assert!(end <= WIDTH && end <= self.bias.len() && lines * WIDTH <= self.words.len());
        assert!(!W::SCALED || end <= self.scales.len());
        assert!((token + TOKENS) * inputs <= self.x.len());
        assert!((token + TOKENS - 1) * outputs + end <= self.y.len());
        // SAFETY: as asserted, `words` holds `lines` lines from `column` on, `bias` the columns, `x` the
        // `inputs` entries of every token, `y` its columns.
        unsafe {
            let words = self.words.as_ptr().add(column);
            let x = self.x.as_ptr().add(token * inputs);
            let y = self.y.as_mut_ptr().add(token * outputs + column);
            let mut sums = [[L::splat(0.0); VECTORS]; TOKENS];
            let bias = |v: usize| L::load(self.bias.as_ptr().add(column + v * L::N));
            if !W::SCALED {
                for v in 0..VECTORS {
                    let bias = bias(v);
                    sums.iter_mut().for_each(|sum| sum[v] = bias);
                }
            }
            if PAIRS {
                for input in (0..inputs - inputs % 2).step_by(2) {
                    let line = words.add(input / 2 * WIDTH);
                    add_line::<L, W, VECTORS, TOKENS, false>(&mut sums, line, x.add(input), inputs);
                    add_line::<L, W, VECTORS, TOKENS, true>(&mut sums, line, x.add(input + 1), inputs);
                }
                if inputs % 2 == 1 {
                    let line = words.add(inputs / 2 * WIDTH);
                    add_line::<L, W, VECTORS, TOKENS, false>(&mut sums, line, x.add(inputs - 1), inputs);
                }
            } else {
                for input in 0..inputs {
                    let line = words.add(input * WIDTH);
                    add_line::<L, W, VECTORS, TOKENS, false>(&mut sums, line, x.add(input), inputs);
                }
            }
            for (t, sum) in sums.iter().enumerate() {
                for (v, &sum) in sum.iter().enumerate() {
                    let sum = if W::SCALED {
                        sum.mul_add(L::load(self.scales.as_ptr().add(column + v * L::N)), bias(v))
                    } else {
                        sum
                    };
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
unsafe fn add_line<L: Lanes, W: Word, const VECTORS: usize, const TOKENS: usize, const LOW: bool>(
    sums: &mut [[L; VECTORS]; TOKENS],
    line: *const W,
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
            let word: L = W::load(line.add(v * L::N));
            let weight = if LOW { word.low_half() } else { word };
            for (sum, &x) in sums.iter_mut().zip(&now) {
                sum[v] = x.mul_add(weight, sum[v]);
            }
        }
    }
}

/// Elements of which the first begins a cache line.
struct Aligned<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Bytes of a cache line.
    const LINE: usize = 64;

    fn zeroed(length: usize) -> Aligned<T> {
        let line = Self::LINE / size_of::<T>();
        let storage = alloc::vec![T::default(); length + line];
        let past = storage.as_ptr().addr() / size_of::<T>() % line;
        Aligned { storage, start: (line - past) % line, length }
    }

    fn as_slice(&self) -> &[T] {
        &self.storage[self.start..self.start + self.length]
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Bytes;
    use crate::simd::InstructionSet;

    struct Run<'a>(&'a Linear, &'a [f32], usize, &'a mut [f32]);

    impl Kernel for Run<'_> {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes>(self) {
            self.0.apply::<L>(self.1, self.2, self.3);
        }
    }

    #[test]
    fn every_form_of_a_matrix_multiplies_as_its_rows_do_on_every_instruction_set() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1u32 << 23) - 1.0
        };
        for (inputs, outputs, more, tokens) in
            [(1, 16, 0, 1), (7, 35, 2, 2), (128, 64, 4, 3), (43, 150, 0, 5), (9, 15, 1, 6), (300, 208, 3, 29)]
        {
            let weight: Vec<f32> = (0..inputs * outputs).map(|_| random() as f32).collect();
            let x: Vec<f32> = (0..inputs * tokens).map(|_| random() as f32).collect();
            let bias: Vec<f32> = (0..outputs).map(|_| random() as f32).collect();
            let rows: Vec<f32> = (0..inputs * more).map(|_| random() as f32).collect();
            let biases: Vec<f32> = (0..more).map(|_| random() as f32).collect();
            let bytes = Bytes::round(&weight, inputs);
            let rounded: Vec<f32> = bytes.floats().collect();
            let forms = [
                (Weight::Float32(weight.clone()), Precision::Float32, &weight, 1e-6),
                (Weight::Float32(weight.clone()), Precision::Bfloat16, &weight, 5e-3),
                (Weight::Int8(bytes), Precision::Float32, &rounded, 1e-6),
            ];
            for (form, precision, exact, tolerance) in forms {
                let is_int8 = matches!(form, Weight::Int8(_));
                let linear = Linear::stacked(
                    &Matrix { weight: form, bias: bias.clone() },
                    (&rows, &biases),
                    precision,
                );
                let (all, biases) = ([&exact[..], &rows].concat(), [&bias[..], &biases].concat());
                for set in InstructionSet::available() {
                    let mut y = alloc::vec![f32::NAN; tokens * (outputs + more)];
                    set.run(Run(&linear, &x, tokens, &mut y));
                    for (t, y) in y.chunks_exact(outputs + more).enumerate() {
                        for ((&y, row), &b) in y.iter().zip(all.chunks_exact(inputs)).zip(&biases) {
                            let x = &x[t * inputs..(t + 1) * inputs];
                            let exact = row.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x));
                            let off = (f64::from(y) - exact.sum::<f64>() - f64::from(b)).abs();
                            let bound = tolerance * (inputs as f64).sqrt().max(1.0);
                            assert!(off <= bound, "{set:?} {precision:?} int8 {is_int8} {inputs}: {off:e}");
                        }
                    }
                }
            }
        }
    }

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

//! A linear layer with its weights packed for streaming.

use alloc::vec::Vec;

use crate::simd::{Lanes, Weight};
use crate::vector::dot;

/// Outputs of a wide panel: three tokens fill 12 of the 16 vector registers of AVX2 with half a
/// panel, and 12 of the 32 of AVX-512 with a whole one.
const WIDE: usize = 64;
/// Outputs of a narrow panel: one vector of AVX-512, which is one cache line.
const NARROW: usize = 16;

/// How weights are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As in the file.
    #[default]
    Float32,
    /// Rounded to bfloat16 (8 bits of mantissa) in the encoder's matrices: half the memory
    /// traffic. Sums, states, embeddings, norms, attention scores and the head stay float32.
    Bfloat16,
}

/// `y = W x + b` for one or several tokens.
///
/// Outputs are packed into panels of 64, then 16; a panel holds, for input after input, the
/// weights of its outputs, so that all tokens share one forward pass over memory. Fewer than 16
/// remaining outputs are kept as rows.
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    panels: Panels,
    rows: Vec<f32>,
    bias: Vec<f32>,
}

enum Panels {
    Float32(Aligned<f32>),
    Bfloat16(Aligned<u16>),
}

impl Linear {
    /// Pack `weight`, `[outputs, inputs]` row after row, and `bias`, `[outputs]`.
    pub(crate) fn new(weight: &[f32], bias: &[f32], precision: Precision) -> Linear {
        let outputs = bias.len();
        let inputs = weight.len().checked_div(outputs).unwrap_or(0);
        assert_eq!(weight.len(), inputs * outputs);
        let paneled = outputs - outputs % NARROW;
        let panels = match precision {
            Precision::Float32 => Panels::Float32(pack(&weight[..paneled * inputs], inputs, paneled)),
            Precision::Bfloat16 => Panels::Bfloat16(pack(&weight[..paneled * inputs], inputs, paneled)),
        };
        Linear { inputs, outputs, panels, rows: weight[paneled * inputs..].to_vec(), bias: bias.to_vec() }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        let panels = match &self.panels {
            Panels::Float32(weights) => size_of_val(weights.as_slice()),
            Panels::Bfloat16(weights) => size_of_val(weights.as_slice()),
        };
        panels + size_of_val(&*self.rows) + size_of_val(&*self.bias)
    }

    /// `y[t] = W x[t] + b`; `x` is `[tokens, inputs]`, `y` is `[tokens, outputs]`.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[f32], tokens: usize, y: &mut [f32]) {
        assert_eq!(x.len(), tokens * self.inputs);
        assert_eq!(y.len(), tokens * self.outputs);
        match &self.panels {
            Panels::Float32(weights) => self.apply_panels::<L, f32>(weights.as_slice(), x, tokens, y),
            Panels::Bfloat16(weights) => self.apply_panels::<L, u16>(weights.as_slice(), x, tokens, y),
        }
        let first = self.outputs - self.outputs % NARROW;
        for (r, row) in self.rows.chunks_exact(self.inputs).enumerate() {
            for t in 0..tokens {
                let x = &x[t * self.inputs..(t + 1) * self.inputs];
                y[t * self.outputs + first + r] = dot::<L>(row, x) + self.bias[first + r];
            }
        }
    }

    #[inline(always)]
    fn apply_panels<L: Lanes, W: Weight>(&self, weights: &[W], x: &[f32], tokens: usize, y: &mut [f32]) {
        let paneled = self.outputs - self.outputs % NARROW;
        assert!(weights.len() == paneled * self.inputs && self.bias.len() == self.outputs);
        let mut output = 0;
        while output < paneled {
            let panel = weights[output * self.inputs..].as_ptr();
            // SAFETY: `x`, `y` and `bias` hold what `apply` and the assertion above checked, and a
            // panel of n outputs at `output` holds n · inputs weights from `output · inputs` on.
            unsafe {
                let job = Job {
                    inputs: self.inputs,
                    outputs: self.outputs,
                    tokens,
                    x: x.as_ptr(),
                    y: y.as_mut_ptr().add(output),
                    bias: self.bias.as_ptr().add(output),
                };
                if paneled - output >= WIDE {
                    job.panel::<L, W, WIDE>(panel);
                    output += WIDE;
                } else {
                    job.panel::<L, W, NARROW>(panel);
                    output += NARROW;
                }
            }
        }
    }
}

/// Reorder the rows of `weight` into panels.
fn pack<W: Weight>(weight: &[f32], inputs: usize, outputs: usize) -> Aligned<W> {
    let mut packed = Aligned::zeroed(weight.len());
    let slots = packed.as_mut_slice();
    let mut output = 0;
    while output < outputs {
        let width = if outputs - output >= WIDE { WIDE } else { NARROW };
        let panel = &mut slots[output * inputs..(output + width) * inputs];
        for (input, line) in panel.chunks_exact_mut(width).enumerate() {
            for (column, slot) in line.iter_mut().enumerate() {
                *slot = W::from_f32(weight[(output + column) * inputs + input]);
            }
        }
        output += width;
    }
    packed
}

/// One panel times all tokens; `y` and `bias` point at the panel's first output.
#[derive(Clone, Copy)]
struct Job {
    inputs: usize,
    outputs: usize,
    tokens: usize,
    x: *const f32,
    y: *mut f32,
    bias: *const f32,
}

impl Job {
    #[inline(always)]
    unsafe fn panel<L: Lanes, W: Weight, const WIDTH: usize>(self, weights: *const W) {
        unsafe {
            if 4 * L::N <= WIDTH {
                self.columns::<L, W, WIDTH, 4>(weights);
            } else if 2 * L::N <= WIDTH {
                self.columns::<L, W, WIDTH, 2>(weights);
            } else {
                self.columns::<L, W, WIDTH, 1>(weights);
            }
        }
    }

    #[inline(always)]
    unsafe fn columns<L: Lanes, W: Weight, const WIDTH: usize, const VECTORS: usize>(self, weights: *const W) {
        unsafe {
            let mut column = 0;
            while column < WIDTH {
                let weights = weights.add(column);
                let mut token = 0;
                while token + 3 <= self.tokens {
                    self.tile::<L, W, WIDTH, VECTORS, 3>(weights, column, token);
                    token += 3;
                }
                match self.tokens - token {
                    1 => self.tile::<L, W, WIDTH, VECTORS, 1>(weights, column, token),
                    2 => self.tile::<L, W, WIDTH, VECTORS, 2>(weights, column, token),
                    _ => {}
                }
                column += VECTORS * L::N;
            }
        }
    }

    /// `VECTORS` vectors of outputs from `column` on, for `TOKENS` tokens from `token` on.
    #[inline(always)]
    unsafe fn tile<L: Lanes, W: Weight, const WIDTH: usize, const VECTORS: usize, const TOKENS: usize>(
        self,
        weights: *const W,
        column: usize,
        token: usize,
    ) {
        unsafe {
            let mut sums = [[L::splat(0.0); VECTORS]; TOKENS];
            for (v, bias) in (0..VECTORS).map(|v| (v, L::load(self.bias.add(column + v * L::N)))) {
                for sum in &mut sums {
                    sum[v] = bias;
                }
            }
            let x = self.x.add(token * self.inputs);
            for input in 0..self.inputs {
                let line = weights.add(input * WIDTH);
                let mut inputs = [L::splat(0.0); TOKENS];
                for (t, input_of_t) in inputs.iter_mut().enumerate() {
                    *input_of_t = L::splat(*x.add(t * self.inputs + input));
                }
                // With three tokens and four vectors this order needs 16 registers, AVX2's all.
                for v in 0..VECTORS {
                    let w: L = W::load(line.add(v * L::N));
                    for (sum, &x) in sums.iter_mut().zip(&inputs) {
                        sum[v] = x.mul_add(w, sum[v]);
                    }
                }
            }
            for (t, sum) in sums.iter().enumerate() {
                let y = self.y.add((token + t) * self.outputs + column);
                for (v, sum) in sum.iter().enumerate() {
                    sum.store(y.add(v * L::N));
                }
            }
        }
    }
}

/// A vector whose first element begins a cache line.
struct Aligned<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    const LINE: usize = 64;

    fn zeroed(length: usize) -> Aligned<T> {
        let storage = alloc::vec![T::default(); length + Self::LINE / size_of::<T>()];
        let past = storage.as_ptr().addr() % Self::LINE;
        let start = (Self::LINE - past) % Self::LINE / size_of::<T>();
        Aligned { storage, start, length }
    }

    fn as_slice(&self) -> &[T] {
        &self.storage[self.start..self.start + self.length]
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

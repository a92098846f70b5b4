//! The gated recurrent unit (Cho et al. 2014), and its projection back to the width.
//!
//! As PyTorch's `nn.GRU`, with gates r, z and n one after the other:
//!
//! ```text
//! r = σ(W_ir x + b_ir + W_hr h + b_hr)      n = tanh(W_in x + b_in + r (W_hn h + b_hn))
//! z = σ(W_iz x + b_iz + W_hz h + b_hz)      h ← (1 − z) n + z h
//! ```

use alloc::format;

use aaren_format::{GruSettings, Model, Precision};

use super::Mix;
use crate::Error;
use crate::cache::Cache;
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::{exp, for_lanes};

/// One layer as its file holds it.
pub(crate) struct Parts {
    /// `[3 · units, width]`.
    pub(crate) input: Matrix,
    /// `[3 · units, units]`.
    pub(crate) hidden: Matrix,
    /// `[width, units]`.
    pub(crate) output: Matrix,
}

impl Parts {
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model) -> Result<Parts, Error> {
        let (width, units) = (model.width, GruSettings::units(model.width));
        let gates = |part: &str, inputs: usize| -> Result<Matrix, Error> {
            let name = |what: &str| format!("{block}.gru.{what}_{part}");
            let weight = file.table(&name("weight"), &name("scale"), 3 * units, inputs)?;
            Ok(Matrix { weight, bias: file.tensor(&name("bias"), &[3 * units])? })
        };
        let (input, hidden) = (gates("ih", width)?, gates("hh", units)?);
        Ok(Parts { input, hidden, output: file.matrix(&format!("{block}.gru.output"), width, units)? })
    }
}

/// One layer's parameters.
pub(crate) struct Gru {
    /// `[3 · units, width]`.
    input: Linear,
    /// `[3 · units, units]`.
    hidden: Linear,
    /// `[width, units]`.
    output: Linear,
    units: usize,
    width: usize,
}

impl Mix for Gru {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        _: usize,
        precision: Precision,
    ) -> Result<Gru, Error> {
        let (width, units) = (model.width, GruSettings::units(model.width));
        let Parts { input, hidden, output } = Parts::read(file, block, model)?;
        let [input, hidden, output] = [input, hidden, output].map(|matrix| Linear::new(&matrix, precision));
        Ok(Gru { input, hidden, output, units, width })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        [&self.input, &self.hidden, &self.output].into_iter()
    }

    fn memory(&self) -> Memory {
        Memory { fixed: alloc::vec![0.0; self.units], cache: Cache::new(0) }
    }

    fn clear(&self, fixed: &mut [f32]) {
        fixed.fill(0.0);
    }

    /// Both halves of every gate, and the new hidden state.
    fn scratch(&self) -> usize {
        7 * self.units
    }

    #[inline(always)]
    fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut [f32],
        y: &mut [f32],
    ) {
        let units = self.units;
        let (tokens, outputs) = (x.len() / self.width, y.len() / self.width);
        let (of_input, rest) = scratch.split_at_mut(tokens * 3 * units);
        let (of_hidden, rest) = rest.split_at_mut(3 * units);
        let seen = &mut rest[..outputs * units];
        self.input.apply::<L>(x, tokens, of_input);

        let (mut of_input, mut seen_rows) = (of_input.chunks_exact(3 * units), seen.chunks_exact_mut(units));
        for state in states {
            let State { incoming, layers, .. } = state.as_mut();
            let hidden = &mut layers[n].fixed;
            for (t, of_input) in of_input.by_ref().take(*incoming).enumerate() {
                self.hidden.apply::<L>(hidden, 1, of_hidden);
                update::<L>(hidden, of_input, of_hidden);
                if t >= wanted.from(*incoming)
                    && let Some(seen) = seen_rows.next()
                {
                    seen.copy_from_slice(hidden);
                }
            }
        }
        self.output.apply::<L>(seen, outputs, y);
    }
}

/// The new hidden state `h`, from what its gates get of the input and of `h`: r, z, n in each.
#[inline(always)]
fn update<L: Lanes>(h: &mut [f32], of_input: &[f32], of_hidden: &[f32]) {
    let units = h.len();
    assert!(of_input.len() == 3 * units && of_hidden.len() == 3 * units);
    let (h, from, own) = (h.as_mut_ptr(), of_input.as_ptr(), of_hidden.as_ptr());
    // SAFETY: `h` holds `units` floats, the others three times as many, as asserted.
    unsafe {
        for_lanes!(L, i in units => {
            let gate = |g: usize| (L::load(from.add(g * units + i)), L::load(own.add(g * units + i)));
            let ((r, own_r), (z, own_z), (n, own_n)) = (gate(0), gate(1), gate(2));
            let (r, z) = (sigmoid(r.add(own_r)), sigmoid(z.add(own_z)));
            // tanh x = 2 σ(2x) − 1
            let n = r.mul_add(own_n, n);
            let n = sigmoid(n.add(n)).mul_add(L::splat(2.0), L::splat(-1.0));
            z.mul_add(L::load(h.add(i)).sub(n), n).store(h.add(i))
        });
    }
}

/// 1 / (1 + e⁻ˣ).
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
unsafe fn sigmoid<L: Lanes>(x: L) -> L {
    unsafe {
        let one = L::splat(1.0);
        one.div(exp(L::splat(0.0).sub(x)).add(one))
    }
}

//! The minimal gated recurrent unit, whose gates see the input only (Feng et al. 2024, "Were RNNs All We Needed?",
//! arXiv 2410.01201), and its projection back to the width.
//!
//! ```text
//! z, c = W x + b, one after the other      h ← (1 − σ(z)) h + σ(z) g(c)      g(c) = c + ½ where c ≥ 0, else σ(c)
//! ```

use alloc::format;

use aaren_format::{Model, Precision};

use super::Mix;
use super::recurrent::sigmoid;
use crate::Error;

use crate::cache::Cache;
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::for_lanes;

/// One layer as its file holds it.
pub(crate) struct Parts {
    /// `[2 · units, width]`.
    pub(crate) input: Matrix,
    /// `[width, units]`.
    pub(crate) output: Matrix,
}

impl Parts {
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model) -> Result<Parts, Error> {
        let part =
            |part: &str, outputs, inputs| file.matrix(&format!("{block}.mingru.{part}"), outputs, inputs);
        let (width, units) = (model.width, model.units());
        Ok(Parts { input: part("input", 2 * units, width)?, output: part("output", width, units)? })
    }
}

/// One layer's parameters.
pub(crate) struct MinGru {
    input: Linear,
    output: Linear,
    units: usize,
    width: usize,
}

impl Mix for MinGru {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        _: usize,
        precision: Precision,
    ) -> Result<Self, Error> {
        let Parts { input, output } = Parts::read(file, block, model)?;
        let [input, output] = [input, output].map(|matrix| Linear::new(&matrix, precision));
        Ok(MinGru { input, output, units: model.units(), width: model.width })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        [&self.input, &self.output].into_iter()
    }

    fn memory(&self) -> Memory {
        Memory { fixed: alloc::vec![0.0; self.units], cache: Cache::new(0) }
    }

    /// Both gates, and the new state.
    fn scratch(&self) -> usize {
        3 * self.units
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
        let (gates, rest) = scratch.split_at_mut(tokens * 2 * units);
        let seen = &mut rest[..outputs * units];
        self.input.apply::<L>(x, tokens, gates);

        let (mut gates, mut seen_rows) = (gates.chunks_exact(2 * units), seen.chunks_exact_mut(units));
        for state in states {
            let State { incoming, layers, .. } = state.as_mut();
            let hidden = &mut layers[n].fixed;
            for (t, gates) in gates.by_ref().take(*incoming).enumerate() {
                update::<L>(hidden, gates);
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

/// The state `h` after a token, from its `gates` z and c.
#[inline(always)]
fn update<L: Lanes>(h: &mut [f32], gates: &[f32]) {
    let units = h.len();
    assert_eq!(gates.len(), 2 * units);
    let (h, gates) = (h.as_mut_ptr(), gates.as_ptr());
    // SAFETY: `h` holds `units` floats, `gates` twice as many, as asserted.
    unsafe {
        for_lanes!(L, i in units => {
            let (z, c, zero) = (L::load(gates.add(i)), L::load(gates.add(units + i)), L::splat(0.0));
            // max(c, 0) + σ(min(c, 0)), as σ(0) = ½.
            let candidate = c.max(zero).add(sigmoid(c.min(zero)));
            let before = L::load(h.add(i));
            sigmoid(z).mul_add(candidate.sub(before), before).store(h.add(i))
        });
    }
}

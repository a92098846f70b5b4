//! The long short-term memory (Hochreiter and Schmidhuber 1997).
//!
//! As PyTorch's `nn.LSTM`, with gates i, f, g and o one after the other:
//!
//! ```text
//! i, f, o = σ(W_i· x + b_i· + W_h· h + b_h·)      c ← f c + i g
//! g = tanh(W_ig x + b_ig + W_hg h + b_hg)         h = o tanh(c)
//! ```

use super::recurrent::{Cell, Recurrent, sigmoid, tanh};
use crate::simd::Lanes;
use crate::vector::for_lanes;

/// One layer.
pub(crate) type Lstm = Recurrent<LstmCell>;

pub(crate) enum LstmCell {}

/// The state is h, then c.
impl Cell for LstmCell {
    const GATES: usize = 4;
    const VECTORS: usize = 2;

    #[inline(always)]
    fn update<L: Lanes>(state: &mut [f32], of_input: &[f32], of_hidden: &[f32]) {
        let units = state.len() / 2;
        assert!(of_input.len() == 4 * units && of_hidden.len() == 4 * units);
        let (h, c) = state.split_at_mut(units);
        let (h, c, from, own) = (h.as_mut_ptr(), c.as_mut_ptr(), of_input.as_ptr(), of_hidden.as_ptr());
        // SAFETY: `h` and `c` hold `units` floats, the others four times as many, as asserted.
        unsafe {
            for_lanes!(L, i in units => {
                let gate = |g: usize| L::load(from.add(g * units + i)).add(L::load(own.add(g * units + i)));
                let (enter, keep, show) = (sigmoid(gate(0)), sigmoid(gate(1)), sigmoid(gate(3)));
                let cell = keep.mul_add(L::load(c.add(i)), enter.mul(tanh(gate(2))));
                cell.store(c.add(i));
                show.mul(tanh(cell)).store(h.add(i))
            });
        }
    }
}

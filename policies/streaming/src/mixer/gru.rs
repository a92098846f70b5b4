//! The gated recurrent unit (Cho et al. 2014).
//!
//! As PyTorch's `nn.GRU`, with gates r, z and n one after the other:
//!
//! ```text
//! r = σ(W_ir x + b_ir + W_hr h + b_hr)      n = tanh(W_in x + b_in + r (W_hn h + b_hn))
//! z = σ(W_iz x + b_iz + W_hz h + b_hz)      h ← (1 − z) n + z h
//! ```

use super::recurrent::{Cell, Recurrent, sigmoid, tanh};
use crate::simd::Lanes;
use crate::vector::for_lanes;

/// One layer.
pub(crate) type Gru = Recurrent<GruCell>;

pub(crate) enum GruCell {}

impl Cell for GruCell {
    const GATES: usize = 3;
    const VECTORS: usize = 1;

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
                let n = tanh(r.mul_add(own_n, n));
                z.mul_add(L::load(h.add(i)).sub(n), n).store(h.add(i))
            });
        }
    }
}

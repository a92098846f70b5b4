//! The minimal gated recurrent unit, whose gates see the input only (Feng et al. 2024, "Were RNNs All We Needed?",
//! arXiv 2410.01201), and its projection back to the width.
//!
//! ```text
//! z, c = W x + b, one after the other      h ← (1 − σ(z)) h + σ(z) g(c)      g(c) = c + ½ where c ≥ 0, else σ(c)
//! ```

use super::recurrent::{Cell, Recurrent, sigmoid};
use crate::simd::Lanes;
use crate::vector::for_lanes;

/// One layer.
pub(crate) type MinGru = Recurrent<MinGruCell>;

pub(crate) enum MinGruCell {}

impl Cell for MinGruCell {
    const GATES: usize = 2;
    const VECTORS: usize = 1;

    #[inline(always)]
    fn update<L: Lanes>(h: &mut [f32], gates: &[f32], _: &[f32]) {
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
}

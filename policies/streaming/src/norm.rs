//! Layer normalisation.

use alloc::vec::Vec;

use crate::simd::Lanes;
use crate::vector::layer_norm;

/// Gain and bias of a layer normalisation.
pub(crate) struct LayerNorm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl LayerNorm {
    /// Normalise every row of `x` in place.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &mut [f32]) {
        for row in x.chunks_exact_mut(self.gain.len()) {
            layer_norm::<L>(row, &self.gain, &self.bias);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.gain) + size_of_val(&*self.bias)
    }
}

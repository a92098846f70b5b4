//! Switches of single kernels, for `examples/ablation.rs`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What can be switched off, so that libtorch does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The backward pass of a mixer: then through libtorch's graph.
    Mixer,
    /// Aaren's scan as a recurrence: then in chunks.
    Scan,
    /// Attention of the Transformer: then dense products and a softmax.
    Attention,
    /// Residual, dropout and LayerNorm in one pass.
    Norm,
    /// Masks of dropout from one pool: then a Bernoulli draw for each element.
    Dropout,
}

static OFF: AtomicU32 = AtomicU32::new(0);

/// Switches these off, and all others on, in the whole process.
pub fn without(kernels: &[Kernel]) {
    OFF.store(kernels.iter().fold(0, |off, &kernel| off | 1 << kernel as u32), Relaxed);
}

pub(crate) fn off(kernel: Kernel) -> bool {
    OFF.load(Relaxed) >> kernel as u32 & 1 == 1
}

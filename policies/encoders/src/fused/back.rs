//! How gradients flow back: what operations return beside their outputs.

use tch::{Tensor, nn};

use super::Gradients;

/// How gradients flow back through an operation: takes those of its outputs, leaves those of weights in the
/// [`Gradients`], and returns those of its inputs.
pub(crate) type Back<'a> = Box<dyn FnOnce(Tensor, &mut Gradients) -> Tensor + 'a>;

/// How gradients flow back through a sum of two: to each of them.
pub(crate) type BackToBoth<'a> = Box<dyn FnOnce(&[&Tensor], &mut Gradients) -> (Tensor, Tensor) + 'a>;

/// How gradients flow back through [`attention`](super::attention): to queries, keys and values.
pub(crate) type BackThroughAttention = Box<dyn FnOnce(Tensor) -> [Tensor; 3]>;

/// Gradients of what [`scan`](super::scan) takes.
pub(crate) struct ScanFlow {
    /// Of the scores, `[batch, tokens, heads]`.
    pub scores: Tensor,
    /// Of the values, shaped as they are.
    pub values: Tensor,
    /// Of each token's decay, shaped as the scores.
    pub decay: Tensor,
}

/// How gradients flow back through [`scan`](super::scan).
pub(crate) type BackThroughScan = Box<dyn FnOnce(Tensor) -> ScanFlow>;

/// Weight and bias of a normalisation.
pub(super) fn norm_weights(norm: &nn::LayerNorm) -> (&Tensor, &Tensor) {
    norm.ws.as_ref().zip(norm.bs.as_ref()).expect("norms here have weights")
}

/// All gradients that reach an output.
pub(super) fn summed(dy: &[&Tensor]) -> Tensor {
    dy.iter().skip(1).fold(dy[0].shallow_clone(), |sum, dy| sum + *dy)
}

//! Linear layers, in the arithmetic of their input.

use aaren_format::Precision;
use tch::{Kind, Tensor, nn};

/// What a pass through an encoder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Acting: float32, no dropout.
    Inference,
    /// Learning: dropout.
    Training(Precision),
}

/// A linear layer with PyTorch's initial weights, U(−1/√from, 1/√from) for weights and bias.
///
/// tch's default is √6 times wider (Kaiming's bound for ReLU). Scores of attention, a product of two such
/// layers, then start six times as large: attention picks out single tokens before it has learned which.
pub fn linear<'a>(path: impl std::borrow::Borrow<nn::Path<'a>>, from: i64, to: i64) -> nn::Linear {
    let bound = 1.0 / (from as f64).sqrt();
    let ws_init = nn::Init::Uniform { lo: -bound, up: bound };
    nn::linear(path, from, to, nn::LinearConfig { ws_init, ..Default::default() })
}

/// Weight and bias of a layer.
pub(crate) fn weights(layer: &nn::Linear) -> impl Iterator<Item = &Tensor> {
    [Some(&layer.ws), layer.bs.as_ref()].into_iter().flatten()
}

/// `x Wᵀ + b` in the arithmetic of `x`.
pub(crate) fn x_linear(x: &Tensor, layer: &nn::Linear) -> Tensor {
    if x.kind() == layer.ws.kind() {
        return x.linear(&layer.ws, layer.bs.as_ref());
    }
    let bias = layer.bs.as_ref().map(|bias| bias.to_kind(x.kind()));
    x.linear(&layer.ws.to_kind(x.kind()), bias)
}

/// `x` with float32's mantissa at least, as the sums of attention need it.
pub(crate) fn float(x: &Tensor) -> Tensor {
    if x.kind() == Kind::BFloat16 { x.to_kind(Kind::Float) } else { x.shallow_clone() }
}

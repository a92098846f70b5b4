use tch::{Tensor, nn};

/// A linear layer with PyTorch's initial weights, U(−1/√from, 1/√from) for weights and bias.
///
/// tch's default is √6 times wider (Kaiming's bound for ReLU). Scores of attention, a product of two such
/// layers, then start six times as large: attention picks out single tokens before it has learned which.
pub fn linear<'a>(path: impl std::borrow::Borrow<nn::Path<'a>>, from: i64, to: i64) -> nn::Linear {
    let bound = 1.0 / (from as f64).sqrt();
    let ws_init = nn::Init::Uniform { lo: -bound, up: bound };
    nn::linear(path, from, to, nn::LinearConfig { ws_init, ..Default::default() })
}

/// `x Wᵀ + b`.
pub(crate) fn x_linear(x: &Tensor, layer: &nn::Linear) -> Tensor {
    x.linear(&layer.ws, layer.bs.as_ref())
}

use tch::{Kind, Tensor};

use crate::linear::Pass;

/// Inverted dropout with a cheap mask: one 64-bit draw of libtorch's generator serves four elements.
///
/// The probability is rounded to 1/32768. `Tensor::dropout` makes one Bernoulli draw for each
/// element, which was a sixth of a whole training update.
pub(crate) fn dropout(x: &Tensor, probability: f64, pass: Pass) -> Tensor {
    let dropped = (probability * 32768.0).round() as i64;
    if pass == Pass::Inference || dropped == 0 {
        return x.shallow_clone();
    }
    let elements = x.numel() as i64;
    let mut draws = Tensor::empty([(elements + 3) / 4], (Kind::Int64, x.device()));
    let lanes = draws.random_().view_dtype(Kind::Int16).narrow(0, 0, elements);
    let kept = lanes.bitwise_and(0x7fff).ge(dropped).view_as(x);
    let scale = 32768.0 / (32768 - dropped) as f64;
    x * (kept.to_kind(x.kind()) * scale)
}

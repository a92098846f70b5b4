//! Linear layers and GELU.

use tch::{Kind, Tensor, nn};

use super::{Back, Gradients};

/// `x Wᵀ + b` of `x` `[…, from]`, in its arithmetic.
pub(crate) fn linear<'a>(x: &Tensor, weight: &'a Tensor, bias: Option<&'a Tensor>) -> (Tensor, Back<'a>) {
    let kind = x.kind();
    let cast = weight.detach().to_kind(kind);
    let y = x.linear(&cast, bias.map(|bias| bias.detach().to_kind(kind)));
    let x = x.shallow_clone();
    let back = move |dy: Tensor, gradients: &mut Gradients| {
        let shape = x.size();
        let flat = |tensor: &Tensor| tensor.view([-1, *tensor.size().last().expect("rows")]);
        let (rows, dy) = (flat(&x), flat(&dy));
        gradients.add(weight, dy.tr().mm(&rows).to_kind(Kind::Float));
        if let Some(bias) = bias {
            gradients.add(bias, dy.sum_dim_intlist([0i64].as_slice(), false, Kind::Float));
        }
        dy.mm(&cast).view(shape.as_slice())
    };
    (y, Box::new(back))
}

/// [`linear`] with the weights of a layer.
pub(crate) fn layer<'a>(x: &Tensor, layer: &'a nn::Linear) -> (Tensor, Back<'a>) {
    linear(x, &layer.ws, layer.bs.as_ref())
}

/// GELU, exact: x · ½(1 + erf(x/√2)).
pub(crate) fn gelu<'a>(x: &Tensor) -> (Tensor, Back<'a>) {
    let (y, x) = (x.gelu("none"), x.shallow_clone());
    (y, Box::new(move |dy: Tensor, _: &mut Gradients| x.gelu_backward(&dy, "none")))
}

//! Linear layers and GELU.

use tch::{Kind, Tensor, nn};

use super::ablated;
use super::element::{Element, exp, fma, for_kind, slice, slice_mut, widest};
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
            gradients.add(bias, column_sums(&dy));
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
    ablated!(Gelu, super::plain::gelu(x));
    let (mut y, mut slope) = (x.empty_like(), x.empty_like());
    for_kind!(x.kind(), gelu_both(x, &mut y, &mut slope));
    let back = move |mut dy: Tensor, _: &mut Gradients| {
        for_kind!(slope.kind(), multiply_into(&mut dy, &slope));
        dy
    };
    (y, Box::new(back))
}

fn column_sums(rows: &Tensor) -> Tensor {
    ablated!(Bias, rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Float));
    let mut sums = Tensor::zeros([rows.size()[1]], (Kind::Float, rows.device()));
    for_kind!(rows.kind(), add_rows(&mut sums, rows));
    sums
}

fn gelu_both<E: Element>(x: &Tensor, y: &mut Tensor, slope: &mut Tensor) {
    gelu_kernel::<E>(slice(x), slice_mut(y), slice_mut(slope));
}

fn multiply_into<E: Element>(to: &mut Tensor, by: &Tensor) {
    multiply_kernel::<E>(slice_mut(to), slice(by));
}

fn add_rows<E: Element>(sums: &mut Tensor, rows: &Tensor) {
    sums_kernel::<E>(slice_mut(sums), slice(rows));
}

/// The error function to 1e-6 relative, an odd rational function on [−4, 4]; the minimax coefficients of XLA and Eigen.
#[inline(always)]
fn erf<const FUSED: bool>(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let numerator =
        [2.770_681_4e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2];
    let denominator = [-2.133_740_6e-4, -1.682_827e-3, -7.373_329_3e-3, -1.426_470_5e-2];
    let p = numerator.into_iter().fold(-2.726_142_3e-10, |p, term| fma::<FUSED>(p, z, term));
    let q = denominator.into_iter().fold(-1.456_607_2e-5, |q, term| fma::<FUSED>(q, z, term));
    x * p / q
}

widest! {
    fn gelu_kernel<E>(x: &[E], y: &mut [E], slope: &mut [E]) {
        for ((x, y), slope) in x.iter().zip(y).zip(slope) {
            let x = x.get();
            let below = fma::<FUSED>(erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2), 0.5, 0.5);
            // The normal density, 1/√(2π) at zero.
            let density = exp::<FUSED>(-0.5 * x * x) * 0.398_942_3;
            *y = E::of(x * below);
            *slope = E::of(fma::<FUSED>(x, density, below));
        }
    }

    fn multiply_kernel<E>(to: &mut [E], by: &[E]) {
        for (to, by) in to.iter_mut().zip(by) {
            *to = E::of(fma::<FUSED>(to.get(), by.get(), 0.0));
        }
    }

    fn sums_kernel<E>(sums: &mut [f32], rows: &[E]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum = fma::<FUSED>(value.get(), 1.0, *sum);
            }
        }
    }
}

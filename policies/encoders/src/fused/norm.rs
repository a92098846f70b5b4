//! Residuals, dropout and LayerNorm.

use tch::{Kind, Tensor, nn};

use super::Gradients;
use super::ablated;
use super::back::{Back, BackToBoth, norm_weights, summed};
use super::element::{Buffer, Element, Kernel, add_scaled, dot, fma, for_kind, load, run, slice, total};

/// `x + keep · branch`; `keep` is dropout's mask, or nothing.
pub(crate) fn residual<'a>(x: &Tensor, branch: &Tensor, keep: Option<&Tensor>) -> (Tensor, BackToBoth<'a>) {
    let y = sum(x, branch, keep);
    let keep = keep.map(Tensor::shallow_clone);
    let back = move |dy: &[&Tensor], _: &mut Gradients| {
        let dy = summed(dy);
        let branch = keep.map_or_else(|| dy.shallow_clone(), |keep| &dy * keep.view_as(&dy));
        (dy, branch)
    };
    (y, Box::new(back))
}

/// LayerNorm of `x`.
pub(crate) fn norm<'a>(x: &Tensor, norm: &'a nn::LayerNorm) -> (Tensor, Back<'a>) {
    let (y, back) = normal(x.shallow_clone(), None, norm);
    (y, Box::new(move |dy, gradients| back(&[&dy], gradients).0))
}

/// LayerNorm of `x + keep · branch`. All gradients that reach its output are summed up.
pub(crate) fn residual_norm<'a>(
    x: &Tensor,
    branch: &Tensor,
    keep: Option<&Tensor>,
    norm: &'a nn::LayerNorm,
) -> (Tensor, BackToBoth<'a>) {
    normal(sum(x, branch, keep), keep.map(Tensor::shallow_clone), norm)
}

/// LayerNorm of a sum whose second part was multiplied by `keep`.
fn normal<'a>(x: Tensor, keep: Option<Tensor>, norm: &'a nn::LayerNorm) -> (Tensor, BackToBoth<'a>) {
    ablated!(Norm, super::plain::normal(&x, keep, norm));
    let (weight, bias) = norm_weights(norm);
    let width = weight.numel() as i64;
    let rows = x.numel() as i64 / width;
    let kind = x.kind();
    let mut y = Buffer::new(&x.size(), kind);
    let mut scales = Buffer::new(&[rows, 2], Kind::Float);
    for_kind!(kind, E => run(Forward::<E> {
        // SAFETY: kernels write to buffers of their own only, and nobody writes to these tensors meanwhile.
        x: unsafe { slice(&x) },
        weight: unsafe { slice(weight) },
        bias: unsafe { slice(bias) },
        y: y.slice_mut(),
        scales: scales.slice_mut(),
    }));
    let back = move |dy: &[&Tensor], gradients: &mut Gradients| {
        let mut dx = Buffer::new(&x.size(), kind);
        let mut branch = Buffer::new(&x.size(), kind);
        let mut sums = Buffer::zeros(&[2, width], Kind::Float);
        for_kind!(kind, E => run(Backward::<E> {
            // SAFETY: as in the forward pass; weights change between updates only, the others nobody changes.
            dy: unsafe { slice(dy[0]) },
            second: dy.get(1).map(|dy| unsafe { slice(dy) }),
            x: unsafe { slice(&x) },
            weight: unsafe { slice(weight) },
            keep: keep.as_ref().map(|keep| unsafe { slice(keep) }),
            scales: scales.slice(),
            dx: dx.slice_mut(),
            branch: branch.slice_mut(),
            sums: sums.slice_mut(),
        }));
        let sums = sums.into_tensor();
        gradients.add(weight, sums.get(0));
        gradients.add(bias, sums.get(1));
        (dx.into_tensor(), branch.into_tensor())
    };
    (y.into_tensor(), Box::new(back))
}

/// `x + keep · branch`.
fn sum(x: &Tensor, branch: &Tensor, keep: Option<&Tensor>) -> Tensor {
    ablated!(Norm, super::plain::sum(x, branch, keep));
    let mut y = Buffer::new(&x.size(), x.kind());
    for_kind!(x.kind(), E => run(Add::<E> {
        y: y.slice_mut(),
        // SAFETY: kernels write to buffers of their own only, and nobody writes to these tensors meanwhile.
        x: unsafe { slice(x) },
        branch: unsafe { slice(branch) },
        keep: keep.map(|keep| unsafe { slice(keep) }),
    }));
    y.into_tensor()
}

struct Add<'a, E> {
    y: &'a mut [E],
    x: &'a [E],
    branch: &'a [E],
    keep: Option<&'a [E]>,
}

impl<E: Element> Kernel for Add<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { y, x, branch, keep } = self;
        match keep {
            None => {
                for ((y, x), branch) in y.iter_mut().zip(x).zip(branch) {
                    *y = E::of(x.get() + branch.get());
                }
            }
            Some(keep) => {
                for (((y, x), branch), keep) in y.iter_mut().zip(x).zip(branch).zip(keep) {
                    *y = E::of(fma::<FUSED>(branch.get(), keep.get(), x.get()));
                }
            }
        }
    }
}

struct Forward<'a, E> {
    x: &'a [E],
    weight: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [E],
    scales: &'a mut [f32],
}

impl<E: Element> Kernel for Forward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { x, weight, bias, y, scales } = self;
        let width = weight.len();
        let mut row = vec![0.0; width];
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales.chunks_exact_mut(2));
        for ((x, y), scales) in rows {
            load(&mut row, x);
            let mean = total(&row) / width as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            let scale = 1.0 / (dot::<f32, FUSED>(&row, &row) / width as f32 + 1e-5).sqrt();
            scales.copy_from_slice(&[mean, scale]);
            for (((y, x), weight), bias) in y.iter_mut().zip(&row).zip(weight).zip(bias) {
                *y = E::of(fma::<FUSED>(x * scale, *weight, *bias));
            }
        }
    }
}

/// `sums` `[2, width]`: gradients of weight and bias.
struct Backward<'a, E> {
    dy: &'a [E],
    second: Option<&'a [E]>,
    x: &'a [E],
    weight: &'a [f32],
    keep: Option<&'a [E]>,
    scales: &'a [f32],
    dx: &'a mut [E],
    branch: &'a mut [E],
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { dy, second, x, weight, keep, scales, dx, branch, sums } = self;
        let width = weight.len();
        let (of_weight, of_bias) = sums.split_at_mut(width);
        // Of a row: what flows into the normalised numbers, and those.
        let (mut flow, mut normal) = (vec![0.0; width], vec![0.0; width]);
        for (row, scales) in scales.chunks_exact(2).enumerate() {
            let at = row * width..(row + 1) * width;
            let (mean, scale) = (scales[0], scales[1]);
            load(&mut flow, &dy[at.clone()]);
            if let Some(second) = second {
                add_scaled::<E, FUSED>(&mut flow, 1.0, &second[at.clone()]);
            }
            for (normal, x) in normal.iter_mut().zip(&x[at.clone()]) {
                *normal = (x.get() - mean) * scale;
            }
            for ((sum, flow), normal) in of_weight.iter_mut().zip(&flow).zip(&normal) {
                *sum = fma::<FUSED>(*flow, *normal, *sum);
            }
            add_scaled::<f32, FUSED>(of_bias, 1.0, &flow);
            for (flow, weight) in flow.iter_mut().zip(weight) {
                *flow *= weight;
            }
            let level = total(&flow) / width as f32;
            let tilt = dot::<f32, FUSED>(&flow, &normal) / width as f32;
            for (flow, normal) in flow.iter_mut().zip(&normal) {
                *flow = scale * (*flow - fma::<FUSED>(*normal, tilt, level));
            }
            for (dx, flow) in dx[at.clone()].iter_mut().zip(&flow) {
                *dx = E::of(*flow);
            }
            match keep {
                None => branch[at.clone()].copy_from_slice(&dx[at]),
                Some(keep) => {
                    for ((branch, flow), keep) in branch[at.clone()].iter_mut().zip(&flow).zip(&keep[at]) {
                        *branch = E::of(flow * keep.get());
                    }
                }
            }
        }
    }
}

//! Numbers in memory, and loops over them compiled for a processor's vectors.

use tch::{Device, Kind, Tensor};

/// A number as tensors hold it; computed with as `f32`.
pub(crate) trait Element: Copy {
    /// Its kind.
    const KIND: Kind;
    /// Its value.
    fn get(self) -> f32;
    /// The nearest one, ties to even.
    fn of(value: f32) -> Self;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;

    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
    #[inline(always)]
    fn of(value: f32) -> f32 {
        value
    }
}

/// The upper half of an `f32`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Bfloat16(u16);

impl Element for Bfloat16 {
    const KIND: Kind = Kind::BFloat16;

    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
    /// What is no number may become another such, or infinite.
    #[inline(always)]
    fn of(value: f32) -> Self {
        let bits = value.to_bits();
        Bfloat16((bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }
}

/// Evaluates an expression with `$element` the type of what tensors of that kind hold.
macro_rules! for_kind {
    ($kind:expr, $element:ident => $body:expr) => {
        match $kind {
            tch::Kind::Float => {
                type $element = f32;
                $body
            }
            tch::Kind::BFloat16 => {
                type $element = crate::fused::element::Bfloat16;
                $body
            }
            kind => panic!("training computes in float32 or bfloat16, not in {kind:?}"),
        }
    };
}
pub(super) use for_kind;

fn check<E: Element>(tensor: &Tensor) {
    let fits = tensor.kind() == E::KIND && tensor.device() == Device::Cpu && tensor.is_contiguous();
    assert!(fits, "{tensor:?} is not {:?}, contiguous, on the CPU", E::KIND);
}

/// The elements of a contiguous tensor on the CPU.
///
/// # Safety
/// As long as the slice is used, nobody writes to the memory that the tensor shares with its shallow clones and views.
pub(super) unsafe fn slice<E: Element>(tensor: &Tensor) -> &[E] {
    check::<E>(tensor);
    // SAFETY: as many elements of that kind stand there, for as long as the tensor does; nobody writes to them.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// A contiguous tensor on the CPU that was allocated here. Nobody else has a handle to its memory until
/// [`Buffer::into_tensor`] gives it away, so that its elements may be written to.
pub(super) struct Buffer(Tensor);

impl Buffer {
    /// Of any content.
    pub(super) fn new(shape: &[i64], kind: Kind) -> Self {
        Self(Tensor::empty(shape, (kind, Device::Cpu)))
    }

    pub(super) fn zeros(shape: &[i64], kind: Kind) -> Self {
        Self(Tensor::zeros(shape, (kind, Device::Cpu)))
    }

    pub(super) fn copy(tensor: &Tensor) -> Self {
        let mut copy = Self::new(&tensor.size(), tensor.kind());
        copy.0.copy_(tensor);
        copy
    }

    pub(super) fn slice<E: Element>(&self) -> &[E] {
        // SAFETY: the only handle to the memory is borrowed.
        unsafe { slice(&self.0) }
    }

    pub(super) fn slice_mut<E: Element>(&mut self) -> &mut [E] {
        check::<E>(&self.0);
        // SAFETY: as many elements of that kind stand there; the only handle to them is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.data_ptr().cast(), self.0.numel()) }
    }

    pub(super) fn into_tensor(self) -> Tensor {
        self.0
    }
}

/// `a · b + c`, rounded once where `FUSED`, which is fast only where a processor has it.
#[inline(always)]
pub(super) fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Sum in an order that vectors have.
#[inline(always)]
pub(super) fn sum(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Elements that are computed with at a time.
pub(super) const LANES: usize = 16;

/// `a · b`.
#[inline(always)]
pub(super) fn dot<A: Element, const FUSED: bool>(a: &[A], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] = fma::<FUSED>(a[i].get(), b[i], lanes[i]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a.get() * b).sum();
    sum(lanes) + rest
}

/// The numbers of `from`.
#[inline(always)]
pub(super) fn load<E: Element>(to: &mut [f32], from: &[E]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.get();
    }
}

/// Σ x.
#[inline(always)]
pub(super) fn total(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for block in blocks {
        for i in 0..LANES {
            lanes[i] += block[i];
        }
    }
    sum(lanes) + rest.iter().sum::<f32>()
}

/// `to += factor · from`.
#[inline(always)]
pub(super) fn add_scaled<A: Element, const FUSED: bool>(to: &mut [f32], factor: f32, from: &[A]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = fma::<FUSED>(factor, from.get(), *to);
    }
}

/// eˣ to 2e-7 relative, for x from −87.3 to 88.3 and as at these ends outside. The reduction and the polynomial are those
/// of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding it rounds to an integer, and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.33, 88.37);
    let biased = fma::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = biased - ROUND;
    let r = fma::<FUSED>(n, 2.121_944_4e-4, fma::<FUSED>(n, -0.693_359_4, x));
    let terms = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = terms.into_iter().fold(1.987_569_1e-4, |p, term| fma::<FUSED>(p, r, term));
    (fma::<FUSED>(p, r * r, r) + 1.0) * f32::from_bits((biased.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// A loop over elements, with all that it reads and writes.
pub(super) trait Kernel {
    /// Runs it; to be inlined. `FUSED` is whether the processor multiplies and adds in one rounding.
    fn run<const FUSED: bool>(self);
}

/// Runs a kernel, compiled for AVX2 where the processor has it, else for what every target has.
pub(super) fn run<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2<K: Kernel>(kernel: K) {
            kernel.run::<true>();
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has these instructions.
            return unsafe { avx2(kernel) };
        }
    }
    kernel.run::<false>();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both roundings of a multiplication and an addition, against float64.
    #[test]
    fn the_exponential_is_right_to_2e_7() {
        for step in -87_300..=88_300 {
            let x = step as f32 / 1000.0;
            let expected = f64::from(x).exp();
            for found in [exp::<true>(x), exp::<false>(x)] {
                let off = (f64::from(found) / expected - 1.0).abs();
                assert!(off < 2e-7, "e^{x}: {found}, off by {off:e}");
            }
        }
        assert_eq!((exp::<true>(-1e9), exp::<true>(1e9)), (exp::<true>(-87.33), exp::<true>(88.37)));
    }
}

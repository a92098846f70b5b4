//! Element-wise functions and reductions over slices.
//!
//! Functions generic over [`Lanes`] are called only below
//! [`InstructionSet::run`](crate::simd::InstructionSet::run), which is what makes their vector
//! operations available; all pointers stay inside the slices given, whose lengths are asserted.

use crate::simd::Lanes;

/// Run `$body` for every full vector of `$n` elements with `$i` at its first element, then, with
/// the type `$L` shadowed by `f32`, for every element left over.
macro_rules! for_lanes {
    ($L:ident, $i:ident in $n:expr => $body:expr) => {{
        let n: usize = $n;
        let mut $i = 0;
        while $i + <$L as Lanes>::N <= n {
            $body;
            $i += <$L as Lanes>::N;
        }
        {
            type $L = f32;
            while $i < n {
                $body;
                $i += <$L as Lanes>::N;
            }
        }
    }};
}
pub(crate) use for_lanes;

/// `x += y`.
#[inline(always)]
pub(crate) fn add_assign<L: Lanes>(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len());
    let (to, from) = (x.as_mut_ptr(), y.as_ptr());
    unsafe { for_lanes!(L, i in x.len() => L::load(to.add(i)).add(L::load(from.add(i))).store(to.add(i))) }
}

/// `to += factor · from`.
#[inline(always)]
pub(crate) fn add_scaled<L: Lanes>(to: &mut [f32], factor: f32, from: &[f32]) {
    assert_eq!(to.len(), from.len());
    let (to_ptr, from_ptr) = (to.as_mut_ptr(), from.as_ptr());
    unsafe {
        for_lanes!(L, i in to.len() => {
            L::splat(factor).mul_add(L::load(from_ptr.add(i)), L::load(to_ptr.add(i))).store(to_ptr.add(i))
        })
    }
}

/// `to = from · factor`.
#[inline(always)]
pub(crate) fn scale_into<L: Lanes>(to: &mut [f32], from: &[f32], factor: f32) {
    assert_eq!(to.len(), from.len());
    let (to_ptr, from_ptr) = (to.as_mut_ptr(), from.as_ptr());
    unsafe {
        for_lanes!(L, i in to.len() => L::load(from_ptr.add(i)).mul(L::splat(factor)).store(to_ptr.add(i)))
    }
}

/// `Σ aᵢ bᵢ`.
#[inline(always)]
pub(crate) fn dot<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let (a_ptr, b_ptr, n) = (a.as_ptr(), b.as_ptr(), a.len());
    unsafe {
        // Two accumulators, since an addition takes several cycles.
        let (mut even, mut odd) = (L::splat(0.0), L::splat(0.0));
        let mut i = 0;
        while i + 2 * L::N <= n {
            even = L::load(a_ptr.add(i)).mul_add(L::load(b_ptr.add(i)), even);
            odd = L::load(a_ptr.add(i + L::N)).mul_add(L::load(b_ptr.add(i + L::N)), odd);
            i += 2 * L::N;
        }
        if i + L::N <= n {
            even = L::load(a_ptr.add(i)).mul_add(L::load(b_ptr.add(i)), even);
            i += L::N;
        }
        let mut sum = even.add(odd).sum();
        while i < n {
            sum += *a_ptr.add(i) * *b_ptr.add(i);
            i += 1;
        }
        sum
    }
}

/// The largest element, −∞ for an empty slice.
pub(crate) fn max(x: &[f32]) -> f32 {
    x.iter().copied().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// `x = eˣ⁻ᵐ` for every element; returns the sum of the results.
#[inline(always)]
pub(crate) fn exp_minus<L: Lanes>(x: &mut [f32], m: f32) -> f32 {
    let ptr = x.as_mut_ptr();
    let mut sum = 0.0;
    unsafe {
        for_lanes!(L, i in x.len() => {
            let e = exp(L::load(ptr.add(i)).sub(L::splat(m)));
            e.store(ptr.add(i));
            sum += e.sum();
        });
    }
    sum
}

/// Gaussian error linear unit, exact form: `x · ½(1 + erf(x/√2))`.
#[inline(always)]
pub(crate) fn gelu<L: Lanes>(x: &mut [f32]) {
    let ptr = x.as_mut_ptr();
    unsafe {
        for_lanes!(L, i in x.len() => {
            let x = L::load(ptr.add(i));
            let half = x.mul(L::splat(0.5));
            half.mul_add(erf(x.mul(L::splat(core::f32::consts::FRAC_1_SQRT_2))), half).store(ptr.add(i))
        });
    }
}

/// Layer normalisation in place, ε = 1e-5.
#[inline(always)]
pub(crate) fn layer_norm<L: Lanes>(x: &mut [f32], gain: &[f32], bias: &[f32]) {
    assert!(x.len() == gain.len() && x.len() == bias.len());
    let (ptr, gain, bias, n) = (x.as_mut_ptr(), gain.as_ptr(), bias.as_ptr(), x.len());
    unsafe {
        let mut total = L::splat(0.0);
        let mut rest = 0.0;
        let full = n - n % L::N;
        for i in (0..full).step_by(L::N) {
            total = total.add(L::load(ptr.add(i)));
        }
        for i in full..n {
            rest += *ptr.add(i);
        }
        let mean = (total.sum() + rest) / n as f32;

        let mut squares = L::splat(0.0);
        rest = 0.0;
        for i in (0..full).step_by(L::N) {
            let centred = L::load(ptr.add(i)).sub(L::splat(mean));
            squares = centred.mul_add(centred, squares);
        }
        for i in full..n {
            rest += (*ptr.add(i) - mean) * (*ptr.add(i) - mean);
        }
        let variance = (squares.sum() + rest) / n as f32;
        let scale = 1.0 / sqrt(variance + 1e-5);

        for_lanes!(L, i in n => {
            let normal = L::load(ptr.add(i)).sub(L::splat(mean)).mul(L::splat(scale));
            normal.mul_add(L::load(gain.add(i)), L::load(bias.add(i))).store(ptr.add(i))
        });
    }
}

/// `eˣ` to 2e-7 relative; below −87.3 it stays at the smallest normal number, about 1e-38.
///
/// The reduction and the polynomial are those of Cephes' `expf`.
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
pub(crate) unsafe fn exp<L: Lanes>(x: L) -> L {
    // Adding it rounds to an integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    unsafe {
        let x = x.max(L::splat(-87.33)).min(L::splat(88.37));
        let biased = x.mul_add(L::splat(core::f32::consts::LOG2_E), L::splat(ROUND));
        let n = biased.sub(L::splat(ROUND));
        let r = n.mul_add(L::splat(-0.693_359_4), x);
        let r = n.mul_add(L::splat(2.121_944_4e-4), r);
        let p = L::splat(1.987_569_1e-4);
        let p = p.mul_add(r, L::splat(1.398_2e-3));
        let p = p.mul_add(r, L::splat(8.333_452e-3));
        let p = p.mul_add(r, L::splat(4.166_579_6e-2));
        let p = p.mul_add(r, L::splat(1.666_666_5e-1));
        let p = p.mul_add(r, L::splat(0.5));
        let p = p.mul_add(r.mul(r), r).add(L::splat(1.0));
        p.mul(biased.pow2_biased())
    }
}

/// [`exp`] of one number.
#[inline(always)]
pub(crate) fn exp_scalar(x: f32) -> f32 {
    // SAFETY: `f32` as lanes takes no instructions but those that every processor has.
    unsafe { exp(x) }
}

/// The error function to 1e-6 relative, as an odd rational function on [−4, 4]; the same minimax
/// coefficients as in XLA and Eigen.
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
unsafe fn erf<L: Lanes>(x: L) -> L {
    unsafe {
        let x = x.max(L::splat(-4.0)).min(L::splat(4.0));
        let z = x.mul(x);
        let p = L::splat(-2.726_142_3e-10);
        let p = p.mul_add(z, L::splat(2.770_681_4e-8));
        let p = p.mul_add(z, L::splat(-2.101_024e-6));
        let p = p.mul_add(z, L::splat(-5.692_506e-5));
        let p = p.mul_add(z, L::splat(-7.349_906e-4));
        let p = p.mul_add(z, L::splat(-2.954_6e-3));
        let p = p.mul_add(z, L::splat(-1.609_603_3e-2));
        let q = L::splat(-1.456_607_2e-5);
        let q = q.mul_add(z, L::splat(-2.133_740_6e-4));
        let q = q.mul_add(z, L::splat(-1.682_827e-3));
        let q = q.mul_add(z, L::splat(-7.373_329_3e-3));
        let q = q.mul_add(z, L::splat(-1.426_470_5e-2));
        x.mul(p).div(q)
    }
}

/// √x as one instruction where there is one.
#[inline(always)]
fn sqrt(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    libm::sqrtf(x)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::simd::{InstructionSet, Kernel};

    /// The largest error of a function, relative to its result (exp) or its argument (GELU).
    struct Worst {
        x: Vec<f32>,
        gelu: bool,
    }

    impl Kernel for Worst {
        type Output = f64;

        #[inline(always)]
        fn run<L: Lanes>(self) -> f64 {
            let mut y = self.x.clone();
            if self.gelu {
                gelu::<L>(&mut y);
            } else {
                exp_minus::<L>(&mut y, 0.0);
            }
            let error = |(&x, &y): (&f32, &f32)| {
                let (x, y) = (f64::from(x), f64::from(y));
                if self.gelu {
                    (y - 0.5 * x * (1.0 + libm::erf(x * core::f64::consts::FRAC_1_SQRT_2))).abs() / x.abs()
                } else {
                    (y - libm::exp(x)).abs() / libm::exp(x)
                }
            };
            self.x.iter().zip(&y).map(error).fold(0.0, f64::max)
        }
    }

    /// 100 003 arguments: odd, so that every instruction set has elements left over.
    fn grid(from: f32, to: f32) -> Vec<f32> {
        (0..100_003).map(|i| from + (to - from) * i as f32 / 100_002.0).collect()
    }

    #[test]
    fn exp_and_gelu_agree_with_libm_on_every_instruction_set() {
        for set in InstructionSet::available() {
            let error = set.run(Worst { x: grid(-87.0, 88.0), gelu: false });
            assert!(error < 3e-7, "exp on {set:?}: {error:e}");
            let error = set.run(Worst { x: grid(-12.0, 13.0), gelu: true });
            assert!(error < 1e-6, "GELU on {set:?}: {error:e}");
        }
    }
}

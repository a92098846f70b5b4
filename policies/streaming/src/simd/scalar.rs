//! One lane, for what a vector leaves over, and four, for what every target has.

use super::{Kernel, Lanes};

const MANTISSA_BITS: u32 = 23;

impl Lanes for f32 {
    const N: usize = 1;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<f32>()
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> f32 {
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> f32 {
        f32::from(unsafe { *from })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { *to = self }
    }
    #[inline(always)]
    unsafe fn add(self, other: f32) -> f32 {
        self + other
    }
    #[inline(always)]
    unsafe fn sub(self, other: f32) -> f32 {
        self - other
    }
    #[inline(always)]
    unsafe fn mul(self, other: f32) -> f32 {
        self * other
    }
    #[inline(always)]
    unsafe fn div(self, other: f32) -> f32 {
        self / other
    }
    #[inline(always)]
    unsafe fn max(self, other: f32) -> f32 {
        if self > other { self } else { other }
    }
    #[inline(always)]
    unsafe fn min(self, other: f32) -> f32 {
        if self < other { self } else { other }
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: f32, b: f32) -> f32 {
        // `f32::mul_add` would call the C library where the target has no such instruction.
        self * a + b
    }
    #[inline(always)]
    unsafe fn low_half(self) -> f32 {
        f32::from_bits(self.to_bits() << 16)
    }
    #[inline(always)]
    unsafe fn exponent(self) -> f32 {
        f32::from_bits(self.to_bits() & 0x7f80_0000)
    }
    #[inline(always)]
    unsafe fn pow2_biased(self) -> f32 {
        f32::from_bits((self.to_bits() << MANTISSA_BITS).wrapping_add(1f32.to_bits()))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self
    }
}

/// Four lanes in plain Rust.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Quad([f32; 4]);

impl Quad {
    #[inline(always)]
    fn zip(self, other: Quad, f: impl Fn(f32, f32) -> f32) -> Quad {
        let (a, b) = (self.0, other.0);
        Quad([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])])
    }

    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Quad {
        Quad([f(self.0[0]), f(self.0[1]), f(self.0[2]), f(self.0[3])])
    }
}

impl Lanes for Quad {
    const N: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(never)]
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Quad>()
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Quad {
        Quad([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Quad {
        Quad(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> Quad {
        Quad(unsafe { from.cast::<[i8; 4]>().read_unaligned() }.map(f32::from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Quad) -> Quad {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Quad) -> Quad {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Quad) -> Quad {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Quad) -> Quad {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Quad) -> Quad {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Quad) -> Quad {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Quad, b: Quad) -> Quad {
        #[cfg(target_arch = "aarch64")]
        unsafe {
            use core::arch::aarch64::{vfmaq_f32, vld1q_f32, vst1q_f32};
            let mut out = [0.0; 4];
            let fused =
                vfmaq_f32(vld1q_f32(b.0.as_ptr()), vld1q_f32(self.0.as_ptr()), vld1q_f32(a.0.as_ptr()));
            vst1q_f32(out.as_mut_ptr(), fused);
            Quad(out)
        }
        #[cfg(not(target_arch = "aarch64"))]
        self.zip(a, |x, y| x * y).zip(b, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn low_half(self) -> Quad {
        self.map(|x| f32::from_bits(x.to_bits() << 16))
    }
    #[inline(always)]
    unsafe fn exponent(self) -> Quad {
        self.map(|x| unsafe { x.exponent() })
    }
    #[inline(always)]
    unsafe fn pow2_biased(self) -> Quad {
        self.map(|x| unsafe { x.pow2_biased() })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self.0[0] + self.0[2]) + (self.0[1] + self.0[3])
    }
}

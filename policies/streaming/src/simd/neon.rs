//! NEON, which every aarch64 processor has.

use core::arch::aarch64::*;

use super::{Kernel, Lanes};

impl Lanes for float32x4_t {
    const N: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(never)]
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<float32x4_t>()
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> float32x4_t {
        unsafe {
            let bytes = vcreate_s8(u64::from(from.cast::<u32>().read_unaligned()));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn div(self, other: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn max(self, other: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn min(self, other: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(b, self, a) }
    }
    #[inline(always)]
    unsafe fn low_half(self) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(self))) }
    }
    #[inline(always)]
    unsafe fn exponent(self) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self), vdupq_n_u32(0x7f80_0000))) }
    }
    #[inline(always)]
    unsafe fn pow2_biased(self) -> float32x4_t {
        unsafe {
            let shifted = vshlq_n_u32::<23>(vreinterpretq_u32_f32(self));
            vreinterpretq_f32_u32(vaddq_u32(shifted, vdupq_n_u32(0x3f80_0000)))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { vaddvq_f32(self) }
    }
}

//! AVX2 and AVX-512.

use core::arch::x86_64::*;

use super::{Kernel, Lanes};

/// # Safety
///
/// The processor must have AVX2 and FMA.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<__m256>()
}

/// # Safety
///
/// The processor must have AVX-512F, AVX2 and FMA.
#[inline(never)]
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<__m512>()
}

impl Lanes for __m256 {
    const N: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        unsafe { run_avx2(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: __m256) -> __m256 {
        unsafe { _mm256_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn div(self, other: __m256) -> __m256 {
        unsafe { _mm256_div_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn max(self, other: __m256) -> __m256 {
        unsafe { _mm256_max_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn min(self, other: __m256) -> __m256 {
        unsafe { _mm256_min_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(self, a, b) }
    }
    #[inline(always)]
    unsafe fn low_half(self) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(self))) }
    }
    #[inline(always)]
    unsafe fn exponent(self) -> __m256 {
        unsafe { _mm256_and_ps(self, _mm256_castsi256_ps(_mm256_set1_epi32(0x7f80_0000))) }
    }
    #[inline(always)]
    unsafe fn pow2_biased(self) -> __m256 {
        unsafe {
            let shifted = _mm256_slli_epi32::<23>(_mm256_castps_si256(self));
            _mm256_castsi256_ps(_mm256_add_epi32(shifted, _mm256_set1_epi32(0x3f80_0000)))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let quad = _mm_add_ps(_mm256_castps256_ps128(self), _mm256_extractf128_ps::<1>(self));
            let pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }
}

impl Lanes for __m512 {
    const N: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        unsafe { run_avx512(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: __m512) -> __m512 {
        unsafe { _mm512_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn div(self, other: __m512) -> __m512 {
        unsafe { _mm512_div_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn max(self, other: __m512) -> __m512 {
        unsafe { _mm512_max_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn min(self, other: __m512) -> __m512 {
        unsafe { _mm512_min_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(self, a, b) }
    }
    #[inline(always)]
    unsafe fn low_half(self) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(self))) }
    }
    #[inline(always)]
    unsafe fn exponent(self) -> __m512 {
        unsafe {
            let mask = _mm512_set1_epi32(0x7f80_0000);
            _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(self), mask))
        }
    }
    #[inline(always)]
    unsafe fn pow2_biased(self) -> __m512 {
        unsafe {
            let shifted = _mm512_slli_epi32::<23>(_mm512_castps_si512(self));
            _mm512_castsi512_ps(_mm512_add_epi32(shifted, _mm512_set1_epi32(0x3f80_0000)))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self) }
    }
}

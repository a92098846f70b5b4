//! The few vector operations the kernels are written in.

/// A vector of `f32`.
///
/// # Safety of the methods
///
/// Pointers given to `load`, `load_bf16` and `store` must be valid for `N` elements. Every method
/// must be reached through [`InstructionSet::run`](super::InstructionSet::run), which makes sure
/// that the processor has the instructions.
pub(crate) trait Lanes: Copy {
    /// How many elements a vector has.
    const N: usize;

    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Load bfloat16, the upper halves of float32.
    unsafe fn load_bf16(from: *const u16) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    /// `self · a + b`, in one rounding where the processor can.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// The power of two at or below `|self|`, zero for subnormal numbers.
    unsafe fn exponent(self) -> Self;
    /// `2ⁿ` for a vector of `n + 1.5·2²³`, −126 ≤ n ≤ 127.
    unsafe fn pow2_biased(self) -> Self;
    /// The sum of the elements.
    unsafe fn sum(self) -> f32;
}

/// An element type that weights are stored in.
pub(crate) trait Weight: Copy + Default {
    /// Round a float32 to this type, to nearest even.
    fn from_f32(x: f32) -> Self;

    /// # Safety
    ///
    /// As [`Lanes::load`].
    unsafe fn load<L: Lanes>(from: *const Self) -> L;
}

impl Weight for f32 {
    fn from_f32(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const f32) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load(from) }
    }
}

impl Weight for u16 {
    fn from_f32(x: f32) -> u16 {
        bf16_from_f32(x)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u16) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load_bf16(from) }
    }
}

/// The nearest bfloat16 of a finite number, ties to even.
fn bf16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    (rounded >> 16) as u16
}

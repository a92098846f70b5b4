//! The few vector operations the kernels are written in.

use super::Kernel;

/// A vector of `f32`.
///
/// # Safety of the methods
///
/// Pointers given to `load` and `store` must be valid for `N` elements. Every method
/// must be reached through [`InstructionSet::run`](super::InstructionSet::run), which makes sure
/// that the processor has the instructions.
pub(crate) trait Lanes: Copy {
    /// How many elements a vector has.
    const N: usize;
    /// How many vectors the processor's registers hold.
    const REGISTERS: usize;

    /// Run `kernel` on these vectors, as a function of its own: a large computation that is called
    /// from many places is then compiled once for each set of instructions.
    unsafe fn run<K: Kernel>(kernel: K) -> K::Output;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// `N` signed bytes as numbers.
    unsafe fn load_bytes(from: *const i8) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    /// `self · a + b`, in one rounding where the processor can.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// The lower half of every element's bits, as the upper half of a number: a bfloat16.
    unsafe fn low_half(self) -> Self;
    /// The power of two at or below `|self|`, zero for subnormal numbers.
    unsafe fn exponent(self) -> Self;
    /// `2ⁿ` for a vector of `n + 1.5·2²³`, −126 ≤ n ≤ 127.
    unsafe fn pow2_biased(self) -> Self;
    /// The sum of the elements.
    unsafe fn sum(self) -> f32;
}

//! Vector arithmetic, written once and compiled for each instruction set.
//!
//! A [`Kernel`] is generic over [`Lanes`]. [`InstructionSet::run`] calls it inside a function that
//! has the instruction set enabled; because everything below is `#[inline(always)]`, the whole
//! computation is compiled for that set, and choosing costs one branch per forward pass.

mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use lanes::Lanes;
pub(crate) use scalar::Quad;

/// A computation that can be compiled for any width of vector.
pub(crate) trait Kernel {
    /// What the computation returns.
    type Output;

    /// Run on vectors of type `L`; implementations must be `#[inline(always)]`.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// The vector instructions a policy's kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Four-lane code that the compiler maps to what the target always has (SSE2, …).
    Portable,
    /// AVX2 with fused multiply-add, 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F, 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON, 4 lanes in 32 registers: every aarch64 processor.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    /// The sets this processor can run, narrowest first. Without the feature `std` the processor
    /// is not asked, and what the build targets is believed.
    pub fn available() -> impl Iterator<Item = InstructionSet> {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        let sets = {
            let avx2 =
                std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
            let avx512 = avx2 && std::arch::is_x86_feature_detected!("avx512f");
            [Some(Self::Portable), avx2.then_some(Self::Avx2), avx512.then_some(Self::Avx512)]
        };
        #[cfg(all(target_arch = "x86_64", not(feature = "std")))]
        let sets = {
            let avx2 = cfg!(target_feature = "avx2") && cfg!(target_feature = "fma");
            let avx512 = avx2 && cfg!(target_feature = "avx512f");
            [Some(Self::Portable), avx2.then_some(Self::Avx2), avx512.then_some(Self::Avx512)]
        };
        #[cfg(target_arch = "aarch64")]
        let sets = [Some(Self::Portable), Some(Self::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let sets = [Some(Self::Portable)];
        sets.into_iter().flatten()
    }

    /// The widest set this processor can run.
    pub fn best() -> InstructionSet {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// Run `kernel` with this set. The caller must have the set from [`available`](Self::available).
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable => kernel.run::<Quad>(),
            // SAFETY: a value of these variants enters a policy only after `available` listed it.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::run_avx512(kernel) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => kernel.run::<core::arch::aarch64::float32x4_t>(),
        }
    }
}

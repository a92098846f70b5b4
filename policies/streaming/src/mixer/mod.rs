//! How past tokens reach the present one: the part of a block in which encoders differ, and the only place
//! that tells them apart.

pub(crate) mod aaren;
pub(crate) mod gated_delta;
pub(crate) mod gru;
pub(crate) mod lstm;
pub(crate) mod mingru;
pub(crate) mod recurrent;
pub(crate) mod transformer;

use aaren_format::{EncoderKind, Model, Precision};

use self::aaren::Aaren;
use self::gated_delta::GatedDelta;
use self::gru::Gru;
use self::lstm::Lstm;
use self::mingru::MinGru;
use self::transformer::Transformer;
use crate::file::File;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::{Error, linear::Linear};

/// What every kind of mixer can do. No `dyn`: the kernels are compiled for each set of instructions.
trait Mix: Sized {
    /// The mixer of a block, from the tensors under `block`; a timestep has so many tokens.
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        tokens_each: usize,
        precision: Precision,
    ) -> Result<Self, Error>;

    /// Its matrices.
    fn linears(&self) -> impl Iterator<Item = &Linear>;

    /// The memory of no tokens.
    fn memory(&self) -> Memory;

    /// Make the memory's fixed part, if there is one, that of no tokens: zeros, unless it is said otherwise.
    fn clear(&self, fixed: &mut [f32]) {
        fixed.fill(0.0);
    }

    /// Floats of working memory for each token.
    fn scratch(&self) -> usize;

    /// Every state's incoming tokens, rows of `x` (`[tokens, width]`), enter its memory of layer `n`; what
    /// they are mixed to goes to `y` (`[wanted, width]`) for the tokens wanted. `scratch` holds
    /// [`scratch`](Mix::scratch) floats for each token, or more.
    fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut [f32],
        y: &mut [f32],
    );
}

/// Registers the kinds of mixers: each is a variant of [`EncoderKind`] and a type of the same name.
macro_rules! mixers {
    ($($kind:ident),+) => {
        /// The mixer of one block.
        #[allow(clippy::large_enum_variant, reason = "there is one per layer, and all are large")]
        pub(crate) enum Mixer {
            $($kind($kind)),+
        }

        impl Mixer {
            /// See [`Mix::read`].
            pub(crate) fn read(
                file: &File<'_>,
                block: &str,
                model: &Model,
                tokens_each: usize,
                precision: Precision,
            ) -> Result<Mixer, Error> {
                match model.encoder() {
                    $(EncoderKind::$kind => {
                        $kind::read(file, block, model, tokens_each, precision).map(Mixer::$kind)
                    }),+
                }
            }

            /// Bytes of its matrices.
            pub(crate) fn bytes(&self) -> usize {
                match self {
                    $(Mixer::$kind(mixer) => mixer.linears().map(Linear::bytes).sum()),+
                }
            }

            /// See [`Mix::memory`].
            pub(crate) fn memory(&self) -> Memory {
                match self {
                    $(Mixer::$kind(mixer) => mixer.memory()),+
                }
            }

            /// Forget all tokens, and keep the space for as many.
            pub(crate) fn clear(&self, memory: &mut Memory) {
                memory.cache.clear();
                match self {
                    $(Mixer::$kind(mixer) => mixer.clear(&mut memory.fixed)),+
                }
            }

            /// See [`Mix::scratch`].
            pub(crate) fn scratch(&self) -> usize {
                match self {
                    $(Mixer::$kind(mixer) => mixer.scratch()),+
                }
            }

            /// See [`Mix::forward`].
            #[inline(always)]
            pub(crate) fn forward<L: Lanes>(
                &self,
                x: &[f32],
                states: &mut [impl AsMut<State>],
                n: usize,
                wanted: Wanted,
                scratch: &mut [f32],
                y: &mut [f32],
            ) {
                match self {
                    $(Mixer::$kind(mixer) => mixer.forward::<L>(x, states, n, wanted, scratch, y)),+
                }
            }
        }
    };
}

mixers!(Aaren, Transformer, Gru, Lstm, MinGru, GatedDelta);

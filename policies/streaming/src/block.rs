//! Layer normalisation, the block, and the stack of blocks: what both encoders share.

use alloc::vec::Vec;

use crate::aaren::{Aaren, AarenScratch};
use crate::header::Norm;
use crate::linear::Linear;
use crate::simd::Lanes;
use crate::transformer::{Cache, Transformer, TransformerScratch};
use crate::vector::{add_assign, gelu, layer_norm};

/// Gain and bias of a layer normalisation.
pub(crate) struct LayerNorm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl LayerNorm {
    /// Normalise every row of `x` in place.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &mut [f32]) {
        for row in x.chunks_exact_mut(self.gain.len()) {
            layer_norm::<L>(row, &self.gain, &self.bias);
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.gain) + size_of_val(&*self.bias)
    }
}

/// The attention of one block.
#[expect(clippy::large_enum_variant, reason = "there is one per layer, and both are large")]
pub(crate) enum Attention {
    Aaren(Aaren),
    Transformer(Transformer),
}

/// Attention and a two-layer perceptron, each with a residual connection and a normalisation.
pub(crate) struct Block {
    pub(crate) attention: Attention,
    pub(crate) norm1: LayerNorm,
    pub(crate) norm2: LayerNorm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// The stack of blocks.
pub(crate) struct Encoder {
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    /// After the last block, where the norm comes first.
    pub(crate) last_norm: Option<LayerNorm>,
    pub(crate) width: usize,
    pub(crate) heads: usize,
}

/// What the encoder remembers of the tokens so far.
pub(crate) struct State {
    /// Tokens since the state was empty.
    pub(crate) tokens: u64,
    pub(crate) layers: Layers,
}

/// The layers' part of a [`State`].
pub(crate) enum Layers {
    /// All layers' (m, u, w), one after the other.
    Aaren(Vec<f32>),
    Transformer(Vec<Cache>),
}

/// Working memory of a forward pass.
pub(crate) struct Scratch {
    /// Tokens in, and the encoder's outputs out: `[tokens, width]`.
    pub(crate) x: Vec<f32>,
    /// The block's input after its first norm, where the norm comes first.
    normed: Vec<f32>,
    /// What a residual connection adds.
    branch: Vec<f32>,
    hidden: Vec<f32>,
    attention: AttentionScratch,
}

enum AttentionScratch {
    Aaren(AarenScratch),
    Transformer(TransformerScratch),
}

impl Encoder {
    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| {
            let attention = match &block.attention {
                Attention::Aaren(aaren) => aaren.bytes(),
                Attention::Transformer(transformer) => transformer.bytes(),
            };
            attention + block.norm1.bytes() + block.norm2.bytes() + block.up.bytes() + block.down.bytes()
        });
        blocks.sum::<usize>() + self.last_norm.as_ref().map_or(0, LayerNorm::bytes)
    }

    fn is_aaren(&self) -> bool {
        matches!(self.blocks.first(), Some(Block { attention: Attention::Aaren(_), .. }))
    }

    /// The state before any token.
    pub(crate) fn zero_state(&self) -> State {
        let layers = if self.is_aaren() {
            Layers::Aaren(alloc::vec![0.0; self.blocks.len() * Aaren::state_length(self.width, self.heads)])
        } else {
            Layers::Transformer(self.blocks.iter().map(|_| Cache::default()).collect())
        };
        let mut state = State { tokens: 0, layers };
        self.clear(&mut state);
        state
    }

    /// Forget all tokens.
    pub(crate) fn clear(&self, state: &mut State) {
        state.tokens = 0;
        match &mut state.layers {
            Layers::Aaren(floats) => {
                for layer in floats.chunks_exact_mut(Aaren::state_length(self.width, self.heads)) {
                    Aaren::clear(layer, self.heads);
                }
            }
            Layers::Transformer(caches) => caches.iter_mut().for_each(Cache::clear),
        }
    }

    /// Bytes of what the state remembers.
    pub(crate) fn state_bytes(&self, state: &State) -> usize {
        match &state.layers {
            Layers::Aaren(floats) => size_of_val(&**floats),
            Layers::Transformer(caches) => {
                caches.iter().map(|c| 2 * self.width * c.tokens() * size_of::<f32>()).sum()
            }
        }
    }

    /// Working memory for up to `tokens` tokens at once.
    pub(crate) fn scratch(&self, tokens: usize) -> Scratch {
        let buffer = |width: usize| alloc::vec![0.0; tokens * width];
        let pre = matches!(self.norm, Norm::Pre);
        Scratch {
            x: buffer(self.width),
            normed: buffer(if pre { self.width } else { 0 }),
            branch: buffer(self.width),
            hidden: buffer(4 * self.width),
            attention: if self.is_aaren() {
                AttentionScratch::Aaren(AarenScratch::new(self.width, self.heads, tokens))
            } else {
                AttentionScratch::Transformer(TransformerScratch::new(self.width, tokens))
            },
        }
    }

    /// Push the first `tokens` tokens of `scratch.x` through all blocks. With `read`, the last
    /// token's row of `scratch.x` becomes the encoder's output; the other rows are left undefined,
    /// for in the last block nobody needs more of them than their part of the state.
    #[inline(always)]
    pub(crate) fn forward<L: Lanes>(
        &self,
        scratch: &mut Scratch,
        tokens: usize,
        state: &mut State,
        read: bool,
    ) {
        let width = self.width;
        for (n, block) in self.blocks.iter().enumerate() {
            let last = n + 1 == self.blocks.len();
            let from = if !last { 0 } else { tokens - usize::from(read) };
            block.forward::<L>(self, scratch, tokens, from, state, n);
        }
        if let (Some(norm), true) = (&self.last_norm, read) {
            norm.apply::<L>(&mut scratch.x[(tokens - 1) * width..tokens * width]);
        }
        state.tokens += tokens as u64;
    }
}

impl Block {
    /// All tokens enter the state of layer `n`; rows from `from` on become the block's outputs.
    #[inline(always)]
    fn forward<L: Lanes>(
        &self,
        encoder: &Encoder,
        scratch: &mut Scratch,
        tokens: usize,
        from: usize,
        state: &mut State,
        n: usize,
    ) {
        let width = encoder.width;
        let pre = matches!(encoder.norm, Norm::Pre);
        let outputs = tokens - from;
        let x = &mut scratch.x[..tokens * width];
        let branch = &mut scratch.branch[..outputs * width];
        let hidden = &mut scratch.hidden[..outputs * 4 * width];

        let input: &[f32] = if pre {
            let normed = &mut scratch.normed[..tokens * width];
            normed.copy_from_slice(x);
            self.norm1.apply::<L>(normed);
            normed
        } else {
            x
        };
        match (&self.attention, &mut state.layers, &mut scratch.attention) {
            (Attention::Aaren(aaren), Layers::Aaren(floats), AttentionScratch::Aaren(scratch)) => {
                let length = Aaren::state_length(width, encoder.heads);
                let layer = &mut floats[n * length..(n + 1) * length];
                aaren.forward::<L>(input, from, layer, state.tokens, scratch, branch);
            }
            (
                Attention::Transformer(transformer),
                Layers::Transformer(caches),
                AttentionScratch::Transformer(scratch),
            ) => {
                transformer.forward::<L>(input, from, &mut caches[n], scratch, branch);
            }
            _ => unreachable!("state and scratch are made by the encoder they are used with"),
        }

        let x = &mut x[from * width..];
        add_assign::<L>(x, branch);
        if pre {
            let normed = &mut scratch.normed[..outputs * width];
            normed.copy_from_slice(x);
            self.norm2.apply::<L>(normed);
            self.up.apply::<L>(normed, outputs, hidden);
        } else {
            self.norm1.apply::<L>(x);
            self.up.apply::<L>(x, outputs, hidden);
        }
        gelu::<L>(hidden);
        self.down.apply::<L>(hidden, outputs, branch);
        add_assign::<L>(x, branch);
        if !pre {
            self.norm2.apply::<L>(x);
        }
    }
}

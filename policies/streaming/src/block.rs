//! Layer normalisation, the block, and the stack of blocks: what both encoders share.

use alloc::vec::Vec;

use crate::aaren::{Aaren, AarenScratch};
use crate::linear::Linear;
use crate::simd::Lanes;
use crate::transformer::{Cache, Transformer, TransformerScratch};
use crate::vector::{add_assign, gelu, layer_norm};
use aaren_format::Norm;

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
    /// Tokens that the next forward pass brings.
    pub(crate) incoming: usize,
    pub(crate) layers: Layers,
}

/// Whose outputs of a forward pass are wanted, of each state's incoming tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Last,
    None,
}

impl Wanted {
    /// The first of so many tokens whose output is wanted.
    pub(crate) fn from(self, tokens: usize) -> usize {
        match self {
            Wanted::All => 0,
            Wanted::Last => tokens - 1,
            Wanted::None => tokens,
        }
    }

    /// Calls `each` with the place, among all states' incoming tokens, of every one that is wanted.
    #[inline(always)]
    pub(crate) fn rows(self, states: &mut [impl AsMut<State>], mut each: impl FnMut(usize)) {
        let mut first = 0;
        for state in states {
            let incoming = state.as_mut().incoming;
            (first + self.from(incoming)..first + incoming).for_each(&mut each);
            first += incoming;
        }
    }
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
        let mut state = State { tokens: 0, incoming: 0, layers };
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

    /// Push the first rows of `scratch.x` through all blocks: every state's incoming tokens, one
    /// state after the other. With `read`, the first rows of `scratch.x` become the encoder's output
    /// at each state's last token; the other rows are left undefined, for in the last block nobody
    /// needs more of them than their part of the state.
    ///
    /// What a state gets does not depend on which others come with it, bit for bit.
    #[inline(always)]
    pub(crate) fn forward<L: Lanes>(
        &self,
        scratch: &mut Scratch,
        states: &mut [impl AsMut<State>],
        read: bool,
    ) {
        for (n, block) in self.blocks.iter().enumerate() {
            let wanted = match (n + 1 == self.blocks.len(), read) {
                (false, _) => Wanted::All,
                (true, true) => Wanted::Last,
                (true, false) => Wanted::None,
            };
            block.forward::<L>(self, scratch, states, wanted, n);
        }
        if let (Some(norm), true) = (&self.last_norm, read) {
            norm.apply::<L>(&mut scratch.x[..states.len() * self.width]);
        }
        for state in states {
            let state = state.as_mut();
            state.tokens += state.incoming as u64;
        }
    }
}

impl Block {
    /// All incoming tokens enter the states of layer `n`; the block's outputs of those wanted become
    /// the first rows of `scratch.x`.
    #[inline(always)]
    fn forward<L: Lanes>(
        &self,
        encoder: &Encoder,
        scratch: &mut Scratch,
        states: &mut [impl AsMut<State>],
        wanted: Wanted,
        n: usize,
    ) {
        let width = encoder.width;
        let pre = matches!(encoder.norm, Norm::Pre);
        let (mut tokens, mut outputs) = (0, 0);
        for state in &mut *states {
            let incoming = state.as_mut().incoming;
            tokens += incoming;
            outputs += incoming - wanted.from(incoming);
        }
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
        match (&self.attention, &mut scratch.attention) {
            (Attention::Aaren(aaren), AttentionScratch::Aaren(scratch)) => {
                aaren.forward::<L>(input, states, n, wanted, scratch, branch);
            }
            (Attention::Transformer(transformer), AttentionScratch::Transformer(scratch)) => {
                transformer.forward::<L>(input, states, n, wanted, scratch, branch);
            }
            _ => unreachable!("the scratch is made by the encoder it is used with"),
        }

        // Rows move forwards only, so none is overwritten before it has moved.
        if wanted != Wanted::All {
            let mut to = 0;
            wanted.rows(states, |row| {
                x.copy_within(row * width..(row + 1) * width, to * width);
                to += 1;
            });
        }
        let x = &mut x[..outputs * width];
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
        // Row by row, so that no element's arithmetic depends on how many rows there are.
        for row in hidden.chunks_exact_mut(4 * width) {
            gelu::<L>(row);
        }
        self.down.apply::<L>(hidden, outputs, branch);
        add_assign::<L>(x, branch);
        if !pre {
            self.norm2.apply::<L>(x);
        }
    }
}

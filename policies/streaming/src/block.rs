//! The block and the stack of blocks: what all encoders share.

use alloc::{format, vec::Vec};

use crate::Error;
use crate::file::File;
use crate::linear::Linear;
use crate::mixer::Mixer;
use crate::norm::LayerNorm;
use crate::simd::Lanes;
use crate::state::{Scratch, State, Wanted};
use crate::vector::{add_assign, gelu};
use aaren_format::{Model, Norm, Precision};

/// A mixer and a two-layer perceptron, each with a residual connection and a normalisation.
struct Block {
    mixer: Mixer,
    norm1: LayerNorm,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

/// The stack of blocks.
pub(crate) struct Encoder {
    blocks: Vec<Block>,
    norm: Norm,
    /// After the last block, where the norm comes first.
    last_norm: Option<LayerNorm>,
    pub(crate) width: usize,
}

impl Encoder {
    /// The blocks of a policy file whose timesteps have so many tokens.
    pub(crate) fn read(
        file: &File<'_>,
        model: &Model,
        tokens_each: usize,
        precision: Precision,
    ) -> Result<Encoder, Error> {
        let width = model.width;
        let block = |n: usize| -> Result<Block, Error> {
            let name = format!("blocks.{n}");
            let part = |part: &str| format!("{name}.{part}");
            // The mixer comes first: once `width` has tensors behind it, four times it cannot overflow.
            Ok(Block {
                mixer: Mixer::read(file, &name, model, tokens_each, precision)?,
                norm1: file.norm(&part("norm1"), width)?,
                norm2: file.norm(&part("norm2"), width)?,
                up: file.linear(&part("mlp.up"), 4 * width, width, precision)?,
                down: file.linear(&part("mlp.down"), width, 4 * width, precision)?,
            })
        };
        let mut blocks = Vec::new();
        for n in 0..model.layers {
            blocks.push(block(n)?);
        }
        let last_norm = match model.norm {
            Norm::Pre => Some(file.norm("norm", width)?),
            Norm::Post => None,
        };
        Ok(Encoder { blocks, norm: model.norm, last_norm, width })
    }

    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| {
            let norms = block.norm1.bytes() + block.norm2.bytes();
            block.mixer.bytes() + norms + block.up.bytes() + block.down.bytes()
        });
        blocks.sum::<usize>() + self.last_norm.as_ref().map_or(0, LayerNorm::bytes)
    }

    /// The state before any token.
    pub(crate) fn zero_state(&self) -> State {
        let layers = self.blocks.iter().map(|block| block.mixer.memory()).collect();
        State { tokens: 0, incoming: 0, layers }
    }

    /// Forget all tokens.
    pub(crate) fn clear(&self, state: &mut State) {
        state.tokens = 0;
        for (block, memory) in self.blocks.iter().zip(&mut state.layers) {
            block.mixer.clear(memory);
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
            mixer: buffer(self.blocks.iter().map(|block| block.mixer.scratch()).max().unwrap_or(0)),
            head: Vec::new(),
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
        self.mixer.forward::<L>(input, states, n, wanted, &mut scratch.mixer, branch);

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

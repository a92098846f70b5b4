use aaren_format::{Model, Norm, Precision};
use tch::{Kind, Tensor, nn, nn::Module};

use crate::Error;
use crate::block::Block;
use crate::dropout::Dropout;
use crate::linear::{Pass, float};
use crate::scan::Summary;
use crate::transformer::KeyValueCache;

/// Which tokens the last block's outputs are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All.
    All,
    /// Tokens `offset`, `offset + stride`, …
    Every {
        /// Distance between two of them.
        stride: i64,
        /// The first one.
        offset: i64,
    },
}

impl Rows {
    /// The chosen rows of `x` along `dim`.
    pub(crate) fn of(self, x: &Tensor, dim: i64) -> Tensor {
        match self {
            Rows::All => x.shallow_clone(),
            Rows::Every { stride, offset } => x.slice(dim, offset, None, stride),
        }
    }
}

#[derive(Debug)]
pub(crate) enum LayerState {
    Aaren(Summary),
    Transformer(KeyValueCache),
}

impl LayerState {
    fn tensors(&self) -> Vec<&Tensor> {
        match self {
            LayerState::Aaren(summary) => vec![&summary.max, &summary.weight, &summary.value],
            LayerState::Transformer(cache) => vec![&cache.key, &cache.value],
        }
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> LayerState {
        match self {
            LayerState::Aaren(summary) => LayerState::Aaren(Summary {
                max: f(&summary.max),
                weight: f(&summary.weight),
                value: f(&summary.value),
            }),
            LayerState::Transformer(cache) => {
                LayerState::Transformer(KeyValueCache { key: f(&cache.key), value: f(&cache.value) })
            }
        }
    }
}

/// What an encoder remembers of the tokens so far: for each layer, Aaren's summary of the prefix or
/// the Transformer's key/value cache.
#[derive(Debug)]
pub struct State {
    layers: Vec<LayerState>,
}

impl State {
    /// Size in bytes. Aaren: batch · layers · (2·heads + width) · 4, whatever the length (recency
    /// adds nothing). Transformer: batch · layers · 2 · width · tokens · 4.
    pub fn bytes(&self) -> usize {
        self.tensors().iter().map(|t| t.numel() * t.kind().elt_size_in_bytes()).sum()
    }

    /// Its tensors, layer by layer.
    pub fn tensors(&self) -> Vec<&Tensor> {
        self.layers.iter().flat_map(LayerState::tensors).collect()
    }

    /// Forgets everything in the given batch rows of an Aaren's state, which then are as of
    /// [`Encoder::zero_state`].
    pub fn forget(&mut self, rows: &Tensor) {
        for layer in &mut self.layers {
            if let LayerState::Aaren(Summary { max, weight, value }) = layer {
                let _ = max.index_fill_(0, rows, f64::NEG_INFINITY);
                let _ = weight.index_fill_(0, rows, 0.0);
                let _ = value.index_fill_(0, rows, 0.0);
            }
        }
    }

    /// The same state cut off from the graph that computed it.
    pub fn detach(&self) -> State {
        State { layers: self.layers.iter().map(|layer| layer.map(Tensor::detach)).collect() }
    }

    /// The state of the chosen batch rows (an int64 tensor of indices).
    pub fn select(&self, rows: &Tensor) -> State {
        State { layers: self.layers.iter().map(|layer| layer.map(|t| t.index_select(0, rows))).collect() }
    }
}

/// A stack of blocks.
#[derive(Debug)]
pub struct Encoder {
    blocks: Vec<Block>,
    norm: Option<nn::LayerNorm>,
    dropout: f64,
}

impl Encoder {
    /// Creates the parameters under `path`, as `blocks.N.…` (and `norm` for [`Norm::Pre`]). `dropout` is the
    /// probability after attention and after the MLP, in training.
    ///
    /// # Errors
    /// Where the configuration is impossible.
    pub fn new(path: &nn::Path, model: &Model, dropout: f64) -> Result<Self, Error> {
        model.check()?;
        if !(0.0..1.0).contains(&dropout) {
            return Err(Error::Dropout(dropout));
        }
        let blocks = path / "blocks";
        Ok(Self {
            blocks: (0..model.layers).map(|layer| Block::new(&(&blocks / layer as i64), model)).collect(),
            norm: (model.norm == Norm::Pre)
                .then(|| nn::layer_norm(path / "norm", vec![model.width as i64], Default::default())),
            dropout,
        })
    }

    /// The state before any token.
    pub fn zero_state(&self, batch: i64) -> State {
        State { layers: self.blocks.iter().map(|block| block.attention.zero_state(batch)).collect() }
    }

    /// One token `x` `[batch, width]`: its output and the state after it.
    pub fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let mut x = x.shallow_clone();
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (block, state) in self.blocks.iter().zip(&state.layers) {
            let (y, after) = block.step(&x, state);
            layers.push(after);
            x = y;
        }
        (self.finish(x), State { layers })
    }

    /// All prefix outputs of `x` `[batch, tokens, width]`, and the state after it.
    pub fn seq(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        self.forward(x, Some(state), Rows::All, Pass::Inference)
    }

    /// [`Encoder::seq`] in training, from an empty state (`None`), or for chosen rows only.
    ///
    /// All blocks but the last see every token; the last computes the chosen rows only.
    pub fn forward(&self, x: &Tensor, state: Option<&State>, rows: Rows, pass: Pass) -> (Tensor, State) {
        let mut x = match pass {
            Pass::Training(Precision::Bfloat16) => x.to_kind(Kind::BFloat16),
            _ => x.shallow_clone(),
        };
        // After attention and after the MLP of every block.
        let dropout = Dropout::new(&x, self.dropout, 2 * self.blocks.len(), pass);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            let rows = if i + 1 == self.blocks.len() { rows } else { Rows::All };
            let (y, after) = block.seq(&x, state.map(|state| &state.layers[i]), rows, &dropout);
            layers.push(after);
            x = y;
        }
        (self.finish(x), State { layers })
    }

    /// Attention weights `[batch, heads, tokens at, tokens]` of each layer, for the prefixes of `x` `[batch,
    /// tokens, width]` that end with the tokens `at`. Each row sums to 1.
    pub fn attention(&self, x: &Tensor, at: &[i64]) -> Vec<Tensor> {
        let mut x = x.shallow_clone();
        let still = Dropout::new(&x, self.dropout, 0, Pass::Inference);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            layers.push(block.weights(&x, at));
            x = block.seq(&x, None, Rows::All, &still).0;
        }
        layers
    }

    fn finish(&self, x: Tensor) -> Tensor {
        float(&match &self.norm {
            Some(norm) => norm.forward(&x),
            None => x,
        })
    }
}

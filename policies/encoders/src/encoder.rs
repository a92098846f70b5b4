//! The stack of blocks, and what it remembers.

use aaren_format::{EncoderKind, Model, Norm, Precision};
use tch::{Kind, Tensor, nn, nn::Module};

use crate::Error;
use crate::block::Block;
use crate::dropout::Dropout;
use crate::fused::{self, Gradients};
use crate::linear::{Pass, float};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// What an encoder remembers of the tokens so far: a list of tensors for each layer. Their first dimension is
/// the batch.
#[derive(Debug)]
pub struct State {
    layers: Vec<Vec<Tensor>>,
    /// Tokens since it was empty.
    tokens: i64,
}

impl State {
    /// Size in bytes. Aaren: batch · layers · (2·heads + width) · 4, whatever the length (recency
    /// adds nothing). Transformer: batch · layers · 2 · width · tokens · 4.
    pub fn bytes(&self) -> usize {
        self.tensors().iter().map(|t| t.numel() * t.kind().elt_size_in_bytes()).sum()
    }

    /// Its tensors, layer by layer.
    pub fn tensors(&self) -> Vec<&Tensor> {
        self.layers.iter().flatten().collect()
    }

    /// The same state cut off from the graph that computed it.
    pub fn detach(&self) -> State {
        self.map(Tensor::detach)
    }

    /// The state of `count` batch rows from `start` on.
    pub fn rows(&self, start: i64, count: i64) -> State {
        self.map(|tensor| tensor.narrow(0, start, count))
    }

    /// The states of all rows from those of some after others.
    pub fn of_rows(parts: &[State]) -> State {
        let layer = |layer: usize| {
            let tensor = |index: usize| {
                let parts: Vec<&Tensor> = parts.iter().map(|part| &part.layers[layer][index]).collect();
                Tensor::cat(&parts, 0)
            };
            (0..parts[0].layers[layer].len()).map(tensor).collect()
        };
        State { layers: (0..parts[0].layers.len()).map(layer).collect(), tokens: parts[0].tokens }
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> State {
        let layers = self.layers.iter().map(|layer| layer.iter().map(&f).collect());
        State { layers: layers.collect(), tokens: self.tokens }
    }
}

/// A stack of blocks.
#[derive(Debug)]
pub struct Encoder {
    kind: EncoderKind,
    pub(crate) blocks: Vec<Block>,
    norm: Option<nn::LayerNorm>,
    dropout: f64,
    tokens_each: i64,
}

impl Encoder {
    /// Creates the parameters under `path`, as `blocks.N.…` (and `norm` for [`Norm::Pre`]). `dropout` is the
    /// probability after attention and after the MLP, in training. The longest episode has `longest` timesteps: what turns
    /// with [`Positions::Rotary`](aaren_format::Positions) begins with periods up to it.
    ///
    /// # Errors
    /// Where the configuration is impossible.
    pub fn new(path: &nn::Path, model: &Model, dropout: f64, longest: usize) -> Result<Self, Error> {
        model.check()?;
        if !(0.0..1.0).contains(&dropout) {
            return Err(Error::Dropout(dropout));
        }
        let blocks = path / "blocks";
        let block = |layer| Block::new(&(&blocks / layer as i64), model, longest);
        Ok(Self {
            kind: model.encoder(),
            blocks: (0..model.layers).map(block).collect(),
            norm: (model.norm == Norm::Pre)
                .then(|| nn::layer_norm(path / "norm", vec![model.width as i64], Default::default())),
            dropout,
            tokens_each: 1,
        })
    }

    /// Tells it how many tokens a timestep has, one unless told.
    pub fn timed(mut self, tokens_each: i64) -> Self {
        self.tokens_each = tokens_each;
        self
    }

    /// Tells it of how many timesteps the sliding cache is that it will act with: tokens of a Transformer see no others, in
    /// every layer. The last `late` tokens of a timestep come with the next one.
    pub fn banded(mut self, timesteps: usize, late: i64) -> Self {
        self.blocks.iter_mut().for_each(|block| block.mixer.limit(timesteps as i64, late));
        self
    }

    /// Makes the scores of an Aaren zero for good, so that each head is a mean of values that only forgets.
    pub fn frozen(mut self) -> Self {
        self.blocks.iter_mut().for_each(|block| block.mixer.freeze());
        self
    }

    /// Where tokens after a state stand.
    fn place<'t>(&self, state: Option<&State>, begins: Option<&'t Tensor>) -> Place<'t> {
        debug_assert!(begins.is_none() || self.kind.resets(), "{} cannot forget inside a row", self.kind);
        Place { before: state.map_or(0, |state| state.tokens), each: self.tokens_each, begins }
    }

    /// The state `tokens` tokens after another.
    fn after(state: Option<&State>, tokens: i64, layers: Vec<Vec<Tensor>>) -> State {
        State { layers, tokens: tokens + state.map_or(0, |state| state.tokens) }
    }

    /// The state before any token.
    pub fn zero_state(&self, batch: i64) -> State {
        State { layers: self.blocks.iter().map(|block| block.mixer.zero_state(batch)).collect(), tokens: 0 }
    }

    /// `state` with nothing in the given batch rows (an int64 tensor of indices): there it is again what it
    /// was before any token. What comes next begins a timestep in all rows. Only where the state has one size: one that
    /// grows with its tokens has rows of one length.
    pub fn forget(&self, state: &State, rows: &Tensor) -> State {
        debug_assert!(self.kind.constant_state(), "{} cannot reset some rows of its state", self.kind);
        let empty = self.zero_state(rows.size()[0]);
        let forget = |(layer, empty): (&Vec<Tensor>, &Vec<Tensor>)| {
            layer.iter().zip(empty).map(|(tensor, empty)| tensor.index_copy(0, rows, empty)).collect()
        };
        let layers = state.layers.iter().zip(&empty.layers).map(forget).collect();
        State { layers, tokens: state.tokens }
    }

    /// All prefix outputs of `x` `[batch, tokens, width]`, and the state after it.
    pub fn seq(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        self.forward(x, Some(state), None, Wanted::All, Pass::Inference)
    }

    /// [`Encoder::seq`] in training, from an empty state (`None`), or for the wanted tokens only.
    ///
    /// `begins` `[batch, tokens]` (bool) says which tokens begin an episode: nothing before them is remembered, so that a
    /// row holds several episodes. Only for encoders that can, see [`EncoderKind::resets`].
    ///
    /// All blocks but the last see every token; the last computes the wanted ones only.
    pub fn forward(
        &self,
        x: &Tensor,
        state: Option<&State>,
        begins: Option<&Tensor>,
        wanted: Wanted,
        pass: Pass,
    ) -> (Tensor, State) {
        let mut x = match pass {
            Pass::Training(Precision::Bfloat16) => x.to_kind(Kind::BFloat16),
            _ => x.shallow_clone(),
        };
        // After attention and after the MLP of every block.
        let (elements, options) = (x.numel() as i64, (x.kind(), x.device()));
        let dropout = Dropout::new(elements, options, self.dropout, 2 * self.blocks.len(), pass);
        let (place, tokens) = (self.place(state, begins), x.size()[1]);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            let wanted = if i + 1 == self.blocks.len() { wanted } else { Wanted::All };
            let (y, after) = block.seq(&x, place, state.map(|state| &*state.layers[i]), wanted, &dropout);
            layers.push(after);
            x = y;
        }
        (self.finish(x), Self::after(state, tokens, layers))
    }

    /// What [`Encoder::train`] drops of a batch of `tokens` tokens in all, drawn from libtorch's generator.
    pub fn draw(&self, tokens: i64, precision: Precision) -> Dropout {
        let width = self.blocks[0].width();
        let options = (kind(precision), tch::Device::Cpu);
        Dropout::new(tokens * width, options, self.dropout, 2 * self.blocks.len(), Pass::Training(precision))
    }

    /// [`Encoder::forward`] in training on a CPU, without a graph: outputs, the state after them, and how the gradients
    /// of the outputs flow back: into the [`Gradients`] of the parameters, and to `x`, which is returned.
    ///
    /// The state before is a constant.
    pub fn train<'a>(
        &'a self,
        x: &Tensor,
        state: Option<&State>,
        begins: Option<&Tensor>,
        wanted: Wanted,
        precision: Precision,
        dropout: &Dropout,
    ) -> (Tensor, State, impl FnOnce(&Tensor, &mut Gradients) -> Tensor + 'a) {
        let _guard = tch::no_grad_guard();
        let kind = kind(precision);
        let mut x = x.detach().to_kind(kind);
        let (place, tokens) = (self.place(state, begins), x.size()[1]);
        let (mut layers, mut backs) = (Vec::new(), Vec::new());
        for (i, block) in self.blocks.iter().enumerate() {
            let wanted = if i + 1 == self.blocks.len() { wanted } else { Wanted::All };
            let (y, after, back) =
                block.train(&x, place, state.map(|state| &*state.layers[i]), wanted, dropout);
            layers.push(after);
            backs.push(back);
            x = y;
        }
        if let Some(norm) = &self.norm {
            let (y, back) = fused::norm(&x, norm);
            backs.push(back);
            x = y;
        }
        let back = move |dy: &Tensor, gradients: &mut Gradients| {
            let _guard = tch::no_grad_guard();
            let dy = dy.to_kind(kind).contiguous();
            float(&backs.into_iter().rev().fold(dy, |dy, back| back(dy, gradients)))
        };
        (float(&x), Self::after(state, tokens, layers), back)
    }

    /// Attention weights `[batch, heads, tokens at, tokens]` of each layer, for the prefixes of `x` `[batch,
    /// tokens, width]` that end with the tokens `at`. Each row sums to 1. `None` for an encoder without
    /// attention.
    pub fn attention(&self, x: &Tensor, at: &[i64]) -> Option<Vec<Tensor>> {
        let mut x = x.shallow_clone();
        let (place, still) = (self.place(None, None), Dropout::none());
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            layers.push(block.weights(&x, place, at)?);
            x = block.seq(&x, place, None, Wanted::All, &still).0;
        }
        Some(layers)
    }

    fn finish(&self, x: Tensor) -> Tensor {
        float(&match &self.norm {
            Some(norm) => norm.forward(&x),
            None => x,
        })
    }
}

/// What tensors hold in that precision.
fn kind(precision: Precision) -> Kind {
    match precision {
        Precision::Bfloat16 => Kind::BFloat16,
        Precision::Float32 => Kind::Float,
    }
}

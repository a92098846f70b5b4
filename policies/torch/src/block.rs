use aaren_format::{EncoderKind, Model, Norm};
use tch::{Tensor, nn, nn::Module};

use crate::aaren::Aaren;
use crate::dropout::Dropout;
use crate::encoder::{LayerState, Rows};
use crate::linear::{linear, x_linear};
use crate::transformer::CausalAttention;

/// The one part in which the two encoders differ.
#[derive(Debug)]
pub(crate) enum Attention {
    Aaren(Aaren),
    Transformer(CausalAttention),
}

impl Attention {
    pub(crate) fn zero_state(&self, batch: i64) -> LayerState {
        match self {
            Attention::Aaren(layer) => LayerState::Aaren(layer.zero_state(batch)),
            Attention::Transformer(layer) => LayerState::Transformer(layer.zero_state(batch)),
        }
    }

    fn seq(&self, x: &Tensor, state: Option<&LayerState>, rows: Rows) -> (Tensor, LayerState) {
        match (self, state) {
            (Attention::Aaren(layer), None) => wrap(layer.seq(x, None, rows), LayerState::Aaren),
            (Attention::Aaren(layer), Some(LayerState::Aaren(state))) => {
                wrap(layer.seq(x, Some(state), rows), LayerState::Aaren)
            }
            (Attention::Transformer(layer), None) => wrap(layer.seq(x, None, rows), LayerState::Transformer),
            (Attention::Transformer(layer), Some(LayerState::Transformer(state))) => {
                wrap(layer.seq(x, Some(state), rows), LayerState::Transformer)
            }
            _ => unreachable!("a state is only made by the encoder it belongs to"),
        }
    }

    fn weights(&self, x: &Tensor, at: &[i64]) -> Tensor {
        match self {
            Attention::Aaren(layer) => layer.weights(x, at),
            Attention::Transformer(layer) => layer.weights(x, at),
        }
    }

    fn step(&self, x: &Tensor, state: &LayerState) -> (Tensor, LayerState) {
        match (self, state) {
            (Attention::Aaren(layer), LayerState::Aaren(state)) => {
                wrap(layer.step(x, state), LayerState::Aaren)
            }
            _ => {
                let (y, state) = self.seq(&x.unsqueeze(1), Some(state), Rows::All);
                (y.squeeze_dim(1), state)
            }
        }
    }
}

fn wrap<S>((y, state): (Tensor, S), kind: fn(S) -> LayerState) -> (Tensor, LayerState) {
    (y, kind(state))
}

/// Attention and a feed-forward network, each with its residual and LayerNorm.
///
/// `norm: post` is x ← LN(x + dropout(attention(x))); x ← LN(x + dropout(MLP(x))), as in the public
/// minimal Decision Transformer; `norm: pre` is the order of GPT-2.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) attention: Attention,
    norm1: nn::LayerNorm,
    norm2: nn::LayerNorm,
    up: nn::Linear,
    down: nn::Linear,
    order: Norm,
}

impl Block {
    pub(crate) fn new(path: &nn::Path, model: &Model) -> Self {
        let width = model.width as i64;
        let attention = match model.encoder {
            EncoderKind::Aaren => Attention::Aaren(Aaren::new(&(path / "attention"), model)),
            EncoderKind::Transformer => {
                Attention::Transformer(CausalAttention::new(&(path / "attention"), model))
            }
        };
        Self {
            attention,
            norm1: nn::layer_norm(path / "norm1", vec![width], Default::default()),
            norm2: nn::layer_norm(path / "norm2", vec![width], Default::default()),
            up: linear(path / "mlp" / "up", width, 4 * width),
            down: linear(path / "mlp" / "down", 4 * width, width),
            order: model.norm,
        }
    }

    pub(crate) fn seq(
        &self,
        x: &Tensor,
        state: Option<&LayerState>,
        rows: Rows,
        dropout: &Dropout,
    ) -> (Tensor, LayerState) {
        let (mixed, state) = match self.order {
            Norm::Post => self.attention.seq(x, state, rows),
            Norm::Pre => self.attention.seq(&self.norm1.forward(x), state, rows),
        };
        (self.residual(&rows.of(x, 1), &mixed, Some(dropout)), state)
    }

    /// The attention weights with which [`Block::seq`] reads `x`.
    pub(crate) fn weights(&self, x: &Tensor, at: &[i64]) -> Tensor {
        match self.order {
            Norm::Post => self.attention.weights(x, at),
            Norm::Pre => self.attention.weights(&self.norm1.forward(x), at),
        }
    }

    pub(crate) fn step(&self, x: &Tensor, state: &LayerState) -> (Tensor, LayerState) {
        let (mixed, state) = match self.order {
            Norm::Post => self.attention.step(x, state),
            Norm::Pre => self.attention.step(&self.norm1.forward(x), state),
        };
        (self.residual(x, &mixed, None), state)
    }

    fn residual(&self, x: &Tensor, mixed: &Tensor, dropout: Option<&Dropout>) -> Tensor {
        let drop = |x: Tensor| dropout.map_or_else(|| x.shallow_clone(), |dropout| dropout.apply(&x));
        let x = x + drop(mixed.shallow_clone());
        let mlp = |x: &Tensor| drop(x_linear(&x_linear(x, &self.up).gelu("none"), &self.down));
        match self.order {
            Norm::Post => {
                let x = self.norm1.forward(&x);
                self.norm2.forward(&(&x + mlp(&x)))
            }
            Norm::Pre => &x + mlp(&self.norm2.forward(&x)),
        }
    }
}

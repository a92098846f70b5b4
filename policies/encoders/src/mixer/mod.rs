//! How past tokens reach the present one: the part of a block in which encoders differ, and the only place
//! that tells them apart.

mod aaren;
mod gru;
mod transformer;

use std::fmt::Debug;

use aaren_format::{EncoderKind, Model};
use tch::{Tensor, nn};

use self::aaren::Aaren;
use self::gru::Gru;
use self::transformer::CausalAttention;
use crate::fused::Back;
use crate::wanted::Wanted;

/// Mixes each token with those before it.
///
/// Its state, what it remembers of the tokens so far, is a list of tensors whose first dimension is the
/// batch. Only states that it made itself may be given to it.
pub(crate) trait Mixer: Debug {
    /// The state before any token.
    fn zero_state(&self, batch: i64) -> Vec<Tensor>;

    /// Outputs at the wanted tokens of `x` `[batch, tokens, width]`, and the state after all of them; no
    /// state is the one before any token.
    fn seq(&self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> (Tensor, Vec<Tensor>);

    /// [`Mixer::seq`] in training on a CPU, without a graph. The state is a constant.
    fn train<'a>(&'a self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a>;

    /// One token `x` `[batch, width]`: its output and the state after it.
    fn step(&self, x: &Tensor, state: &[Tensor]) -> (Tensor, Vec<Tensor>) {
        let (y, state) = self.seq(&x.unsqueeze(1), Some(state), Wanted::All);
        (y.squeeze_dim(1), state)
    }

    /// The weights `[batch, heads, tokens at, tokens]` with which [`Mixer::seq`] sums up `x` `[batch,
    /// tokens, width]` for the tokens `at`; `None` where it does something else.
    fn weights(&self, x: &Tensor, at: &[i64]) -> Option<Tensor>;
}

/// What a mixer made of tokens in training.
pub(crate) struct Mixed<'a> {
    /// Its outputs at the wanted tokens.
    pub outputs: Tensor,
    /// The state after all tokens.
    pub state: Vec<Tensor>,
    /// From the gradients of the outputs to those of all tokens.
    pub back: Back<'a>,
}

/// The mixer of a block, its parameters created under `path`.
pub(crate) fn mixer(path: &nn::Path, model: &Model) -> Box<dyn Mixer> {
    match model.encoder {
        EncoderKind::Aaren => Box::new(Aaren::new(&(path / "attention"), model)),
        EncoderKind::Transformer => Box::new(CausalAttention::new(&(path / "attention"), model)),
        EncoderKind::Gru => Box::new(Gru::new(&(path / "gru"), model)),
    }
}

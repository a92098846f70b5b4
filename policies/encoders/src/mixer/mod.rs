//! How past tokens reach the present one: the part of a block in which encoders differ, and the only place
//! that tells them apart.

mod aaren;
mod gated_delta;
mod gru;
mod keyed;
mod lstm;
mod mingru;
#[cfg(test)]
mod oracle_tests;
mod transformer;

use std::fmt::Debug;

use aaren_format::{self as format, GruSettings, LstmSettings, MinGruSettings, Model};
use tch::{Tensor, nn};

use self::aaren::Aaren;
use self::gated_delta::GatedDelta;
use self::gru::{Gru, Unit};
use self::keyed::Keyed;
use self::lstm::Lstm;
use self::mingru::MinGru;
use self::transformer::CausalAttention;
use crate::fused::{Back, Gradients};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// Mixes each token with those before it.
///
/// Its state, what it remembers of the tokens so far, is a list of tensors whose first dimension is the
/// batch. Only states that it made itself may be given to it.
pub(crate) trait Mixer: Debug {
    /// The state before any token.
    fn zero_state(&self, batch: i64) -> Vec<Tensor>;

    /// `state`, or that before any token of a batch `x`.
    fn before(&self, x: &Tensor, state: Option<&[Tensor]>) -> Vec<Tensor> {
        let empty = || self.zero_state(x.size()[0]);
        state.map_or_else(empty, |state| state.iter().map(Tensor::shallow_clone).collect())
    }

    /// Lets a token see the last so many timesteps only, its own among them, where the state grows with tokens. The last
    /// `_late` tokens of a timestep count to the next, with which they come.
    fn limit(&mut self, _timesteps: i64, _late: i64) {}

    /// Makes all scores zero for good, where a learned query gives them.
    fn freeze(&mut self) {}

    /// Outputs at the wanted tokens of `x` `[batch, tokens, width]`, which stand at `place`, and the state after all of
    /// them; no state is the one before any token.
    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>);

    /// [`Mixer::seq`] in training on a CPU. The state is a constant.
    ///
    /// By default libtorch's graph computes the gradients. A backward pass written out, as in `fused/`, is an
    /// optimisation.
    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        by_graph(self, x, place, state, wanted)
    }

    /// Everything that training changes.
    fn parameters(&self) -> Vec<&Tensor>;

    /// The weights `[batch, heads, tokens at, tokens]` with which [`Mixer::seq`] sums up `x` `[batch,
    /// tokens, width]` for the tokens `at`; `None` where it does something else, or shares may be negative.
    fn weights(&self, _x: &Tensor, _place: Place, _at: &[i64]) -> Option<Tensor> {
        None
    }
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

/// [`Mixer::train`] through libtorch's graph of [`Mixer::seq`].
pub(crate) fn by_graph<'a, M: Mixer + ?Sized>(
    mixer: &'a M,
    x: &Tensor,
    place: Place,
    state: Option<&[Tensor]>,
    wanted: Wanted,
) -> Mixed<'a> {
    let x = x.detach().set_requires_grad(true);
    let (graph, state) = tch::with_grad(|| mixer.seq(&x, place, state, wanted));
    let outputs = graph.detach().contiguous();
    let back = move |dy: Tensor, gradients: &mut Gradients| {
        let leaves = mixer.parameters().into_iter().chain([&x]);
        tch::with_grad(|| gradients.add_flow(&graph, &dy, leaves));
        gradients.take(&x).contiguous()
    };
    Mixed { outputs, state: state.iter().map(Tensor::detach).collect(), back: Box::new(back) }
}

/// The mixer of a block, its parameters created under `path`; the longest episode has `longest` timesteps.
pub(crate) fn mixer(path: &nn::Path, model: &Model, longest: usize) -> Box<dyn Mixer> {
    let (width, units) = (model.width as i64, model.units() as i64);
    match model.mixer {
        format::Mixer::Aaren(settings) if settings.keys > 1 => {
            Box::new(Keyed::new(&(path / "attention"), model, settings, longest))
        }
        format::Mixer::Aaren(settings) => {
            Box::new(Aaren::new(&(path / "attention"), model, settings, longest))
        }
        format::Mixer::Transformer(settings) => {
            Box::new(CausalAttention::new(&(path / "attention"), model, settings, longest))
        }
        format::Mixer::Gru(GruSettings) => Box::new(Gru(Unit::new(&(path / "gru"), 3, width, units))),
        format::Mixer::Lstm(LstmSettings) => Box::new(Lstm(Unit::new(&(path / "lstm"), 4, width, units))),
        format::Mixer::MinGru(MinGruSettings) => Box::new(MinGru::new(&(path / "mingru"), width, units)),
        format::Mixer::GatedDelta(settings) => {
            Box::new(GatedDelta::new(&(path / "attention"), model, settings, longest))
        }
    }
}

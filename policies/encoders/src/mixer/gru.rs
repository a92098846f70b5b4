//! A gated recurrent unit.

use tch::{Tensor, nn};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// The weights of one of PyTorch's recurrent units, and its projection back to the width.
///
/// Parameters are named, laid out and drawn as those of a layer there, gates one after the other, all from
/// U(−1/√units, 1/√units). Its recurrence runs in float32 whatever the arithmetic around it: the state is a sum over
/// the whole past.
#[derive(Debug)]
pub(super) struct Unit {
    /// `weight_ih` `[gates · units, width]`, `weight_hh` `[gates · units, units]`, `bias_ih` and `bias_hh`
    /// `[gates · units]`.
    pub parameters: [Tensor; 4],
    output: nn::Linear,
}

impl Unit {
    pub fn new(path: &nn::Path, gates: i64, width: i64, units: i64) -> Self {
        let bound = 1.0 / (units as f64).sqrt();
        let var = |name, shape: &[i64]| path.var(name, shape, nn::Init::Uniform { lo: -bound, up: bound });
        let parameters = [
            var("weight_ih", &[gates * units, width]),
            var("weight_hh", &[gates * units, units]),
            var("bias_ih", &[gates * units]),
            var("bias_hh", &[gates * units]),
        ];
        Self { parameters, output: linear(path / "output", units, width) }
    }

    /// A vector of the state before any token, `[batch, units]`.
    pub fn zeros(&self, batch: i64) -> Tensor {
        let [_, weight, ..] = &self.parameters;
        Tensor::zeros([batch, weight.size()[1]], (weight.kind(), weight.device()))
    }

    /// The wanted of the hidden states `[batch, tokens, units]`, back in the width and the arithmetic of `x`.
    pub fn outputs(&self, hidden: &Tensor, x: &Tensor, wanted: Wanted) -> Tensor {
        x_linear(&wanted.of(hidden, 1).to_kind(x.kind()), &self.output)
    }

    /// Everything that training changes.
    pub fn weights(&self) -> Vec<&Tensor> {
        self.parameters.iter().chain(weights(&self.output)).collect()
    }
}

/// A gated recurrent unit (Cho et al. 2014) of [`GruSettings::units`](aaren_format::GruSettings) units, with gates r, z, n.
#[derive(Debug)]
pub(crate) struct Gru(pub Unit);

/// Its state is the hidden one, `[batch, units]`.
impl Mixer for Gru {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        vec![self.0.zeros(batch)]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let state = self.before(x, state).remove(0);
        // One layer, one direction, no dropout; cuDNN gives gradients only where it is told of training.
        let run = |x: &Tensor, state: &Tensor| {
            x.gru(&state.unsqueeze(0), &self.0.parameters, true, 1, 0.0, true, false, true)
        };
        let x_float = float(x);
        let (outputs, after) = match place.begins {
            None => run(&x_float, &state),
            // It cannot forget on its way: token by token.
            Some(begins) => {
                let mut hidden = state.unsqueeze(0);
                let mut outputs = Vec::new();
                for t in 0..x.size()[1] {
                    let before = hidden.squeeze_dim(0).masked_fill(&begins.narrow(1, t, 1), 0.0);
                    let (output, after) = run(&x_float.narrow(1, t, 1), &before);
                    outputs.push(output);
                    hidden = after;
                }
                (Tensor::cat(&outputs, 1), hidden)
            }
        };
        (self.0.outputs(&outputs, x, wanted), vec![after.squeeze_dim(0)])
    }

    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        let Unit { parameters: [weight_ih, weight_hh, bias_ih, bias_hh], output } = &self.0;
        let state = self.before(x, state).remove(0);
        let (gates, gates_back) = fused::linear(x, weight_ih, Some(bias_ih));
        let (hidden, after, hidden_back) =
            fused::gru(&gates, [weight_hh, bias_hh], &state, place.begins, wanted);
        let (outputs, output_back) = fused::layer(&hidden, output);
        let back = move |dy, gradients: &mut Gradients| {
            let hidden = output_back(dy, gradients);
            let gates = hidden_back(hidden, gradients);
            gates_back(gates, gradients)
        };
        Mixed { outputs, state: vec![after], back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.weights()
    }
}

//! A gated recurrent unit.

use tch::{Tensor, nn};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// A gated recurrent unit (Cho et al. 2014) of [`GruSettings::units`](aaren_format::GruSettings) units, and its projection back to the width.
///
/// Parameters are named, laid out and drawn as those of a layer of PyTorch's `nn.GRU`: gates r, z, n one
/// after the other, all from U(−1/√units, 1/√units). Its recurrence runs in float32 whatever the
/// arithmetic around it: the state is a sum over the whole past.
#[derive(Debug)]
pub(crate) struct Gru {
    /// `weight_ih` `[3 · units, width]`, `weight_hh` `[3 · units, units]`, `bias_ih` and `bias_hh`
    /// `[3 · units]`.
    parameters: [Tensor; 4],
    output: nn::Linear,
    units: i64,
}

impl Gru {
    pub(crate) fn new(path: &nn::Path, width: i64, units: i64) -> Self {
        Self {
            parameters: parameters(path, 3, width, units),
            output: linear(path / "output", units, width),
            units,
        }
    }
}

/// Those of a layer of PyTorch's recurrent units with so many gates, and drawn as they are.
pub(super) fn parameters(path: &nn::Path, gates: i64, width: i64, units: i64) -> [Tensor; 4] {
    let bound = 1.0 / (units as f64).sqrt();
    let var = |name, shape: &[i64]| path.var(name, shape, nn::Init::Uniform { lo: -bound, up: bound });
    [
        var("weight_ih", &[gates * units, width]),
        var("weight_hh", &[gates * units, units]),
        var("bias_ih", &[gates * units]),
        var("bias_hh", &[gates * units]),
    ]
}

impl Gru {
    /// The hidden state before `x`, `[batch, units]`.
    fn hidden(&self, x: &Tensor, state: Option<&[Tensor]>) -> Tensor {
        match state {
            Some(state) => state[0].shallow_clone(),
            None => self.zero_state(x.size()[0]).remove(0),
        }
    }
}

/// Its state is the hidden one, `[batch, units]`.
impl Mixer for Gru {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let [weight, ..] = &self.parameters;
        vec![Tensor::zeros([batch, self.units], (weight.kind(), weight.device()))]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let state = self.hidden(x, state);
        // One layer, one direction, no dropout; cuDNN gives gradients only where it is told of training.
        let run = |x: &Tensor, state: &Tensor| {
            x.gru(&state.unsqueeze(0), &self.parameters, true, 1, 0.0, true, false, true)
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
        let outputs = wanted.of(&outputs, 1).to_kind(x.kind());
        (x_linear(&outputs, &self.output), vec![after.squeeze_dim(0)])
    }

    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.parameters;
        let state = self.hidden(x, state);
        let (gates, gates_back) = fused::linear(x, weight_ih, Some(bias_ih));
        let (hidden, after, hidden_back) =
            fused::gru(&gates, [weight_hh, bias_hh], &state, place.begins, wanted);
        let (outputs, output_back) = fused::linear(&hidden, &self.output.ws, self.output.bs.as_ref());
        let back = move |dy, gradients: &mut Gradients| {
            let hidden = output_back(dy, gradients);
            let gates = hidden_back(hidden, gradients);
            gates_back(gates, gradients)
        };
        Mixed { outputs, state: vec![after], back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.parameters.iter().chain(weights(&self.output)).collect()
    }
}

//! A long short-term memory.

use tch::{Tensor, nn};

use super::{Mixer, gru};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// A long short-term memory (Hochreiter and Schmidhuber 1997) of [`LstmSettings::units`](aaren_format::LstmSettings)
/// units, and its projection back to the width.
///
/// Parameters are those of a layer of PyTorch's `nn.LSTM`, gates i, f, g, o; else as [`Gru`](super::gru::Gru).
#[derive(Debug)]
pub(crate) struct Lstm {
    /// As the GRU's, of four gates.
    parameters: [Tensor; 4],
    output: nn::Linear,
    units: i64,
}

impl Lstm {
    pub(crate) fn new(path: &nn::Path, width: i64, units: i64) -> Self {
        Self {
            parameters: gru::parameters(path, 4, width, units),
            output: linear(path / "output", units, width),
            units,
        }
    }
}

/// Its state is h and c, `[batch, units]` each.
impl Mixer for Lstm {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let [weight, ..] = &self.parameters;
        let zeros = || Tensor::zeros([batch, self.units], (weight.kind(), weight.device()));
        vec![zeros(), zeros()]
    }

    fn seq(&self, x: &Tensor, _: Place, state: Option<&[Tensor]>, wanted: Wanted) -> (Tensor, Vec<Tensor>) {
        let before: Vec<Tensor> = match state {
            Some(state) => state.iter().map(|part| part.unsqueeze(0)).collect(),
            None => self.zero_state(x.size()[0]).iter().map(|part| part.unsqueeze(0)).collect(),
        };
        // One layer, one direction, no dropout; cuDNN gives gradients only where it is told of training.
        let (outputs, h, c) = float(x).lstm(&before, &self.parameters, true, 1, 0.0, true, false, true);
        let outputs = wanted.of(&outputs, 1).to_kind(x.kind());
        (x_linear(&outputs, &self.output), vec![h.squeeze_dim(0), c.squeeze_dim(0)])
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.parameters.iter().chain(weights(&self.output)).collect()
    }
}

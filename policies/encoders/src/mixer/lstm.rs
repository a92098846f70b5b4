//! A long short-term memory.

use tch::Tensor;

use super::Mixer;
use super::gru::Unit;
use crate::linear::float;
use crate::rotation::Place;
use crate::wanted::Wanted;

/// A long short-term memory (Hochreiter and Schmidhuber 1997) of [`LstmSettings::units`](aaren_format::LstmSettings)
/// units, with gates i, f, g, o.
#[derive(Debug)]
pub(crate) struct Lstm(pub Unit);

/// Its state is h and c, `[batch, units]` each.
impl Mixer for Lstm {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        vec![self.0.zeros(batch), self.0.zeros(batch)]
    }

    fn seq(&self, x: &Tensor, _: Place, state: Option<&[Tensor]>, wanted: Wanted) -> (Tensor, Vec<Tensor>) {
        let before: Vec<Tensor> = self.before(x, state).iter().map(|part| part.unsqueeze(0)).collect();
        // One layer, one direction, no dropout; cuDNN gives gradients only where it is told of training.
        let (outputs, h, c) = float(x).lstm(&before, &self.0.parameters, true, 1, 0.0, true, false, true);
        (self.0.outputs(&outputs, x, wanted), vec![h.squeeze_dim(0), c.squeeze_dim(0)])
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.weights()
    }
}

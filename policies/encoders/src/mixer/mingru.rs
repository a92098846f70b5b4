//! A minimal gated recurrent unit.

use tch::{Kind, Tensor, nn};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::{ALL, Place};
use crate::scan::{self, Prefix};
use crate::wanted::Wanted;

/// A minimal gated recurrent unit (Feng et al. 2024, arXiv 2410.01201) of
/// [`MinGruSettings::units`](aaren_format::MinGruSettings) units, and its projection back to the width.
///
/// h ← (1 − σ(z)) h + σ(z) g(c), z and c linear in the input, is a mean of all g(c) so far: each of weight σ(z), which every
/// later token decays by ln(1 + eᶻ). So it is the scan of an Aaren with a head for each unit, whose weights sum to one.
#[derive(Debug)]
pub(crate) struct MinGru {
    /// To z of all units, then c.
    input: nn::Linear,
    output: nn::Linear,
    units: i64,
}

impl MinGru {
    pub(crate) fn new(path: &nn::Path, width: i64, units: i64) -> Self {
        Self {
            input: linear(path / "input", width, 2 * units),
            output: linear(path / "output", units, width),
            units,
        }
    }

    /// Scores, values and decays `[batch, tokens, units]` of what [`MinGru::input`] makes of tokens.
    fn parts(&self, gates: &Tensor, place: Place) -> [Tensor; 3] {
        let [z, c] = [0, 1].map(|part| gates.narrow(-1, part * self.units, self.units));
        // g(c) = c + ½ where c ≥ 0, else σ(c).
        let values = c.relu() + c.clamp_max(0.0).sigmoid();
        let (mut scores, mut values, mut decay) = (z.log_sigmoid(), values, z.softplus());
        if let Some(begins) = place.begins {
            // After a state of zero, which has what the token leaves of the weight: σ(z) g(c), and all of the weight.
            let begins = begins.unsqueeze(-1);
            values = (&values * scores.exp()).where_self(&begins, &values);
            scores = scores.masked_fill(&begins, 0.0);
            decay = decay.masked_fill(&begins, ALL);
        }
        [scores, values, decay].map(|part| part.contiguous())
    }

    /// A hidden state `[batch, units]` as one token of weight one.
    fn prefix(&self, x: &Tensor, state: Option<&[Tensor]>) -> Prefix {
        let hidden = self.before(x, state).remove(0);
        Prefix { max: hidden.zeros_like(), weight: hidden.ones_like(), value: hidden.unsqueeze(-1) }
    }
}

/// Its state is the hidden one, `[batch, units]`.
impl Mixer for MinGru {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        vec![Tensor::zeros([batch, self.units], (self.input.ws.kind(), self.input.ws.device()))]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let parts = self.parts(&float(&x_linear(x, &self.input)), place);
        let [scores, values, decay] = parts.map(|part| part.transpose(1, 2));
        let (outputs, after) =
            scan::hillis_steele(&scores, &values.unsqueeze(-1), Some(&decay), &self.prefix(x, state));
        let hidden = wanted.of(&outputs.squeeze_dim(-1), 2).transpose(1, 2).to_kind(x.kind());
        (x_linear(&hidden, &self.output), vec![after.output().squeeze_dim(-1)])
    }

    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        let (gates, gates_back) = fused::layer(x, &self.input);
        let leaf = float(&gates).detach().set_requires_grad(true);
        let parts = tch::with_grad(|| self.parts(&leaf, place));
        let before = self.prefix(x, state);
        let [scores, values, decay] = &parts;
        let (hidden, after, hidden_back) = fused::scan(scores, values, Some(decay), Some(&before), wanted);
        let (outputs, output_back) = fused::layer(&hidden.to_kind(x.kind()), &self.output);
        let state = vec![after.output().squeeze_dim(-1)];
        let back = move |dy, gradients: &mut Gradients| {
            let flow = hidden_back(float(&output_back(dy, gradients)).contiguous());
            tch::with_grad(|| {
                let flows = [flow.scores, flow.values, flow.decay];
                let ends = parts.iter().zip(flows).map(|(part, flow)| (part * flow).sum(None::<Kind>));
                gradients.add_graph(&ends.sum(), [&leaf]);
            });
            gates_back(gradients.take(&leaf).to_kind(gates.kind()).contiguous(), gradients)
        };
        Mixed { outputs, state, back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        [&self.input, &self.output].into_iter().flat_map(weights).collect()
    }
}

//! Attention as an RNN with keys and queries: a state of many weighted sums, which the input reads.

use aaren_format::{AarenSettings, Model};
use tch::{Kind, Tensor, nn};

use super::Mixer;
use super::aaren::Aaren;
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::{Place, by_head};
use crate::wanted::Wanted;

/// Tokens whose weights are computed as one dense matrix.
const CHUNK: i64 = 128;

/// The matrix memory of an mLSTM head (arXiv 2405.04517, its form with a stabiliser) behind an Aaren's scores and decays.
///
/// A token brings a score s and a decay λ, as an [`Aaren`]'s does, a value v, a key k, divided by √n for its n entries, and
/// a query q. With M the largest of the weights' logarithms, the state is u = Σ e^{s − … − M} k and w = Σ e^{s − … − M} k vᵀ,
/// and the output wᵀq / max(|u·q|, e^{−M}): what it is does not depend on M. With rotation keys and queries turn.
#[derive(Debug)]
pub(crate) struct Keyed {
    scores: Aaren,
    keys: nn::Linear,
    queries: nn::Linear,
    entries: i64,
}

impl Keyed {
    pub(crate) fn new(path: &nn::Path, model: &Model, settings: AarenSettings, longest: usize) -> Self {
        let (width, entries) = (model.width as i64, settings.keys as i64);
        let linear = |name| linear(path / name, width, settings.heads as i64 * entries);
        Self {
            scores: Aaren::new(path, model, settings, longest),
            keys: linear("token_key"),
            queries: linear("token_query"),
            entries,
        }
    }
}

/// What tokens bring: scores and the decays summed up over the tokens `[batch, heads, tokens]`, the others `[batch, heads,
/// tokens, entries]`.
struct Tokens {
    scores: Tensor,
    age: Option<Tensor>,
    keys: Tensor,
    queries: Tensor,
    values: Tensor,
}

impl Tokens {
    /// Outputs at these tokens, and the state after them.
    fn after(&self, state: &[Tensor]) -> (Tensor, Vec<Tensor>) {
        let Tokens { scores, age, keys, queries, values } = self;
        let (max, weight, value) = (&state[0], &state[1], &state[2]);
        let tokens = scores.size()[2];
        let number = Tensor::arange(tokens, (Kind::Int64, scores.device()));
        let future = number.gt_tensor(&number.unsqueeze(1));
        // Sums of decays may be large where their differences are small: float64 until those are taken.
        let (since, carried) = match age {
            Some(age) => {
                let since = age.unsqueeze(-2) - age.unsqueeze(-1);
                (since.to_kind(scores.kind()), max.unsqueeze(-1) - age.to_kind(scores.kind()))
            }
            None => {
                let since = Tensor::zeros([tokens, tokens], (scores.kind(), scores.device()));
                (since, max.unsqueeze(-1).expand(scores.size(), false))
            }
        };
        let logits = (scores.unsqueeze(-2) + since).masked_fill(&future, f64::NEG_INFINITY);
        let top = logits.amax(-1, false).maximum(&carried).detach();
        let own = (logits - top.unsqueeze(-1)).exp();
        let left = (carried - &top).exp();

        let shares = queries.matmul(&keys.transpose(-2, -1)) * &own;
        let read = left.unsqueeze(-1) * queries;
        let sum = shares.sum_dim_intlist(-1, false, None::<Kind>)
            + (&read * weight.unsqueeze(-2)).sum_dim_intlist(-1, false, None::<Kind>);
        let least = (-&top).exp();
        let outputs = (shares.matmul(values) + read.matmul(value)) / sum.abs().maximum(&least).unsqueeze(-1);

        let last = |x: &Tensor| x.select(2, tokens - 1);
        let weighted = last(&own).unsqueeze(-1) * keys;
        let kept = last(&left).unsqueeze(-1);
        let after = vec![
            last(&top),
            weighted.sum_dim_intlist(2, false, None::<Kind>) + &kept * weight,
            weighted.transpose(-2, -1).matmul(values) + kept.unsqueeze(-1) * value,
        ];
        (outputs, after)
    }

    fn narrow(&self, start: i64, length: i64) -> Tokens {
        let of = |x: &Tensor| x.narrow(2, start, length);
        let age = self.age.as_ref().map(|age| {
            let before =
                if start > 0 { age.narrow(2, start - 1, 1) } else { age.narrow(2, 0, 1).zeros_like() };
            of(age) - before
        });
        let Tokens { scores, keys, queries, values, .. } = self;
        Tokens { scores: of(scores), age, keys: of(keys), queries: of(queries), values: of(values) }
    }
}

/// Its state is the stabiliser `[batch, heads]`, the weighted sum of keys `[batch, heads, n]` and that of their products
/// with values `[batch, heads, n, width of a head]`; keys stand as seen from the timestep of the last token.
impl Mixer for Keyed {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let state = self.scores.zero_state(batch);
        let [heads, head_width] = [1, 2].map(|axis: usize| state[2].size()[axis]);
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (state[0].kind(), state[0].device()));
        let (weight, value) =
            (zeros(&[batch, heads, self.entries]), zeros(&[batch, heads, self.entries, head_width]));
        vec![state[0].shallow_clone(), weight, value]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let (scores, values) = self.scores.scores_and_values(x);
        let heads = values.size()[2];
        let [mut keys, mut queries] =
            [&self.keys, &self.queries].map(|layer| by_head(&float(&x_linear(x, layer)), heads));
        keys /= (self.entries as f64).sqrt();
        let turn = self.scores.phases().map(|phases| phases.at(&place.since(tokens)));
        if let Some(turn) = &turn {
            (keys, queries) = (turn.on(&keys), turn.on(&queries));
        }
        let decay = place.reset(self.scores.decay(x), &scores);
        let age = decay.map(|decay| decay.expand(scores.size(), false).cumsum(-1, Kind::Double));
        let [keys, queries, values] = [keys, queries, float(&values)].map(|x| x.transpose(1, 2));
        let all = Tokens { scores, age, keys, queries, values };
        let mut state = self.before(x, state);
        let mut outputs = Vec::new();
        for start in (0..tokens).step_by(CHUNK as usize) {
            let (chunk, after) = all.narrow(start, CHUNK.min(tokens - start)).after(&state);
            outputs.push(chunk);
            state = after;
        }
        if let Some(turn) = &turn {
            let last = turn.last();
            state[1] = last.back(&state[1].unsqueeze(1)).squeeze_dim(1);
            state[2] = last.back(&state[2].permute([0, 3, 1, 2])).permute([0, 2, 3, 1]);
        }
        let outputs = wanted.of(&Tensor::cat(&outputs, 2), 2).transpose(1, 2).to_kind(x.kind());
        (x_linear(&outputs.reshape([batch, -1, width]), self.scores.output()), state)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let layers = [&self.keys, &self.queries].into_iter().flat_map(weights);
        self.scores.parameters().into_iter().chain(layers).collect()
    }
}

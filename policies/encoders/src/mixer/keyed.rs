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
        let mut state = match state {
            Some(state) => state.iter().map(Tensor::shallow_clone).collect(),
            None => self.zero_state(batch),
        };
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

#[cfg(test)]
mod tests {
    use aaren_format::{Norm, Positions, Recency};
    use tch::Device;

    use super::*;

    /// The recurrence as it is written, token by token in float64 without a stabiliser, its state turned at each
    /// timestep; values, and the gradients of all parameters through libtorch's graph of it.
    #[test]
    fn the_chunked_form_is_the_recurrence() {
        let _alone = crate::GENERATOR.lock();
        tch::manual_seed(9);
        let (batch, tokens, width, heads, entries, each) = (2, 150, 12, 2, 5, 3);
        for (recency, positions) in [
            (Recency::None, Positions::Timestep),
            (Recency::Gated, Positions::Rotary),
            (Recency::Spread, Positions::Rotary),
        ] {
            let store = nn::VarStore::new(Device::Cpu);
            let settings = AarenSettings { heads: 2, recency, rotate: 1.0, keys: 5 };
            let mixer = aaren_format::Mixer::Aaren(settings);
            let model =
                Model { width: 12, layers: 1, norm: Norm::Post, past_actions: true, positions, mixer };
            let layer = Keyed::new(&store.root(), &model, settings, 30);
            let x = Tensor::randn([batch, tokens, width], (Kind::Float, Device::Cpu)) * 2.0;

            let named: Vec<_> = store.variables().into_iter().collect();
            let double: Vec<_> = named
                .iter()
                .map(|(_, tensor)| tensor.to_kind(Kind::Double).detach().set_requires_grad(true))
                .collect();
            let find = |name: &str| named.iter().position(|(other, _)| other == name).map(|i| &double[i]);
            let get = |name: &str| find(name).unwrap();
            let wide = |x: &Tensor, name: &str| {
                x.matmul(&get(&format!("{name}.weight")).tr()) + get(&format!("{name}.bias"))
            };
            let exact = x.to_kind(Kind::Double);
            let split = |x: Tensor| x.view([batch, tokens, heads, -1]);
            let query = wide(get("query_token"), "query").view([heads, width / heads]);
            let own_keys = split(exact.matmul(&get("key.weight").tr()));
            let scores =
                (own_keys * query).sum_dim_intlist(-1, false, None::<Kind>) / ((width / heads) as f64).sqrt();
            let values = split(wide(&exact, "value"));
            let keys = split(wide(&exact, "token_key")) / (entries as f64).sqrt();
            let queries = split(wide(&exact, "token_query"));
            let decay = match recency {
                Recency::Gated => wide(&exact, "gate").softplus(),
                Recency::Spread | Recency::Learned => {
                    get("recency").softplus().expand([batch, tokens, heads], false)
                }
                Recency::None => scores.zeros_like(),
            };
            // Turned back by one timestep, as seen from the next: pairs are the first four of five entries.
            let back = |x: &Tensor| {
                let Some(phases) = find("phase") else { return x.shallow_clone() };
                let pair = x.narrow(2, 0, 4).unflatten(2, [2, 2]);
                let (even, odd) = (pair.select(3, 0), pair.select(3, 1));
                let (cos, sin) = (phases.cos().unsqueeze(-1), phases.sin().unsqueeze(-1));
                let turned = Tensor::stack(&[&even * &cos + &odd * &sin, &odd * &cos - &even * &sin], 3);
                Tensor::cat(&[turned.flatten(2, 3), x.narrow(2, 4, 1)], 2)
            };
            let zeros = |last: i64| Tensor::zeros([batch, heads, entries, last], (Kind::Double, Device::Cpu));
            let (mut u, mut w, mut outputs) = (zeros(1), zeros(width / heads), Vec::new());
            for t in 0..tokens {
                let at = |x: &Tensor| x.select(1, t);
                if t > 0 && t % each == 0 {
                    (u, w) = (back(&u), back(&w));
                }
                let keep = (-at(&decay)).exp().unsqueeze(-1).unsqueeze(-1);
                let add = at(&scores).exp().unsqueeze(-1).unsqueeze(-1) * at(&keys).unsqueeze(-1);
                (u, w) = (u * &keep + &add, w * &keep + add * at(&values).unsqueeze(-2));
                let read = at(&queries).unsqueeze(-2);
                let sum = read.matmul(&u).squeeze_dim(-1).abs().clamp_min(1.0);
                outputs.push((read.matmul(&w).squeeze_dim(-2) / sum).reshape([batch, width]));
            }
            let expected = wide(&Tensor::stack(&outputs, 1), "output");

            let place = Place { before: 0, each, begins: None };
            let found = layer.seq(&x, place, None, Wanted::All).0;
            let check = |what: &str, found: &Tensor, expected: &Tensor, tolerance: f64| {
                let largest = |x: Tensor| x.abs().max().double_value(&[]);
                let off = largest(found.to_kind(Kind::Double) - expected) / largest(expected.shallow_clone());
                assert!(off < tolerance, "{recency:?}, {positions}: {what} is off by {off:e}");
            };
            check("the output", &found, &expected, 1e-5);
            let flow = found.randn_like();
            let parameters: Vec<Tensor> = named.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
            let run = |y: &Tensor, leaves: &[Tensor]| {
                let end = (y * &flow).sum(None::<Kind>);
                Tensor::run_backward(&[end], leaves, false, false)
            };
            let leaves = |all: &[Tensor]| -> Vec<Tensor> {
                // The bias of the scores' keys plays no part.
                let used = named.iter().zip(all).filter(|((name, _), _)| name != "key.bias");
                used.map(|(_, tensor)| tensor.shallow_clone()).collect()
            };
            let (ours, oracles) = (run(&found, &leaves(&parameters)), run(&expected, &leaves(&double)));
            let names = named.iter().map(|(name, _)| name).filter(|name| *name != "key.bias");
            for (name, (found, expected)) in names.zip(ours.iter().zip(&oracles)) {
                check(&format!("the gradient of {name}"), found, expected, 1e-4);
            }
        }
    }
}

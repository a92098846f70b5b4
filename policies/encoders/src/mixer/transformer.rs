//! Causal multi-head attention.

use aaren_format::{Model, Positions, TransformerSettings};
use tch::{Device, Kind, Tensor, nn};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients, Sight};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::{Phases, Place, by_head};
use crate::wanted::Wanted;

/// Causal multi-head attention (Vaswani et al. 2017) with a key/value cache.
#[derive(Debug)]
pub(crate) struct CausalAttention {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    phases: Option<Phases>,
    /// Whether scores fall with distance.
    alibi: bool,
    /// Timesteps that a token sees, its own among them, where not all; and how many tokens of a timestep come with the next.
    band: Option<(i64, i64)>,
    heads: i64,
}

impl CausalAttention {
    pub(crate) fn new(path: &nn::Path, model: &Model, settings: TransformerSettings, longest: usize) -> Self {
        let width = model.width as i64;
        let linear = |name| linear(path / name, width, width);
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            phases: Phases::new(path, model, longest),
            alibi: model.positions == Positions::Alibi,
            band: None,
            heads: settings.heads as i64,
        }
    }

    /// Logarithms, but for one summand, of the weights `[batch, heads, queries, keys]` that queries `[batch, heads, queries,
    /// width of a head]`, those `at` places among `tokens` tokens, give to keys `[batch, heads, keys, width of a head]`, those
    /// of the past and then of these tokens: −∞ where a query does not see a key.
    fn scores(&self, query: &Tensor, key: &Tensor, at: &Tensor, place: Place, tokens: i64) -> Tensor {
        let (past, device) = (key.size()[2] - tokens, key.device());
        let mut scores = query.matmul(&key.transpose(2, 3)) / (key.size()[3] as f64).sqrt();
        if tokens > 1 {
            let future = Tensor::arange(past + tokens, (Kind::Int64, device));
            let future = future.gt_tensor(&(at.unsqueeze(1) + past));
            scores = scores.masked_fill(&future, f64::NEG_INFINITY);
        }
        let of = || Tensor::cat(&[&place.of_past(past), &place.absolute(tokens)], 0);
        if let Some(gone) = self.gone(place, tokens) {
            let gone = of().le_tensor(&gone.unsqueeze(1)).to_device(device);
            scores = scores.masked_fill(&gone.index_select(0, at), f64::NEG_INFINITY);
        }
        if self.alibi {
            let times = place.absolute(tokens).index_select(0, &at.to_device(Device::Cpu));
            let fall = Tensor::from_slice(&self.slopes()).view([-1, 1, 1]) * (times.unsqueeze(1) - of());
            scores = float(&scores) - fall.to_kind(Kind::Float).to_device(device);
        }
        scores
    }

    /// The last timestep that each of `tokens` tokens no longer sees, where there is a band; its own it always does.
    fn gone(&self, place: Place, tokens: i64) -> Option<Tensor> {
        let (band, late) = self.band?;
        let come = Place { before: place.before + late, ..place }.absolute(tokens);
        Some((come - band).minimum(&(place.absolute(tokens) - 1)))
    }

    /// What the scores of each head fall by for every timestep between query and key: 2^(−8h/H) for head h of H, counted
    /// from 1, with ALiBi (Press et al. 2022).
    fn slopes(&self) -> Vec<f64> {
        let slope = |head| if self.alibi { (-8.0 * head as f64 / self.heads as f64).exp2() } else { 0.0 };
        (1..=self.heads).map(slope).collect()
    }

    /// What `tokens` tokens see of one another.
    fn sight(&self, place: Place, tokens: i64) -> Sight {
        let numbers = |x: &Tensor| Vec::<f64>::try_from(x).expect("one axis of float64");
        let times = numbers(&place.absolute(tokens));
        let first = match self.gone(place, tokens) {
            Some(gone) => {
                numbers(&gone).iter().map(|gone| times.partition_point(|time| time <= gone)).collect()
            }
            None => vec![0; times.len()],
        };
        let narrow = |x: Vec<f64>| x.into_iter().map(|x| x as f32).collect();
        Sight { first, times: narrow(times), slopes: narrow(self.slopes()) }
    }
}

/// Its state is the keys and the values of all tokens so far, each `[batch, heads, tokens, width of a head]`; keys are
/// turned by their own timestep since the state was empty.
impl Mixer for CausalAttention {
    fn limit(&mut self, timesteps: i64, late: i64) {
        self.band = Some((timesteps, late));
    }

    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let width = self.key.ws.size()[0];
        let shape = [batch, self.heads, 0, width / self.heads];
        let options = (self.key.ws.kind(), self.key.ws.device());
        vec![Tensor::zeros(shape, options), Tensor::zeros(shape, options)]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let split = |x: Tensor| by_head(&x, self.heads);
        let mut query = split(x_linear(&wanted.of(x, 1).contiguous(), &self.query));
        let mut key = split(x_linear(x, &self.key));
        if let Some(phases) = &self.phases {
            let turn = phases.at(&place.absolute(tokens));
            (query, key) = (turn.of(wanted).on(&query), turn.on(&key));
        }
        let [query, mut key, mut value] =
            [query, key, split(x_linear(x, &self.value))].map(|x| x.transpose(1, 2));
        if let Some(state) = state {
            key = Tensor::cat(&[&state[0], &key], 2);
            value = Tensor::cat(&[&state[1], &value], 2);
        }
        // Dense masked softmax: on a CPU several times faster than the fused kernel at these sizes.
        let at = wanted.of(&Tensor::arange(tokens, (Kind::Int64, x.device())), 0);
        let scores = self.scores(&query, &key, &at, place, tokens);
        let mixed = float(&scores).softmax(-1, None::<Kind>).to_kind(value.kind()).matmul(&value);
        let mixed = mixed.transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&mixed, &self.output), vec![key, value])
    }

    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        assert!(state.is_none(), "a cache is not carried from one batch to the next");
        let (mut query, query_back) = fused::layer(&wanted.of(x, 1).contiguous(), &self.query);
        let (mut key, key_back) = fused::layer(x, &self.key);
        let turn = self.phases.as_ref().map(|phases| {
            let turn = phases.at(&place.absolute(x.size()[1]));
            let read = turn.of(wanted);
            query = read.on(&by_head(&query, self.heads)).view_as(&query).contiguous();
            key = turn.on(&by_head(&key, self.heads)).view_as(&key).contiguous();
            (phases, [(read, query.shallow_clone()), (turn, key.shallow_clone())])
        });
        let (value, value_back) = fused::layer(x, &self.value);
        let state = [&key, &value].map(|x| {
            let [batch, tokens, width] = [0, 1, 2].map(|axis: usize| x.size()[axis]);
            x.view([batch, tokens, self.heads, width / self.heads]).transpose(1, 2)
        });
        let (mixed, mixed_back) = fused::attention(query, key, value, self.sight(place, x.size()[1]), wanted);
        let (outputs, output_back) = fused::layer(&mixed, &self.output);
        let back = move |dy, gradients: &mut Gradients| {
            let [mut query, mut key, value] = mixed_back(output_back(dy, gradients));
            if let Some((phases, turned)) = turn {
                let flows = turned.iter().zip([&mut query, &mut key]).map(|((turn, turned), to)| {
                    let flow = by_head(to, self.heads);
                    let of_phases = turn.flow(&by_head(turned, self.heads), &flow);
                    *to = turn.back(&flow).view_as(to).contiguous();
                    of_phases
                });
                gradients.add(phases.parameter(), flows.reduce(|a, b| a + b).expect("two of them"));
            }
            let mut dx = key_back(key, gradients);
            dx += value_back(value, gradients);
            let mut own = wanted.of(&dx, 1);
            own += query_back(query, gradients);
            dx
        };
        Mixed { outputs, state: state.into(), back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let layers = [&self.query, &self.key, &self.value, &self.output];
        layers.into_iter().flat_map(weights).chain(self.phases.as_ref().map(Phases::parameter)).collect()
    }

    fn weights(&self, x: &Tensor, place: Place, at: &[i64]) -> Option<Tensor> {
        let (tokens, at) = (x.size()[1], Tensor::from_slice(at).to_device(x.device()));
        let [mut query, mut key] =
            [&self.query, &self.key].map(|layer| by_head(&x_linear(x, layer), self.heads));
        if let Some(phases) = &self.phases {
            let turn = phases.at(&place.absolute(tokens));
            (query, key) = (turn.on(&query), turn.on(&key));
        }
        let query = query.index_select(1, &at).transpose(1, 2);
        let scores = self.scores(&query, &key.transpose(1, 2), &at, place, tokens);
        Some(scores.softmax(-1, None::<Kind>))
    }
}

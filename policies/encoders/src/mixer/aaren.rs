//! Attention as an RNN.

use aaren_format::{AarenSettings, Model, Recency};
use tch::{Device, Kind, Tensor, nn, nn::Module};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::{Phases, Place, Turn, by_head};
use crate::scan::{self, Prefix};
use crate::wanted::Wanted;

/// Attention with a learned, input-independent query (arXiv 2405.13956, §3).
///
/// Parameters are those of multi-head attention plus one query token of the layer's width. The
/// score of token x for head h is x · r_h with r_h = W_k,hᵀ (W_q q + b_q)_h / √d_h, folded once per
/// forward pass, so that no token is ever projected to a key; b_k shifts all scores alike and cancels.
#[derive(Debug)]
pub(crate) struct Aaren {
    query_token: Tensor,
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    recency: Decay,
    phases: Option<Phases>,
    heads: i64,
}

/// How the past of a head fades, token by token.
#[derive(Debug)]
enum Decay {
    /// Not at all: the paper's form.
    Never,
    /// By λ = softplus(raw), raw `[heads]`.
    Learned(Tensor),
    /// By λ_t = softplus(w·x_t + b) of its own.
    Gated(nn::Linear),
}

impl Aaren {
    pub(crate) fn new(path: &nn::Path, model: &Model, settings: AarenSettings, longest: usize) -> Self {
        let (width, heads) = (model.width as i64, settings.heads as i64);
        let linear = |name| linear(path / name, width, width);
        // λ = 0.05·{1, 2, 4, 8, …}: time constants of 20 tokens and less. Beyond 64 nothing of a token is left to the next.
        let short = || raw((numbers(heads, path.device()).exp2() * 0.05).clamp_max(64.0));
        let spread = || spread(heads, path.device());
        let recency = match settings.recency {
            Recency::None => Decay::Never,
            Recency::Learned => Decay::Learned(path.var_copy("recency", &short())),
            Recency::Spread => Decay::Learned(path.var_copy("recency", &spread())),
            Recency::Gated => {
                let mut gate = crate::linear::linear(path / "gate", width, heads);
                tch::no_grad(|| gate.bs.as_mut().map(|bias| bias.copy_(&spread())));
                Decay::Gated(gate)
            }
        };
        Self {
            query_token: path.randn_standard("query_token", &[width]),
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            recency,
            phases: Phases::new(path, model, longest),
            heads,
        }
    }

    /// What each token of `x` `[batch, tokens, width]` decays those before it by, shaped as [`scan`] takes it.
    pub(super) fn decay(&self, x: &Tensor) -> Option<Tensor> {
        match &self.recency {
            Decay::Never => None,
            Decay::Learned(raw) => Some(raw.softplus().unsqueeze(-1)),
            Decay::Gated(gate) => Some(gate.forward(&float(x)).transpose(1, 2).softplus()),
        }
    }

    pub(super) fn phases(&self) -> Option<&Phases> {
        self.phases.as_ref()
    }

    pub(super) fn output(&self) -> &nn::Linear {
        &self.output
    }

    /// What scores and decays are made with.
    fn graphed(&self) -> Vec<&Tensor> {
        let decay = match &self.recency {
            Decay::Never => vec![],
            Decay::Learned(raw) => vec![raw],
            Decay::Gated(gate) => weights(gate).collect(),
        };
        let layers = [&self.query, &self.key].into_iter().flat_map(weights);
        layers.chain([&self.query_token]).chain(decay).collect()
    }

    /// r_h of every head, `[heads, width]`.
    fn folded(&self) -> Tensor {
        let width = self.query_token.size()[0];
        let head_width = width / self.heads;
        let query = x_linear(&self.query_token.unsqueeze(0), &self.query).view([self.heads, head_width, 1]);
        let key = self.key.ws.view([self.heads, head_width, width]);
        (key * query).sum_dim_intlist(1, false, None::<Kind>) / (head_width as f64).sqrt()
    }

    /// Scores `[batch, heads, tokens]` and values `[batch, tokens, heads, width of a head]` of `x`
    /// `[batch, tokens, width]`.
    pub(super) fn scores_and_values(&self, x: &Tensor) -> (Tensor, Tensor) {
        let scores = float(x).matmul(&self.folded().tr()).transpose(1, 2);
        (scores, by_head(&x_linear(x, &self.value), self.heads))
    }
}

fn numbers(heads: i64, device: Device) -> Tensor {
    Tensor::arange(heads, (Kind::Float, device))
}

/// What softplus makes a decay of.
fn raw(decay: Tensor) -> Tensor {
    decay.expm1().log()
}

/// [`raw`] of decays whose time constants are spread evenly over the octaves from 4 tokens, a step or two, to 4096, an
/// episode.
pub(super) fn spread(heads: i64, device: Device) -> Tensor {
    raw((-(numbers(heads, device) + 0.5) * (10.0 / heads as f64) - 2.0).exp2())
}

/// Its state is the [`Prefix`] so far: stabiliser, sum of weights, weighted sum of values, turned as they are at the
/// timestep of the last token.
impl Mixer for Aaren {
    /// Without keys every score is zero, whatever the query.
    fn freeze(&mut self) {
        let _ = tch::no_grad(|| self.key.ws.zero_()).set_requires_grad(false);
    }

    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let width = self.query_token.size()[0];
        let options = (self.query_token.kind(), self.query_token.device());
        tensors(Prefix::empty(batch, self.heads, width / self.heads, options))
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let (scores, mut values) = self.scores_and_values(x);
        let before = state.map(prefix);
        let turn = self.phases.as_ref().map(|phases| phases.at(&place.since(tokens)));
        if let Some(turn) = &turn {
            values = turn.back(&values);
        }
        let (values, decay) = (values.transpose(1, 2), place.reset(self.decay(x), &scores));
        let (outputs, mut after) = scan::chunked(&scores, &values, decay.as_ref(), before.as_ref());
        let mut outputs = wanted.of(&outputs, 2).transpose(1, 2);
        if let Some(turn) = &turn {
            outputs = turn.of(wanted).on(&outputs);
            after = turned(after, &turn.last());
        }
        (x_linear(&outputs.reshape([batch, -1, width]), &self.output), tensors(after))
    }

    fn train<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        // Scores and decays are small, and left to the graph.
        let leaf = float(x).detach().set_requires_grad(true);
        let (scores, decay) = tch::with_grad(|| {
            let scores = leaf.matmul(&self.folded().tr());
            let decay = place.reset(self.decay(&leaf), &scores.transpose(1, 2));
            (scores, decay.map(|decay| decay.transpose(-2, -1)))
        });
        let (mut values, values_back) = fused::layer(x, &self.value);
        let before = state.map(prefix);
        let turn = self.phases.as_ref().map(|phases| {
            let turn = phases.at(&place.since(x.size()[1]));
            values = turn.back(&by_head(&values, self.heads)).view_as(&values).contiguous();
            (phases, turn.of(wanted), turn)
        });
        let (mut mixed, mut after, mixed_back) =
            fused::scan(&scores, &values, decay.as_ref(), before.as_ref(), wanted);
        if let Some((_, read, turn)) = &turn {
            mixed = read.on(&by_head(&mixed, self.heads)).view_as(&mixed).contiguous();
            after = turned(after, &turn.last());
        }
        let (outputs, output_back) = fused::layer(&mixed, &self.output);
        let back = move |dy, gradients: &mut Gradients| {
            let mut dy = output_back(dy, gradients);
            let mut read_flow = None;
            if let Some((_, read, _)) = &turn {
                let flow = by_head(&dy, self.heads);
                read_flow = Some(read.flow(&by_head(&mixed, self.heads), &flow));
                dy = read.back(&flow).view_as(&dy).contiguous();
            }
            let mut flow = mixed_back(dy);
            if let (Some((phases, _, turn)), Some(read_flow)) = (turn, read_flow) {
                let values_flow = by_head(&flow.values, self.heads);
                let of_values = turn.flow(&by_head(&values, self.heads), &values_flow);
                gradients.add(phases.parameter(), read_flow - of_values);
                flow.values = turn.on(&values_flow).view_as(&flow.values).contiguous();
            }
            let mut dx = values_back(flow.values, gradients);
            tch::with_grad(|| {
                let mut end = (scores * flow.scores).sum(None::<Kind>);
                if let Some(decay) = decay {
                    end += (decay * flow.decay).sum(None::<Kind>);
                }
                gradients.add_graph(&end, self.graphed().into_iter().chain([&leaf]));
            });
            dx += gradients.take(&leaf);
            dx
        };
        Mixed { outputs, state: tensors(after), back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let layers = [&self.value, &self.output].into_iter().flat_map(weights);
        self.graphed().into_iter().chain(layers).chain(self.phases.as_ref().map(Phases::parameter)).collect()
    }

    fn weights(&self, x: &Tensor, _: Place, at: &[i64]) -> Option<Tensor> {
        let (scores, _) = self.scores_and_values(x);
        let at = Tensor::from_slice(at).to_device(x.device());
        let tokens = scores.size()[2];
        let future = Tensor::arange(tokens, (Kind::Int64, x.device())).gt_tensor(&at.unsqueeze(1));
        let logits = match self.decay(x) {
            Some(decay) => {
                let age = decay.expand(scores.size(), false).cumsum(-1, Kind::Double);
                let since = age.unsqueeze(2) - age.index_select(2, &at).unsqueeze(3);
                scores.unsqueeze(2) + since.to_kind(scores.kind())
            }
            None => scores.unsqueeze(2),
        };
        let logits = logits.masked_fill(&future, f64::NEG_INFINITY);
        Some(logits.softmax(-1, None::<Kind>))
    }
}

/// A prefix whose values are those of another, turned on by the one timestep of `turn`.
fn turned(prefix: Prefix, turn: &Turn) -> Prefix {
    Prefix { value: turn.on(&prefix.value.unsqueeze(1)).squeeze_dim(1), ..prefix }
}

fn tensors(prefix: Prefix) -> Vec<Tensor> {
    vec![prefix.max, prefix.weight, prefix.value]
}

fn prefix(state: &[Tensor]) -> Prefix {
    let [max, weight, value] = [0, 1, 2].map(|part: usize| state[part].shallow_clone());
    Prefix { max, weight, value }
}

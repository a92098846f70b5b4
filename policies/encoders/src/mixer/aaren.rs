//! Attention as an RNN.

use aaren_format::{AarenSettings, Recency};
use tch::{Kind, Tensor, nn, nn::Module};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
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
    pub(crate) fn new(path: &nn::Path, width: i64, settings: AarenSettings) -> Self {
        let heads = settings.heads as i64;
        let linear = |name| linear(path / name, width, width);
        let raw = |decay: Tensor| decay.expm1().log();
        let head = Tensor::arange(heads, (Kind::Float, path.device()));
        // λ = 0.05·{1, 2, 4, 8, …}: time constants of 20 tokens and less.
        let short = || raw(head.exp2() * 0.05);
        // Time constants spread evenly over the octaves from 4 tokens, a step or two, to 4096, an episode.
        let spread = || raw((-(&head + 0.5) * (10.0 / heads as f64) - 2.0).exp2());
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
            heads,
        }
    }

    /// What each token of `x` `[batch, tokens, width]` decays those before it by, shaped as [`scan`] takes it.
    fn decay(&self, x: &Tensor) -> Option<Tensor> {
        match &self.recency {
            Decay::Never => None,
            Decay::Learned(raw) => Some(raw.softplus().unsqueeze(-1)),
            Decay::Gated(gate) => Some(gate.forward(&float(x)).transpose(1, 2).softplus()),
        }
    }

    /// r_h of every head, `[heads, width]`.
    fn folded(&self) -> Tensor {
        let width = self.query_token.size()[0];
        let head_width = width / self.heads;
        let query = x_linear(&self.query_token.unsqueeze(0), &self.query).view([self.heads, head_width, 1]);
        let key = self.key.ws.view([self.heads, head_width, width]);
        (key * query).sum_dim_intlist(1, false, None::<Kind>) / (head_width as f64).sqrt()
    }

    /// Scores `[batch, heads, tokens]` and values `[batch, heads, tokens, width of a head]` of `x`
    /// `[batch, tokens, width]`.
    fn scores_and_values(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let head_width = width / self.heads;
        let scores = float(x).matmul(&self.folded().tr()).transpose(1, 2);
        let values = x_linear(x, &self.value).view([batch, tokens, self.heads, head_width]).transpose(1, 2);
        (scores, values)
    }
}

/// Its state is the [`Prefix`] so far: stabiliser, sum of weights, weighted sum of values.
impl Mixer for Aaren {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let width = self.query_token.size()[0];
        let options = (self.query_token.kind(), self.query_token.device());
        tensors(Prefix::empty(batch, self.heads, width / self.heads, options))
    }

    fn seq(&self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> (Tensor, Vec<Tensor>) {
        let (batch, _, width) = x.size3().expect("x is [batch, tokens, width]");
        let (scores, values) = self.scores_and_values(x);
        let before = state.map(prefix);
        let (outputs, after) = scan::chunked(&scores, &values, self.decay(x).as_ref(), before.as_ref());
        let outputs = wanted.of(&outputs, 2).transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&outputs, &self.output), tensors(after))
    }

    fn train<'a>(&'a self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        // Scores and decays are small, and left to the graph.
        let leaf = float(x).detach().set_requires_grad(true);
        let (scores, decay) = tch::with_grad(|| {
            let decay = self.decay(&leaf).map(|decay| decay.transpose(-2, -1));
            (leaf.matmul(&self.folded().tr()), decay)
        });
        let (values, values_back) = fused::layer(x, &self.value);
        let before = state.map(prefix);
        let (mixed, after, mixed_back) =
            fused::scan(&scores, &values, decay.as_ref(), before.as_ref(), wanted);
        let (outputs, output_back) = fused::layer(&mixed, &self.output);
        let back = move |dy, gradients: &mut Gradients| {
            let flow = mixed_back(output_back(dy, gradients));
            let mut dx = values_back(flow.values, gradients);
            tch::with_grad(|| {
                let mut end = (scores * flow.scores).sum(None::<Kind>);
                if let Some(decay) = decay {
                    end += (decay * flow.decay).sum(None::<Kind>);
                }
                gradients.add_graph(&end, self.parameters().into_iter().chain([&leaf]));
            });
            dx += gradients.take(&leaf);
            dx
        };
        Mixed { outputs, state: tensors(after), back: Box::new(back) }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let layers = [&self.query, &self.key, &self.value, &self.output];
        let decay = match &self.recency {
            Decay::Never => vec![],
            Decay::Learned(raw) => vec![raw],
            Decay::Gated(gate) => weights(gate).collect(),
        };
        layers.into_iter().flat_map(weights).chain([&self.query_token]).chain(decay).collect()
    }

    /// The recurrence.
    fn step(&self, x: &Tensor, state: &[Tensor]) -> (Tensor, Vec<Tensor>) {
        let x = x.unsqueeze(1);
        let (scores, values) = self.scores_and_values(&x);
        let (scores, values) = (scores.squeeze_dim(2), values.squeeze_dim(2));
        let decay = self.decay(&x).map(|decay| decay.squeeze_dim(-1));
        let after = scan::recurrence(&scores, &values, decay.as_ref(), &prefix(state));
        (x_linear(&after.output().view_as(&x.squeeze_dim(1)), &self.output), tensors(after))
    }

    fn weights(&self, x: &Tensor, at: &[i64]) -> Option<Tensor> {
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

fn tensors(prefix: Prefix) -> Vec<Tensor> {
    vec![prefix.max, prefix.weight, prefix.value]
}

fn prefix(state: &[Tensor]) -> Prefix {
    let [max, weight, value] = [0, 1, 2].map(|part: usize| state[part].shallow_clone());
    Prefix { max, weight, value }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_weights_are_those_that_the_scan_sums_values_with() {
        let _alone = crate::GENERATOR.lock();
        tch::manual_seed(3);
        for recency in Recency::ALL {
            let store = nn::VarStore::new(Device::Cpu);
            let layer = Aaren::new(&store.root(), 12, AarenSettings { heads: 2, recency });
            let x = Tensor::randn([2, 70, 12], (Kind::Float, Device::Cpu)) * 3.0;
            let (_, values) = layer.scores_and_values(&x);
            let at = [0, 1, 33, 69];
            let mixed = layer.weights(&x, &at).unwrap().matmul(&values).transpose(1, 2).reshape([2, -1, 12]);
            let found = x_linear(&mixed, &layer.output);
            let expected = layer.seq(&x, None, Wanted::All).0.index_select(1, &Tensor::from_slice(&at));
            let off = (found - expected).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{recency:?}: off by {off:e}");
        }
    }
}

//! Attention as an RNN.

use aaren_format::{Model, Recency};
use tch::{Kind, Tensor, nn};

use super::Mixer;
use crate::encoder::Wanted;
use crate::linear::{float, linear, x_linear};
use crate::scan::{self, Prefix};

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
    recency: Option<Tensor>,
    heads: i64,
}

impl Aaren {
    pub(crate) fn new(path: &nn::Path, model: &Model) -> Self {
        let (width, heads) = (model.width as i64, model.heads as i64);
        let linear = |name| linear(path / name, width, width);
        let recency = (model.recency == Recency::Learned).then(|| {
            // λ = softplus(raw) starts at 0.05·{1, 2, 4, 8, …}: time constants of 20 tokens and less.
            let decay = Tensor::arange(heads, (Kind::Float, path.device())).exp2() * 0.05;
            path.var_copy("recency", &decay.expm1().log())
        });
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

    /// Decay λ per token of each head, `[heads]`; `None` is the paper's form.
    fn decay(&self) -> Option<Tensor> {
        self.recency.as_ref().map(Tensor::softplus)
    }

    /// Scores `[batch, heads, tokens]` and values `[batch, heads, tokens, width of a head]` of `x`
    /// `[batch, tokens, width]`.
    fn scores_and_values(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let head_width = width / self.heads;
        let query = x_linear(&self.query_token.unsqueeze(0), &self.query).view([self.heads, head_width, 1]);
        let key = self.key.ws.view([self.heads, head_width, width]);
        let folded = (key * query).sum_dim_intlist(1, false, None::<Kind>) / (head_width as f64).sqrt();
        let scores = float(x).matmul(&folded.tr()).transpose(1, 2);
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
        let (outputs, after) = scan::chunked(&scores, &values, self.decay().as_ref(), before.as_ref());
        let outputs = wanted.of(&outputs, 2).transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&outputs, &self.output), tensors(after))
    }

    /// The recurrence.
    fn step(&self, x: &Tensor, state: &[Tensor]) -> (Tensor, Vec<Tensor>) {
        let (scores, values) = self.scores_and_values(&x.unsqueeze(1));
        let (scores, values) = (scores.squeeze_dim(2), values.squeeze_dim(2));
        let after = scan::recurrence(&scores, &values, self.decay().as_ref(), &prefix(state));
        (x_linear(&after.output().view_as(x), &self.output), tensors(after))
    }

    fn weights(&self, x: &Tensor, at: &[i64]) -> Option<Tensor> {
        let (scores, _) = self.scores_and_values(x);
        let tokens = Tensor::arange(scores.size()[2], (Kind::Int64, x.device()));
        let age = Tensor::from_slice(at).to_device(x.device()).unsqueeze(1) - tokens;
        let mut logits = scores.unsqueeze(2).masked_fill(&age.lt(0), f64::NEG_INFINITY);
        if let Some(decay) = self.decay() {
            logits -= decay.view([self.heads, 1, 1]) * &age;
        }
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
    use aaren_format::{EncoderKind, Norm};

    #[test]
    fn the_weights_are_those_that_the_scan_sums_values_with() {
        tch::manual_seed(3);
        for recency in [Recency::None, Recency::Learned] {
            let store = nn::VarStore::new(Device::Cpu);
            let (encoder, norm) = (EncoderKind::Aaren, Norm::Post);
            let model = Model { encoder, width: 12, layers: 1, heads: 2, norm, recency, past_actions: true };
            let layer = Aaren::new(&store.root(), &model);
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

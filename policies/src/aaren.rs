use tch::{Kind, Tensor, nn};

use crate::encoder::{EncoderConfig, Recency, Rows};
use crate::linear::{float, linear, x_linear};
use crate::scan::{self, Summary};

/// Attention with a learned, input-independent query (arXiv 2405.13956, §3).
///
/// Parameters are those of multi-head attention plus one query token of the layer's width. The
/// score of token x for head h is x · r_h with r_h = W_k,hᵀ (W_q q + b_q)_h / √d_h, folded once per
/// forward pass, so that no token is ever projected to a key; b_k shifts all scores alike and cancels.
#[derive(Debug)]
pub struct Aaren {
    query_token: Tensor,
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    recency: Option<Tensor>,
    heads: i64,
}

impl Aaren {
    pub(crate) fn new(path: &nn::Path, config: &EncoderConfig) -> Self {
        let width = config.width;
        let linear = |name| linear(path / name, width, width);
        let recency = (config.recency == Recency::Learned).then(|| {
            // λ = softplus(raw) starts at 0.05·{1, 2, 4, 8, …}: time constants of 20 tokens and less.
            let decay = Tensor::arange(config.heads, (Kind::Float, path.device())).exp2() * 0.05;
            path.var_copy("recency", &decay.expm1().log())
        });
        Self {
            query_token: path.randn_standard("query_token", &[width]),
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            recency,
            heads: config.heads,
        }
    }

    /// Decay λ per token of each head, `[heads]`; `None` is the paper's form.
    pub fn decay(&self) -> Option<Tensor> {
        self.recency.as_ref().map(Tensor::softplus)
    }

    /// The empty prefix.
    pub fn zero_state(&self, batch: i64) -> Summary {
        let width = self.query_token.size()[0];
        let options = (self.query_token.kind(), self.query_token.device());
        Summary::empty(batch, self.heads, width / self.heads, options)
    }

    /// Scores `[batch, heads, tokens]` and values `[batch, heads, tokens, width of a head]` of `x`
    /// `[batch, tokens, width]`.
    pub fn scores_and_values(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let head_width = width / self.heads;
        let query = x_linear(&self.query_token.unsqueeze(0), &self.query).view([self.heads, head_width, 1]);
        let key = self.key.ws.view([self.heads, head_width, width]);
        let folded = (key * query).sum_dim_intlist(1, false, None::<Kind>) / (head_width as f64).sqrt();
        let scores = float(x).matmul(&folded.tr()).transpose(1, 2);
        let values = x_linear(x, &self.value).view([batch, tokens, self.heads, head_width]).transpose(1, 2);
        (scores, values)
    }

    /// Outputs at the chosen rows of `x` `[batch, tokens, width]`, and the state after it.
    pub fn seq(&self, x: &Tensor, state: Option<&Summary>, rows: Rows) -> (Tensor, Summary) {
        let (batch, _, width) = x.size3().expect("x is [batch, tokens, width]");
        let (scores, values) = self.scores_and_values(x);
        let (outputs, state) = scan::chunked(&scores, &values, self.decay().as_ref(), state);
        let outputs = rows.of(&outputs, 2).transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&outputs, &self.output), state)
    }

    /// One token `x` `[batch, width]`: the recurrence.
    pub fn step(&self, x: &Tensor, state: &Summary) -> (Tensor, Summary) {
        let (scores, values) = self.scores_and_values(&x.unsqueeze(1));
        let state =
            scan::recurrence(&scores.squeeze_dim(2), &values.squeeze_dim(2), self.decay().as_ref(), state);
        (x_linear(&state.output().view_as(x), &self.output), state)
    }
}

use tch::{Kind, Tensor, nn};

use crate::encoder::{EncoderConfig, Rows};
use crate::linear::{float, linear, x_linear};

/// Keys and values of all tokens so far, each `[batch, heads, tokens, width of a head]`.
#[derive(Debug)]
pub struct KeyValueCache {
    /// Keys.
    pub key: Tensor,
    /// Values.
    pub value: Tensor,
}

/// Causal multi-head attention (Vaswani et al. 2017) with a key/value cache.
#[derive(Debug)]
pub struct CausalAttention {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    heads: i64,
}

impl CausalAttention {
    pub(crate) fn new(path: &nn::Path, config: &EncoderConfig) -> Self {
        let linear = |name| linear(path / name, config.width, config.width);
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            heads: config.heads,
        }
    }

    /// An empty cache.
    pub fn zero_state(&self, batch: i64) -> KeyValueCache {
        let width = self.key.ws.size()[0];
        let shape = [batch, self.heads, 0, width / self.heads];
        let options = (self.key.ws.kind(), self.key.ws.device());
        KeyValueCache { key: Tensor::zeros(shape, options), value: Tensor::zeros(shape, options) }
    }

    /// Outputs at the chosen rows of `x` `[batch, tokens, width]`, and the cache after it.
    pub fn seq(&self, x: &Tensor, cache: Option<&KeyValueCache>, rows: Rows) -> (Tensor, KeyValueCache) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let split = |x: Tensor| x.view([batch, -1, self.heads, width / self.heads]).transpose(1, 2);
        let query = split(x_linear(&rows.of(x, 1).contiguous(), &self.query));
        let (mut key, mut value) = (split(x_linear(x, &self.key)), split(x_linear(x, &self.value)));
        let mut past = 0;
        if let Some(cache) = cache {
            past = cache.key.size()[2];
            key = Tensor::cat(&[&cache.key, &key], 2);
            value = Tensor::cat(&[&cache.value, &value], 2);
        }
        // Dense masked softmax: on a CPU several times faster than the fused kernel at these sizes.
        let scale = ((width / self.heads) as f64).sqrt();
        let mut scores = query.matmul(&key.transpose(2, 3)) / scale;
        if tokens > 1 {
            let options = (Kind::Int64, x.device());
            let at = rows.of(&Tensor::arange(tokens, options), 0).unsqueeze(1) + past;
            let future = Tensor::arange(past + tokens, options).gt_tensor(&at);
            scores = scores.masked_fill(&future, f64::NEG_INFINITY);
        }
        let mixed = float(&scores).softmax(-1, None::<Kind>).to_kind(value.kind()).matmul(&value);
        let mixed = mixed.transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&mixed, &self.output), KeyValueCache { key, value })
    }
}

//! Causal multi-head attention.

use aaren_format::TransformerSettings;
use tch::{Kind, Tensor, nn};

use super::{Mixed, Mixer};
use crate::fused::{self, Gradients};
use crate::linear::{float, linear, weights, x_linear};
use crate::wanted::Wanted;

/// Causal multi-head attention (Vaswani et al. 2017) with a key/value cache.
#[derive(Debug)]
pub(crate) struct CausalAttention {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    heads: i64,
}

impl CausalAttention {
    pub(crate) fn new(path: &nn::Path, width: i64, settings: TransformerSettings) -> Self {
        let linear = |name| linear(path / name, width, width);
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            heads: settings.heads as i64,
        }
    }
}

/// Its state is the keys and the values of all tokens so far, each `[batch, heads, tokens, width of a head]`.
impl Mixer for CausalAttention {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let width = self.key.ws.size()[0];
        let shape = [batch, self.heads, 0, width / self.heads];
        let options = (self.key.ws.kind(), self.key.ws.device());
        vec![Tensor::zeros(shape, options), Tensor::zeros(shape, options)]
    }

    fn seq(&self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> (Tensor, Vec<Tensor>) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let split = |x: Tensor| x.view([batch, -1, self.heads, width / self.heads]).transpose(1, 2);
        let query = split(x_linear(&wanted.of(x, 1).contiguous(), &self.query));
        let (mut key, mut value) = (split(x_linear(x, &self.key)), split(x_linear(x, &self.value)));
        let mut past = 0;
        if let Some(state) = state {
            past = state[0].size()[2];
            key = Tensor::cat(&[&state[0], &key], 2);
            value = Tensor::cat(&[&state[1], &value], 2);
        }
        // Dense masked softmax: on a CPU several times faster than the fused kernel at these sizes.
        let scale = ((width / self.heads) as f64).sqrt();
        let mut scores = query.matmul(&key.transpose(2, 3)) / scale;
        if tokens > 1 {
            let options = (Kind::Int64, x.device());
            let at = wanted.of(&Tensor::arange(tokens, options), 0).unsqueeze(1) + past;
            let future = Tensor::arange(past + tokens, options).gt_tensor(&at);
            scores = scores.masked_fill(&future, f64::NEG_INFINITY);
        }
        let mixed = float(&scores).softmax(-1, None::<Kind>).to_kind(value.kind()).matmul(&value);
        let mixed = mixed.transpose(1, 2).reshape([batch, -1, width]);
        (x_linear(&mixed, &self.output), vec![key, value])
    }

    fn train<'a>(&'a self, x: &Tensor, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        assert!(state.is_none(), "a cache is not carried from one batch to the next");
        let (query, query_back) = fused::layer(&wanted.of(x, 1).contiguous(), &self.query);
        let (key, key_back) = fused::layer(x, &self.key);
        let (value, value_back) = fused::layer(x, &self.value);
        let state = [&key, &value].map(|x| {
            let [batch, tokens, width] = [0, 1, 2].map(|axis: usize| x.size()[axis]);
            x.view([batch, tokens, self.heads, width / self.heads]).transpose(1, 2)
        });
        let (mixed, mixed_back) = fused::attention(query, key, value, self.heads, wanted);
        let (outputs, output_back) = fused::layer(&mixed, &self.output);
        let back = move |dy, gradients: &mut Gradients| {
            let [query, key, value] = mixed_back(output_back(dy, gradients));
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
        layers.into_iter().flat_map(weights).collect()
    }

    fn weights(&self, x: &Tensor, at: &[i64]) -> Option<Tensor> {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let split = |x: Tensor| x.view([batch, -1, self.heads, width / self.heads]).transpose(1, 2);
        let at = Tensor::from_slice(at).to_device(x.device());
        let query = split(x_linear(&x.index_select(1, &at), &self.query));
        let scores = query.matmul(&split(x_linear(x, &self.key)).transpose(2, 3));
        let future = Tensor::arange(tokens, (Kind::Int64, x.device())).gt_tensor(&at.unsqueeze(1));
        let scale = ((width / self.heads) as f64).sqrt();
        Some((scores / scale).masked_fill(&future, f64::NEG_INFINITY).softmax(-1, None::<Kind>))
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_weights_are_those_that_values_are_summed_with() {
        let _alone = crate::GENERATOR.lock();
        tch::manual_seed(4);
        let store = nn::VarStore::new(Device::Cpu);
        let layer = CausalAttention::new(&store.root(), 12, TransformerSettings { heads: 2 });
        let x = Tensor::randn([2, 9, 12], (Kind::Float, Device::Cpu)) * 3.0;
        let (expected, state) = layer.seq(&x, None, Wanted::All);
        let at = [0, 5, 8];
        let mixed = layer.weights(&x, &at).unwrap().matmul(&state[1]).transpose(1, 2).reshape([2, -1, 12]);
        let expected = expected.index_select(1, &Tensor::from_slice(&at));
        let off = (x_linear(&mixed, &layer.output) - expected).abs().max().double_value(&[]);
        assert!(off < 1e-5, "off by {off:e}");
    }
}

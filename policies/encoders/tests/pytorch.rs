//! Blocks against numbers computed by PyTorch, from its own multi-head attention, GRU and LSTM; what turns and what has keys
//! from its complex numbers and sums.
//!
//! The snippet gives parameter i, in the order of their names, the values sin(0.7·k + i):
//!
//! ```python
//! import torch, torch.nn as nn, torch.nn.functional as F
//! torch.set_default_dtype(torch.float64)
//! d, heads, tokens = 8, 2, 5
//!
//! class Block(nn.Module):
//!     def __init__(self, aaren, recency=False, gated=False, alibi=False):
//!         super().__init__()
//!         self.attention = nn.ModuleDict({n: nn.Linear(d, d) for n in ["query", "key", "value", "output"]})
//!         if aaren: self.attention.register_parameter("query_token", nn.Parameter(torch.empty(d)))
//!         if recency: self.attention.register_parameter("recency", nn.Parameter(torch.empty(heads)))
//!         if gated: self.attention["gate"] = nn.Linear(d, heads)
//!         self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
//!         self.mlp = nn.ModuleDict({"up": nn.Linear(d, 4 * d), "down": nn.Linear(4 * d, d)})
//!         self.aaren, self.recency, self.gated, self.alibi = aaren, recency, gated, alibi
//!     def forward(self, x):
//!         a, out = self.attention, []
//!         for n in range(tokens):                   # one call of PyTorch's attention for each prefix
//!             q = a.query_token if self.aaren else x[n]
//!             mask = None
//!             age = n - torch.arange(n + 1.0)
//!             if self.alibi:
//!                 mask = -torch.tensor([2 ** -4, 2 ** -8])[:, None, None] * age[None, None, :]
//!             if self.recency:
//!                 mask = -F.softplus(a.recency)[:, None, None] * age[None, None, :]
//!             if self.gated:                        # λ_t = softplus(w_h·x_t + b_h) decays all before t
//!                 decay = F.softplus(a.gate(x))
//!                 mask = -torch.stack([decay[i + 1:n + 1].sum(0) for i in range(n + 1)], 1)[:, None, :]
//!             bias = torch.cat([a.query.bias, a.key.bias, a.value.bias])
//!             y, _ = F.multi_head_attention_forward(
//!                 q[None, None], x[:n + 1, None], x[:n + 1, None], d, heads, None, bias, None, None, False, 0.0,
//!                 a.output.weight, a.output.bias, training=False, attn_mask=mask, need_weights=False,
//!                 use_separate_proj_weight=True, q_proj_weight=a.query.weight, k_proj_weight=a.key.weight,
//!                 v_proj_weight=a.value.weight)
//!             out.append(y[0, 0])
//!         x = self.norm1(x + torch.stack(out))
//!         return self.norm2(x + self.mlp["down"](F.gelu(self.mlp["up"](x))))
//!
//! def turn(x, phase, t):                            # pairs of channels as complex numbers
//!     z = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(torch.ones_like(phase), phase * t)
//!     return torch.view_as_real(z).flatten(-2)
//!
//! class Turning(Block):
//!     def __init__(self, aaren):
//!         super().__init__(aaren)
//!         self.attention.register_parameter("phase", nn.Parameter(torch.empty(heads, d // heads // 2)))
//!     def forward(self, x):
//!         a, out = self.attention, []
//!         q, k, v = [y.view(tokens, heads, -1) for y in (a.query(a.query_token.expand(tokens, d) if self.aaren else x), a.key(x), a.value(x))]
//!         for n in range(tokens):
//!             if self.aaren:                        # values turn
//!                 query, keys, values = q[n], k[:n + 1], torch.stack([turn(v[i], a.phase, n - i) for i in range(n + 1)])
//!             else:                                 # queries and keys turn
//!                 query, keys, values = turn(q[n], a.phase, n), torch.stack([turn(k[i], a.phase, i) for i in range(n + 1)]), v[:n + 1]
//!             y = F.scaled_dot_product_attention(query[:, None], keys.transpose(0, 1), values.transpose(0, 1))
//!             out.append(a.output(y.flatten()))
//!         x = self.norm1(x + torch.stack(out))
//!         return self.norm2(x + self.mlp["down"](F.gelu(self.mlp["up"](x))))
//!
//! class Keyed(Block):
//!     def __init__(self, n):
//!         super().__init__(True)
//!         self.attention["token_key"], self.attention["token_query"] = nn.Linear(d, heads * n), nn.Linear(d, heads * n)
//!     def forward(self, x):
//!         a = self.attention
//!         q, k, v = [y.view(-1, heads, d // heads) for y in (a.query(a.query_token), x @ a.key.weight.T, a.value(x))]
//!         weight = ((q * k).sum(-1, keepdim=True) / (d // heads) ** 0.5).exp()
//!         key, query = [y.view(tokens, heads, -1) for y in (a.token_key(x), a.token_query(x))]
//!         key = key / key.shape[-1] ** 0.5
//!         u, w = (weight * key).cumsum(0), torch.einsum("thn,thd->thnd", weight * key, v).cumsum(0)
//!         y = torch.einsum("thnd,thn->thd", w, query) / (u * query).sum(-1, keepdim=True).abs().clamp(min=1.0)
//!         x = self.norm1(x + a.output(y.reshape(tokens, d)))
//!         return self.norm2(x + self.mlp["down"](F.gelu(self.mlp["up"](x))))
//!
//! def recurrent(layer, units):
//!     class Recurrent(layer):
//!         def __init__(self):
//!             super().__init__(d, units)
//!             self.output = nn.Linear(units, d)
//!         def forward(self, x):
//!             return self.output(super().forward(x)[0])
//!     return Recurrent()
//!
//! class RecurrentBlock(Block):
//!     def __init__(self, layer, units):
//!         super().__init__(False)
//!         del self.attention
//!         self.mixer = recurrent(layer, units)
//!     def forward(self, x):
//!         x = self.norm1(x + self.mixer(x))
//!         return self.norm2(x + self.mlp["down"](F.gelu(self.mlp["up"](x))))
//!
//! for block in [Block(True), Block(True, True), Block(True, False, True), Block(False), RecurrentBlock(nn.GRU, 5), RecurrentBlock(nn.LSTM, 4), Block(False, alibi=True),
//!               Turning(False), Turning(True), Keyed(3)]:
//!     with torch.no_grad():
//!         for i, (_, p) in enumerate(sorted(block.named_parameters())):
//!             p.copy_(torch.sin(torch.arange(p.numel()) * 0.7 + i).view_as(p))
//!         x = torch.cos(torch.arange(tokens * d) * 1.3).view(tokens, d)
//!         print([round(v, 6) for v in block(x)[[0, 2, 4]][:, :3].flatten().tolist()])
//! ```

use aaren_encoders::Encoder;
use aaren_format::{EncoderKind, Mixer, Model, Norm, Positions, Recency, Settings};
use tch::{Device, Kind, Tensor, nn};

fn outputs(encoder: EncoderKind, recency: Recency) -> Vec<f64> {
    at(encoder, Positions::Timestep, recency, 1)
}

fn at(encoder: EncoderKind, positions: Positions, recency: Recency, keys: usize) -> Vec<f64> {
    let store = nn::VarStore::new(Device::Cpu);
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency, keys, ..Settings::default() });
    let model = Model { width: 8, layers: 1, norm: Norm::Post, past_actions: true, positions, mixer };
    let encoder = Encoder::new(&store.root(), &model, 0.0, 1000).unwrap();
    let _guard = tch::no_grad_guard();
    let mut parameters: Vec<_> = store.variables().into_iter().collect();
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let options = (Kind::Double, Device::Cpu);
    for (i, (_, parameter)) in parameters.iter_mut().enumerate() {
        let values = (Tensor::arange(parameter.numel() as i64, options) * 0.7 + i as f64).sin();
        parameter.copy_(&values.view_as(parameter));
    }
    let x = (Tensor::arange(40, options) * 1.3).cos().to_kind(Kind::Float).view([1, 5, 8]);
    let (y, _) = encoder.seq(&x, &encoder.zero_state(1));
    let rows = y.squeeze_dim(0).slice(0, 0, None, 2).slice(1, 0, 3, 1).contiguous().view([-1]);
    Vec::<f64>::try_from(rows.to_kind(Kind::Double)).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(found.len() == expected.len() && off < 2e-5, "found {found:?}, PyTorch has {expected:?}");
}

#[test]
fn aaren() {
    let expected = [0.427888, 0.322987, -0.255388, 0.459345, 0.216452, -0.182149, 0.5214, -0.027125, 0.03404];
    assert_close(&outputs(EncoderKind::Aaren, Recency::None), &expected);
}

#[test]
fn aaren_with_recency() {
    let expected =
        [0.786669, -2.289083, -0.497463, 0.664111, -2.258874, -0.428926, 0.674168, -2.264771, -0.425263];
    assert_close(&outputs(EncoderKind::Aaren, Recency::Learned), &expected);
}

#[test]
fn aaren_with_gates() {
    let expected =
        [-0.335016, -1.00233, -0.323649, -0.356111, -1.00267, -0.329736, -0.173148, -1.058284, -0.52694];
    assert_close(&outputs(EncoderKind::Aaren, Recency::Gated), &expected);
}

#[test]
fn transformer() {
    let expected = [1.827478, 0.834236, -0.22277, 1.723802, 0.83745, 0.159504, 1.803898, 0.834677, -0.158296];
    assert_close(&outputs(EncoderKind::Transformer, Recency::None), &expected);
}

#[test]
fn positions() {
    let expected =
        [1.827478, 0.834236, -0.22277, 1.724786, 0.837426, 0.156599, 1.804036, 0.834674, -0.159009];
    assert_close(&at(EncoderKind::Transformer, Positions::Alibi, Recency::None, 1), &expected);
    let expected =
        [0.427888, 0.322987, -0.255388, 0.480021, 0.206746, -0.14795, 0.585797, -0.190126, 0.154158];
    assert_close(&at(EncoderKind::Transformer, Positions::Rotary, Recency::None, 1), &expected);
    let expected =
        [0.786669, -2.289083, -0.497463, 0.679987, -2.271489, -0.43004, 0.822136, -2.251794, -0.458587];
    assert_close(&at(EncoderKind::Aaren, Positions::Rotary, Recency::None, 1), &expected);
}

#[test]
fn keys() {
    let expected =
        [1.096613, -0.720565, 1.704634, 0.699825, -0.413811, 1.75879, 1.036636, -0.692195, 1.767774];
    assert_close(&at(EncoderKind::Aaren, Positions::Timestep, Recency::None, 3), &expected);
}

#[test]
fn gru() {
    let expected =
        [-0.527172, -0.448715, 1.825285, -0.535109, -0.434202, 1.83626, -0.28934, -0.969283, 2.037043];
    assert_close(&outputs(EncoderKind::Gru, Recency::None), &expected);
}

#[test]
fn lstm() {
    let expected =
        [-0.567633, -0.348085, 1.766689, -0.552078, -0.389021, 1.795343, -0.269969, -1.003102, 2.036923];
    assert_close(&outputs(EncoderKind::Lstm, Recency::None), &expected);
}

//! All encoders against PyTorch 2.13's own attention, GRU, layer normalisation and GELU, in closed loop.
//! The numbers were printed by
//!
//! ```python
//! import math, torch, torch.nn.functional as F
//! D, H, S, A, L, T, U = 8, 2, 3, 2, 2, 5, 5
//!
//! def policy(encoder):                       # the k-th name in order: scale * sin(0.7 i + k) (+ 1)
//!     shapes = {'observation.mean': [S], 'observation.std': [S], 'embed.timestep.weight': [T, D]}
//!     def linear(name, o, i): shapes[name + '.weight'], shapes[name + '.bias'] = [o, i], [o]
//!     for name, i in [('return', 1), ('state', S), ('action', A)]: linear(f'embed.{name}', D, i)
//!     linear('head', A, D)
//!     norms = ['embed.norm']
//!     for n in range(L):
//!         if encoder == 'gru':
//!             linear(f'blocks.{n}.gru.output', D, U)
//!             for part, i in [('ih', D), ('hh', U)]:
//!                 shapes[f'blocks.{n}.gru.weight_{part}'], shapes[f'blocks.{n}.gru.bias_{part}'] = [3 * U, i], [3 * U]
//!         else:
//!             for part in ['query', 'key', 'value', 'output']: linear(f'blocks.{n}.attention.{part}', D, D)
//!         linear(f'blocks.{n}.mlp.up', 4 * D, D); linear(f'blocks.{n}.mlp.down', D, 4 * D)
//!         norms += [f'blocks.{n}.norm1', f'blocks.{n}.norm2']
//!         if encoder == 'aaren':
//!             shapes[f'blocks.{n}.attention.query_token'] = [D]
//!             shapes[f'blocks.{n}.attention.recency'] = [H]
//!     for norm in norms: shapes[norm + '.weight'] = shapes[norm + '.bias'] = [D]
//!     p = {}
//!     for k, name in enumerate(sorted(shapes)):
//!         i = torch.arange(math.prod(shapes[name]), dtype=torch.float64)
//!         one = name == 'observation.std' or ('norm' in name and name.endswith('weight'))
//!         p[name] = (0.5 * torch.sin(0.7 * i + k) + one).float().reshape(shapes[name])
//!     return p
//!
//! def gru(p, at, x):
//!     gru = torch.nn.GRU(D, U)
//!     gru.load_state_dict({k: p[f'{at}.{k[:-3]}'] for k in gru.state_dict()})
//!     return gru(x)[0]
//!
//! def attention(p, encoder, at, x):
//!     linear = lambda name, x: F.linear(x, p[name + '.weight'], p[name + '.bias'])
//!     n, heads = len(x), lambda x: x.reshape(len(x), H, D // H).transpose(0, 1)
//!     q, bias = x, torch.zeros(H, n, n)
//!     if encoder == 'aaren':
//!         q = p[at + 'query_token'].expand(n, D)
//!         ages = torch.arange(n)[:, None] - torch.arange(n)
//!         bias = -F.softplus(p[at + 'recency'])[:, None, None] * ages
//!     bias = bias.masked_fill(torch.ones(n, n).triu(1).bool(), -math.inf)
//!     mixed = F.scaled_dot_product_attention(heads(linear(at + 'query', q)), heads(linear(at + 'key', x)),
//!                                            heads(linear(at + 'value', x)), attn_mask=bias)
//!     return mixed.transpose(0, 1).reshape(n, D)
//!
//! @torch.no_grad()
//! def act(p, encoder, episode):              # episode: [(return-to-go, observation, action or None)]
//!     linear = lambda name, x: F.linear(x, p[name + '.weight'], p[name + '.bias'])
//!     norm = lambda name, x: F.layer_norm(x, [D], p[name + '.weight'], p[name + '.bias'])
//!     x = []
//!     for t, (r, o, a) in enumerate(episode):
//!         time = p['embed.timestep.weight'][t]
//!         x.append(linear('embed.return', torch.tensor([r / 10])) + time)
//!         x.append(linear('embed.state', (o - p['observation.mean']) / p['observation.std']) + time)
//!         if a is not None: x.append(linear('embed.action', a) + time)
//!     x = norm('embed.norm', torch.stack(x))
//!     for b in range(L):
//!         at = f'blocks.{b}.' + ('gru' if encoder == 'gru' else 'attention.')
//!         mixed = gru(p, at, x) if encoder == 'gru' else attention(p, encoder, at, x)
//!         output = f'blocks.{b}.gru.output' if encoder == 'gru' else at + 'output'
//!         x = norm(f'blocks.{b}.norm1', x + linear(output, mixed))
//!         x = norm(f'blocks.{b}.norm2', x + linear(f'blocks.{b}.mlp.down', F.gelu(linear(f'blocks.{b}.mlp.up', x))))
//!     return torch.tanh(linear('head', x[-1]))
//!
//! for encoder in ['aaren', 'transformer', 'gru']:
//!     p, episode, r = policy(encoder), [], 20.0
//!     for t in range(T):
//!         if t: r -= 1.5
//!         o = torch.sin(torch.tensor([t + 0.5, 2 * t, 3 * t - 1.0]))
//!         a = act(p, encoder, episode + [(r, o, None)])
//!         episode.append((r, o, a))
//!     print(encoder, torch.stack([a for _, _, a in episode]).tolist())
//! ```

mod common;

use aaren_streaming::Policy;
use common::Config;
use serde_json::json;

/// The snippet's `policy`.
fn policy(encoder: &'static str) -> Policy {
    let config = Config {
        recency: if encoder == "aaren" { "learned" } else { "none" },
        observation: 3,
        actions: 2,
        max_timesteps: 5,
        ..Config::new(encoder, 8, 2, 2)
    };
    let mut f = config.fixture(0);
    for (k, (name, (_, floats))) in f.tensors.iter_mut().enumerate() {
        let one = name == "observation.std" || (name.contains("norm") && name.ends_with("weight"));
        for (i, x) in floats.iter_mut().enumerate() {
            *x = (0.5 * (0.7 * i as f64 + k as f64).sin() + f64::from(one)) as f32;
        }
    }
    f.header["return_scale"] = json!(10.0);
    f.header["action"] = json!({"kind": "continuous", "low": [-1, -1], "high": [1, 1]});
    Policy::from_bytes(&f.bytes()).unwrap()
}

#[test]
fn actions_are_those_of_pytorch() {
    let aaren = [
        [0.9639565, 0.7886667],
        [0.9732756, 0.8294227],
        [0.9741131, 0.8333487],
        [0.9803652, 0.8692661],
        [0.9788648, 0.8596393],
    ];
    let transformer = [
        [0.6863053, 0.09561302],
        [0.6527383, 0.07972543],
        [0.6346915, 0.07034979],
        [0.5560675, 0.03247418],
        [0.5444427, 0.02719411],
    ];
    let gru = [
        [0.20142443, -0.34904897],
        [0.20167935, -0.3566316],
        [0.18167996, -0.35976654],
        [0.19356064, -0.35985613],
        [0.20851758, -0.3433372],
    ];
    for (encoder, expected) in [("aaren", aaren), ("transformer", transformer), ("gru", gru)] {
        let mut stream = policy(encoder).stream();
        stream.reset(20.0);
        for (t, expected) in expected.iter().enumerate() {
            let t = t as f32;
            let observation = [t + 0.5, 2.0 * t, 3.0 * t - 1.0].map(f32::sin);
            let action = stream.act(&observation, 1.5).unwrap();
            for (ours, theirs) in action.iter().zip(expected) {
                assert!((ours - theirs).abs() < 2e-6, "{encoder} at {t}: {action:?}, PyTorch {expected:?}");
            }
        }
    }
}

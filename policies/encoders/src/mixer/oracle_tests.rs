//! Mixers as their papers write them, token by token in float64: values, and the gradients of all parameters through
//! libtorch's graph of them.

use aaren_format::{self as format, EncoderKind, Model, Norm, Positions, Recency, Settings};
use tch::{Device, Kind as Number, Tensor, nn};

use super::{Mixer, mixer};
use crate::rotation::Place;
use crate::wanted::Wanted;

const BATCH: i64 = 2;
const TOKENS: i64 = 150;
/// With heads of an odd width: one channel is left of the pairs that turn.
const WIDTH: i64 = 14;
const HEADS: i64 = 2;
const SIZE: i64 = WIDTH / HEADS;
const KEYS: i64 = 5;
const EACH: i64 = 3;

/// A layer's parameters.
struct Layer(Vec<(String, Tensor)>);

impl Layer {
    fn find(&self, name: &str) -> Option<&Tensor> {
        let named = |other: &str| other.split_once('.').is_some_and(|(_, part)| part == name);
        self.0.iter().find(|(other, _)| named(other)).map(|(_, tensor)| tensor)
    }

    fn get(&self, name: &str) -> &Tensor {
        self.find(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn linear(&self, x: &Tensor, name: &str) -> Tensor {
        x.matmul(&self.get(&format!("{name}.weight")).tr()) + self.get(&format!("{name}.bias"))
    }

    fn zeros(&self, shape: &[i64]) -> Tensor {
        Tensor::zeros(shape, (Number::Double, Device::Cpu))
    }

    /// `x` `[batch, heads, rows, channels]`, its pairs of channels turned by so many timesteps where some turn.
    fn turned(&self, x: &Tensor, timesteps: f64) -> Tensor {
        let Some(phases) = self.find("phase") else { return x.shallow_clone() };
        let (heads, pairs) = phases.size2().unwrap();
        let still = self.zeros(&[HEADS - heads, pairs]);
        let angle = (Tensor::cat(&[phases, &still], 0) * timesteps).unsqueeze(1);
        let pair = x.narrow(3, 0, 2 * pairs).unflatten(3, [pairs, 2]);
        let (even, odd, cos, sin) = (pair.select(4, 0), pair.select(4, 1), angle.cos(), angle.sin());
        let turned = Tensor::stack(&[&even * &cos - &odd * &sin, &even * &sin + &odd * &cos], 4);
        Tensor::cat(&[turned.flatten(3, 4), x.narrow(3, 2 * pairs, x.size()[3] - 2 * pairs)], 3)
    }

    /// e^s and e^−λ of the scores and decays of an Aaren's tokens, `[batch, tokens, heads, 1, 1]`.
    fn weights(&self, x: &Tensor) -> [Tensor; 2] {
        let query = self.linear(self.get("query_token"), "query").view([HEADS, SIZE]);
        // The keys' bias moves all scores alike.
        let keys = x.matmul(&self.get("key.weight").tr()).view([BATCH, TOKENS, HEADS, SIZE]);
        let scores = (keys * query).sum_dim_intlist(-1, false, None::<Number>) / (SIZE as f64).sqrt();
        let decay = match (self.find("gate.weight"), self.find("recency")) {
            (Some(_), _) => self.linear(x, "gate").softplus(),
            (None, Some(raw)) => raw.softplus().expand(scores.size(), false),
            (None, None) => scores.zeros_like(),
        };
        [scores.exp(), (-decay).exp()].map(|x| x.unsqueeze(-1).unsqueeze(-1))
    }
}

/// arXiv 2405.13956, §3, without a stabiliser; what is remembered fades, and with rotation it turns at each timestep.
fn aaren(layer: &Layer, x: &Tensor) -> Tensor {
    let [weights, keep] = layer.weights(x);
    let values = layer.linear(x, "value").view([BATCH, TOKENS, HEADS, 1, SIZE]);
    let (mut u, mut w) = (layer.zeros(&[BATCH, HEADS, 1, 1]), layer.zeros(&[BATCH, HEADS, 1, SIZE]));
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let [weight, keep, value] = [&weights, &keep, &values].map(|x| x.select(1, t));
            if t > 0 && t % EACH == 0 {
                w = layer.turned(&w, 1.0);
            }
            u = &u * &keep + &weight;
            w = &w * keep + weight * value;
            (&w / &u).reshape([BATCH, WIDTH])
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

/// arXiv 2405.04517, equations 19 to 27, without a stabiliser; with rotation the keys that are remembered turn back at each
/// timestep.
fn keyed(layer: &Layer, x: &Tensor) -> Tensor {
    let [weights, keep] = layer.weights(x);
    let rows = |name: &str| layer.linear(x, name).view([BATCH, TOKENS, HEADS, 1, -1]);
    let (keys, queries, values) =
        (rows("token_key") / (KEYS as f64).sqrt(), rows("token_query"), rows("value"));
    let (mut u, mut w) = (layer.zeros(&[BATCH, HEADS, 1, KEYS]), layer.zeros(&[BATCH, HEADS, SIZE, KEYS]));
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let at = |x: &Tensor| x.select(1, t);
            if t > 0 && t % EACH == 0 {
                (u, w) = (layer.turned(&u, -1.0), layer.turned(&w, -1.0));
            }
            let add = at(&weights) * at(&keys);
            u = &u * at(&keep) + &add;
            w = &w * at(&keep) + at(&values).transpose(2, 3) * add;
            let read = at(&queries).transpose(2, 3);
            (w.matmul(&read) / u.matmul(&read).abs().clamp_min(1.0)).reshape([BATCH, WIDTH])
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

/// arXiv 1706.03762, with rotation arXiv 2104.09864: queries and keys turn by their own timesteps.
fn transformer(layer: &Layer, x: &Tensor) -> Tensor {
    attention(layer, x, 0.0)
}

/// arXiv 2108.12409, whose slopes are powers of 2^(−8 / heads).
fn alibi(layer: &Layer, x: &Tensor) -> Tensor {
    attention(layer, x, 8.0 / HEADS as f64)
}

fn attention(layer: &Layer, x: &Tensor, slope: f64) -> Tensor {
    let rows = |name: &str| layer.linear(x, name).view([BATCH, TOKENS, HEADS, SIZE]).transpose(1, 2);
    let turned = |x: &Tensor, t: i64| layer.turned(&x.narrow(2, t, 1), (t / EACH) as f64);
    let [query, key, value] = ["query", "key", "value"].map(rows);
    let keys: Vec<Tensor> = (0..TOKENS).map(|t| turned(&key, t)).collect();
    let slopes = (Tensor::arange_start(1, HEADS + 1, (Number::Double, Device::Cpu)) * -slope).exp2();
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let logits = (0..=t).map(|i| {
                let score =
                    (turned(&query, t) * &keys[i as usize]).sum_dim_intlist(-1, false, None::<Number>);
                let since = if slope > 0.0 { (t / EACH - i / EACH) as f64 } else { 0.0 };
                score / (SIZE as f64).sqrt() - slopes.view([HEADS, 1]) * since
            });
            let weights = Tensor::cat(&logits.collect::<Vec<_>>(), -1).softmax(-1, None::<Number>);
            (weights.unsqueeze(-1) * value.narrow(2, 0, t + 1))
                .sum_dim_intlist(2, false, None::<Number>)
                .reshape([BATCH, WIDTH])
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

/// PyTorch's documentation of `nn.LSTM`.
fn lstm(layer: &Layer, x: &Tensor) -> Tensor {
    let half = |x: &Tensor, part: &str| {
        x.matmul(&layer.get(&format!("weight_{part}")).tr()) + layer.get(&format!("bias_{part}"))
    };
    let units = layer.get("weight_hh").size()[1];
    let (mut h, mut c) = (layer.zeros(&[BATCH, units]), layer.zeros(&[BATCH, units]));
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let gates = half(&x.select(1, t), "ih") + half(&h, "hh");
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates.narrow(1, gate * units, units));
            c = f.sigmoid() * &c + i.sigmoid() * g.tanh();
            h = o.sigmoid() * c.tanh();
            h.shallow_clone()
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

/// arXiv 2410.01201, appendix B.
fn mingru(layer: &Layer, x: &Tensor) -> Tensor {
    let units = layer.get("input.bias").size()[0] / 2;
    let mut h = layer.zeros(&[BATCH, units]);
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let gates = layer.linear(&x.select(1, t), "input");
            let (z, c) = (gates.narrow(1, 0, units).sigmoid(), gates.narrow(1, units, units));
            let g = (&c + 0.5).where_self(&c.ge(0.0), &c.sigmoid());
            h = (1.0 - &z) * &h + z * g;
            h.shallow_clone()
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

/// arXiv 2412.06464, equation 10, S `[batch, heads, values, keys]`; with rotation the keys that S holds turn back at each
/// timestep.
fn gated_delta(layer: &Layer, x: &Tensor) -> Tensor {
    let mut s = layer.zeros(&[BATCH, HEADS, SIZE, SIZE]);
    let eye = Tensor::eye(SIZE, (Number::Double, Device::Cpu));
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let x = x.select(1, t);
            let column = |name: &str| layer.linear(&x, name).view([BATCH, HEADS, SIZE, 1]);
            let unit = |name: &str| {
                let x = column(name).silu();
                let squares = (&x * &x).sum_dim_intlist(2, true, None::<Number>);
                x / (squares + 1e-6).sqrt()
            };
            let (q, k, v) = (unit("query"), unit("key"), column("value"));
            let gate = |name: &str| layer.linear(&x, name).view([BATCH, HEADS, 1, 1]);
            let (alpha, beta) = ((-gate("decay")).sigmoid(), gate("rate").sigmoid() * 2.0);
            if t > 0 && t % EACH == 0 {
                s = layer.turned(&s, -1.0);
            }
            let back = k.transpose(2, 3);
            s = alpha * s.matmul(&(&eye - &beta * k.matmul(&back))) + beta * v.matmul(&back);
            s.matmul(&q).view([BATCH, WIDTH])
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

type Oracle = fn(&Layer, &Tensor) -> Tensor;

const PLAIN: Settings = Settings { heads: HEADS as usize, recency: Recency::None, rotate: 1.0, keys: 1 };

/// A mixer, its parameters, the same in float64, and tokens for it.
fn made(
    encoder: EncoderKind,
    settings: Settings,
    positions: Positions,
) -> (Box<dyn Mixer>, Layer, Layer, Tensor) {
    let store = nn::VarStore::new(Device::Cpu);
    let mixing = format::Mixer::new(encoder, settings);
    let width = WIDTH as usize;
    let model = Model { width, layers: 1, norm: Norm::Post, past_actions: true, positions, mixer: mixing };
    let layer = mixer(&store.root(), &model, 30);
    let own: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    let double = |tensor: &Tensor| tensor.to_kind(Number::Double).detach().set_requires_grad(true);
    let exact = own.iter().map(|(name, tensor)| (name.clone(), double(tensor))).collect();
    let x = Tensor::randn([BATCH, TOKENS, WIDTH], (Number::Float, Device::Cpu)) * 2.0;
    (layer, Layer(own), Layer(exact), x)
}

/// The largest difference, as a share of the largest number.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    let largest = |x: &Tensor| x.abs().max().double_value(&[]);
    largest(&(found.to_kind(Number::Double) - expected)) / largest(expected)
}

#[test]
fn weights_are_those_that_values_are_summed_with() {
    let _alone = crate::GENERATOR.lock();
    tch::manual_seed(3);
    let aarens = Recency::ALL.map(|recency| (EncoderKind::Aaren, recency, Positions::Timestep));
    let transformer = (EncoderKind::Transformer, Recency::None, Positions::Alibi);
    for (encoder, recency, positions) in aarens.into_iter().chain([transformer]) {
        let (mut layer, _, double, x) = made(encoder, Settings { recency, ..PLAIN }, positions);
        layer.limit(3, 0);
        let (place, at) = (Place { before: 0, each: EACH, begins: None }, [0, 1, 33, TOKENS - 1]);
        let values = double.linear(&x.to_kind(Number::Double), "value").view([BATCH, TOKENS, HEADS, SIZE]);
        let weights = layer.weights(&x, place, &at).unwrap().to_kind(Number::Double);
        let mixed = weights.matmul(&values.transpose(1, 2)).transpose(1, 2).reshape([BATCH, -1, WIDTH]);
        let found = layer.seq(&x, place, None, Wanted::All).0.index_select(1, &Tensor::from_slice(&at));
        let off = off(&found, &double.linear(&mixed, "output"));
        assert!(off < 1e-5, "{encoder}, {recency:?}: off by {off:e}");
    }
}

#[test]
fn mixers_are_those_of_their_papers() {
    let _alone = crate::GENERATOR.lock();
    tch::manual_seed(9);
    let of = |recency, rotate, keys| Settings { recency, rotate, keys, ..PLAIN };
    let cases: [(EncoderKind, Settings, Positions, Oracle); 15] = [
        (EncoderKind::Lstm, PLAIN, Positions::Timestep, lstm),
        (EncoderKind::MinGru, PLAIN, Positions::Timestep, mingru),
        (EncoderKind::GatedDelta, PLAIN, Positions::Timestep, gated_delta),
        (EncoderKind::GatedDelta, PLAIN, Positions::Rotary, gated_delta),
        (EncoderKind::GatedDelta, of(Recency::None, 0.5, 1), Positions::Rotary, gated_delta),
        (EncoderKind::Transformer, PLAIN, Positions::Timestep, transformer),
        (EncoderKind::Transformer, of(Recency::None, 0.5, 1), Positions::Rotary, transformer),
        (EncoderKind::Transformer, PLAIN, Positions::Alibi, alibi),
        (EncoderKind::Aaren, of(Recency::None, 1.0, 1), Positions::Rotary, aaren),
        (EncoderKind::Aaren, of(Recency::Gated, 1.0, 1), Positions::Rotary, aaren),
        (EncoderKind::Aaren, of(Recency::Learned, 0.5, 1), Positions::Rotary, aaren),
        (EncoderKind::Aaren, of(Recency::None, 1.0, KEYS as usize), Positions::Timestep, keyed),
        (EncoderKind::Aaren, of(Recency::Gated, 1.0, KEYS as usize), Positions::Rotary, keyed),
        (EncoderKind::Aaren, of(Recency::Gated, 0.5, KEYS as usize), Positions::Rotary, keyed),
        (EncoderKind::Aaren, of(Recency::Spread, 1.0, KEYS as usize), Positions::Rotary, keyed),
    ];
    for (encoder, settings, positions, oracle) in cases {
        let (layer, own, double, x) = made(encoder, settings, positions);
        let expected = oracle(&double, &x.to_kind(Number::Double));
        let place = Place { before: 0, each: EACH, begins: None };
        let found = layer.seq(&x, place, None, Wanted::All).0;
        let check = |what: &str, found: &Tensor, expected: &Tensor, tolerance: f64| {
            let off = off(found, expected);
            assert!(off < tolerance, "{encoder}, {settings:?}, {positions}: {what} is off by {off:e}");
        };
        check("the output", &found, &expected, 2e-5);
        let state = layer.seq(&x.narrow(1, 0, 11), place, None, Wanted::All).1;
        let (later, rest) = (Place { before: 11, ..place }, |x: &Tensor| x.narrow(1, 11, TOKENS - 11));
        let after = layer.seq(&rest(&x), later, Some(&state), Wanted::All).0;
        check("what comes after a state", &after, &rest(&expected), 2e-5);
        let flow = found.randn_like();
        let back = |y: &Tensor, layer: &Layer| {
            let leaves: Vec<&Tensor> = layer.0.iter().map(|(_, leaf)| leaf).collect();
            Tensor::run_backward(&[(y * &flow).sum(None::<Number>)], &leaves, false, false)
        };
        let (ours, oracles) = (back(&found, &own), back(&expected, &double));
        for ((name, _), (found, expected)) in own.0.iter().zip(ours.iter().zip(&oracles)) {
            // The keys' bias of an Aaren plays no part, and where keys do not turn it moves all scores of a query alike.
            let alike = name.ends_with(".key.bias") && positions != Positions::Rotary;
            if !alike && (found.defined() || expected.defined()) {
                check(&format!("the gradient of {name}"), found, expected, 1e-4);
            }
        }
    }
}

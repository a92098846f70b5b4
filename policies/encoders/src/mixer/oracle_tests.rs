//! Recurrences as their papers write them, token by token in float64: values, and the gradients of all parameters through
//! libtorch's graph of them.

use aaren_format::{EncoderKind, Mixer as Kind, Model, Norm, Positions, Settings};
use tch::{Device, Kind as Number, Tensor, nn};

use super::mixer;
use crate::rotation::Place;
use crate::wanted::Wanted;

const BATCH: i64 = 2;
const TOKENS: i64 = 150;
const WIDTH: i64 = 12;
const HEADS: i64 = 2;
const EACH: i64 = 3;

/// A layer's parameters in float64.
struct Layer(Vec<(String, Tensor)>);

impl Layer {
    fn find(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(other, _)| other.ends_with(name)).map(|(_, tensor)| tensor)
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
    let size = WIDTH / HEADS;
    let mut s = layer.zeros(&[BATCH, HEADS, size, size]);
    let eye = Tensor::eye(size, (Number::Double, Device::Cpu));
    let tokens: Vec<Tensor> = (0..TOKENS)
        .map(|t| {
            let x = x.select(1, t);
            let column = |name: &str| layer.linear(&x, name).view([BATCH, HEADS, size, 1]);
            let unit = |name: &str| {
                let x = column(name).silu();
                let squares = (&x * &x).sum_dim_intlist(2, true, None::<Number>);
                x / (squares + 1e-6).sqrt()
            };
            let (q, k, v) = (unit("query"), unit("key"), column("value"));
            let gate = |name: &str| layer.linear(&x, name).view([BATCH, HEADS, 1, 1]);
            let (alpha, beta) = ((-gate("decay")).sigmoid(), gate("rate").sigmoid() * 2.0);
            if let (Some(phases), true) = (layer.find("phase"), t > 0 && t % EACH == 0) {
                let pair = s.unflatten(3, [size / 2, 2]);
                let (even, odd) = (pair.select(4, 0), pair.select(4, 1));
                let (cos, sin) = (phases.cos().unsqueeze(1), phases.sin().unsqueeze(1));
                s = Tensor::stack(&[&even * &cos + &odd * &sin, &odd * &cos - &even * &sin], 4).flatten(3, 4);
            }
            let back = k.transpose(2, 3);
            s = alpha * s.matmul(&(&eye - &beta * k.matmul(&back))) + beta * v.matmul(&back);
            s.matmul(&q).view([BATCH, WIDTH])
        })
        .collect();
    layer.linear(&Tensor::stack(&tokens, 1), "output")
}

type Oracle = fn(&Layer, &Tensor) -> Tensor;

#[test]
fn recurrences_are_those_of_their_papers() {
    let _alone = crate::GENERATOR.lock();
    tch::manual_seed(9);
    let cases: [(EncoderKind, Positions, Oracle); 4] = [
        (EncoderKind::Lstm, Positions::Timestep, lstm),
        (EncoderKind::MinGru, Positions::Timestep, mingru),
        (EncoderKind::GatedDelta, Positions::Timestep, gated_delta),
        (EncoderKind::GatedDelta, Positions::Rotary, gated_delta),
    ];
    for (encoder, positions, oracle) in cases {
        let store = nn::VarStore::new(Device::Cpu);
        let mixing = Kind::new(encoder, Settings { heads: HEADS as usize, ..Settings::default() });
        let width = WIDTH as usize;
        let model =
            Model { width, layers: 1, norm: Norm::Post, past_actions: true, positions, mixer: mixing };
        let layer = mixer(&store.root(), &model, 30);
        let x = Tensor::randn([BATCH, TOKENS, WIDTH], (Number::Float, Device::Cpu)) * 2.0;
        let (names, ours): (Vec<String>, Vec<Tensor>) = store.variables().into_iter().unzip();
        let exact: Vec<Tensor> =
            ours.iter().map(|p| p.to_kind(Number::Double).detach().set_requires_grad(true)).collect();
        let double = Layer(names.iter().cloned().zip(exact.iter().map(Tensor::shallow_clone)).collect());
        let expected = oracle(&double, &x.to_kind(Number::Double));
        let found = layer.seq(&x, Place { before: 0, each: EACH, begins: None }, None, Wanted::All).0;
        let check = |what: &str, found: &Tensor, expected: &Tensor, tolerance: f64| {
            let largest = |x: Tensor| x.abs().max().double_value(&[]);
            let off = largest(found.to_kind(Number::Double) - expected) / largest(expected.shallow_clone());
            assert!(off < tolerance, "{encoder}, {positions}: {what} is off by {off:e}");
        };
        check("the output", &found, &expected, 1e-5);
        let flow = found.randn_like();
        let back = |y: &Tensor, leaves: &[Tensor]| {
            Tensor::run_backward(&[(y * &flow).sum(None::<Number>)], leaves, false, false)
        };
        for (name, (found, expected)) in
            names.iter().zip(back(&found, &ours).iter().zip(&back(&expected, &exact)))
        {
            check(&format!("the gradient of {name}"), found, expected, 1e-4);
        }
    }
}

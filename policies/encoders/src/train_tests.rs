//! Training computes what libtorch's graph of the whole encoder does: outputs, states, and the gradients of everything,
//! with the backward pass that a mixer has of its own, and with the default. The graph is always float32: libtorch's own in
//! bfloat16 adds up some gradients in bfloat16 and is further from it than ours.

use aaren_format::{EncoderKind, Mixer, Model, Norm, Positions, Precision, Recency, Settings};
use tch::{Device, Kind, Tensor, nn};

use crate::mixer::{Mixer as Mix, mixer};
use crate::rotation::Place;
use crate::{Encoder, Gradients, Pass, Wanted};

/// A mixer without a backward pass of its own.
#[derive(Debug)]
struct Default(Box<dyn Mix>);

impl Mix for Default {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        self.0.zero_state(batch)
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        self.0.seq(x, place, state, wanted)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.parameters()
    }

    fn weights(&self, x: &Tensor, place: Place, at: &[i64]) -> Option<Tensor> {
        self.0.weights(x, place, at)
    }
}

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn models(width: usize, heads: usize) -> Vec<Model> {
    let model = |encoder, recency, norm| {
        let mixer = Mixer::new(encoder, Settings { heads, recency, ..Settings::default() });
        Model { width, layers: 2, norm, past_actions: true, positions: Positions::Timestep, mixer }
    };
    let mut models = Vec::new();
    for norm in [Norm::Post, Norm::Pre] {
        models.extend(Recency::ALL.map(|recency| model(EncoderKind::Aaren, recency, norm)));
        models.extend(
            EncoderKind::ALL
                .into_iter()
                .filter(|&kind| kind != EncoderKind::Aaren)
                .map(|other| model(other, Recency::None, norm)),
        );
        let rotary = |encoder, recency, rotate| {
            let mixer = Mixer::new(encoder, Settings { heads, recency, rotate, ..Settings::default() });
            Model { positions: Positions::Rotary, mixer, ..model(encoder, recency, norm) }
        };
        models.push(rotary(EncoderKind::Aaren, Recency::None, 1.0));
        models.push(rotary(EncoderKind::Aaren, Recency::Gated, 0.5));
        models.push(rotary(EncoderKind::Transformer, Recency::None, 0.5));
        models.push(rotary(EncoderKind::GatedDelta, Recency::None, 0.5));
        models.push(Model {
            positions: Positions::Alibi,
            ..model(EncoderKind::Transformer, Recency::None, norm)
        });
    }
    models
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// How far what bfloat16 computes may be off, as a share of its norm. What few numbers of a layer gather is a sum over all
/// tokens that cancels, and so are the gates of two encoders. Where rows are shared by short episodes a phase turns little:
/// its gradient is smaller and its rounding is not, and what is left is checked in float32 alone.
fn share_of_bfloat16(model: &Model, shares: bool, what: &str) -> f64 {
    let few = [".phase", ".recency", ".gate.bias", ".decay.bias", ".rate.bias"];
    if shares && what.ends_with(".phase") {
        f64::INFINITY
    } else if few.iter().any(|name| what.ends_with(name)) {
        0.15
    } else if [EncoderKind::MinGru, EncoderKind::GatedDelta].contains(&model.encoder()) {
        0.07
    } else {
        0.02
    }
}

/// Compares everything for a batch of `tokens` tokens.
fn compare(default: bool, model: &Model, tokens: i64, wanted: Wanted, carry: bool, precision: Precision) {
    let case =
        format!("{model:?}, {tokens} tokens, {wanted:?}, carry {carry}, {precision:?}, default {default}");
    tch::manual_seed(7);
    let store = nn::VarStore::new(Device::Cpu);
    let mut encoder = Encoder::new(&store.root(), model, 0.2, 30).unwrap().timed(2);
    if model.norm == Norm::Pre {
        encoder = encoder.timed(3).banded(9, 1);
    }
    let width = model.width as i64;
    let mut named: Vec<_> = store.variables().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, parameter) in &mut named {
        tch::no_grad(|| *parameter += parameter.randn_like() * 0.05);
    }
    let before = carry.then(|| {
        let x = Tensor::randn([3, 5, width], CPU);
        tch::no_grad(|| encoder.seq(&x, &encoder.zero_state(3)).1)
    });
    let x = Tensor::randn([3, tokens, width], CPU).set_requires_grad(true);
    // Episodes of several lengths, one of them of one token; some rows go on from the state.
    let shares = model.encoder().resets() && tokens > 30;
    let begins = shares.then(|| {
        let place = Tensor::arange(3 * tokens, (Kind::Int64, Device::Cpu)).view([3, tokens]);
        (place.remainder(17).eq(4)).logical_or(&place.remainder(23).eq(5))
    });

    tch::manual_seed(11);
    let (expected, expected_state) =
        encoder.forward(&x, before.as_ref(), begins.as_ref(), wanted, Pass::Training(Precision::Float32));
    let flow = expected.randn_like();
    named.push(("x".into(), x.shallow_clone()));
    let parameters: Vec<Tensor> = named.iter().map(|(_, parameter)| parameter.shallow_clone()).collect();
    let by_graph = Gradients::of_graph(&(&expected * &flow).sum(None::<Kind>), &parameters);

    if default {
        for block in &mut encoder.blocks {
            let spare = mixer(&nn::VarStore::new(Device::Cpu).root(), model, 30);
            let own = std::mem::replace(&mut block.mixer, spare);
            block.mixer = Box::new(Default(own));
        }
    }
    tch::manual_seed(11);
    let (found, found_state, back) = encoder.train(
        &x,
        before.as_ref(),
        begins.as_ref(),
        wanted,
        precision,
        &encoder.draw(3 * tokens, precision),
    );
    let mut gradients = Gradients::default();
    let to_x = back(&flow, &mut gradients);

    // What is small beside the others is a sum that cancels, and carries their rounding.
    let of = |parameter: &Tensor| by_graph.get(parameter).map_or(0.0, largest);
    let least = 0.02 * parameters.iter().map(of).fold(0.0, f64::max);
    let check = |what: &str, found: &Tensor, expected: &Tensor| {
        let (off, tolerance) = match precision {
            Precision::Float32 => (largest(&(found - expected)) / largest(expected).max(least), 2e-4),
            Precision::Bfloat16 => {
                let share = (found - expected).norm() / expected.norm();
                (share.double_value(&[]), share_of_bfloat16(model, shares, what))
            }
        };
        assert!(off < tolerance, "{case}: {what} is off by {off:e}");
    };
    check("the output", &found, &expected.detach());
    let (found_state, expected_state) = (found_state.tensors(), expected_state.tensors());
    if model.encoder() == EncoderKind::Aaren {
        assert_eq!(found_state.len(), 3 * model.layers, "{case}: maximum, weight and value of each layer");
        for (found, expected) in found_state.chunks(3).zip(expected_state.chunks(3)) {
            let ([max, weight, value], [other_max, other_weight, other_value]) = (found, expected) else {
                panic!("{case}: {} tensors of a layer", found.len());
            };
            // A stabiliser is any number near the largest score; what it stabilises is compared with it.
            let factor = (*other_max - *max).exp();
            check("the state's weight", weight, &(*other_weight * &factor).detach());
            check("the state's value", value, &(*other_value * factor.unsqueeze(-1)).detach());
        }
    } else {
        for (found, expected) in found_state.into_iter().zip(expected_state) {
            check("the state", &found.to_kind(Kind::Float), &expected.detach().to_kind(Kind::Float));
        }
    }
    // A key's bias moves all scores alike: its gradient is rounding.
    for (name, parameter) in named.iter().filter(|(name, _)| !name.ends_with("key.bias")) {
        let expected = by_graph.get(parameter);
        let found = if name == "x" { Some(&to_x) } else { gradients.get(parameter) };
        let [found, expected] = [found, expected].map(|gradient| gradient.expect("every weight is used"));
        check(&format!("the gradient of {name}"), found, expected);
    }
}

/// One test: all draw from the one generator of libtorch.
#[test]
fn training_computes_what_the_graph_does() {
    let _alone = crate::GENERATOR.lock();
    // Toy sizes: a second thread would only wait.
    tch::set_num_threads(1);
    let state_tokens = |stride| Wanted::Every { stride, offset: 1 };
    let (float32, bfloat16) = (Precision::Float32, Precision::Bfloat16);
    for default in [false, true] {
        for model in models(20, 2).into_iter().chain(models(48, 3)) {
            let cases = [(1, Wanted::All), (7, state_tokens(3)), (70, Wanted::All), (40, state_tokens(2))];
            for (tokens, wanted) in cases {
                compare(default, &model, tokens, wanted, false, float32);
                if model.encoder().constant_state() {
                    compare(default, &model, tokens, wanted, true, float32);
                }
            }
        }
        for model in models(64, 4) {
            for (tokens, stride, carry) in [(60, 3, false), (40, 2, true), (400, 2, false)] {
                let carry = carry && model.encoder().constant_state();
                compare(default, &model, tokens, state_tokens(stride), carry, bfloat16);
            }
        }
    }
}

//! Training without a graph computes what libtorch's graph does: outputs, states, and the gradients of everything.

use aaren_encoders::{Encoder, Gradients, Pass, Wanted};
use aaren_format::{EncoderKind, Model, Norm, Precision, Recency};
use tch::{Device, Kind, Tensor, nn};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn models(width: usize, heads: usize) -> Vec<Model> {
    let model = |encoder, recency, norm| Model {
        encoder,
        width,
        layers: 2,
        heads,
        norm,
        recency,
        past_actions: true,
    };
    let mut models = Vec::new();
    for norm in [Norm::Post, Norm::Pre] {
        models.extend(Recency::ALL.map(|recency| model(EncoderKind::Aaren, recency, norm)));
        models.extend(
            [EncoderKind::Transformer, EncoderKind::Gru].map(|other| model(other, Recency::None, norm)),
        );
    }
    models
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// Compares everything for a batch of `tokens` tokens.
fn compare(model: &Model, tokens: i64, wanted: Wanted, carry: bool, precision: Precision, tolerance: f64) {
    let case = format!("{model:?}, {tokens} tokens, {wanted:?}, carry {carry}, {precision:?}");
    tch::manual_seed(7);
    let store = nn::VarStore::new(Device::Cpu);
    let encoder = Encoder::new(&store.root(), model, 0.2).unwrap();
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

    tch::manual_seed(11);
    let (expected, expected_state) = encoder.forward(&x, before.as_ref(), wanted, Pass::Training(precision));
    let flow = expected.randn_like();
    named.push(("x".into(), x.shallow_clone()));
    let parameters: Vec<Tensor> = named.iter().map(|(_, parameter)| parameter.shallow_clone()).collect();
    let by_graph = Gradients::of_graph(&(&expected * &flow).sum(None::<Kind>), &parameters);

    tch::manual_seed(11);
    let (found, found_state, back) =
        encoder.train(&x, before.as_ref(), wanted, precision, &encoder.draw(3 * tokens, precision));
    let mut gradients = Gradients::default();
    let to_x = back(&flow, &mut gradients);

    // What is small beside the others is a sum that cancels, and carries their rounding.
    let of = |parameter: &Tensor| by_graph.get(parameter).map_or(0.0, largest);
    let least = 0.02 * parameters.iter().map(of).fold(0.0, f64::max);
    let check = |what: &str, found: &Tensor, expected: &Tensor| {
        let off = largest(&(found - expected)) / largest(expected).max(least);
        assert!(off < tolerance, "{case}: {what} is off by {off:e}");
    };
    check("the output", &found, &expected.detach());
    for (found, expected) in found_state.tensors().into_iter().zip(expected_state.tensors()) {
        // A stabiliser is any number near the largest score; what it stabilises is compared with it.
        if model.encoder == EncoderKind::Aaren {
            continue;
        }
        check("the state", &found.to_kind(Kind::Float), &expected.detach().to_kind(Kind::Float));
    }
    if let ([max, weight, value, ..], [other_max, other_weight, other_value, ..], EncoderKind::Aaren) =
        (&found_state.tensors()[..], &expected_state.tensors()[..], model.encoder)
    {
        let factor = (*other_max - *max).exp();
        check("the state's weight", weight, &(*other_weight * &factor).detach());
        check("the state's value", value, &(*other_value * factor.unsqueeze(-1)).detach());
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
fn without_a_graph_everything_is_as_with_it() {
    let state_tokens = |stride| Wanted::Every { stride, offset: 1 };
    for model in models(20, 2).into_iter().chain(models(48, 3)) {
        let cases = [(1, Wanted::All), (7, state_tokens(3)), (70, Wanted::All), (40, state_tokens(2))];
        for (tokens, wanted) in cases {
            compare(&model, tokens, wanted, false, Precision::Float32, 2e-4);
            if model.encoder.constant_state() {
                compare(&model, tokens, wanted, true, Precision::Float32, 2e-4);
            }
        }
    }
    for model in models(64, 4) {
        compare(&model, 60, state_tokens(3), false, Precision::Bfloat16, 0.06);
    }
}

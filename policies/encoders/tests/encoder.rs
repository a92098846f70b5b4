//! The encoders' contract: parameter counts, agreement of all ways to run one, state sizes.

use std::sync::Mutex;

use aaren_encoders::{Encoder, Pass, Wanted};
use aaren_format::{AarenSettings, EncoderKind, Mixer, Model, Norm, Positions, Precision, Recency, Settings};
use tch::{Device, Kind, Tensor, nn};

/// Taken by tests that draw: all draw from the one generator of libtorch.
static GENERATOR: Mutex<()> = Mutex::new(());

fn model(encoder: EncoderKind, width: usize, layers: usize, heads: usize) -> Model {
    let mixer = Mixer::new(encoder, Settings { heads, ..Settings::default() });
    Model { width, layers, norm: Norm::Post, past_actions: true, positions: Positions::Timestep, mixer }
}

fn with_recency(recency: Recency, model: Model) -> Model {
    let Settings { heads, .. } = model.mixer.settings();
    Model { mixer: Mixer::Aaren(AarenSettings { heads, recency, rotate: 1.0, keys: 1 }), ..model }
}

fn keyed(model: Model) -> Model {
    let mixer = Mixer::new(model.encoder(), Settings { keys: 6, ..model.mixer.settings() });
    Model { mixer, ..model }
}

fn rotary(model: Model) -> Model {
    Model { positions: Positions::Rotary, ..model }
}

fn parameters(model: &Model) -> usize {
    let store = nn::VarStore::new(Device::Cpu);
    Encoder::new(&store.root(), model, 0.1, 1000).unwrap();
    store.trainable_variables().iter().map(Tensor::numel).sum()
}

/// The paper's comparison (§4): 3,152,384 parameters against 3,152,896.
/// λ of each head before any training: 0.05·2^h, and four heads evenly over the octaves from 4 tokens to 4096.
#[test]
fn decays_begin_with_the_time_constants_that_are_documented() {
    for (recency, name, expected) in [
        (Recency::Learned, "recency", [0.05, 0.1, 0.2, 0.4]),
        (Recency::Spread, "recency", [-3.25f64, -5.75, -8.25, -10.75].map(f64::exp2)),
        (Recency::Gated, "gate.bias", [-3.25f64, -5.75, -8.25, -10.75].map(f64::exp2)),
    ] {
        let store = nn::VarStore::new(Device::Cpu);
        let model = with_recency(recency, model(EncoderKind::Aaren, 64, 1, 4));
        Encoder::new(&store.root(), &model, 0.0, 1000).unwrap();
        let raw = &store.variables()[&format!("blocks.0.attention.{name}")];
        let decays = Vec::<f64>::try_from(raw.to_kind(Kind::Double).softplus()).unwrap();
        for (found, expected) in decays.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-3, "{recency:?}: {decays:?}");
        }
    }
}

#[test]
fn an_aaren_layer_has_one_width_more_parameters_than_its_twin() {
    assert_eq!(parameters(&model(EncoderKind::Transformer, 512, 1, 8)), 3_152_384);
    assert_eq!(parameters(&model(EncoderKind::Aaren, 512, 1, 8)), 3_152_896);
    let aaren = model(EncoderKind::Aaren, 512, 1, 8);
    assert_eq!(parameters(&with_recency(Recency::Learned, aaren)), 3_152_896 + 8);
    assert_eq!(parameters(&with_recency(Recency::Gated, aaren)), 3_152_896 + 8 * 513);
}

/// However many heads share the width, what training begins with is finite.
#[test]
fn every_initial_parameter_is_finite() {
    for recency in [Recency::Learned, Recency::Spread, Recency::Gated] {
        let store = nn::VarStore::new(Device::Cpu);
        let model = with_recency(recency, model(EncoderKind::Aaren, 64, 1, 64));
        Encoder::new(&store.root(), &model, 0.1, 1000).unwrap();
        let finite = |parameter: &Tensor| parameter.isfinite().all().int64_value(&[]) == 1;
        assert!(store.trainable_variables().iter().all(finite), "{recency:?}");
    }
}

#[test]
fn recurrent_encoders_have_nearly_as_many_parameters_as_an_aaren() {
    let others = EncoderKind::ALL.into_iter().filter(|encoder| encoder.constant_state());
    for (encoder, width) in
        others.flat_map(|encoder| [8, 12, 64, 100, 128, 256].map(|width| (encoder, width)))
    {
        let count = |encoder| parameters(&model(encoder, width, 1, 1)) as f64;
        let off = count(encoder) / count(EncoderKind::Aaren) - 1.0;
        assert!(off.abs() < 0.05, "{encoder}, width {width}: {off}");
    }
}

/// U(−1/√units, 1/√units), as PyTorch begins.
#[test]
fn a_gru_begins_as_pytorchs() {
    let store = nn::VarStore::new(Device::Cpu);
    Encoder::new(&store.root(), &model(EncoderKind::Gru, 96, 1, 1), 0.1, 1000).unwrap();
    let mut variables = store.variables();
    for (name, shape) in [
        ("weight_ih", &[192, 96][..]),
        ("weight_hh", &[192, 64]),
        ("bias_ih", &[192]),
        ("bias_hh", &[192]),
        ("output.weight", &[96, 64]),
        ("output.bias", &[96]),
    ] {
        let tensor = variables.remove(&format!("blocks.0.gru.{name}")).unwrap();
        assert_eq!(tensor.size(), shape, "{name}");
        let (largest, mean) =
            (tensor.abs().max().double_value(&[]), tensor.mean(Kind::Double).double_value(&[]));
        assert!((0.118..=0.125).contains(&largest) && mean.abs() < 0.02, "{name}: {largest}, {mean}");
    }
}

fn variants() -> Vec<Model> {
    let aaren = model(EncoderKind::Aaren, 12, 3, 2);
    vec![
        Model { norm: Norm::Pre, ..with_recency(Recency::Learned, aaren) },
        with_recency(Recency::Learned, aaren),
        with_recency(Recency::Gated, aaren),
        aaren,
        Model { norm: Norm::Pre, ..model(EncoderKind::Transformer, 12, 3, 2) },
        model(EncoderKind::Transformer, 12, 3, 2),
        rotary(Model { norm: Norm::Pre, ..with_recency(Recency::Gated, aaren) }),
        rotary(model(EncoderKind::Transformer, 12, 3, 2)),
        keyed(rotary(with_recency(Recency::Gated, aaren))),
        keyed(aaren),
        Model { positions: Positions::Alibi, ..model(EncoderKind::Transformer, 12, 3, 2) },
        Model { norm: Norm::Pre, ..model(EncoderKind::Gru, 12, 3, 2) },
        model(EncoderKind::Gru, 12, 3, 2),
        model(EncoderKind::Lstm, 12, 3, 2),
        Model { norm: Norm::Pre, ..model(EncoderKind::MinGru, 12, 3, 2) },
        model(EncoderKind::GatedDelta, 12, 3, 2),
        rotary(model(EncoderKind::GatedDelta, 12, 3, 2)),
    ]
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    let difference =
        (found - expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]);
    // What a query reads may come near zero, and is divided by.
    let tolerance = if what.contains("keys: 6") { 1e-4 } else { 1e-5 };
    assert!(difference < tolerance, "{what}: off by {difference:e} of the largest output");
}

#[test]
fn steps_pieces_and_chosen_rows_equal_one_pass() {
    // Toy sizes: a second thread would only wait.
    tch::set_num_threads(1);
    let _alone = GENERATOR.lock();
    tch::manual_seed(1);
    let x = Tensor::randn([2, 70, 12], (Kind::Float, Device::Cpu));
    for model in variants() {
        let store = nn::VarStore::new(Device::Cpu);
        let encoder = Encoder::new(&store.root(), &model, 0.1, 40).unwrap().timed(3);
        let what = format!("{model:?}");
        let _guard = tch::no_grad_guard();
        let (whole, _) = encoder.forward(&x, None, None, Wanted::All, Pass::Inference);

        let mut state = encoder.zero_state(2);
        for t in 0..70 {
            let (y, after) = encoder.seq(&x.narrow(1, t, 1), &state);
            assert_close(&y, &whole.narrow(1, t, 1), &what);
            state = after;
        }

        let (first, state) = encoder.seq(&x.narrow(1, 0, 33), &encoder.zero_state(2));
        let (second, _) = encoder.seq(&x.narrow(1, 33, 37), &state);
        assert_close(&Tensor::cat(&[first, second], 1), &whole, &what);

        let wanted = Wanted::Every { stride: 3, offset: 1 };
        let (chosen, _) = encoder.forward(&x, None, None, wanted, Pass::Inference);
        assert_close(&chosen, &whole.slice(1, 1, None, 3), &what);

        // One row alone continues as it did in the batch.
        let (alone, _) = encoder.seq(&x.narrow(1, 33, 37).narrow(0, 1, 1), &state.rows(1, 1));
        assert_close(&alone, &whole.narrow(1, 33, 37).narrow(0, 1, 1), &what);
    }
}

/// bfloat16 has 8 bits of mantissa: outputs agree within a few of its steps, and gradients point the same way.
/// Dropout does nothing outside of training.
#[test]
fn bfloat16_and_dropout_change_little() {
    let _alone = GENERATOR.lock();
    tch::manual_seed(2);
    let x = Tensor::randn([4, 150, 32], (Kind::Float, Device::Cpu));
    let weigh = Tensor::randn([4, 150, 32], (Kind::Float, Device::Cpu));
    for encoder in EncoderKind::ALL {
        let store = nn::VarStore::new(Device::Cpu);
        let encoder = Encoder::new(&store.root(), &model(encoder, 32, 2, 2), 0.0, 1000).unwrap();
        let run = |precision| {
            let (y, _) = encoder.forward(&x, None, None, Wanted::All, Pass::Training(precision));
            let loss = (&y * &weigh).sum(Kind::Float);
            let gradients = Tensor::run_backward(&[loss], &store.trainable_variables(), false, false);
            let defined =
                gradients.iter().filter(|g| g.defined()).map(|g| g.reshape([-1])).collect::<Vec<_>>();
            (y, Tensor::cat(&defined, 0))
        };
        let ((y, gradient), (rough, rough_gradient)) = (run(Precision::Float32), run(Precision::Bfloat16));
        assert_eq!(rough.kind(), Kind::Float);
        let off = (&rough - &y).abs().max().double_value(&[]);
        assert!(off > 0.0 && off < 0.1, "outputs of size 1 off by {off}");
        let cosine = Tensor::cosine_similarity(&gradient, &rough_gradient, 0, 1e-8).double_value(&[]);
        assert!(cosine > 0.999, "cosine of the gradients {cosine}");
    }

    let store = nn::VarStore::new(Device::Cpu);
    let pre = Model { norm: Norm::Pre, ..model(EncoderKind::Aaren, 32, 1, 1) };
    let encoder = Encoder::new(&store.root(), &pre, 0.5, 1000).unwrap();
    let pass = |pass| encoder.forward(&x, None, None, Wanted::All, pass).0;
    assert_eq!(pass(Pass::Inference), pass(Pass::Inference));
    let training = || pass(Pass::Training(Precision::Float32));
    assert_ne!(training(), training());
}

#[test]
fn aarens_state_is_constant_and_the_transformers_grows() {
    let bytes = |model: &Model, tokens: i64| {
        let store = nn::VarStore::new(Device::Cpu);
        let encoder = Encoder::new(&store.root(), model, 0.1, 1000).unwrap();
        let x = Tensor::randn([1, tokens, model.width as i64], (Kind::Float, Device::Cpu));
        encoder.seq(&x, &encoder.zero_state(1)).1.bytes()
    };
    let aaren = model(EncoderKind::Aaren, 128, 3, 4);
    let recency = with_recency(Recency::Learned, aaren);
    for tokens in [3, 3000] {
        assert_eq!(bytes(&aaren, tokens), 3 * (2 * 4 + 128) * 4);
        assert_eq!(bytes(&recency, tokens), 3 * (2 * 4 + 128) * 4);
    }
    let gru = model(EncoderKind::Gru, 128, 3, 4);
    assert_eq!((bytes(&gru, 3), bytes(&gru, 300)), (3 * 85 * 4, 3 * 85 * 4));
    let transformer = model(EncoderKind::Transformer, 128, 3, 4);
    assert_eq!(bytes(&transformer, 3), 3 * 2 * 128 * 3 * 4);
    assert_eq!(bytes(&transformer, 300), 3 * 2 * 128 * 300 * 4);
}

#[test]
fn rows_that_forget_go_on_as_from_the_start_and_the_others_as_if_nothing_had_been() {
    let _alone = GENERATOR.lock();
    tch::manual_seed(6);
    let x = Tensor::randn([3, 40, 12], (Kind::Float, Device::Cpu));
    for model in variants().into_iter().filter(|model| model.encoder().constant_state()) {
        let store = nn::VarStore::new(Device::Cpu);
        let encoder = Encoder::new(&store.root(), &model, 0.1, 40).unwrap().timed(3);
        let _guard = tch::no_grad_guard();
        // An episode ends with a timestep, of three tokens here.
        let (before, after) = (x.narrow(1, 0, 21), x.narrow(1, 21, 19));
        let state = encoder.seq(&before, &encoder.zero_state(3)).1;
        let rows = Tensor::from_slice(&[0i64, 2]);
        let forgotten = encoder.forget(&state, &rows);
        let found = encoder.seq(&after, &forgotten).0;
        let anew = encoder.seq(&after, &encoder.zero_state(3)).0;
        let on = encoder.seq(&after, &state).0;
        for (row, expected) in [(0, &anew), (1, &on), (2, &anew)] {
            assert_close(&found.get(row), &expected.get(row), &format!("{model:?}, row {row}"));
        }
        assert_eq!(forgotten.bytes(), state.bytes());
        let none = encoder.forget(&state, &Tensor::from_slice::<i64>(&[]));
        assert_close(&encoder.seq(&after, &none).0, &on, "nothing forgotten");
    }
}

/// Outputs and the gradient of the input; the first episode of each row goes on from a state.
#[test]
fn episodes_that_share_a_row_are_those_run_apart() {
    let _alone = GENERATOR.lock();
    tch::manual_seed(7);
    let firsts: [&[i64]; 2] = [&[0, 9, 12, 60], &[0, 33, 66]];
    for model in variants().into_iter().filter(|model| model.encoder().resets()) {
        let store = nn::VarStore::new(Device::Cpu);
        let encoder = Encoder::new(&store.root(), &model, 0.0, 40).unwrap().timed(3);
        let x = Tensor::randn([2, 70, 12], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let weigh = Tensor::randn([2, 70, 12], (Kind::Float, Device::Cpu));
        let before = tch::no_grad(|| encoder.seq(&x.narrow(1, 0, 21), &encoder.zero_state(2)).1);
        let begins = Tensor::zeros([2, 70], (Kind::Bool, Device::Cpu));
        let (mut apart, mut states) = (Vec::new(), Vec::new());
        for (row, firsts) in (0..).zip(firsts) {
            let mut state = before.rows(row, 1);
            let mut parts = Vec::new();
            for (number, &first) in firsts.iter().enumerate() {
                let end = firsts.get(number + 1).copied().unwrap_or(70);
                if number > 0 {
                    let _ = begins.get(row).get(first).fill_(1);
                    state = encoder.zero_state(1);
                }
                let (y, after) = encoder.seq(&x.narrow(0, row, 1).narrow(1, first, end - first), &state);
                parts.push(y);
                state = after;
            }
            apart.push(Tensor::cat(&parts, 1));
            states.push(state);
        }
        let expected = Tensor::cat(&apart, 0);
        let gradient =
            |y: &Tensor| Tensor::run_backward(&[(y * &weigh).sum(Kind::Float)], &[&x], true, false);
        let (wanted, precision) = (Wanted::All, Precision::Float32);
        let (found, after) = encoder.forward(&x, Some(&before), Some(&begins), wanted, Pass::Inference);
        let what = format!("{model:?}");
        assert_close(&found, &expected, &what);
        assert_close(&gradient(&found)[0], &gradient(&expected)[0], &what);
        let none = encoder.draw(140, precision);
        let (trained, _, back) = encoder.train(&x, Some(&before), Some(&begins), wanted, precision, &none);
        assert_close(&trained, &expected, &what);
        assert_close(&back(&weigh, &mut Default::default()), &gradient(&expected)[0], &what);
        // What comes next follows the last episodes.
        let next = x.narrow(1, 0, 9);
        let on = Tensor::cat(
            &states
                .iter()
                .zip(0..)
                .map(|(state, row)| encoder.seq(&next.narrow(0, row, 1), state).0)
                .collect::<Vec<_>>(),
            0,
        );
        assert_close(&encoder.seq(&next, &after).0, &on, &what);
    }
}

#[test]
fn impossible_configurations_are_refused() {
    let refused = |model: Model| {
        let store = nn::VarStore::new(Device::Cpu);
        Encoder::new(&store.root(), &model, 0.1, 1000).unwrap_err().to_string()
    };
    assert!(refused(model(EncoderKind::Aaren, 128, 3, 3)).contains("found 3 heads with width 128"));
    assert!(refused(model(EncoderKind::Aaren, 128, 0, 1)).contains("`model.layers`: found 0"));
    let store = nn::VarStore::new(Device::Cpu);
    assert!(Encoder::new(&store.root(), &model(EncoderKind::Aaren, 8, 1, 1), 1.0, 1000).is_err());
}

/// Where there is no GPU; where there is one, it opens.
#[test]
fn a_missing_gpu_is_said_in_one_sentence_with_the_cure() {
    let last = aaren_format::Device::Cuda(127);
    let message = aaren_encoders::open_device(last).unwrap_err().to_string();
    assert!(
        message.starts_with("train.device: cuda:127: ") && message.contains("`device: cpu`"),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
}

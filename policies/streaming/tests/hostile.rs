//! Policy files from strangers: one clear error, no panic, no memory beyond what the file justifies.

mod common;

use aaren_damaged_files::{Measuring, fuzz, peak};
use aaren_streaming::{Policy, quantise};
use common::{Cloning, Config, ENCODERS, Fixture};
use proptest::prelude::*;
use serde_json::{Value, json};

#[global_allocator]
static MEASURING: Measuring = Measuring;

/// Load and, if it loads, act; the error's message.
fn act(bytes: &[u8]) -> Result<(), String> {
    let policy = Policy::from_bytes(bytes).map_err(|error| error.to_string())?;
    let mut stream = policy.stream();
    for _ in 0..3 {
        // An error is fine: weights may be finite and yet too large.
        let _ = stream.act(&vec![0.5; policy.observation_size()], 1.0);
    }
    Ok(())
}

/// The same, held to its memory.
fn try_out(bytes: &[u8]) -> Result<(), String> {
    let (outcome, most) = peak(|| act(bytes));
    // Most of it is the parsed header, whose tiniest values become 32-byte nodes.
    assert!(most < 64 * bytes.len() + 65_536, "{most} bytes for a file of {}", bytes.len());
    outcome
}

fn small(encoder: &'static str) -> Fixture {
    let config =
        Config { observation: 2, actions: 2, norm: "pre", max_timesteps: 4, ..Config::new(encoder, 4, 1, 2) };
    config.fixture(0)
}

/// One of every encoder, one without past actions, behaviour cloning, and one whose head hears what is asked for.
fn policies() -> Vec<Fixture> {
    let mut without = small("transformer");
    without.header["model"]["past_actions"] = json!(false);
    without.tensors.retain(|name, _| !name.starts_with("embed.action"));
    let cloning = Cloning { width: 4, layers: 2, observation: 2, actions: 2, discrete: false };
    let config = Config { observation: 2, actions: 2, max_timesteps: 4, ..Config::new("aaren", 4, 1, 2) };
    let asked = Config { joint: Some("head"), rate: true, bins: 3, guidance: 2.0, ..config }.fixture(0);
    ENCODERS.map(small).into_iter().chain([without, cloning.fixture(0), asked]).collect()
}

/// Every place in a JSON value.
fn places(value: &Value, prefix: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (format!("{prefix}/{key}"), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(i, value)| (format!("{prefix}/{i}"), value)).collect()
        }
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|(path, value)| [vec![path.clone()], places(value, &path)].concat())
        .collect()
}

#[test]
fn every_value_of_the_header_is_checked() {
    let hostile = [
        json!(0),
        json!(-1),
        json!(3),
        json!(u64::MAX),
        json!(1u64 << 62),
        json!(1e308),
        json!(-1e-300),
        json!(null),
        json!(""),
        json!("pre"),
        json!("unbounded"),
        json!([]),
        json!([1, 1]),
        json!({}),
        json!({"window": u64::MAX}),
        json!({"reset": 0}),
        json!({"window": 0}),
    ];
    let mut refused = 0;
    for f in policies() {
        try_out(&f.bytes()).unwrap();
        for place in places(&f.header, "") {
            for value in &hostile {
                let mut f = f.clone();
                *f.header.pointer_mut(&place).unwrap() = value.clone();
                if let Err(message) = try_out(&f.bytes()) {
                    refused += 1;
                    let key = place.split('/').find(|part| !part.is_empty()).unwrap();
                    let names_something = message.contains("tensor `") || message.contains("header");
                    assert!(names_something, "{place} = {value} ({key}): {message}");
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} refused");
}

#[test]
fn every_tensor_is_checked_and_named() {
    for original in policies() {
        for name in original.tensors.keys() {
            let refuse = |change: &dyn Fn(&mut Fixture)| {
                let mut f = original.clone();
                change(&mut f);
                let message = try_out(&f.bytes()).expect_err(name);
                assert!(message.contains(&format!("`{name}`")), "{name}: {message}");
            };
            let mut without = original.clone();
            without.tensors.remove(name);
            let message = try_out(&without.bytes()).expect_err(name);
            let too_few = message.contains("numbers that the file holds");
            assert!(message.contains(&format!("`{name}` is missing")) || too_few, "{name}: {message}");
            refuse(&|f| f.tensor(name)[0] = f32::NAN);
            refuse(&|f| *f.tensor(name).last_mut().unwrap() = f32::NEG_INFINITY);
            refuse(&|f| f.tensors.get_mut(name).unwrap().0.push(1));
            refuse(&|f| {
                let (shape, floats) = f.tensors.get_mut(name).unwrap();
                floats.extend(floats.clone());
                shape[0] *= 2;
            });
        }
    }
    let mut f = small("aaren");
    f.tensor("observation.std")[1] = 0.0;
    assert!(
        try_out(&f.bytes())
            .unwrap_err()
            .contains("`observation.std`: found 0 at 1, expected a positive number")
    );
}

#[test]
fn bins_without_a_range_of_returns_are_refused() {
    let asked = policies().pop().unwrap();
    for (range, expected) in [
        (json!(null), "missing field `return_range`"),
        (json!([2, 1]), "`return_range`: found [2, 1], expected the lowest and the highest"),
        (json!([0, 1e300]), "`return_range`: found [0, 1"),
        (json!([0]), "invalid length 1"),
    ] {
        let mut f = asked.clone();
        f.header["return_range"] = range.clone();
        let message = try_out(&f.bytes()).unwrap_err();
        assert!(message.contains(expected), "{range}: {message}");
    }
}

#[test]
fn a_band_that_no_training_has_is_refused() {
    let mut f = small("transformer");
    f.header["band"] = json!(1_000_000);
    try_out(&f.bytes()).unwrap();
    f.header["band"] = json!(1_000_001);
    let message = try_out(&f.bytes()).unwrap_err();
    assert!(message.contains("`band`: found 1000001, expected at most 1000000 timesteps"), "{message}");
}

#[test]
fn a_header_that_multiplies_sizes_gets_no_memory_for_them() {
    // Long observations and long episodes: a window over both would hold their product.
    let config = Config {
        observation: 20_000,
        actions: 1,
        max_timesteps: 20_000,
        rollout: json!({"window": 20_000}),
        ..Config::new("aaren", 1, 1, 1)
    };
    let bytes = config.fixture(0).bytes();
    let policy = Policy::from_bytes(&bytes).unwrap();
    let (acted, most) = peak(|| policy.stream().act(&vec![0.0; 20_000], 0.0).map(<[f32]>::len));
    acted.unwrap();
    assert!(most < 8 << 20, "{most} bytes");
}

#[test]
fn damaged_files_neither_panic_nor_hoard() {
    let float32: Vec<_> = policies().iter().map(Fixture::bytes).collect();
    let int8 = float32.iter().map(|bytes| quantise(bytes).unwrap().bytes);
    let all: Vec<_> = float32.iter().cloned().chain(int8).collect();
    fuzz("policy in the streaming runtime", &all, try_out);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_states_neither_panic_nor_hoard(
        which in 0usize..5,
        regime in 0usize..3,
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        numbers in prop::collection::vec((2usize..7, any::<u64>()), 0..3),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        use aaren_streaming::Regime::{Reset, Unbounded, Window};
        let policy = Policy::from_bytes(&policies()[which].bytes()).unwrap();
        let mut stream = policy.stream_with([Unbounded, Window(3), Reset(3)][regime]).unwrap();
        for _ in 0..5 {
            stream.act(&[0.5, 0.5], 1.0).unwrap();
        }
        let mut bytes = stream.save();
        for (place, number) in numbers {
            bytes[place * 8..(place + 1) * 8].copy_from_slice(&number.to_le_bytes());
        }
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let ((), most) = peak(|| {
            let _ = stream.restore(&bytes);
            let _ = stream.act(&[0.5, 0.5], 1.0);
        });
        prop_assert!(most < 16 * bytes.len() + 65_536);
    }
}

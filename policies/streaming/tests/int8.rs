//! int8 policies: what is written, what it stands for, and that the runtime acts as that does.

mod common;

use aaren_streaming::{Error, InstructionSet, Options, Policy, Regime, Stream, Weights, quantise};
use common::oracle::{self, Episode};
use common::{Cloning, Config, Fixture, Random};

/// Act for `timesteps` in random surroundings; what happened, and the head's outputs.
fn roll_out(stream: &mut Stream, timesteps: usize) -> (Episode, Vec<Vec<f64>>) {
    let mut random = Random(7);
    let (mut episode, mut heads) = (Episode::default(), Vec::new());
    stream.reset(300.0);
    let mut reward = 0.0;
    for _ in 0..timesteps {
        let size = stream.policy().observation_size();
        let observation: Vec<f64> = (0..size).map(|_| 2.0 * random.uniform()).collect();
        let action = stream.act(&observation, reward).unwrap().iter().map(|&a| f64::from(a)).collect();
        reward = random.uniform();
        episode.returns_to_go.push(stream.return_to_go());
        episode.observations.push(observation);
        episode.actions.push(action);
        heads.push(stream.head_output().iter().map(|&x| f64::from(x)).collect());
    }
    (episode, heads)
}

/// The largest difference, relative to the largest number of its timestep or a tenth of that of the episode.
fn difference(ours: &[Vec<f64>], exact: &[Vec<f64>]) -> f64 {
    let largest = |row: &[f64]| row.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
    let typical = 0.1 * exact.iter().fold(0.0, |size: f64, row| size.max(largest(row)));
    let of_row = |(ours, exact): (&Vec<f64>, &Vec<f64>)| {
        let size = largest(exact).max(typical);
        ours.iter().zip(exact).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs() / size))
    };
    ours.iter().zip(exact).map(of_row).fold(0.0, f64::max)
}

fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for (i, (encoder, recency)) in [
        ("aaren", "none"),
        ("aaren", "learned"),
        ("aaren", "spread"),
        ("aaren", "gated"),
        ("gru", "none"),
        ("lstm", "none"),
        ("mingru", "none"),
        ("gated-delta", "none"),
        ("transformer", "none"),
    ]
    .into_iter()
    .enumerate()
    {
        // Whole panels, wide and narrow ones with single rows, single rows only.
        for (j, (width, heads)) in [(64, 4), (100, 1), (9, 3)].into_iter().enumerate() {
            configs.push(Config {
                norm: if (i + j) % 2 == 0 { "post" } else { "pre" },
                recency,
                discrete: (i + j) % 4 == 1,
                past_actions: (i + j) % 5 != 3,
                max_timesteps: 20,
                joint: [None, Some("head"), Some("token")][(i + 2 * j) % 3],
                bins: [0, 6][i % 2],
                ..Config::new(encoder, width, 2, heads)
            });
        }
    }
    // Turned states, keys, decay alone, no positions; guidance, and what each remaining timestep must return.
    for (encoder, recency, positions, keys, joint) in [
        ("aaren", "none", "rotary", 1, None),
        ("aaren", "gated", "rotary", 5, Some("head")),
        ("aaren", "gated", "timestep", 4, Some("token")),
        ("aaren", "learned", "none", 1, Some("head")),
        ("gated-delta", "none", "rotary", 1, Some("head")),
        ("transformer", "none", "rotary", 1, Some("head")),
        ("transformer", "none", "alibi", 1, None),
    ] {
        for (width, heads) in [(64, 4usize), (24, 1)] {
            configs.push(Config {
                recency,
                positions,
                rotated_heads: if positions == "rotary" { heads.div_ceil(2) } else { heads },
                keys,
                joint,
                rate: joint.is_some(),
                past_actions: false,
                max_timesteps: 20,
                guidance: if joint == Some("head") { 1.5 } else { 1.0 },
                ..Config::new(encoder, width, 2, heads)
            });
        }
    }
    configs
}

#[test]
fn an_int8_policy_acts_as_its_rounded_weights_do_on_every_instruction_set() {
    for (seed, config) in (0..).zip(configs()) {
        let original = config.fixture(seed);
        let exact = original.rounded();
        let bytes = quantise(&original.bytes()).unwrap().bytes;
        for instructions in InstructionSet::available() {
            let options = Options { instructions, ..Options::default() };
            let policy = Policy::from_bytes_with(&bytes, options).unwrap();
            for regime in [Regime::Unbounded, Regime::Window(7)] {
                let (episode, heads) = roll_out(&mut policy.stream_with(regime).unwrap(), 30);
                let expected: Vec<Vec<f64>> = match regime {
                    Regime::Window(k) => (0..30)
                        .map(|t| {
                            oracle::heads(&exact, &episode, (t + 1usize).saturating_sub(k), t).pop().unwrap()
                        })
                        .collect(),
                    _ => oracle::heads(&exact, &episode, 0, 29),
                };
                let worst = difference(&heads, &expected);
                assert!(worst < 1e-4, "{config:?} {instructions:?} {regime:?}: off by {worst:e}");
            }
        }
    }
}

#[test]
fn an_int8_perceptron_acts_as_its_rounded_weights_do() {
    for (width, layers, discrete) in [(64, 3, false), (20, 2, true), (600, 2, false)] {
        let original = Cloning { width, layers, observation: 11, actions: 3, discrete }.fixture(1);
        let exact = Policy::from_bytes(&original.rounded().bytes()).unwrap();
        let bytes = quantise(&original.bytes()).unwrap().bytes;
        for instructions in InstructionSet::available() {
            let options = Options { instructions, ..Options::default() };
            let policy = Policy::from_bytes_with(&bytes, options).unwrap();
            let (_, found) = roll_out(&mut policy.stream(), 30);
            let (_, expected) = roll_out(&mut exact.stream(), 30);
            let worst = difference(&found, &expected);
            assert!(worst < 1e-4, "{width} {instructions:?}: off by {worst:e}");
        }
    }
}

#[test]
fn a_file_and_its_matrices_shrink_to_a_quarter_and_say_what_rounding_did() {
    for encoder in common::ENCODERS {
        let original = Config::new(encoder, 128, 3, 4).fixture(0).bytes();
        let found = quantise(&original).unwrap();
        let (exact, rounded) =
            (Policy::from_bytes(&original).unwrap(), Policy::from_bytes(&found.bytes).unwrap());
        assert!(found.bytes.len() * 100 < original.len() * 28, "{encoder}: {}", found.bytes.len());
        assert!(rounded.encoder_bytes() * 100 < exact.encoder_bytes() * 28, "{}", rounded.encoder_bytes());
        assert_eq!((rounded.header().weights, exact.header().weights), (Weights::Int8, Weights::Float32));
        let matrices = match encoder {
            "transformer" | "gated-delta" => 1 + 3 * 6,
            "gru" | "lstm" => 1 + 3 * 5,
            _ => 1 + 3 * 4,
        };
        assert_eq!(found.rounding.len(), matrices, "{:?}", found.rounding);
        // A uniform row: a step of 1/127 of its half width, whose error is 1/√12 of it.
        for rounding in &found.rounding {
            let expected = 1.0 / 127.0 / 12f64.sqrt() * 3f64.sqrt();
            assert!(
                (rounding.error / expected - 1.0).abs() < 0.1,
                "{encoder}: {rounding:?}, expected {expected}"
            );
        }
        let (exact, rounded) = (roll_out(&mut exact.stream(), 100).0, roll_out(&mut rounded.stream(), 100).0);
        let range = |i: usize| 3.0 + 1.5 * i as f64;
        let pairs = exact.actions.iter().zip(&rounded.actions);
        let off = |(a, b): (&Vec<f64>, &Vec<f64>)| {
            (0..3).map(|i| (a[i] - b[i]).abs() / range(i)).fold(0.0, f64::max)
        };
        let worst = pairs.map(off).fold(0.0, f64::max);
        assert!(worst > 0.0 && worst < 0.02, "{encoder}: {worst}");
    }
}

#[test]
fn int8_streams_stepped_together_act_bit_for_bit_as_single_ones() {
    let fixtures: Vec<Fixture> = configs().iter().map(|config| config.fixture(2)).collect();
    let cloning = Cloning { width: 70, layers: 2, observation: 11, actions: 3, discrete: false }.fixture(2);
    for f in fixtures.iter().chain([&cloning]) {
        let bytes = quantise(&f.bytes()).unwrap().bytes;
        for instructions in InstructionSet::available() {
            let options = Options { instructions, ..Options::default() };
            let policy = Policy::from_bytes_with(&bytes, options).unwrap();
            let mut together = policy.streams(9).unwrap();
            let mut alone: Vec<_> = (0..9).map(|_| policy.stream()).collect();
            let mut random = Random(3);
            for _ in 0..5 {
                let observations: Vec<f64> = (0..9 * 11).map(|_| random.uniform()).collect();
                let found = together.act(&observations, &[0.5; 9]).unwrap().to_vec();
                let each = alone.iter_mut().zip(observations.chunks(11));
                let expected: Vec<f32> =
                    each.flat_map(|(stream, o)| stream.act(o, 0.5).unwrap().to_vec()).collect();
                assert_eq!(found, expected, "{instructions:?} {}", f.header);
            }
        }
    }
}

#[test]
fn a_saved_int8_stream_goes_on_and_is_not_that_of_the_float32_policy() {
    let original = Config::new("aaren", 32, 2, 2).fixture(0).bytes();
    let policy = Policy::from_bytes(&quantise(&original).unwrap().bytes).unwrap();
    let mut stream = policy.stream();
    stream.act(&[0.5; 11], 0.0).unwrap();
    let (saved, mut other) = (stream.save(), policy.stream());
    other.restore(&saved).unwrap();
    assert_eq!(stream.act(&[0.1; 11], 1.0).unwrap(), other.act(&[0.1; 11], 1.0).unwrap());
    assert!(Policy::from_bytes(&original).unwrap().stream().restore(&saved).is_err());
}

#[test]
fn what_is_no_int8_file_is_refused_and_named() {
    let original = Config::new("gru", 8, 1, 1).fixture(0).bytes();
    let whole = quantise(&original).unwrap().bytes;
    assert!(matches!(quantise(&whole), Err(Error::Int8)));
    // The bytes come last in the file.
    let change = |at: usize, to: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        Policy::from_bytes(&bytes).map(drop).unwrap_err().to_string()
    };
    let message = change(whole.len() - 1, &[0x80]);
    assert!(message.contains("found -128, expected a number from -127 to 127"), "{message}");
    let header = usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&whole[8..8 + header]).unwrap();
    let at = json["blocks.0.mlp.up.scale"]["data_offsets"][0].as_u64().unwrap() as usize + 8 + header;
    for bad in [-1.0f32, f32::NAN, f32::INFINITY, 1e38] {
        let message = change(at, &bad.to_le_bytes());
        assert!(message.contains("`blocks.0.mlp.up.scale`, element 0"), "{bad}: {message}");
    }
}

//! Behaviour cloning against its definition in float64, and what it promises: it remembers nothing.

mod common;

use aaren_streaming::{InstructionSet, Options, Policy, Precision, Regime};
use common::oracle;
use common::{Cloning, Fixture, Random};

const REGIMES: [Regime; 4] = [Regime::Unbounded, Regime::Window(7), Regime::Window(1), Regime::Reset(3)];

fn shapes() -> [Cloning; 4] {
    let shape = |width, layers, observation, actions, discrete| Cloning {
        width,
        layers,
        observation,
        actions,
        discrete,
    };
    // Hidden layers wider than the observation, narrower, of single rows only, and one.
    [
        shape(64, 3, 11, 3, false),
        shape(20, 2, 70, 2, false),
        shape(7, 4, 3, 5, true),
        shape(130, 1, 1, 1, false),
    ]
}

/// The head's outputs: ReLU between linear layers, nothing else.
fn expected(f: &Fixture, layers: usize, observation: &[f64]) -> Vec<f64> {
    let (mean, std) = (oracle::vector(f, "observation.mean"), oracle::vector(f, "observation.std"));
    let mut x: Vec<f64> = (0..observation.len()).map(|i| (observation[i] - mean[i]) / std[i]).collect();
    for n in 0..layers {
        x = oracle::linear(f, &format!("mlp.{n}"), &x).into_iter().map(|x| x.max(0.0)).collect();
    }
    oracle::linear(f, "head", &x)
}

fn observation(random: &mut Random, size: usize) -> Vec<f64> {
    (0..size).map(|_| 2.0 * random.uniform()).collect()
}

#[test]
fn actions_agree_with_the_definition_on_every_instruction_set_and_in_every_regime() {
    for (seed, shape) in (0..).zip(shapes()) {
        let f = shape.fixture(seed);
        for instructions in InstructionSet::available() {
            let options = Options { instructions, ..Options::default() };
            let policy = Policy::from_bytes_with(&f.bytes(), options).unwrap();
            for regime in REGIMES {
                let mut stream = policy.stream_with(regime).unwrap();
                stream.reset(5.0);
                let mut random = Random(seed);
                for t in 0..20 {
                    let observation = observation(&mut random, shape.observation);
                    let exact = expected(&f, shape.layers, &observation);
                    let action: Vec<f64> =
                        stream.act(&observation, 1.0).unwrap().iter().map(|&a| a.into()).collect();
                    let size = exact.iter().fold(0.05, |size: f64, x| size.max(x.abs()));
                    for (found, exact) in stream.head_output().iter().zip(&exact) {
                        let off = (f64::from(*found) - exact).abs() / size;
                        assert!(off < 1e-5, "{shape:?} {instructions:?} {regime:?} at {t}: off by {off:e}");
                    }
                    let head: Vec<f64> = stream.head_output().iter().map(|&x| x.into()).collect();
                    for (found, exact) in action.iter().zip(oracle::action(&f, &head)) {
                        assert!((found - exact).abs() < 1e-6, "{shape:?}: {found}, expected {exact}");
                    }
                    assert_eq!((stream.state_bytes(), stream.return_to_go()), (0, 5.0 - t as f64));
                }
            }
        }
    }
}

#[test]
fn streams_stepped_together_act_bit_for_bit_as_single_ones() {
    for (seed, shape) in (0..).zip(shapes()) {
        for precision in [Precision::Float32, Precision::Bfloat16] {
            let options = Options { precision, ..Options::default() };
            let policy = Policy::from_bytes_with(&shape.fixture(seed).bytes(), options).unwrap();
            let mut together = policy.streams(7).unwrap();
            let mut alone: Vec<_> = (0..7).map(|_| policy.stream()).collect();
            let mut random = Random(seed);
            for _ in 0..5 {
                let observations = observation(&mut random, 7 * shape.observation);
                let found = together.act(&observations, &[0.0; 7]).unwrap().to_vec();
                let each = alone.iter_mut().zip(observations.chunks(shape.observation));
                let expected: Vec<f32> =
                    each.flat_map(|(stream, o)| stream.act(o, 0.0).unwrap().to_vec()).collect();
                assert_eq!(found, expected, "{shape:?} {precision:?}");
            }
        }
    }
}

#[test]
fn a_saved_stream_goes_on() {
    let shape = shapes()[0];
    let policy = Policy::from_bytes(&shape.fixture(0).bytes()).unwrap();
    for regime in REGIMES {
        let mut stream = policy.stream_with(regime).unwrap();
        stream.reset(9.0);
        for _ in 0..5 {
            stream.act(&[0.5; 11], 1.0).unwrap();
        }
        let saved = stream.save();
        assert_eq!(saved.len(), 7 * 8, "numbers, and no state");
        let mut other = policy.stream_with(regime).unwrap();
        other.restore(&saved).unwrap();
        assert_eq!((other.timestep(), other.return_to_go(), other.save()), (5, 5.0, saved.clone()));
        assert_eq!(stream.act(&[0.1; 11], 1.0).unwrap(), other.act(&[0.1; 11], 1.0).unwrap());
        assert!(other.restore(&[&saved[..], &[0; 4]].concat()).is_err());
        let mut tokens = saved;
        tokens[48] = 1;
        assert!(other.restore(&tokens).is_err());
    }
}

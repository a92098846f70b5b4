//! What `make devices-test` compares: policies of every encoder, agent and precision on another processor with those
//! here, and C files with the runtime. No thread is started, so that it runs under qemu's user emulation.
//!
//! ```text
//! devices record            the outputs of all policies, on the widest instructions of this processor
//! devices compare FILE      the same on every instruction set, beside a record of another processor
//! devices write FOLDER      NAME.h and NAME.expected of policies that fit a microcontroller; prints NAME and constants
//! devices check EXPECTED    actions on standard input beside those of the runtime
//! ```

#![allow(clippy::print_stderr, reason = "a program of its own")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use aaren_streaming::{InstructionSet, Options, Policy, Precision, Regime, c_file, quantise};
use common::oracle::{self, Episode};
use common::{Cloning, Config, Fixture, Random};

/// The tolerance of the streaming runtime, relative to the largest output of a timestep.
const TOLERANCE: f64 = 1e-4;
const STEPS: usize = 40;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["record"] => record().map(|text| print!("{text}")),
        ["compare", file] => compare(file),
        ["write", folder] => write(Path::new(folder)),
        ["check", expected] => check(expected),
        _ => Err("usage: devices record | compare FILE | write FOLDER | check EXPECTED".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devices: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Every encoder, recency, kind of positions and place of norms, keys, widths that leave rows over, and perceptrons.
fn fixtures() -> Vec<(String, Fixture)> {
    let mut all = Vec::new();
    let forms = [
        ("aaren", "none", "timestep", 1),
        ("aaren", "learned", "timestep", 1),
        ("aaren", "spread", "timestep", 1),
        ("aaren", "gated", "timestep", 1),
        ("gru", "none", "timestep", 1),
        ("transformer", "none", "timestep", 1),
        ("aaren", "gated", "rotary", 1),
        ("aaren", "gated", "rotary", 5),
        ("transformer", "none", "rotary", 1),
        ("transformer", "none", "alibi", 1),
        ("lstm", "none", "none", 1),
        ("mingru", "none", "none", 1),
        ("gated-delta", "none", "rotary", 1),
    ];
    for (i, (encoder, recency, positions, keys)) in forms.into_iter().enumerate() {
        for (j, (width, heads)) in [(64, 4), (100, 1), (9, 3)].into_iter().enumerate() {
            let config = Config {
                norm: if (i + j) % 2 == 0 { "post" } else { "pre" },
                recency,
                positions,
                keys,
                rotated_heads: heads,
                discrete: (i + j) % 4 == 1,
                past_actions: (i + j) % 5 != 3,
                max_timesteps: 20,
                ..Config::new(encoder, width, 2, heads)
            };
            let name = format!("{encoder}-{recency}-{positions}-{keys}-{width}");
            all.push((name, config.fixture((3 * i + j) as u64)));
        }
    }
    for (width, discrete) in [(64, false), (70, true)] {
        let cloning = Cloning { width, layers: 2, observation: 11, actions: 3, discrete };
        all.push((format!("cloning-{width}"), cloning.fixture(1)));
    }
    all
}

/// The file and how it is loaded, by the name of its precision.
fn precisions(f: &Fixture) -> Outcome<[(&'static str, Vec<u8>, Precision); 3]> {
    let bytes = f.bytes();
    Ok([
        ("int8", quantise(&bytes)?.bytes, Precision::Float32),
        ("bfloat16", bytes.clone(), Precision::Bfloat16),
        ("float32", bytes, Precision::Float32),
    ])
}

fn regimes(f: &Fixture) -> Vec<Regime> {
    let sliding = f.header["model"]["encoder"] == "transformer";
    let all = [Regime::Unbounded, Regime::Window(7), Regime::Reset(9)];
    all.into_iter().chain(sliding.then_some(Regime::Sliding(7))).collect()
}

/// The head's outputs over an episode whose observations and rewards do not depend on the actions.
fn heads(policy: &Policy, regime: Regime) -> Outcome<(Episode, Vec<Vec<f64>>)> {
    let mut stream = policy.stream_with(regime)?;
    let (mut episode, mut heads) = (Episode::default(), Vec::new());
    let mut random = Random(7);
    stream.reset(300.0);
    for _ in 0..STEPS {
        let observation: Vec<f64> = (0..policy.observation_size()).map(|_| 2.0 * random.uniform()).collect();
        let action = stream.act(&observation, random.uniform())?.iter().map(|&a| a.into()).collect();
        episode.returns_to_go.push(stream.return_to_go());
        episode.observations.push(observation);
        episode.actions.push(action);
        heads.push(stream.head_output().iter().map(|&x| x.into()).collect());
    }
    Ok((episode, heads))
}

fn record() -> Outcome<String> {
    let mut text = String::new();
    for (name, f) in fixtures() {
        for (precision, bytes, kept) in precisions(&f)? {
            let policy = Policy::from_bytes_with(&bytes, Options { precision: kept, ..Options::default() })?;
            for regime in regimes(&f) {
                let (_, heads) = heads(&policy, regime)?;
                let numbers: Vec<String> = heads.concat().iter().map(f64::to_string).collect();
                writeln!(text, "{name} {precision} {regime:?}: {}", numbers.join(" "))?;
            }
        }
    }
    Ok(text)
}

/// The largest difference, relative to the largest number of its timestep or a tenth of that of the episode; infinite
/// where there is a NaN.
fn difference(ours: &[Vec<f64>], others: &[Vec<f64>]) -> f64 {
    let largest = |row: &[f64]| row.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
    let typical = 0.1 * others.iter().fold(0.0, |size: f64, row| size.max(largest(row)));
    let mut worst = 0.0f64;
    for (ours, others) in ours.iter().zip(others) {
        let size = largest(others).max(typical);
        for (a, b) in ours.iter().zip(others) {
            let apart = (a - b).abs() / size;
            worst = worst.max(if apart.is_nan() { f64::INFINITY } else { apart });
        }
    }
    worst
}

fn compare(file: &str) -> Outcome<()> {
    let record = std::fs::read_to_string(file)?;
    let mut lines = record.lines();
    let (mut worst, mut compared) = (0.0f64, 0);
    for (name, f) in fixtures() {
        for (precision, bytes, kept) in precisions(&f)? {
            for regime in regimes(&f) {
                let line = lines.next().ok_or("the record ends too early")?;
                let (key, numbers) = line.split_once(": ").ok_or("no record")?;
                if key != format!("{name} {precision} {regime:?}") {
                    return Err(format!("the record has {key} where {name} {precision} was expected").into());
                }
                let numbers: Vec<f64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
                let others: Vec<Vec<f64>> =
                    numbers.chunks(numbers.len() / STEPS).map(<[f64]>::to_vec).collect();
                for instructions in InstructionSet::available() {
                    let options = Options { precision: kept, instructions };
                    let (episode, ours) = heads(&Policy::from_bytes_with(&bytes, options)?, regime)?;
                    let mut off = difference(&ours, &others);
                    // The definition in float64 knows nothing of processors.
                    if precision == "float32" && regime == Regime::Unbounded && !name.starts_with("cloning") {
                        off = off.max(difference(&ours, &oracle::heads(&f, &episode, 0, STEPS - 1)));
                    }
                    // A choice that turns on a rounding changes all that comes after it; none of these does.
                    if off >= TOLERANCE {
                        return Err(format!("{key} on {instructions:?}: off by {off:e}").into());
                    }
                    worst = worst.max(off);
                    compared += 1;
                }
            }
        }
    }
    println!("devices: {compared} episodes agree on {:?}, {worst:.1e} at most", InstructionSet::best());
    Ok(())
}

/// Policies as C files: of all encoders, small, and of the sizes that the table of microcontrollers shows.
fn write(folder: &Path) -> Outcome<()> {
    let mut policies: Vec<(String, Vec<u8>)> = Vec::new();
    let table = |encoder, width, layers| Config::new(encoder, width, layers, 4).fixture(0).bytes();
    policies.push(("aaren_64".into(), table("aaren", 64, 2)));
    policies.push(("gru_64".into(), table("gru", 64, 2)));
    policies.push(("aaren_128".into(), table("aaren", 128, 3)));
    let cloning = Cloning { width: 128, layers: 2, observation: 11, actions: 3, discrete: false };
    policies.push(("perceptron_128".into(), cloning.fixture(1).bytes()));
    for (name, f) in fixtures() {
        // Names of C, and only what has a C file.
        if !name.starts_with("transformer") && !name.ends_with("64") {
            policies.push((name.replace('-', "_"), f.bytes()));
        }
    }
    for (name, bytes) in policies {
        for (name, bytes) in [(format!("{name}_int8"), quantise(&bytes)?.bytes), (name, bytes)] {
            let c = c_file(&bytes, &name)?;
            std::fs::write(folder.join(format!("{name}.h")), c.source)?;
            let policy = Policy::from_bytes(&bytes)?;
            let mut stream = policy.stream();
            stream.reset(300.0);
            let mut text = String::new();
            for t in 0..STEPS {
                let observation: Vec<f32> =
                    (0..policy.observation_size()).map(|i| ((t * 7 + i * 3) % 11) as f32 / 11.0).collect();
                let action = stream.act(&observation, 0.25 * (t % 60) as f64)?;
                let action: Vec<String> = action.iter().map(f32::to_string).collect();
                writeln!(text, "{}", action.join(" "))?;
            }
            std::fs::write(folder.join(format!("{name}.expected")), text)?;
            println!("{name} {}", c.constant_bytes);
        }
    }
    Ok(())
}

fn check(file: &str) -> Outcome<()> {
    let rows = |text: &str| -> Outcome<Vec<Vec<f64>>> {
        let row = |line: &str| line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>();
        Ok(text.lines().map(row).collect::<Result<_, _>>()?)
    };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let (found, expected) = (rows(&text)?, rows(&std::fs::read_to_string(file)?)?);
    if found.len() != expected.len() || found.iter().zip(&expected).any(|(a, b)| a.len() != b.len()) {
        return Err(format!("{file}: {} actions, expected {}", found.len(), expected.len()).into());
    }
    let off = difference(&found, &expected);
    if off >= TOLERANCE {
        return Err(format!("{file}: off by {off:e}").into());
    }
    println!("{off:.1e}");
    Ok(())
}

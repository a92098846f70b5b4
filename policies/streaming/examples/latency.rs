//! Time one environment step of a policy of the size DESIGN and README speak of: Hopper's, d = 128,
//! 3 layers, 1 head, random weights. One core; run it on an idle machine.
//!
//! ```text
//! cargo run --release -p aaren-streaming --example latency [policy.safetensors]
//! ```

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use aaren_streaming::{InstructionSet, Options, Policy, Precision, Regime, Stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = match std::env::args().nth(1) {
        Some(path) => vec![std::fs::read(path)?],
        None => ["aaren", "transformer"]
            .map(|encoder| common::Config::new(encoder, 128, 3, 1).fixture(0).bytes())
            .to_vec(),
    };
    println!("{:<54}{:>9}{:>9}{:>9}", "µs per step", "min", "p50", "p99");
    for bytes in &files {
        for instructions in InstructionSet::available() {
            for precision in [Precision::Float32, Precision::Bfloat16] {
                let policy = Policy::from_bytes_with(bytes, Options { precision, instructions })?;
                let aaren = policy.stream().act(&vec![0.0; policy.observation_size()], 0.0).is_ok()
                    && constant(&policy);
                let last = if aaren { 100_000 } else { 1000 };
                let mut regimes = vec![(Regime::Unbounded, 10), (Regime::Unbounded, 1000)];
                if aaren {
                    regimes.push((Regime::Unbounded, last));
                }
                regimes.push((Regime::Window(20), 1000));
                for (regime, timestep) in regimes {
                    let mut times = times(&mut policy.stream_with(regime)?, timestep)?;
                    times.sort_by(f64::total_cmp);
                    let at = |quantile: f64| times[((times.len() - 1) as f64 * quantile) as usize];
                    let encoder = if aaren { "aaren" } else { "transformer" };
                    let what = format!("{encoder} {instructions:?} {precision:?} {regime:?} at {timestep}");
                    println!("{what:<54}{:>9.1}{:>9.1}{:>9.1}", at(0.0), at(0.5), at(0.99));
                }
            }
        }
    }
    Ok(())
}

/// Whether the state stays as large as it is after one step.
fn constant(policy: &Policy) -> bool {
    let mut stream = policy.stream();
    let observation = vec![0.0; policy.observation_size()];
    let mut bytes = || stream.act(&observation, 0.0).map(|_| ()).map(|()| stream.state_bytes());
    bytes().ok() == bytes().ok()
}

/// Microseconds of 600 or more steps around `timestep`.
fn times(stream: &mut Stream, timestep: usize) -> Result<Vec<f64>, aaren_streaming::Error> {
    let mut random = common::Random(1);
    let size = stream.policy().observation_size();
    let half = (timestep / 2).min(300);
    let mut times = Vec::new();
    while times.len() < 600 {
        stream.reset(3600.0);
        for t in 0..timestep + half {
            let observation: Vec<f32> = (0..size).map(|_| random.uniform() as f32).collect();
            let start = Instant::now();
            stream.act(&observation, 1.0)?;
            let time = start.elapsed().as_secs_f64() * 1e6;
            if t + half >= timestep {
                times.push(time);
            }
        }
    }
    Ok(times)
}

//! Time of one environment step of a policy.

use aaren_format::{EncoderKind, Regime};
use aaren_streaming::{Options, Policy, Precision};
use anyhow::Result;

use super::Row;
use super::python::Python;
use crate::cost::{Plan, Subject, measure as measure_costs};
use crate::stand_in::{hopper, policy};

/// Timestep of the comparison with the reference.
const AT: usize = 1000;
const EPISODES: [Plan; 3] = [
    Plan { timesteps: 10, episodes: 500 },
    Plan { timesteps: AT, episodes: 10 },
    Plan { timesteps: 100_000, episodes: 1 },
];

/// Time of one environment step on one core: Aaren with all of the episode in memory, the Transformer with
/// its window recomputed, with a cache that slides and with one that grows.
pub fn measure(python: &Python) -> Result<Vec<Row>> {
    let reference =
        python.decision_transformer(&["--only".into(), "step".into(), "--threads".into(), "1".into()])?;
    let theirs = |key: &str| reference.as_ref().and_then(|r| r["step"][key].as_f64());
    let (window, cached) = (theirs("window_us"), theirs("cached_us"));
    let mut rows = Vec::new();
    for (encoder, precision, regime) in [
        (EncoderKind::Aaren, Precision::Float32, Regime::Unbounded),
        (EncoderKind::Aaren, Precision::Bfloat16, Regime::Unbounded),
        (EncoderKind::Transformer, Precision::Float32, Regime::Window(20)),
        (EncoderKind::Transformer, Precision::Float32, Regime::Sliding(20)),
        (EncoderKind::Transformer, Precision::Float32, Regime::Unbounded),
    ] {
        let options = Options { precision, ..Options::default() };
        let (agent, task) = hopper(encoder, 1);
        let name = encoder.to_string();
        let file = policy(&name, &*agent, &task)?;
        let policy = Policy::from_bytes_with(&file.to_bytes(), options)?;
        let plans = if encoder == EncoderKind::Aaren { &EPISODES[..] } else { &EPISODES[..2] };
        let mut subjects = [Subject::streaming(&name, &policy, regime)?];
        let cost = &measure_costs(&mut subjects, plans, &[10, AT, 100_000])?[0];
        for point in &cost.points {
            let row = Row {
                what: "step",
                policy: name.clone(),
                backend: Some("streaming"),
                precision: Some(if precision == Precision::Float32 { "float32" } else { "bfloat16" }),
                context: Some(cost.regime.clone()),
                at: Some(point.timestep),
                value: point.step_us_p50,
                unit: "µs",
                p99: Some(point.step_us_p99),
                ..Row::default()
            };
            if point.timestep == AT {
                if regime == Regime::Unbounded {
                    rows.push(row.clone().time_against("PyTorch, cache at timestep 1000", cached));
                }
                if encoder == EncoderKind::Aaren || regime != Regime::Unbounded {
                    rows.push(row.time_against("PyTorch, window of 20 recomputed", window));
                }
            } else {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

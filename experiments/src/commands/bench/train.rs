//! Updates per second.

use std::time::Instant;

use aaren_agents::AgentConfig;
use aaren_format::{EncoderKind, Precision, Recency};
use anyhow::Result;
use tch::Device;

use super::Row;
use super::python::Python;
use crate::stand_in::{dataset, hopper, trainer};
use crate::statistics::percentile;

/// Updates per second at (context, batch), taking turns with the PyTorch Decision Transformer.
pub fn measure(python: &Python, threads: u16) -> Result<Vec<Row>> {
    let dataset = dataset(&hopper(EncoderKind::Aaren, 1).1, 20);
    let mut rows = Vec::new();
    for (context, batch, updates, rounds) in [(20, 64, 10, 6), (1000, 4, 2, 2)] {
        let mut contenders = Vec::new();
        for (name, encoder, heads, recency) in [
            ("aaren", EncoderKind::Aaren, 1, Recency::None),
            ("aaren, 4 heads, recency", EncoderKind::Aaren, 4, Recency::Learned),
            ("transformer", EncoderKind::Transformer, 1, Recency::None),
        ] {
            let (mut agent, task) = hopper(encoder, heads);
            if let AgentConfig::Decision(decision) = &mut agent {
                decision.model.recency = recency;
            }
            let agent = agent.with_context_length(context);
            for (precision, kind) in [("float32", Precision::Float32), ("bfloat16", Precision::Bfloat16)] {
                let trainer = trainer(&*agent, &task, &dataset, batch, kind, Device::Cpu)?;
                contenders.push((name, precision, trainer, Vec::new()));
            }
        }
        let (mut float32, mut bfloat16) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (_, _, trainer, times) in &mut contenders {
                trainer.update()?;
                for _ in 0..updates {
                    let start = Instant::now();
                    trainer.update()?;
                    times.push(start.elapsed().as_secs_f64());
                }
            }
            let arguments = format!(
                "--only train --threads {threads} --context {context} --batch {batch} --repeats {updates}"
            );
            let arguments: Vec<String> = arguments.split(' ').map(String::from).collect();
            if let Some(report) = python.decision_transformer(&arguments)? {
                float32.extend(report["train"]["updates_per_s"].as_f64());
                bfloat16.extend(report["train"]["updates_per_s_bf16"].as_f64());
            }
        }
        for (name, precision, _, times) in &contenders {
            let row = Row {
                what: "train",
                policy: (*name).into(),
                backend: Some("libtorch"),
                precision: Some(precision),
                context: Some(format!("{batch} × {context} timesteps")),
                value: 1.0 / percentile(times, 50.0),
                unit: "updates/s",
                ..Row::default()
            };
            let median = |rates: &[f64]| (!rates.is_empty()).then(|| percentile(rates, 50.0));
            rows.push(row.clone().rate_against("PyTorch, float32", median(&float32)));
            if *precision == "bfloat16" {
                rows.push(row.rate_against("PyTorch, bfloat16", median(&bfloat16)));
            }
        }
    }
    Ok(rows)
}

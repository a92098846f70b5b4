//! Updates per second.

use std::time::Duration;

use aaren_agents::{AgentConfig, Trainer};
use aaren_format::{ContextLength, EncoderKind, Mixer, Precision, Recency, Settings};
use anyhow::Result;
use serde_json::json;
use tch::Device;

use super::Row;
use super::python::Python;
use aaren_runs::measure;
use aaren_runs::stand_in::{dataset, hopper, trainer};
use aaren_statistics::percentile;

/// Who is measured: name, encoder, heads, recency, and what PyTorch calls the same algorithm.
const POLICIES: [(&str, EncoderKind, usize, Recency, Option<&str>); 5] = [
    ("aaren", EncoderKind::Aaren, 1, Recency::None, Some("aaren")),
    ("aaren, 4 heads, learned", EncoderKind::Aaren, 4, Recency::Learned, None),
    ("aaren, 4 heads, gated", EncoderKind::Aaren, 4, Recency::Gated, None),
    ("gru", EncoderKind::Gru, 1, Recency::None, None),
    ("transformer", EncoderKind::Transformer, 1, Recency::None, Some("transformer")),
];

struct Contender<'d> {
    policy: &'static str,
    theirs_called: Option<&'static str>,
    precision: Precision,
    trainer: Trainer<'d>,
    /// Seconds of an update: ours, PyTorch's, and those of its compiled form.
    ours: Vec<f64>,
    theirs: Vec<f64>,
    compiled: Vec<f64>,
}

/// Updates per second at (context, batch), all contenders and PyTorch in turns.
pub fn measure(python: &Python, threads: u16) -> Result<Vec<Row>> {
    let dataset = dataset(&hopper(EncoderKind::Aaren, 1).1, 20);
    let mut rows = Vec::new();
    for (context, batch, updates, rounds) in [(20, 64, 10, 6), (1000, 4, 2, 2)] {
        let mut contenders = Vec::new();
        for (policy, encoder, heads, recency, theirs_called) in POLICIES {
            let (mut agent, task) = hopper(encoder, heads);
            agent.model.mixer = Mixer::new(encoder, Settings { heads, recency, ..Settings::default() });
            agent.context.context_length = ContextLength::Timesteps(context);
            let agent = AgentConfig::new(&agent);
            for precision in [Precision::Float32, Precision::Bfloat16] {
                let trainer = trainer(&agent, &task, &dataset, batch, precision, Device::Cpu)?;
                let [ours, theirs, compiled] = Default::default();
                contenders.push(Contender {
                    policy,
                    theirs_called,
                    precision,
                    trainer,
                    ours,
                    theirs,
                    compiled,
                });
            }
        }
        let mut pytorch = python.policies()?;
        for _ in 0..rounds {
            for contender in &mut contenders {
                contender.trainer.update()?;
                contender.ours.extend(measure::updates(&mut contender.trainer, updates, Duration::MAX)?);
                let (Some(pytorch), Some(encoder)) = (&mut pytorch, contender.theirs_called) else {
                    continue;
                };
                for (compile, times) in [(false, &mut contender.theirs), (true, &mut contender.compiled)] {
                    let question = json!({
                        "what": "train", "encoder": encoder, "precision": contender.precision, "context": context,
                        "batch": batch, "updates": updates, "threads": threads, "compile": compile,
                    });
                    times.extend(pytorch.seconds(&question)?.into_iter().flatten());
                }
            }
        }
        let context = format!("{batch} × {context} timesteps");
        for contender in &contenders {
            let row = contender.row(&context);
            if contender.theirs_called.is_none() {
                rows.push(row.clone());
            }
            for (form, times) in [("", &contender.theirs), (", compiled", &contender.compiled)] {
                if let Some(encoder) = contender.theirs_called {
                    let row = row.clone().rate_against(format!("PyTorch, {encoder}{form}"), rate(times));
                    rows.push(Row { gives: Some("runtime"), ..row });
                }
            }
            let twin = contenders
                .iter()
                .find(|other| other.policy == "transformer" && other.precision == contender.precision);
            if let (true, Some(twin)) = (contender.policy != "transformer", twin) {
                let row = row.rate_against("transformer, here", rate(&twin.ours));
                rows.push(Row { gives: Some("algorithm"), ..row });
            }
        }
    }
    Ok(rows)
}

fn rate(times: &[f64]) -> Option<f64> {
    (!times.is_empty()).then(|| 1.0 / percentile(times, 50.0))
}

impl Contender<'_> {
    fn row(&self, context: &str) -> Row {
        Row {
            what: "train",
            policy: self.policy.into(),
            backend: Some("libtorch"),
            precision: Some(self.precision.name()),
            context: Some(context.into()),
            value: 1.0 / percentile(&self.ours, 50.0),
            unit: "updates/s",
            ..Row::default()
        }
    }
}

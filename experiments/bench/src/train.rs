//! Updates per second.

use std::time::Duration;

use aaren_agents::{AgentConfig, Trainer};
use aaren_format::{ContextLength, EncoderKind, Mixer, Precision, Recency, Settings};
use anyhow::Result;
use serde_json::json;
use tch::Device;

use super::Row;
use super::python::{LIBRARIES, Python, Rival};
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
    precision: Precision,
    trainer: Trainer<'d>,
    /// Seconds of an update.
    ours: Vec<f64>,
    rivals: Vec<Rival>,
}

/// No more updates of a contender begin in a round after so long: bfloat16 takes a second and more for each on
/// processors without such products.
const LONGEST: Duration = Duration::from_secs(2);

/// What is trained on, and how often.
#[derive(Clone, Copy)]
struct Shape {
    /// Timesteps of a window.
    context: usize,
    batch: usize,
    /// Of each contender in a round, at most.
    updates: usize,
    rounds: usize,
}

const SHAPES: [Shape; 2] = [
    Shape { context: 20, batch: 64, updates: 10, rounds: 6 },
    Shape { context: 1000, batch: 4, updates: 2, rounds: 2 },
];

impl Shape {
    /// The same in PyTorch, and, for the window that they are made for, other people's Decision Transformers.
    fn rivals(self, encoder: Option<&str>, precision: Precision, threads: u16) -> Vec<Rival> {
        let Some(encoder) = encoder else { return Vec::new() };
        let question = json!({
            "what": "train", "context": self.context, "batch": self.batch, "updates": self.updates,
            "seconds": LONGEST.as_secs(), "threads": threads,
        });
        let mut rivals = Vec::new();
        for (form, compile) in [("", false), (", compiled", true)] {
            let mut rival = Rival::new(format!("PyTorch, {encoder}{form}"), question.clone());
            rival.question["encoder"] = encoder.into();
            rival.question["precision"] = precision.name().into();
            rival.question["compile"] = compile.into();
            rivals.push(rival);
        }
        if encoder == "transformer" && precision == Precision::Float32 && self.context == 20 {
            for (called, library) in LIBRARIES {
                let mut rival = Rival::new(format!("{called}, transformer"), question.clone());
                rival.question["library"] = library.into();
                rivals.push(rival);
            }
        }
        rivals
    }
}

/// Updates per second, all contenders and rivals in turns.
pub fn measure(python: &Python, threads: u16) -> Result<Vec<Row>> {
    let dataset = dataset(&hopper(EncoderKind::Aaren, 1).1, 20);
    let mut rows = Vec::new();
    for shape in SHAPES {
        let mut contenders = Vec::new();
        for (policy, encoder, heads, recency, theirs_called) in POLICIES {
            let (mut agent, task) = hopper(encoder, heads);
            agent.model.mixer = Mixer::new(encoder, Settings { heads, recency, ..Settings::default() });
            agent.context.context_length = ContextLength::Timesteps(shape.context);
            let agent = AgentConfig::new(&agent);
            for precision in [Precision::Float32, Precision::Bfloat16] {
                let trainer = trainer(&agent, &task, &dataset, shape.batch, precision, Device::Cpu)?;
                let (ours, rivals) = (Vec::new(), shape.rivals(theirs_called, precision, threads));
                contenders.push(Contender { policy, precision, trainer, ours, rivals });
            }
        }
        let mut python = python.rivals()?;
        for _ in 0..shape.rounds {
            for contender in &mut contenders {
                contender.trainer.update()?;
                contender.ours.extend(measure::updates(&mut contender.trainer, shape.updates, LONGEST)?);
                for rival in &mut contender.rivals {
                    if let Some(python) = &mut python {
                        rival.times[0].extend(python.seconds(&rival.question)?.into_iter().flatten());
                    }
                }
            }
        }
        let context = format!("{} × {} timesteps", shape.batch, shape.context);
        for contender in &contenders {
            let row = contender.row(&context);
            if contender.rivals.is_empty() {
                rows.push(row.clone());
            }
            for rival in &contender.rivals {
                let row = row.clone().rate_against(&rival.called, rate(&rival.times[0]));
                rows.push(Row { gives: Some("runtime"), ..row });
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

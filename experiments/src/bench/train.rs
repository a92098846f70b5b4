use std::time::Instant;

use aaren_agents::decision::{
    ActionScale, Header, HeaderContext, HeaderModel, Model, ModelConfig, PolicyFile, Rollout, Schedule,
    TrainConfig, Trainer,
};
use aaren_envs::dataset::Transitions;
use aaren_envs::{Dataset, EnvSpec};
use aaren_policies::{EncoderConfig, EncoderKind, Norm, Precision, Recency};
use anyhow::Result;
use tch::Device;

use super::Row;
use super::python::Python;
use crate::statistics::percentile;

/// Observation and action entries of Hopper.
const SIZES: (usize, usize) = (11, 3);
const EPISODE: usize = 1000;

/// Updates per second at (context, batch), taking turns with the PyTorch Decision Transformer.
pub fn measure(python: &Python, threads: u16) -> Result<Vec<Row>> {
    let dataset = dataset(20);
    let mut rows = Vec::new();
    for (context, batch, updates, rounds) in [(20, 64, 10, 4), (1000, 4, 2, 2)] {
        let mut contenders = Vec::new();
        for (name, encoder, heads, recency) in [
            ("aaren", "aaren", 1, Recency::None),
            ("aaren, 4 heads, recency", "aaren", 4, Recency::Learned),
            ("transformer", "transformer", 1, Recency::None),
        ] {
            let mut model = model(encoder, heads);
            model.encoder.recency = recency;
            for (precision, kind) in [("float32", Precision::Float32), ("bfloat16", Precision::Bfloat16)] {
                let trainer = trainer(&model, &dataset, context, batch, kind)?;
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

fn trainer<'d>(
    model: &ModelConfig,
    dataset: &'d Dataset,
    context: usize,
    batch: usize,
    precision: Precision,
) -> Result<Trainer<'d>> {
    let config = TrainConfig {
        updates: u64::MAX,
        batch,
        context,
        learning_rate: 1e-4,
        weight_decay: 1e-4,
        warmup: 1,
        schedule: Schedule::Constant,
        clip: 0.25,
        precision,
        seed: 0,
    };
    Ok(Trainer::new(model.clone(), config, dataset, &EnvSpec::new("Hopper-v4"), Device::Cpu)?)
}

/// The default model at Hopper's sizes.
pub fn model(encoder: &str, heads: i64) -> ModelConfig {
    let encoder = if encoder == "aaren" { EncoderKind::Aaren } else { EncoderKind::Transformer };
    ModelConfig {
        encoder: EncoderConfig {
            encoder,
            width: 128,
            layers: 3,
            heads,
            dropout: 0.1,
            norm: Norm::Post,
            recency: Recency::None,
        },
        observation_size: SIZES.0,
        action: ActionScale::Continuous { low: vec![-1.0; SIZES.1], high: vec![1.0; SIZES.1] },
        max_timesteps: EPISODE,
        return_scale: 1000.0,
        observation_mean: vec![0.0; SIZES.0],
        observation_std: vec![1.0; SIZES.0],
    }
}

/// Bytes of an untrained policy: a step costs the same whatever the weights.
pub fn hopper(config: &ModelConfig) -> Result<Vec<u8>> {
    tch::manual_seed(0);
    let model = Model::new(config.clone(), Device::Cpu)?;
    let (format, version) = Header::format();
    let encoder = &config.encoder;
    let header = Header {
        format,
        version,
        policy: "untrained".into(),
        seed: 0,
        updates: 0,
        dataset: "none".into(),
        env: EnvSpec::new("Hopper-v4"),
        model: HeaderModel {
            encoder: encoder.encoder,
            width: encoder.width,
            layers: encoder.layers,
            heads: encoder.heads,
            norm: encoder.norm,
            recency: encoder.recency,
        },
        observation_size: config.observation_size,
        max_timesteps: config.max_timesteps,
        action: config.action.clone(),
        context: HeaderContext { train: 20, rollout: Rollout::Unbounded },
        return_scale: config.return_scale,
        target_returns: vec![3600.0],
    };
    Ok(PolicyFile::new(&model, header).to_bytes())
}

/// Episodes of 1000 timesteps with made-up numbers.
pub fn dataset(episodes: usize) -> Dataset {
    let rows = episodes * EPISODE;
    let wave = |columns: usize, step: f32| (0..rows * columns).map(|i| (i as f32 * step).sin()).collect();
    let transitions = Transitions {
        observations: wave(SIZES.0, 0.37),
        actions: wave(SIZES.1, 0.73),
        rewards: vec![1.0; rows],
        terminals: vec![false; rows],
        timeouts: (1..=rows).map(|row| row % EPISODE == 0).collect(),
    };
    Dataset::new("made up", transitions, SIZES.0, SIZES.1, false)
}

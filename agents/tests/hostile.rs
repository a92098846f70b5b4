//! Checkpoints and policies from strangers: one clear error, no panic, no memory beyond what the file
//! justifies.

use std::path::{Path, PathBuf};

use aaren_agents::Error;
use aaren_agents::decision::*;
use aaren_envs::{Dataset, EnvSpec, dataset::Transitions};
use aaren_format::{
    self as format, ActionSpace, Agent, Context, Decision, EncoderKind, Header, Norm, Precision, Recency,
    Regime,
};
use aaren_fuzz::{Measuring, fuzz};
use serde_json::{Value, json};
use tch::Device;

#[global_allocator]
static MEASURING: Measuring = Measuring;

/// A path whose file is always a new one: truncating makes some file systems wait for the disk.
fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn model(encoder: EncoderKind) -> ModelConfig {
    let recency = if encoder == EncoderKind::Aaren { Recency::Learned } else { Recency::None };
    ModelConfig {
        model: format::Model { encoder, width: 4, layers: 1, heads: 2, norm: Norm::Pre, recency },
        dropout: 0.0,
        observation_size: 2,
        action: ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] },
        max_timesteps: 9,
        return_scale: 10.0,
        observation_mean: vec![0.0; 2],
        observation_std: vec![1.0; 2],
    }
}

fn dataset() -> Dataset {
    let transitions = Transitions {
        observations: vec![0.5; 24],
        actions: vec![0.1; 12],
        rewards: vec![1.0; 12],
        terminals: vec![false; 12],
        timeouts: (0..12).map(|i| i == 8).collect(),
    };
    Dataset::new("toy", transitions, 2, 1, false)
}

fn trainer(data: &Dataset) -> Trainer<'_> {
    let config = TrainConfig {
        updates: 3,
        batch: 2,
        context: 4,
        carry: false,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        warmup: 0,
        schedule: Schedule::Constant,
        clip: 1.0,
        precision: Precision::Float32,
        seed: 0,
    };
    let env = EnvSpec::new("MountainCarContinuous-v0");
    Trainer::new(model(EncoderKind::Aaren), config, data, &env, Device::Cpu).unwrap()
}

#[test]
fn checkpoints() {
    let data = dataset();
    let mut trained = trainer(&data);
    trained.update().unwrap();
    let path = write("hostile-checkpoint", &[]);
    let progress = json!({"evaluations": [{"update": 1, "episodes": [1, 2, 3]}], "seconds": 0.25});
    trained.checkpoint("0123456789abcdef", progress).unwrap().save(&path).unwrap();
    let original = std::fs::read(&path).unwrap();
    let resumed = std::cell::RefCell::new(trainer(&data));
    fuzz("checkpoint", &[original], |bytes| {
        let path = write("hostile-checkpoint", bytes);
        let checkpoint = Checkpoint::load(&path, "0123456789abcdef")?;
        resumed.borrow_mut().restore(&checkpoint)
    });
}

fn policy(encoder: EncoderKind) -> Vec<u8> {
    let config = model(encoder);
    let header = Header {
        policy: "test".into(),
        seed: 0,
        updates: 7,
        dataset: "toy".into(),
        env: EnvSpec::new("MountainCarContinuous-v0"),
        observation_size: 2,
        action: config.action.clone(),
        target_returns: vec![50.0],
        agent: Agent::Decision(Decision {
            model: config.model,
            max_timesteps: config.max_timesteps,
            context: Context { context_length: 4, regime: Regime::Window(4) },
            return_scale: config.return_scale,
        }),
    };
    PolicyFile::new(&Model::new(config, Device::Cpu).unwrap(), header).to_bytes()
}

/// Load and, if it loads, act.
fn act(path: &Path) -> Result<(), Error> {
    let file = PolicyFile::load(path)?;
    let model = file.model(path, Device::Cpu)?;
    let mut actor = Actor::new(&model, file.header.regime(), &[file.header.target_returns[0]]);
    let observation = vec![0.5; file.header.observation_size];
    for _ in 0..3 {
        actor.act(&observation, &[1.0]);
    }
    Ok(())
}

#[test]
fn policies() {
    let originals = [policy(EncoderKind::Aaren), policy(EncoderKind::Transformer)];
    fuzz("policy on libtorch", &originals, |bytes| act(&write("hostile-policy", bytes)));
}

/// The safetensors file with another value at a place of its own JSON header.
fn with(bytes: &[u8], place: &str, value: &Value) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut outer: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut header: Value = serde_json::from_str(outer["__metadata__"]["aaren"].as_str().unwrap()).unwrap();
    *header.pointer_mut(place).unwrap() = value.clone();
    outer["__metadata__"]["aaren"] = header.to_string().into();
    let outer = outer.to_string();
    [&(outer.len() as u64).to_le_bytes(), outer.as_bytes(), &bytes[8 + length..]].concat()
}

/// Sizes that would take gigabytes in libtorch, where nobody counts them, are refused before.
#[test]
fn every_value_of_a_policys_header_is_checked() {
    let places = [
        "/model/width",
        "/model/layers",
        "/model/heads",
        "/observation_size",
        "/max_timesteps",
        "/return_scale",
        "/action",
        "/action/low",
        "/action/high",
        "/context/rollout",
        "/target_returns",
        "/model/encoder",
        "/model/recency",
        "/version",
        "/env",
    ];
    let hostile = [
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(64),
        json!(100),
        json!(1_000_000_007),
        json!(1_u64 << 40),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!(null),
        json!("aaren"),
        json!("transformer"),
        json!([]),
        json!([1.0, 1.0]),
        json!({}),
        json!({"window": 0}),
        json!({"reset": 0}),
        json!({"window": u64::MAX}),
        json!({"kind": "discrete", "choices": 0}),
        json!({"kind": "discrete", "choices": 1_u64 << 40}),
        json!({"kind": "continuous", "low": [], "high": []}),
        json!({"kind": "continuous", "low": [-1.0], "high": []}),
    ];
    let mut refused = 0;
    for bytes in [policy(EncoderKind::Aaren), policy(EncoderKind::Transformer)] {
        for place in places {
            for value in &hostile {
                if let Err(error) = act(&write("hostile-header", &with(&bytes, place, value))) {
                    refused += 1;
                    assert!(!error.to_string().contains('\n'), "{place} = {value}: {error}");
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} refused");
}

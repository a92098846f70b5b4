//! Checkpoints and policies from strangers: one clear error, no panic, no memory beyond what the file
//! justifies.

use std::path::{Path, PathBuf};

use aaren_agents::*;
use aaren_damaged_files::{Measuring, fuzz};
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::CloningConfig;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Mixer, Mlp, Model, Norm, Precision, Recency, Regime,
    Settings,
};
use aaren_format::{DecisionConfig, Start};
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

fn decision(encoder: EncoderKind) -> AgentConfig {
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency: Recency::Learned });
    AgentConfig::Decision(DecisionConfig {
        model: Model { width: 4, layers: 1, norm: Norm::Pre, past_actions: true, mixer },
        dropout: 0.0,
        context: Context { context_length: ContextLength::Timesteps(4), regime: Regime::Window(4) },
        start: Start::Uniform,
        carry: false,
    })
}

/// Every agent, with every encoder.
fn agents() -> Vec<AgentConfig> {
    let mlp = Mlp { width: 4, layers: 2 };
    let cloning = CloningConfig { mlp, dropout: 0.0, top: 1.0, context_length: ContextLength::Timesteps(4) };
    let decisions = EncoderKind::ALL.into_iter().map(decision);
    decisions.chain([AgentConfig::BehaviourCloning(cloning)]).collect()
}

fn task() -> Task {
    Task {
        env: EnvSpec::new("MountainCarContinuous-v0"),
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
        learning_rate: 1e-3,
        weight_decay: 0.0,
        warmup: 0,
        schedule: Schedule::Constant,
        clip: 1.0,
        precision: Precision::Float32,
        seed: 0,
    };
    Trainer::new(&decision(EncoderKind::Aaren), &task(), config, data, Device::Cpu).unwrap()
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

fn policy(agent: &AgentConfig) -> Vec<u8> {
    let (policy, dataset, target_returns) = ("test".into(), "toy".into(), vec![50.0]);
    let origin = Origin { policy, seed: 0, updates: 7, fingerprint: None, dataset, target_returns };
    let network = agent.network(&task(), Device::Cpu).unwrap();
    PolicyFile::new(&*network, task().header(agent, origin)).to_bytes()
}

/// Load and, if it loads, act.
fn act(path: &Path) -> Result<(), Error> {
    let file = PolicyFile::load(path)?;
    let network = file.network(path, Device::Cpu)?;
    let mut actor = network.actor(file.header.regime(), &file.header.target_returns[..1]).unwrap();
    let observation = vec![0.5; file.header.observation_size];
    for _ in 0..3 {
        actor.act(&observation, &[1.0]);
    }
    Ok(())
}

#[test]
fn policies() {
    let originals: Vec<_> = agents().iter().map(policy).collect();
    fuzz("policy on libtorch", &originals, |bytes| act(&write("hostile-policy", bytes)));
}

/// The safetensors file with another value at a place of its own JSON header.
fn with(bytes: &[u8], place: &str, value: &Value) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut outer: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut header: Value = serde_json::from_str(outer["__metadata__"]["aaren"].as_str().unwrap()).unwrap();
    let Some(found) = header.pointer_mut(place) else { return bytes.to_vec() };
    *found = value.clone();
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
        "/mlp/width",
        "/mlp/layers",
        "/agent",
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
    for bytes in agents().iter().map(policy) {
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

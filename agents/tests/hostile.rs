//! Checkpoints and policies from strangers: one clear error, no panic, no memory beyond what the file
//! justifies.

use std::path::{Path, PathBuf};

use aaren_agents::*;
use aaren_damaged_files::{Measuring, fuzz};
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Precision,
    Recency, Regime, Settings, Variation,
};
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
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency: Recency::Learned, ..Settings::default() });
    AgentConfig::new(&DecisionConfig {
        model: Model {
            width: 4,
            layers: 1,
            norm: Norm::Pre,
            past_actions: true,
            positions: Positions::Timestep,
            mixer,
        },
        dropout: 0.0,
        context: Context { context_length: ContextLength::Timesteps(4), regime: Regime::Window(4) },
        start: Start::Uniform,
        carry: false,
        layout: Layout::Separate,
        variation: Variation::default(),
    })
}

/// Every agent, with every encoder.
fn agents() -> Vec<AgentConfig> {
    let cloning = CloningConfig { width: 4, layers: 2, ..CloningConfig::default() };
    let decisions = EncoderKind::ALL.into_iter().map(decision);
    let iql = IqlConfig { width: 4, ..IqlConfig::default() };
    let td3_bc = Td3BcConfig { width: 4, ..Td3BcConfig::default() };
    decisions.chain([AgentConfig::new(&cloning), AgentConfig::new(&iql), AgentConfig::new(&td3_bc)]).collect()
}

fn task() -> Task {
    Task {
        env: EnvSpec::new("MountainCarContinuous-v0"),
        observation_size: 2,
        action: ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] },
        max_timesteps: 9,
        return_scale: 10.0,
        return_range: [0.0; 2],
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

fn trainer<'d>(agent: &AgentConfig, data: &'d Dataset) -> Trainer<'d> {
    let config = TrainConfig {
        updates: 3,
        batch: 2,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        warmup: 0,
        schedule: Schedule::Constant,
        clip: 1.0,
        ema: 0.5,
        precision: Precision::Float32,
        seed: 0,
    };
    Trainer::new(agent, &task(), config, data, Device::Cpu).unwrap()
}

#[test]
fn checkpoints() {
    let (data, agents) = (dataset(), agents());
    let progress = json!({"evaluations": [{"update": 1, "episodes": [1, 2, 3]}], "seconds": 0.25});
    let path = write("hostile-checkpoint", &[]);
    // Of the encoders one will do.
    for agent in &agents[EncoderKind::ALL.len() - 1..] {
        let mut trained = trainer(agent, &data);
        trained.update().unwrap();
        trained.checkpoint("0123456789abcdef", progress.clone()).unwrap().save(&path).unwrap();
        let original = std::fs::read(&path).unwrap();
        let resumed = std::cell::RefCell::new(trainer(agent, &data));
        fuzz("checkpoint", &[original], |bytes| {
            let path = write("hostile-checkpoint", bytes);
            let checkpoint = Checkpoint::load(&path, "0123456789abcdef")?;
            resumed.borrow_mut().restore(&checkpoint)
        });
    }
}

fn policy(config: &AgentConfig) -> Vec<u8> {
    let (policy, dataset, target_returns) = ("test".into(), "toy".into(), vec![50.0]);
    let (agent, data) = (config.name.clone(), self::dataset());
    let trainer = trainer(config, &data);
    let origin = Origin { policy, agent, seed: 0, updates: 7, fingerprint: None, dataset, target_returns };
    PolicyFile::new(trainer.network(), origin).to_bytes()
}

/// Load its network, with every tensor that the header asks for.
fn load(path: &Path) -> Result<(), Error> {
    let file = PolicyFile::load(path)?;
    file.network(path, Device::Cpu).map(drop)
}

#[test]
fn policies() {
    let originals: Vec<_> = agents().iter().map(policy).collect();
    fuzz("policy on libtorch", &originals, |bytes| load(&write("hostile-policy", bytes)));
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
                if let Err(error) = load(&write("hostile-header", &with(&bytes, place, value))) {
                    refused += 1;
                    assert!(!error.to_string().contains('\n'), "{place} = {value}: {error}");
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} refused");
}

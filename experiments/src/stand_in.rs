//! Stand-ins that cost what the real thing costs: an untrained policy, and data made up.

use aaren_agents::decision::{Model, ModelConfig, PolicyFile, Schedule, TrainConfig, Trainer};
use aaren_envs::dataset::Transitions;
use aaren_envs::{Dataset, EnvSpec};
use aaren_format::{
    self as format, ActionSpace, Agent, Context, Decision, EncoderKind, Header, Norm, Precision, Recency,
    Regime,
};
use anyhow::Result;
use tch::Device;

/// Timesteps of an episode made up.
const EPISODE: usize = 1000;

/// The default model at Hopper's sizes.
pub fn hopper(encoder: EncoderKind, heads: usize, recency: Recency) -> ModelConfig {
    let (observation_size, action_size) = (11, 3);
    ModelConfig {
        model: format::Model { encoder, width: 128, layers: 3, heads, norm: Norm::Post, recency },
        dropout: 0.1,
        observation_size,
        action: ActionSpace::Continuous { low: vec![-1.0; action_size], high: vec![1.0; action_size] },
        max_timesteps: EPISODE,
        return_scale: 1000.0,
        observation_mean: vec![0.0; observation_size],
        observation_std: vec![1.0; observation_size],
    }
}

/// A policy with its initial weights.
pub fn policy(name: &str, config: &ModelConfig, env: &EnvSpec, context: Context) -> Result<PolicyFile> {
    tch::manual_seed(0);
    let model = Model::new(config.clone(), Device::Cpu)?;
    let header = Header {
        policy: name.into(),
        seed: 0,
        updates: 0,
        dataset: "none".into(),
        env: env.clone(),
        observation_size: config.observation_size,
        action: config.action.clone(),
        target_returns: vec![1000.0],
        agent: Agent::Decision(Decision {
            model: config.model,
            max_timesteps: config.max_timesteps,
            context,
            return_scale: config.return_scale,
        }),
    };
    Ok(PolicyFile::new(&model, header))
}

/// What Hopper's untrained policy is told of its context.
pub fn unbounded() -> Context {
    Context { context_length: 20, regime: Regime::Unbounded }
}

/// Episodes of 1000 timesteps that fit a model.
pub fn dataset(config: &ModelConfig, episodes: usize) -> Dataset {
    let rows = episodes * EPISODE;
    let wave = |columns: usize, step: f32| (0..rows * columns).map(|i| (i as f32 * step).sin()).collect();
    let (actions, action_size, discrete) = match &config.action {
        ActionSpace::Continuous { low, .. } => (wave(low.len(), 0.73), low.len(), false),
        ActionSpace::Discrete { .. } => (vec![0.0; rows], 1, true),
    };
    let transitions = Transitions {
        observations: wave(config.observation_size, 0.37),
        actions,
        rewards: vec![1.0; rows],
        terminals: vec![false; rows],
        timeouts: (1..=rows).map(|row| row % EPISODE == 0).collect(),
    };
    Dataset::new("made up", transitions, config.observation_size, action_size, discrete)
}

/// A trainer with the default settings.
pub fn trainer<'d>(
    config: &ModelConfig,
    env: &EnvSpec,
    dataset: &'d Dataset,
    (context, batch): (usize, usize),
    precision: Precision,
    device: Device,
) -> Result<Trainer<'d>> {
    let train = TrainConfig {
        updates: u64::MAX,
        batch,
        context,
        carry: false,
        learning_rate: 1e-4,
        weight_decay: 1e-4,
        warmup: 1,
        schedule: Schedule::Constant,
        clip: 0.25,
        precision,
        seed: 0,
    };
    Ok(Trainer::new(config.clone(), train, dataset, env, device)?)
}

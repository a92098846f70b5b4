//! Stand-ins that cost what the real thing costs: an untrained policy, and data made up.

use aaren_agents::decision::{
    ActionScale, Header, HeaderContext, Model, ModelConfig, PolicyFile, Rollout, Schedule, TrainConfig,
    Trainer,
};
use aaren_envs::dataset::Transitions;
use aaren_envs::{Dataset, EnvSpec};
use aaren_policies::{EncoderConfig, EncoderKind, Norm, Precision, Recency};
use anyhow::Result;
use tch::Device;

/// Timesteps of an episode made up.
const EPISODE: usize = 1000;

/// The default model at Hopper's sizes.
pub fn hopper(encoder: EncoderKind, heads: i64, recency: Recency) -> ModelConfig {
    let (observation_size, action_size) = (11, 3);
    ModelConfig {
        encoder: EncoderConfig {
            encoder,
            width: 128,
            layers: 3,
            heads,
            dropout: 0.1,
            norm: Norm::Post,
            recency,
        },
        observation_size,
        action: ActionScale::Continuous { low: vec![-1.0; action_size], high: vec![1.0; action_size] },
        max_timesteps: EPISODE,
        return_scale: 1000.0,
        observation_mean: vec![0.0; observation_size],
        observation_std: vec![1.0; observation_size],
    }
}

/// A policy with its initial weights.
pub fn policy(name: &str, config: &ModelConfig, env: &EnvSpec, context: HeaderContext) -> Result<PolicyFile> {
    tch::manual_seed(0);
    let model = Model::new(config.clone(), Device::Cpu)?;
    let (format, version) = Header::format();
    let header = Header {
        format,
        version,
        policy: name.into(),
        seed: 0,
        updates: 0,
        dataset: "none".into(),
        env: env.clone(),
        model: (&config.encoder).into(),
        observation_size: config.observation_size,
        max_timesteps: config.max_timesteps,
        action: config.action.clone(),
        context,
        return_scale: config.return_scale,
        target_returns: vec![1000.0],
    };
    Ok(PolicyFile::new(&model, header))
}

/// What Hopper's untrained policy is told of its context.
pub fn unbounded() -> HeaderContext {
    HeaderContext { train: 20, rollout: Rollout::Unbounded }
}

/// Episodes of 1000 timesteps that fit a model.
pub fn dataset(config: &ModelConfig, episodes: usize) -> Dataset {
    let rows = episodes * EPISODE;
    let wave = |columns: usize, step: f32| (0..rows * columns).map(|i| (i as f32 * step).sin()).collect();
    let (actions, action_size, discrete) = match &config.action {
        ActionScale::Continuous { low, .. } => (wave(low.len(), 0.73), low.len(), false),
        ActionScale::Discrete { .. } => (vec![0.0; rows], 1, true),
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

//! From the spec's words to what the agents take.

use aaren_agents::decision::{ModelConfig, TrainConfig};
use aaren_envs::{Dataset, Environment};
use aaren_format::{Context, Model};

use crate::spec::{ModelSpec, PolicySpec, Spec};

pub fn encoder(model: &ModelSpec) -> Model {
    let ModelSpec { encoder, width, layers, heads, norm, recency, .. } = *model;
    Model { encoder, width, layers, heads, norm, recency }
}

pub fn context(policy: &PolicySpec) -> Context {
    Context { context_length: policy.context.train, regime: policy.context.rollout }
}

/// Checksum of everything a trainer takes from a dataset.
pub fn checksum(dataset: &Dataset) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for column in [dataset.observations(), dataset.actions(), dataset.returns_to_go()] {
        let mut bytes = Vec::with_capacity(4 * 4096);
        for part in column.chunks(4096) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    dataset.episodes().iter().for_each(|episode| hasher.update(&(episode.start as u64).to_le_bytes()));
    hasher.finalize()
}

/// Model of a policy for this environment, with the mean and standard deviation of the observations.
pub fn model(
    spec: &Spec,
    policy: &PolicySpec,
    environment: &Environment,
    dataset: &Dataset,
    (mean, std): &(Vec<f32>, Vec<f32>),
) -> ModelConfig {
    let longest = dataset.episodes().iter().map(|episode| episode.length).max().unwrap_or(0);
    ModelConfig {
        max_timesteps: longest.max(environment.max_episode_steps()),
        observation_mean: mean.clone(),
        observation_std: std.clone(),
        ..untrained_model(spec, policy, environment)
    }
}

/// The same without data: nothing but the sizes and the standard scale.
pub fn untrained_model(spec: &Spec, policy: &PolicySpec, environment: &Environment) -> ModelConfig {
    let observation_size = environment.observation_size();
    ModelConfig {
        model: encoder(&policy.model),
        dropout: policy.model.dropout,
        observation_size,
        action: environment.action_space().clone(),
        max_timesteps: environment.max_episode_steps(),
        return_scale: spec.evaluate.return_scale,
        observation_mean: vec![0.0; observation_size],
        observation_std: vec![1.0; observation_size],
    }
}

pub fn train(spec: &Spec, policy: &PolicySpec, seed: u64) -> TrainConfig {
    TrainConfig {
        updates: spec.train.updates,
        batch: spec.train.batch,
        context: policy.context.train,
        carry: policy.context.carry,
        learning_rate: spec.train.learning_rate,
        weight_decay: spec.train.weight_decay,
        warmup: spec.train.warmup,
        schedule: spec.train.schedule,
        clip: spec.train.clip,
        precision: policy.precision,
        seed,
    }
}

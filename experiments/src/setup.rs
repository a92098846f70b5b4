//! From the spec's words to what the agents take.

use aaren_agents::decision::{self, ActionScale, ModelConfig, TrainConfig};
use aaren_envs::{Dataset, Environment};
use aaren_policies as policies;

use crate::spec::{Encoder, ModelSpec, Norm, PolicySpec, Recency, Rollout, Schedule, Spec};

pub fn rollout(rollout: Rollout) -> decision::Rollout {
    match rollout {
        Rollout::Unbounded => decision::Rollout::Unbounded,
        Rollout::Window(timesteps) => decision::Rollout::Window(timesteps),
        Rollout::Reset(timesteps) => decision::Rollout::Reset(timesteps),
    }
}

pub fn encoder(model: &ModelSpec) -> policies::EncoderConfig {
    policies::EncoderConfig {
        encoder: match model.encoder {
            Encoder::Aaren => policies::EncoderKind::Aaren,
            Encoder::Transformer => policies::EncoderKind::Transformer,
        },
        width: model.width as i64,
        layers: model.layers as i64,
        heads: model.heads as i64,
        dropout: model.dropout,
        norm: match model.norm {
            Norm::Post => policies::Norm::Post,
            Norm::Pre => policies::Norm::Pre,
        },
        recency: match model.recency {
            Recency::None => policies::Recency::None,
            Recency::Learned => policies::Recency::Learned,
        },
    }
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
        encoder: encoder(&policy.model),
        observation_size,
        action: ActionScale::of(environment.action_space()),
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
        schedule: match spec.train.schedule {
            Schedule::Cosine => decision::Schedule::Cosine,
            Schedule::Constant => decision::Schedule::Constant,
        },
        clip: spec.train.clip,
        precision: policy.precision,
        seed,
    }
}

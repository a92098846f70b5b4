//! Stand-ins that cost what the real thing costs: an untrained policy, and data made up.

use aaren_agents::{Origin, PolicyFile, Task, TrainConfig, Trainer};
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, AgentConfig, Context, ContextLength, DecisionConfig, EncoderKind, Layout, Mixer, Model,
    Norm, Positions, Precision, Regime, Schedule, Settings, Start, Variation,
};
use tch::Device;

use crate::Result;

/// Timesteps of an episode made up.
const EPISODE: usize = 1000;

/// The default decision agent, and Hopper's sizes.
pub fn hopper(encoder: EncoderKind, heads: usize) -> (DecisionConfig, Task) {
    let (observation_size, action_size) = (11, 3);
    let agent = DecisionConfig {
        model: Model {
            width: 128,
            layers: 3,
            norm: Norm::Post,
            past_actions: true,
            positions: Positions::Timestep,
            mixer: Mixer::new(encoder, Settings { heads, ..Settings::default() }),
        },
        dropout: 0.1,
        context: Context { context_length: ContextLength::Timesteps(20), regime: Regime::Unbounded },
        start: Start::Uniform,
        carry: false,
        layout: Layout::Separate,
        variation: Variation::default(),
    };
    let task = Task {
        env: EnvSpec::new("Hopper-v4"),
        observation_size,
        action: ActionSpace::Continuous { low: vec![-1.0; action_size], high: vec![1.0; action_size] },
        max_timesteps: EPISODE,
        return_scale: 1000.0,
        return_range: [0.0, 1000.0],
        observation_mean: vec![0.0; observation_size],
        observation_std: vec![1.0; observation_size],
    };
    (agent, task)
}

/// A policy with its initial weights.
pub fn policy(name: &str, agent: &AgentConfig, task: &Task) -> Result<PolicyFile> {
    let data = dataset(task, 1);
    let untrained = trainer(agent, task, &data, 1, Precision::Float32, Device::Cpu)?;
    let (policy, dataset, target_returns) = (name.to_owned(), "none".to_owned(), vec![1000.0]);
    let (agent, fingerprint) = (agent.name.clone(), None);
    let origin = Origin { policy, agent, seed: 0, updates: 0, fingerprint, dataset, target_returns };
    Ok(PolicyFile::new(untrained.network(), origin))
}

/// Episodes of 1000 timesteps that fit a task.
pub fn dataset(task: &Task, episodes: usize) -> Dataset {
    let rows = episodes * EPISODE;
    let wave = |columns: usize, step: f32| (0..rows * columns).map(|i| (i as f32 * step).sin()).collect();
    let (actions, discrete) = match &task.action {
        ActionSpace::Continuous { low, .. } => (wave(low.len(), 0.73), false),
        space => (vec![0.0; rows * space.entries()], true),
    };
    let transitions = Transitions {
        observations: wave(task.observation_size, 0.37),
        actions,
        rewards: vec![1.0; rows],
        terminals: vec![false; rows],
        timeouts: (1..=rows).map(|row| row % EPISODE == 0).collect(),
    };
    Dataset::new("made up", transitions, task.observation_size, task.action.entries(), discrete)
}

/// A trainer with the default settings.
pub fn trainer<'d>(
    agent: &AgentConfig,
    task: &Task,
    dataset: &'d Dataset,
    batch: usize,
    precision: Precision,
    device: Device,
) -> Result<Trainer<'d>> {
    let train = TrainConfig {
        updates: u64::MAX,
        batch,
        learning_rate: 1e-4,
        weight_decay: 1e-4,
        warmup: 1,
        schedule: Schedule::Constant,
        clip: 0.25,
        ema: 0.0,
        precision,
        seed: 0,
    };
    Ok(Trainer::new(agent, task, train, dataset, device)?)
}

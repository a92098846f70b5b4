//! Fifty updates of every agent: their losses and a checksum of the weights.

use aaren_agents::*;
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Precision,
    Recency, Regime, ReturnIn, Settings, Variation,
};
use tch::Device;

const SIZE: usize = 3;

fn task(discrete: bool) -> Task {
    let continuous = ActionSpace::Continuous { low: vec![-2.0; 2], high: vec![2.0; 2] };
    Task {
        env: EnvSpec::new("Pendulum-v1"),
        observation_size: SIZE,
        action: if discrete { ActionSpace::Discrete { choices: 3 } } else { continuous },
        max_timesteps: 40,
        return_scale: 100.0,
        return_range: [0.0; 2],
        observation_mean: vec![0.1, -0.2, 0.3],
        observation_std: vec![0.5, 1.0, 2.0],
    }
}

/// Five episodes of 40 timesteps, every other one ended by the task.
fn dataset(discrete: bool) -> Dataset {
    let count = 200;
    let ends = |of: usize| (1..=count).map(|i| i % 40 == 0 && i / 40 % 2 == of).collect();
    let columns = if discrete { 1 } else { 2 };
    let action = |i: usize| if discrete { (i % 3) as f32 } else { 2.0 * (i as f32 * 0.37).cos() };
    let transitions = Transitions {
        observations: (0..SIZE * count).map(|i| (i as f32 * 0.7).sin()).collect(),
        actions: (0..columns * count).map(action).collect(),
        rewards: (0..count).map(|i| (i as f32 * 0.11).sin()).collect(),
        terminals: ends(0),
        timeouts: ends(1),
    };
    Dataset::new("toy", transitions, SIZE, columns, discrete)
}

fn decision(encoder: EncoderKind, recency: Recency, norm: Norm, carry: bool) -> AgentConfig {
    AgentConfig::new(&separate(encoder, recency, norm, carry))
}

/// Rotated, and carried where a state has one size.
fn turned(encoder: EncoderKind, recency: Recency, keys: usize) -> AgentConfig {
    let config = separate(encoder, recency, Norm::Post, encoder.constant_state());
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency, keys, ..Settings::default() });
    AgentConfig::new(&DecisionConfig {
        model: Model { positions: Positions::Rotary, mixer, ..config.model },
        ..config
    })
}

/// One token for each timestep, and all that training changes of its windows.
fn joint(encoder: EncoderKind, return_in: ReturnIn) -> AgentConfig {
    AgentConfig::new(&DecisionConfig {
        layout: Layout::Joint { return_in, rate: return_in == ReturnIn::Head, bins: 0 },
        variation: Variation {
            return_dropout: 0.2,
            history_noise: 0.05,
            random_length: true,
            ..Variation::default()
        },
        ..separate(encoder, Recency::None, Norm::Post, false)
    })
}

fn separate(encoder: EncoderKind, recency: Recency, norm: Norm, carry: bool) -> DecisionConfig {
    DecisionConfig {
        model: Model {
            mixer: Mixer::new(encoder, Settings { heads: 2, recency, ..Settings::default() }),
            width: 16,
            layers: 2,
            norm,
            past_actions: true,
            positions: Positions::Timestep,
        },
        dropout: 0.1,
        context: Context { context_length: ContextLength::Timesteps(10), regime: Regime::Unbounded },
        start: Start::Uniform,
        carry,
        layout: Layout::Separate,
        variation: Variation::default(),
    }
}

#[test]
fn fifty_updates_are_what_they_were() {
    let cloning = AgentConfig::new(&CloningConfig {
        width: 16,
        layers: 2,
        dropout: 0.1,
        top: 0.8,
        context_length: ContextLength::Timesteps(10),
    });
    // Loss of the first and of the fiftieth update, and the sum of the weights' magnitudes.
    let cases = [
        (
            decision(EncoderKind::Aaren, Recency::Learned, Norm::Post, false),
            false,
            1,
            [0.667114, 0.39607, 854.644],
        ),
        (
            decision(EncoderKind::Aaren, Recency::Gated, Norm::Pre, true),
            false,
            2,
            [0.626985, 0.451417, 888.7071],
        ),
        (
            decision(EncoderKind::Transformer, Recency::None, Norm::Post, false),
            true,
            1,
            [1.722018, 0.367512, 836.018],
        ),
        (
            decision(EncoderKind::Gru, Recency::None, Norm::Post, true),
            false,
            1,
            [0.641163, 0.339924, 894.1058],
        ),
        (
            decision(EncoderKind::Lstm, Recency::None, Norm::Pre, true),
            false,
            1,
            [0.71179, 0.511658, 942.9996],
        ),
        (
            decision(EncoderKind::MinGru, Recency::None, Norm::Post, false),
            false,
            2,
            [0.871795, 0.481466, 801.5611],
        ),
        (turned(EncoderKind::GatedDelta, Recency::None, 1), true, 1, [1.333186, 0.137299, 877.3129]),
        (turned(EncoderKind::Aaren, Recency::Spread, 4), false, 1, [0.67008, 0.172442, 934.5871]),
        (turned(EncoderKind::Transformer, Recency::None, 1), false, 1, [0.714212, 0.435425, 830.8512]),
        (joint(EncoderKind::Aaren, ReturnIn::Head), false, 1, [0.597384, 0.13712, 1072.661]),
        (joint(EncoderKind::Transformer, ReturnIn::Token), true, 1, [1.555298, 0.171801, 802.526]),
        (cloning.clone(), false, 1, [0.525424, 0.535814, 59.25632]),
        (cloning, true, 1, [1.137696, 0.974487, 61.66556]),
        (
            AgentConfig::new(&IqlConfig { width: 16, ..IqlConfig::default() }),
            false,
            1,
            [6.229253, 2.513584, 59.47487],
        ),
        (
            AgentConfig::new(&Td3BcConfig { width: 16, ..Td3BcConfig::default() }),
            false,
            1,
            [1.200615, 0.465083, 59.67299],
        ),
    ];
    for (agent, discrete, threads, expected) in cases {
        tch::set_num_threads(threads);
        let config = TrainConfig {
            updates: 60,
            batch: 8,
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            warmup: 5,
            schedule: Schedule::Cosine,
            clip: 0.25,
            ema: 0.0,
            precision: Precision::Float32,
            seed: 5,
        };
        let (task, data) = (task(discrete), dataset(discrete));
        let mut trainer = Trainer::new(&agent, &task, config, &data, Device::Cpu).unwrap();
        let losses: Vec<f64> = (0..50).map(|_| trainer.update().unwrap().loss.double_value(&[])).collect();
        let magnitude = |(_, tensor): &(String, tch::Tensor)| tensor.abs().sum(None).double_value(&[]);
        let sum: f64 = trainer.network().named_parameters().iter().map(magnitude).sum();
        println!("{} {} {} {sum}", agent.name, losses[0], losses[49]);
        for (found, expected) in [losses[0], losses[49], sum].into_iter().zip(expected) {
            // Processors round differently, and fifty updates build on it.
            let off = (found / expected - 1.0).abs();
            assert!(off < 1e-3, "{}, {threads} threads: {found}, not {expected}", agent.name);
        }
    }
}

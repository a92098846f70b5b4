//! The decision agent with the return in its head: three updates are those of PyTorch, from the same weights on the same
//! windows.

use aaren_agents::decision::Windows;
use aaren_agents::{Agent, DecisionConfig, Schedule, Start, Task, TrainConfig};
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Precision,
    Regime, ReturnIn, Settings, Variation,
};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const COUNT: usize = 12;
const ROWS: usize = 4;

fn task() -> Task {
    Task {
        env: EnvSpec::new("toy"),
        observation_size: 3,
        action: ActionSpace::Continuous { low: vec![-2.0; 2], high: vec![2.0; 2] },
        max_timesteps: 5,
        return_scale: 2.0,
        return_range: [0.0; 2],
        observation_mean: vec![0.1, -0.2, 0.3],
        observation_std: vec![0.5, 1.0, 2.0],
    }
}

/// Episodes of 5, 4 and 3 timesteps.
fn dataset() -> Dataset {
    let wave = |count: usize, step: f64, wave: fn(f64) -> f64| {
        (0..count).map(|i| wave(step * i as f64) as f32).collect::<Vec<f32>>()
    };
    let transitions = Transitions {
        observations: wave(3 * COUNT, 0.7, f64::sin),
        actions: wave(2 * COUNT, 0.37, |x| 1.5 * x.cos()),
        rewards: wave(COUNT, 0.9, f64::sin),
        terminals: (0..COUNT).map(|i| i == 4).collect(),
        timeouts: (0..COUNT).map(|i| i == 8 || i == 11).collect(),
    };
    Dataset::new("toy", transitions, 3, 2, false)
}

fn agent(bins: usize) -> DecisionConfig {
    DecisionConfig {
        model: Model {
            mixer: Mixer::new(EncoderKind::Transformer, Settings { heads: 2, ..Settings::default() }),
            width: 8,
            layers: 2,
            norm: Norm::Post,
            past_actions: true,
            positions: Positions::Timestep,
        },
        dropout: 0.0,
        context: Context { context_length: ContextLength::Timesteps(4), regime: Regime::Window(4) },
        start: Start::Uniform,
        carry: false,
        layout: Layout::Joint { return_in: ReturnIn::Head, rate: true, bins },
        variation: Variation { return_dropout: 0.3, history_noise: 0.05, ..Variation::default() },
    }
}

/// Where the windows of an update start: each of its rows is the window at one transition.
fn starts(windows: &Windows, update: u64) -> Vec<usize> {
    let drawn = windows.batch(update, ROWS, Device::Cpu);
    let first = |states: &Tensor, row: i64| Vec::<f32>::try_from(states.get(row).get(0)).unwrap();
    let start = |row: usize| {
        let like = |&start: &usize| {
            first(&windows.at(&[start], Device::Cpu).states, 0) == first(&drawn.states, row as i64)
        };
        (0..COUNT).find(like).unwrap()
    };
    (0..ROWS).map(start).collect()
}

/// The numbers of `oracle/asked.py`. PyTorch's generator is this one: masks and noise are the same.
#[test]
fn an_update_with_the_return_in_the_head_is_pytorchs() {
    tch::set_num_threads(1);
    let oracles: Vec<Value> = serde_json::from_str(include_str!("oracle/asked.json")).unwrap();
    assert_eq!(oracles.len(), 2);
    oracles.iter().for_each(three_updates);
}

fn three_updates(oracle: &Value) {
    let (data, agent) = (dataset(), agent(oracle["bins"].as_u64().unwrap() as usize));
    let return_range = task().with_dataset(&data).unwrap().return_range;
    let task = Task { return_range, ..task() };
    let config = TrainConfig {
        updates: 100,
        batch: ROWS,
        learning_rate: 3e-4,
        weight_decay: 0.01,
        warmup: 2,
        schedule: Schedule::Constant,
        clip: 0.25,
        ema: 0.5,
        precision: Precision::Float32,
        seed: 6,
    };
    let windows = Windows::new(&data, &task, 4, config.seed).unwrap().of(&agent);
    let drawn: Vec<_> = (0..3).map(|update| starts(&windows, update)).collect();
    assert_eq!(serde_json::json!(drawn), oracle["starts"]);
    let mut learner = agent.learner(&task, &data, &config, Device::Cpu).unwrap();
    let saved = learner.save().tensors.into_iter().filter(|(name, _)| !name.starts_with("optimizer."));
    let (mut average, mut weights): (Vec<_>, Vec<_>) =
        saved.partition(|(name, _): &(String, Tensor)| name.starts_with("average."));
    for tensors in [&mut average, &mut weights] {
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tch::no_grad(|| {
            for (place, (_, tensor)) in tensors.iter().enumerate() {
                let values =
                    (0..tensor.numel()).map(|i| (0.6 * (1.7 * i as f64 + place as f64).sin()) as f32);
                let values = Tensor::from_slice(&values.collect::<Vec<f32>>());
                tensor.shallow_clone().copy_(&values.view_as(tensor));
            }
        });
    }
    for (update, expected) in oracle["losses"].as_array().unwrap().iter().enumerate() {
        tch::manual_seed(update as i64);
        let metrics = learner.step(update as u64).unwrap();
        for (name, expected) in expected.as_object().unwrap() {
            let others = metrics.others.iter().find(|(other, _)| other == name);
            let found = others.map_or(&metrics.loss, |(_, other)| other).double_value(&[]);
            let expected = expected.as_f64().unwrap();
            let off = (found - expected).abs();
            assert!(off < 1e-5 * expected.abs().max(1.0), "update {update}, {name}: {found}, not {expected}");
        }
    }
    for (tensors, key) in [(&weights, "weights"), (&average, "average")] {
        let expected = oracle[key].as_object().unwrap();
        assert_eq!(tensors.len(), expected.len());
        for ((name, tensor), (called, expected)) in tensors.iter().zip(expected) {
            assert_eq!(name.trim_start_matches("average."), called);
            // A bias of keys cancels: its gradient is what rounding leaves of 0.
            if name.ends_with("key.bias") {
                continue;
            }
            let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
            let found = Vec::<f64>::try_from(tensor.detach().view([-1]).to_kind(Kind::Double)).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{key}, {name}: {found}, not {expected}");
            }
        }
    }
}

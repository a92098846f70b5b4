//! Value-based agents: three updates are those of PyTorch, from the same weights on the same transitions.

use aaren_agents::{Agent, Error, IqlConfig, Sampler, Schedule, Task, Td3BcConfig, TrainConfig};
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{ActionSpace, Precision};
use serde_json::Value;
use tch::{Device, Tensor};

const COUNT: usize = 12;

fn task() -> Task {
    Task {
        env: EnvSpec::new("toy"),
        observation_size: 3,
        action: ActionSpace::Continuous { low: vec![-2.0; 2], high: vec![2.0; 2] },
        max_timesteps: 5,
        return_scale: 1.0,
        return_range: [0.0; 2],
        observation_mean: vec![0.1, -0.2, 0.3],
        observation_std: vec![0.5, 1.0, 2.0],
    }
}

/// Episodes of 5, 4 and 3 timesteps: the task ends the first one, time the second, the data the third.
fn dataset() -> Dataset {
    let wave = |count: usize, step: f64, wave: fn(f64) -> f64| {
        (0..count).map(|i| wave(step * i as f64) as f32).collect::<Vec<f32>>()
    };
    let transitions = Transitions {
        observations: wave(3 * COUNT, 0.7, f64::sin),
        actions: wave(2 * COUNT, 0.37, |x| 1.5 * x.cos()),
        rewards: wave(COUNT, 0.9, f64::sin),
        terminals: (0..COUNT).map(|i| i == 4).collect(),
        timeouts: (0..COUNT).map(|i| i == 8).collect(),
    };
    Dataset::new("toy", transitions, 3, 2, false)
}

fn config() -> TrainConfig {
    TrainConfig {
        updates: 100,
        batch: 4,
        learning_rate: 3e-4,
        // What of `train` these agents take no notice of.
        weight_decay: 0.5,
        warmup: 50,
        schedule: Schedule::Constant,
        clip: 1e-3,
        ema: 0.5,
        precision: Precision::Float32,
        seed: 6,
    }
}

/// Libtorch's generator is one for the whole process: tests that draw from it take turns.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Holds three updates to what `oracle/value_based.py` wrote.
fn equals_the_oracle(agent: &impl Agent, oracle: &str) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, oracle): (_, Value) = (dataset(), serde_json::from_str(oracle).unwrap());
    let sampler = Sampler::with_outcome(&data, &task(), config().seed).unwrap();
    for (update, draws) in oracle["draws"].as_array().unwrap().iter().enumerate() {
        assert_eq!(serde_json::json!(sampler.draw(update as u64, 4)), *draws, "update {update}");
    }
    let mut learner = agent.learner(&task(), &data, &config(), Device::Cpu).unwrap();
    let weights = || {
        let tensors = learner.save().tensors.into_iter().filter(|(name, _)| !name.contains("optimizer"));
        let mut tensors: Vec<(String, Tensor)> = tensors.collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    let weights = weights();
    tch::no_grad(|| {
        for (place, (_, tensor)) in weights.iter().enumerate() {
            let values = (0..tensor.numel()).map(|i| (0.6 * (1.7 * i as f64 + place as f64).sin()) as f32);
            let values = Tensor::from_slice(&values.collect::<Vec<f32>>());
            tensor.shallow_clone().copy_(&values.view_as(tensor));
        }
    });
    for (update, expected) in oracle["losses"].as_array().unwrap().iter().enumerate() {
        tch::manual_seed(update as i64);
        let metrics = learner.step(update as u64).unwrap();
        let found = |name| match name {
            "loss" => metrics.loss.double_value(&[]),
            _ => metrics.others.iter().find(|(other, _)| *other == name).unwrap().1.double_value(&[]),
        };
        for (name, expected) in expected.as_object().unwrap() {
            let (found, expected) = (found(name.as_str()), expected.as_f64().unwrap());
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{name}: {found}, not {expected}"
            );
        }
    }
    let expected = oracle["weights"].as_object().unwrap();
    assert_eq!(weights.len(), expected.len());
    for ((name, tensor), (called, expected)) in weights.iter().zip(expected) {
        assert_eq!(name, called);
        let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
        let found = Vec::<f64>::try_from(tensor.detach().view([-1]).to_kind(tch::Kind::Double)).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found}, not {expected}");
        }
    }
}

#[test]
fn an_update_of_iql_is_pytorchs() {
    let agent = IqlConfig { width: 4, ..IqlConfig::default() };
    equals_the_oracle(&agent, include_str!("oracle/iql.json"));
}

/// PyTorch's generator is this one: the noise on the target policy's actions is the same.
#[test]
fn an_update_of_td3_bc_is_pytorchs() {
    let agent = Td3BcConfig { width: 4, ..Td3BcConfig::default() };
    equals_the_oracle(&agent, include_str!("oracle/td3-bc.json"));
}

#[test]
fn transitions_without_an_outcome_are_not_drawn() {
    let (data, task) = (dataset(), task());
    let sampler = Sampler::with_outcome(&data, &task, 0).unwrap();
    let mut seen: Vec<usize> = (0..50).flat_map(|update| sampler.draw(update, 8)).collect();
    seen.sort_unstable();
    seen.dedup();
    // The last ones of the second and the third episode lead nowhere that is known.
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]);
    let outcome = sampler.outcome(&[3, 4, 5], Device::Cpu);
    assert_eq!(Vec::<f32>::try_from(&outcome.goes_on).unwrap(), [1.0, 0.0, 1.0]);
    assert_eq!(Vec::<f32>::try_from(&outcome.rewards).unwrap(), data.rewards()[3..6]);
    let next = sampler.observations(&[4, 4, 6], Device::Cpu);
    assert_eq!(outcome.next_observations, next);

    let ends = vec![true; COUNT];
    let single = Transitions { timeouts: ends, terminals: vec![false; COUNT], ..transitions_of(&data) };
    let single = Dataset::new("single", single, 3, 2, false);
    let message = Sampler::with_outcome(&single, &task, 0).unwrap_err().to_string();
    assert!(message.contains("single") && message.contains("no transition"), "{message}");
}

fn transitions_of(data: &Dataset) -> Transitions {
    Transitions {
        observations: data.observations().to_vec(),
        actions: data.actions().to_vec(),
        rewards: data.rewards().to_vec(),
        ..Transitions::default()
    }
}

#[test]
fn discrete_actions_are_refused() {
    let task = Task { action: ActionSpace::Discrete { choices: 3 }, ..task() };
    let error = IqlConfig::default().learner(&task, &dataset(), &config(), Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::Discrete { choices: 3, .. }) && error.is_refusal());
    let message = error.to_string();
    assert!(
        message.contains("agent iql takes continuous actions, environment toy has 3 choices"),
        "{message}"
    );
}

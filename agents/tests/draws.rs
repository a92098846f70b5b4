//! What is drawn at random, and from what: initial weights, windows, masks of dropout.

use std::collections::BTreeMap;

use aaren_agents::decision::Windows;
use aaren_agents::*;
use aaren_datasets::{Dataset, Transitions};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Precision,
    Regime, Settings, Variation,
};
use tch::{Device, Kind};

/// Libtorch's generator is one for the whole process: tests that draw from it take turns.
fn generator() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    tch::set_num_threads(1);
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn task() -> Task {
    Task {
        env: EnvSpec::new("Pendulum-v1"),
        observation_size: 1,
        action: ActionSpace::Continuous { low: vec![-2.0], high: vec![2.0] },
        max_timesteps: 200,
        return_scale: 1.0,
        return_range: [0.0; 2],
        observation_mean: vec![0.0],
        observation_std: vec![1.0],
    }
}

/// Episodes of these lengths; each observation is the number of its transition.
fn dataset(lengths: &[usize]) -> Dataset {
    let count: usize = lengths.iter().sum();
    let mut timeouts = vec![false; count];
    let mut end = 0;
    for length in lengths {
        end += length;
        timeouts[end - 1] = true;
    }
    let transitions = Transitions {
        observations: (0..count).map(|index| index as f32).collect(),
        actions: (0..count).map(|index| (index as f32).sin()).collect(),
        rewards: vec![0.0; count],
        terminals: vec![false; count],
        timeouts,
    };
    Dataset::new("numbered", transitions, 1, 1, false)
}

/// How often each transition begins a window, of 100 batches of 400.
fn starts(windows: &Windows) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for update in 0..100 {
        let first = windows.batch(update, 400, Device::Cpu).states.select(1, 0).select(1, 0);
        for start in Vec::<f32>::try_from(&first).unwrap() {
            *counts.entry(start as usize).or_default() += 1;
        }
    }
    counts
}

/// Five standard errors of a binomial count around what is expected.
fn assert_even(counts: &BTreeMap<usize, usize>, expected: impl Iterator<Item = usize>) {
    let expected: Vec<usize> = expected.collect();
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), expected);
    let share = 1.0 / expected.len() as f64;
    let (mean, deviation) = (40_000.0 * share, (40_000.0 * share * (1.0 - share)).sqrt());
    for (start, &count) in counts {
        assert!((count as f64 - mean).abs() < 5.0 * deviation, "{start}: {count} of {mean} expected");
    }
}

/// Every transition as often as any other, so that a long episode is drawn more often than a short one and none is left
/// out; or every episode as often as any other, at its start.
#[test]
fn windows_are_drawn_evenly_from_the_whole_dataset() {
    let data = dataset(&[3, 40, 7, 50]);
    let windows = || Windows::new(&data, &task(), 5, 1).unwrap();
    assert_even(&starts(&windows()), 0..100);
    assert_even(&starts(&windows().of(&config(0.0))), [0, 3, 43, 50].into_iter());
    // Other updates and other seeds draw others, and the same ones the same.
    let drawn = |seed, update| {
        let windows = Windows::new(&data, &task(), 5, seed).unwrap();
        Vec::<f32>::try_from(windows.batch(update, 50, Device::Cpu).states.reshape([-1])).unwrap()
    };
    assert_eq!(drawn(1, 0), drawn(1, 0));
    assert_ne!(drawn(1, 0), drawn(1, 1));
    assert_ne!(drawn(1, 0), drawn(2, 0));
}

/// Windows that begin where episodes do.
fn config(dropout: f64) -> DecisionConfig {
    DecisionConfig {
        model: Model {
            mixer: Mixer::new(EncoderKind::Aaren, Settings { heads: 2, ..Settings::default() }),
            width: 16,
            layers: 2,
            norm: Norm::Post,
            past_actions: true,
            positions: Positions::Timestep,
        },
        dropout,
        context: Context { context_length: ContextLength::Timesteps(10), regime: Regime::Unbounded },
        start: Start::Episode,
        carry: false,
        layout: Layout::Separate,
        variation: Variation::default(),
    }
}

fn agent(dropout: f64) -> AgentConfig {
    AgentConfig::new(&config(dropout))
}

fn train_config(seed: u64) -> TrainConfig {
    TrainConfig {
        updates: 10,
        batch: 4,
        // Weights stay as they are, to the last digits.
        learning_rate: 1e-12,
        weight_decay: 0.0,
        warmup: 0,
        schedule: Schedule::Constant,
        clip: 1.0,
        ema: 0.0,
        precision: Precision::Float32,
        seed,
    }
}

/// Seeds are trainings of their own from the first weight on.
#[test]
fn another_seed_has_other_initial_weights() {
    let _turn = generator();
    let data = dataset(&[20, 20]);
    let weights = |agent: &AgentConfig, seed| {
        let trainer = Trainer::new(agent, &task(), train_config(seed), &data, Device::Cpu).unwrap();
        let sum = |(_, tensor): &(String, tch::Tensor)| tensor.sum(Kind::Double).double_value(&[]);
        trainer.network().named_parameters().iter().map(sum).collect::<Vec<_>>()
    };
    let iql = AgentConfig::new(&IqlConfig { width: 16, ..IqlConfig::default() });
    for agent in [agent(0.1), iql] {
        assert_eq!(weights(&agent, 1), weights(&agent, 1), "{}", agent.name);
        assert_ne!(weights(&agent, 1), weights(&agent, 2), "{}", agent.name);
    }
}

/// Lengths from one timestep to the context, each as often as any other; never beyond the episode.
#[test]
fn windows_of_random_length_have_every_length_as_often() {
    let data = dataset(&[2000]);
    let mut config = DecisionConfig { start: Start::Uniform, ..config(0.0) };
    config.variation.random_length = true;
    let windows = Windows::new(&data, &task(), 10, 1).unwrap().of(&config);
    let mut counts = BTreeMap::new();
    for update in 0..100 {
        let batch = windows.batch(update, 400, Device::Cpu);
        let lengths = batch.mask.sum_dim_intlist([1i64].as_slice(), false, Kind::Int64);
        let first = batch.states.select(1, 0).select(1, 0).to_kind(Kind::Int64);
        let [lengths, first] = [lengths, first].map(|numbers| Vec::<i64>::try_from(numbers).unwrap());
        for (length, first) in lengths.into_iter().zip(first) {
            assert!(length <= 2000 - first);
            *counts.entry(length as usize).or_default() += 1;
        }
    }
    assert_even(&counts, 1..=10);
}

/// Every chunk holds the ten timesteps of one episode, or of its end and the start of the same again, and the weights stay: a
/// state that leaked from one into the next would show.
#[test]
fn a_carried_state_ends_with_its_episode() {
    let _turn = generator();
    let data = dataset(&[10]);
    for encoder in EncoderKind::ALL.into_iter().filter(|encoder| encoder.constant_state()) {
        let losses = |carry| {
            let plain = config(0.0);
            let mixer = Mixer::new(encoder, Settings { heads: 2, ..Settings::default() });
            let model = Model { mixer, ..plain.model };
            let agent = AgentConfig::new(&DecisionConfig { carry, model, ..plain });
            let mut trainer = Trainer::new(&agent, &task(), train_config(1), &data, Device::Cpu).unwrap();
            (0..4).map(|_| trainer.update().unwrap().loss.double_value(&[])).collect::<Vec<_>>()
        };
        let (carried, whole) = (losses(true), losses(false)[0]);
        let apart = carried[1..].iter().map(|loss| (loss / whole - 1.0).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-6, "{encoder}: {carried:?}, without a state {whole}");
    }
}

/// One episode is every batch, and the weights stay: what differs from update to update is the mask alone.
#[test]
fn every_update_has_masks_of_its_own() {
    let _turn = generator();
    let data = dataset(&[10]);
    let losses = |dropout, seed| {
        let mut trainer =
            Trainer::new(&agent(dropout), &task(), train_config(seed), &data, Device::Cpu).unwrap();
        (0..6).map(|_| trainer.update().unwrap().loss.double_value(&[])).collect::<Vec<_>>()
    };
    let without = losses(0.0, 1);
    assert!(without.iter().all(|loss| (loss - without[0]).abs() < 1e-6 * without[0]), "{without:?}");
    let with = losses(0.5, 1);
    for (index, loss) in with.iter().enumerate() {
        let repeated = with[..index].iter().any(|other| (loss - other).abs() < 1e-6 * loss);
        assert!(!repeated, "update {index} has a mask of before: {with:?}");
    }
    assert_eq!(with, losses(0.5, 1));
}

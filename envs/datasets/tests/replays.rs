//! Datasets from trained behaviour policies.

use std::collections::HashSet;

use aaren_datasets::Dataset;
use aaren_datasets::behaviour::TASKS;
use aaren_datasets::recipe;
use aaren_envs::{EnvSpec, seeds};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Everything in a dataset, bit for bit.
fn content(data: &Dataset) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    (bits(data.observations()), bits(data.actions()), bits(data.rewards()))
}

#[test]
fn name_transitions_and_seed_decide_everything_and_the_threads_nothing() {
    for name in [
        "hopper-medium-replay",
        "halfcheetah-medium-expert",
        "cartpole-full-replay",
        "ant-random",
        "t-maze-4",
    ] {
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            content(&pool.install(|| recipe::make(name, 4000, seed, |_| {})).unwrap())
        };
        let once = on(1, 3);
        assert!(once == on(3, 3), "{name}");
        assert!(once != on(1, 4), "{name}");
    }
}

#[test]
fn the_file_is_the_same_on_a_second_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        recipe::write("walker2d-medium", &path, 3000, 0, |_| {}).unwrap();
        std::fs::read(path).unwrap()
    };
    assert!(write("once.hdf5") == write("again.hdf5"));
}

#[test]
fn no_episode_starts_where_one_of_an_evaluation_starts() {
    for task in &TASKS {
        let mut environment = aaren_envs::make(&EnvSpec::new(task.env)).unwrap();
        let mut observation = vec![0.0; environment.observation_size()];
        let mut starts = HashSet::new();
        for (seed, episode) in (0..20).flat_map(|seed| (0..100).map(move |episode| (seed, episode))) {
            environment.reset(seeds::evaluation(seed, episode), &mut observation);
            starts.insert(observation.iter().map(|&x| (x as f32).to_bits()).collect::<Vec<_>>());
        }
        assert_eq!(starts.len(), 2000);
        let size = observation.len();
        for seed in [0, 1, 1000] {
            let data = recipe::make(&format!("{}-random", task.name), 3000, seed, |_| {}).unwrap();
            for episode in data.episodes() {
                assert!(!starts.contains(&bits(&data.observations()[episode.start * size..][..size])));
            }
        }
    }
}

/// In order and getting better, as a replay buffer fills.
#[test]
fn a_replay_starts_like_a_beginner_and_ends_like_its_last_snapshot() {
    for (replay, last) in [("hopper-medium-replay", "hopper-medium"), ("hopper-full-replay", "hopper-expert")]
    {
        let mean = |data: &Dataset, part: std::ops::Range<usize>| {
            let returns = data.episodes().iter().filter(|e| part.contains(&e.start)).map(|e| e.total_return);
            let returns: Vec<f64> = returns.collect();
            returns.iter().sum::<f64>() / returns.len() as f64
        };
        let data = recipe::make(replay, 40_000, 0, |_| {}).unwrap();
        let last = recipe::make(last, 4000, 0, |_| {}).unwrap();
        let (first, end) = (mean(&data, 0..2000), mean(&data, 38_000..40_000));
        assert!(first < 0.5 * end, "{replay}: {first} at first, {end} in the end");
        let expected = mean(&last, 0..4000);
        assert!(
            (end / expected - 1.0).abs() < 0.25,
            "{replay}: {end} in the end, the last snapshot {expected}"
        );
    }
}

#[test]
fn a_half_of_medium_expert_is_the_experts() {
    let data = recipe::make("halfcheetah-medium-expert", 8000, 0, |_| {}).unwrap();
    let returns: Vec<f64> = data.episodes().iter().map(|e| e.total_return).collect();
    assert_eq!(returns.len(), 8);
    let medium = recipe::make("halfcheetah-medium", 4000, 0, |_| {}).unwrap();
    assert!(content(&medium).0 == bits(&data.observations()[..medium.observations().len()]));
    assert!(returns[4..].iter().all(|r| *r > 1.5 * returns[..4].iter().cloned().fold(f64::MIN, f64::max)));
}

//! Behaviour policies, against the library that trained them.

use std::path::Path;

use aaren_datasets::behaviour::{Distribution, TASKS};
use aaren_datasets::recipe;
use aaren_envs::EnvSpec;
use safetensors::{Dtype, SafeTensors};

/// `[rows, entries]` of a tensor of float32 or float64.
fn rows(file: &SafeTensors, name: &str) -> Vec<Vec<f64>> {
    let tensor = file.tensor(name).unwrap();
    let values: Vec<f64> = match tensor.dtype() {
        Dtype::F32 => tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
        Dtype::F64 => tensor.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        other => panic!("{name}: {other:?}"),
    };
    values.chunks_exact(tensor.shape()[1]).map(<[f64]>::to_vec).collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= allowed, "{what}: {found} instead of {expected}");
    }
}

/// The parameters of the distributions against the library's network in float64; actions against those that it drew,
/// in float32: its own sums of 64 products and its tanh are off by up to 2.2e-6.
#[test]
fn actors_give_what_the_library_gives() {
    for task in &TASKS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
        let bytes = std::fs::read(path.join(format!("{}.outputs.safetensors", task.name))).unwrap();
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        let snapshots = task.snapshots().unwrap();
        let space = aaren_envs::make(&EnvSpec::new(task.env)).unwrap().action_space().clone();
        let mut compared = 0;
        for index in [0, snapshots.medium, snapshots.expert] {
            let stored = |name: &str| rows(&outputs, &format!("{index}.{name}"));
            for (row, observation) in stored("observations").iter().enumerate() {
                let what = format!("{} snapshot {index} row {row}", task.name);
                let observation: Vec<f32> = observation.iter().map(|&x| x as f32).collect();
                let distribution = snapshots.actors[index].distribution(&observation);
                compared += 1;
                if let Distribution::Categorical { logits } = &distribution {
                    assert_near(logits, &stored("logits")[row], 1e-12, &what);
                    continue;
                }
                let action = |noise: &[f64]| {
                    let noise: Vec<f32> = noise.iter().map(|&x| x as f32).collect();
                    let mut action = vec![0.0; space.entries()];
                    distribution.squash(&noise, &space, &mut action);
                    action.iter().map(|&a| a.into()).collect::<Vec<f64>>()
                };
                assert_near(&action(&stored("noise")[row]), &stored("actions")[row], 3e-6, &what);
                assert_near(&action(&vec![0.0; space.entries()]), &stored("modes")[row], 3e-6, &what);
                if let Distribution::SquashedGaussian { mean, std } = &distribution {
                    assert_near(mean, &stored("mean")[row], 1e-12, &what);
                    assert_near(std, &stored("std")[row], 1e-12, &what);
                }
            }
        }
        assert_eq!(compared, 96, "{}", task.name);
    }
}

/// Name, size and seed make a dataset, on every processor with fused products. Mean returns of what was made in 2026.
#[test]
fn replays_return_what_they_did() {
    for (name, expected) in [
        ("cartpole-medium", 168.583),
        ("cartpole-expert", 500.0),
        ("hopper-medium", 947.220),
        ("hopper-expert", 3470.122),
        ("halfcheetah-medium", 2294.328),
        ("halfcheetah-expert", 7371.048),
        ("walker2d-medium", 1374.151),
        ("walker2d-expert", 3893.776),
        ("ant-medium", 592.894),
        ("ant-expert", 2332.156),
        ("hopper-1-medium", 1093.190),
        ("hopper-1-expert", 3358.410),
        ("halfcheetah-1-medium", 2977.952),
        ("halfcheetah-1-expert", 8892.212),
        ("walker2d-1-medium", 1555.503),
        ("walker2d-1-expert", 3779.121),
        ("ant-1-medium", 753.332),
        ("ant-1-expert", 2838.605),
    ] {
        let found = recipe::make(name, 10_000, 7, |_| {}).unwrap().summary().return_mean;
        assert!((found / expected - 1.0).abs() < 0.03, "{name}: {found}, not {expected}");
    }
}

/// The whole of it, environment, noise and bounds: returns of the replay, and those that the library measured.
#[test]
fn replayed_policies_return_what_the_library_measured() {
    for task in &TASKS {
        let snapshots = task.snapshots().unwrap();
        for (quality, index) in [("medium", snapshots.medium), ("expert", snapshots.expert)] {
            let snapshot = &snapshots.snapshots[index];
            let name = format!("{}-{quality}", task.name);
            let data = recipe::make(&name, 10_000, 7, |_| {}).unwrap().summary();
            let square_error = snapshot.return_std.powi(2) / snapshot.episodes as f64
                + data.return_std.powi(2) / data.episodes as f64;
            let apart = (data.return_mean - snapshot.return_mean).abs();
            assert!(
                apart <= 4.0 * square_error.sqrt(),
                "{name}: {} ± {} and {} ± {}",
                data.return_mean,
                data.return_std,
                snapshot.return_mean,
                snapshot.return_std
            );
        }
        let score = |index: usize| snapshots.snapshots[index].return_mean;
        assert!(score(0) < score(snapshots.medium) && score(snapshots.medium) < score(snapshots.expert));
    }
}

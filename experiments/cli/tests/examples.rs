//! The examples do what they say.

use std::path::PathBuf;
use std::process::Command;

/// `cargo test` builds the examples beside the tests.
fn example(name: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let profile: PathBuf = this.parent().and_then(|deps| deps.parent()).unwrap().into();
    Command::new(profile.join("examples").join(name))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complaint}");
    said.into_owned()
}

#[test]
fn a_program_of_ones_own_lends_its_environment_to_every_command() {
    let said = output(example("own_environment").args(["envs", "list"]));
    let row = said.lines().find(|line| line.contains("Drift-v0")).unwrap();
    assert!(row.contains("discrete") && row.contains("100"), "{row}");

    let folder = tempfile::tempdir().unwrap();
    let observations = (0..80).map(|index| (index % 20) as f32 / 20.0).collect();
    let transitions = aaren_datasets::Transitions {
        observations,
        actions: (0..80).map(|index| f32::from(index % 2 == 0)).collect(),
        rewards: vec![1.0; 80],
        terminals: vec![false; 80],
        timeouts: (0..80).map(|index| index % 20 == 19).collect(),
    };
    let data = aaren_datasets::Dataset::new("drift", transitions, 1, 1, true);
    data.write_d4rl(&folder.path().join("drift.hdf5"), &[]).unwrap();
    let yaml = "env: Drift-v0\ndataset: drift.hdf5\npolicies: [aaren]\nmodel: {width: 8, layers: 1}\n\
                train: {updates: 3, batch: 2, threads: 1}\nevaluate: {episodes: 2, return_scale: 10}\n";
    std::fs::write(folder.path().join("drift.yaml"), yaml).unwrap();
    let said = output(example("own_environment").current_dir(&folder).args(["run", "drift.yaml"]));
    assert!(said.contains("| aaren"), "{said}");
}

#[test]
fn an_experiment_from_text_is_trained_and_acts() {
    let folder = tempfile::tempdir().unwrap();
    let said = output(example("train_and_act").current_dir(&folder));
    let found = said.split("mean return of 10 episodes: ").nth(1).and_then(|rest| rest.split(',').next());
    let mean: f64 = found.unwrap().parse().unwrap();
    assert!((0.0..=1.0).contains(&mean), "{said}");
    assert!(folder.path().join("results/corridor/summary.json").is_file());
}

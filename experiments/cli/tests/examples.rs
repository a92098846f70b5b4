//! The examples do what they say.

use std::path::PathBuf;
use std::process::Command;

use aaren_streaming::Policy;

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
fn an_agent_of_ones_own_is_trained_and_acts() {
    let folder = tempfile::tempdir().unwrap();
    let transitions = aaren_datasets::Transitions {
        observations: (0..240).map(|index| (index as f32 * 0.7).sin()).collect(),
        actions: (0..80).map(|index| (index as f32).cos()).collect(),
        rewards: (0..80).map(|index| -(index as f32 * 0.3).cos().abs()).collect(),
        terminals: vec![false; 80],
        timeouts: (0..80).map(|index| index % 20 == 19).collect(),
    };
    let data = aaren_datasets::Dataset::new("pendulum", transitions, 3, 1, false);
    data.write_d4rl(&folder.path().join("pendulum.hdf5"), &[]).unwrap();
    let yaml = "env: {id: Pendulum-v1, kwargs: {max_episode_steps: 20}}\ndataset: pendulum.hdf5\n\
                policies: [mine: {agent: reward-weighted, temperature: 5}]\nmodel: {width: 8, layers: 1}\n\
                train: {updates: 30, batch: 8, threads: 1}\nevaluate: {episodes: 2}\n";
    std::fs::write(folder.path().join("own.yaml"), yaml).unwrap();
    let said = output(example("own_agent").current_dir(&folder).args(["run", "own.yaml"]));
    assert!(said.contains("| mine"), "{said}");
    let run = folder.path().join("results/own/mine-seed0");
    let spec = std::fs::read_to_string(run.join("spec.yaml")).unwrap();
    for line in ["agent: reward-weighted", "temperature: 5.0", "width: 8"] {
        assert!(spec.contains(line), "{line} is not in\n{spec}");
    }
    // A program that does not know the agent acts with its policy.
    let policy = Policy::from_file(run.join("policy.safetensors")).unwrap();
    assert_eq!(policy.header().agent, "reward-weighted");
    let (mut stream, observation) = (policy.stream(), [0.1, 0.2, 0.3]);
    assert!(stream.act(&observation, 0.0).unwrap()[0].is_finite());
    // Nor does it train one.
    let refused =
        Command::new(env!("CARGO_BIN_EXE_aaren")).current_dir(&folder).args(["run", "own.yaml"]).output();
    let message = String::from_utf8_lossy(&refused.unwrap().stderr).into_owned();
    assert!(message.contains("own.yaml:3: `policies[0].mine."), "{message}");
}

/// The return of one episode.
fn played(policy: &Policy, seed: u64) -> f64 {
    let mut environment = aaren_envs::make(&policy.header().env).unwrap();
    let (mut streams, mut observation) = (policy.streams(1).unwrap(), vec![0.0; policy.observation_size()]);
    environment.reset(seed, &mut observation);
    streams.reset(0, policy.target_returns()[0]);
    let (mut reward, mut total) = (0.0, 0.0);
    loop {
        let actions = streams.act(&observation, &[reward]).unwrap();
        let step = environment.step(actions, &mut observation);
        reward = step.reward;
        total += reward;
        if step.done() {
            return total;
        }
    }
}

#[test]
fn an_experiment_from_text_is_trained_and_acts() {
    let folder = tempfile::tempdir().unwrap();
    let said = output(example("train_and_act").current_dir(&folder));
    let found = said.split("mean return of 10 episodes: ").nth(1).and_then(|rest| rest.split(',').next());
    // The policy that it left says the same of itself, all episodes at once.
    let policy =
        Policy::from_file(folder.path().join("results/corridor/aaren-seed0/policy.safetensors")).unwrap();
    let total: f64 = (0..10).map(|episode| played(&policy, 1000 + episode)).sum();
    assert_eq!(found, Some(format!("{:.2}", total / 10.0).as_str()), "{said}");
    assert!(folder.path().join("results/corridor/summary.json").is_file());
}

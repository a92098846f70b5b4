//! Environments of Python through the commands. `make wheel` installs the interpreter.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Experiment, assert_same, outcome, send, wait_until};
use serde_json::Value;

fn interpreter() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/wheel/bin/python");
    assert!(path.exists(), "{}: run `make wheel`, which installs it", path.display());
    path.to_str().unwrap().to_owned()
}

/// A point on a line, with data made up; what the file `fault` says goes wrong where there is one.
fn line() -> Experiment {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../../envs/tests/python");
    let yaml = format!(
        "\
name: tiny
env:
  python: tiny:Line
  kwargs: {{fault_file: fault}}
  max_episode_steps: 12
  path: {module}
  interpreter: {}
dataset: line.hdf5
policies: [aaren, transformer]
model: {{width: 8, layers: 1}}
context: {{train: 5}}
train: {{updates: 60, batch: 4, learning_rate: 1.0e-3, warmup: 5, threads: 1}}
evaluate: {{every: 30, episodes: 3, target_returns: [-2], keep: all, return_scale: 10}}
",
        interpreter()
    );
    let experiment = Experiment::new(&yaml);
    common::toy(120, 2, 1).write_d4rl(&experiment.path("line.hdf5"), &[]).unwrap();
    experiment
}

fn aaren(experiment: &Experiment, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
    command.current_dir(experiment.path("")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The same policy in our pendulum and in Python's, from the same seeds.
#[test]
fn a_policy_scores_in_python_what_it_scores_here() {
    let experiment = Experiment::new(common::YAML);
    experiment.finish("results");
    let returns = |env: &str| -> Vec<f64> {
        let arguments = ["evaluate", "results/tiny/aaren-seed0", "--episodes", "7", "--json", "--env", env];
        let output = aaren(&experiment, &arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let versions = &json["protocol"]["python"];
        assert_eq!(versions["gymnasium"] == "1.4.0", env.contains("gymnasium"), "{versions}");
        let episodes = json["episodes"].as_array().unwrap();
        episodes.iter().map(|episode| episode["total_return"].as_f64().unwrap()).collect()
    };
    let python = format!(
        "{{gymnasium: Pendulum-v1, kwargs: {{max_episode_steps: 30}}, interpreter: {}}}",
        interpreter()
    );
    assert_eq!(returns(&python), returns("{id: Pendulum-v1, kwargs: {max_episode_steps: 30}}"));
}

/// Trained from data alone, it is played where an environment exists.
#[test]
fn a_policy_of_data_alone_is_played_later() {
    let experiment = line();
    let alone = ["--set", "env={spaces: {action: {type: Box, low: [-0.5], high: [0.7]}}}"];
    let (code, message) = experiment.run("results", &alone);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("there is no environment: nothing is played"), "{message}");
    let summary = experiment.json("results", "summary.json");
    assert_eq!(summary["protocol"]["env"]["spaces"]["action"]["type"], "Box", "{}", summary["protocol"]);
    let env = format!(
        "{{python: \"tiny:Line\", max_episode_steps: 12, path: {}/../../envs/tests/python}}",
        env!("CARGO_MANIFEST_DIR")
    );
    let run = "results/tiny/aaren-seed0";
    let evaluate = |python: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
        command.current_dir(experiment.path("")).env("AAREN_PYTHON", python).stdin(Stdio::null());
        command.args(["evaluate", run, "--episodes", "4", "--json", "--env", &env]).output().unwrap()
    };
    // The console script names the Python that it is installed in.
    let output = evaluate(&interpreter());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lengths = json["episodes"].as_array().unwrap().iter().map(|it| it["length"].as_u64());
    assert_eq!(lengths.collect::<Vec<_>>(), [Some(12); 4]);
    let message = text(&evaluate("/nowhere/python").stderr);
    assert!(message.contains("the interpreter /nowhere/python cannot be started"), "{message}");
    let nowhere = aaren(&experiment, &["evaluate", run]);
    let message = text(&nowhere.stderr);
    assert!(nowhere.status.code() == Some(2) && message.contains("--env ID"), "{message}");
}

#[test]
fn every_command_plays_it() {
    let experiment = line();
    let (code, message) = experiment.run("results", &["--dry-run"]);
    assert_eq!(code, Some(0), "{message}");
    experiment.finish("results");
    let summary = experiment.json("results", "summary.json");
    assert_eq!(summary["protocol"]["python"]["gymnasium"], "1.4.0", "{}", summary["protocol"]);
    assert_eq!(summary["protocol"]["env"]["python"], "tiny:Line");
    let (code, message) = experiment.run("several", &["--jobs", "2"]);
    assert_eq!(code, Some(0), "{message}");
    assert_same(&experiment.outcome("several"), &experiment.outcome("results"));

    let run = "results/tiny/aaren-seed0";
    for arguments in [
        &["evaluate", run, "--episodes", "2"][..],
        &["sweep", "results/tiny", "--rollout", "unbounded", "--rollout", "reset:3", "--episodes", "2"],
        &["render", run, "--out", "film.gif", "--size", "32"],
        &["compare", "--int8", run, "--episodes", "2"],
    ] {
        let output = aaren(&experiment, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(fs::metadata(experiment.path("film.gif")).unwrap().len() > 100);

    // Where nothing is to be done, nobody needs an interpreter.
    let without = ["--set", "env.interpreter=/nowhere/python"];
    for more in [&[][..], &["--dry-run"]] {
        let (code, message) = experiment.run("results", &[&without[..], more].concat());
        assert_eq!(code, Some(0), "{message}");
    }
    let (code, message) = experiment.run("others", &without);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("the interpreter /nowhere/python cannot be started"), "{message}");
    // Where something is, it is asked before any training.
    assert!(!experiment.path("others/tiny/aaren-seed0/checkpoint.safetensors").exists());
    let submitted = aaren(
        &experiment,
        &["submit", "tiny.yaml", "--print", "--results", "others", without[0], without[1]],
    );
    assert_eq!(submitted.status.code(), Some(2), "{}", text(&submitted.stderr));
    let (code, message) = experiment.run("others", &["--set", "env.kwargs.size=3"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("tiny:Line") && message.contains("2") && message.contains("3"), "{message}");
}

/// An environment that fails takes neither its own training nor the other one with it.
#[test]
fn a_training_outlives_its_evaluation() {
    let experiment = line();
    experiment.finish("straight");
    fs::write(experiment.path("fault"), "raise").unwrap();
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(1), "{message}");
    for run in ["aaren seed 0", "transformer seed 0"] {
        let told =
            format!("{run}: the evaluation after update 30 failed: env: tiny:Line: `step` raised KeyError");
        assert!(message.contains(&told), "{message}");
    }
    assert!(message.contains("the same command evaluates it again"), "{message}");
    assert!(experiment.file("results", "aaren-seed0", "checkpoint.safetensors").is_file());
    fs::remove_file(experiment.path("fault")).unwrap();
    experiment.finish("results");
    assert_same(&experiment.outcome("results"), &experiment.outcome("straight"));

    // One that is played anew keeps what it was.
    fs::write(experiment.path("fault"), "die").unwrap();
    let (code, message) = experiment.run("results", &["--set", "evaluate.episodes=4"]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("its process was killed by signal 6"), "{message}");
    fs::remove_file(experiment.path("fault")).unwrap();
    experiment.finish("results");
}

#[test]
fn a_signal_ends_the_wait_for_one_that_hangs() {
    let experiment = line();
    fs::write(experiment.path("fault"), "hang").unwrap();
    let mut child = experiment.command("results", &[]).spawn().unwrap();
    // Its checkpoint is written when the evaluation has been given up, its policy before that begins.
    let kept = experiment.file("results", "aaren-seed0", "policies");
    assert!(wait_until(&mut child, || kept.exists()));
    std::thread::sleep(Duration::from_secs(2));
    send(&child, libc::SIGTERM);
    let since = Instant::now();
    let (code, message) = outcome(child.wait_with_output().unwrap());
    assert_eq!(code, Some(143), "{message}");
    assert!(since.elapsed() < Duration::from_secs(60), "its timeout is 120 s");
    fs::remove_file(experiment.path("fault")).unwrap();
    experiment.finish("results");
}

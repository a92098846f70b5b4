//! After the end of a training: what only changes how a policy is played is played anew, and no score stands under a
//! protocol that it was not made under.

mod common;

use std::fs;
use std::path::Path;

use common::{Experiment, RUNS, YAML, wait_until};
use serde_json::Value;

/// The rows of the last evaluation in `evaluations.csv`.
fn last_rows(experiment: &Experiment, results: &str, run: &str) -> Vec<String> {
    let text = fs::read_to_string(experiment.file(results, run, "evaluations.csv")).unwrap();
    text.lines().filter(|line| line.starts_with("60,")).map(str::to_owned).collect()
}

/// Scores of a summary, and how they were made.
fn scores(summary: &Value) -> Vec<Value> {
    let policy = |name: &str| summary["policies"][name]["targets"].clone();
    let protocol = &summary["protocol"];
    vec![
        policy("aaren"),
        policy("transformer"),
        protocol["target_returns"].clone(),
        protocol["episodes"].clone(),
    ]
}

#[test]
fn a_finished_run_is_played_anew_under_another_protocol_as_a_fresh_run_would_be() {
    let experiment = Experiment::new(YAML);
    experiment.finish("settled");
    for (name, set, said) in [
        ("reset", "context.rollout={reset: 1}", "roll-out reset 1 instead of unbounded"),
        ("episodes", "evaluate.episodes=5", "episodes 5 instead of 2"),
        ("targets", "evaluate.target_returns=[-20, -30]", "target returns -20, -30 instead of -200"),
    ] {
        experiment.finish("settled");
        let policies =
            || RUNS.map(|run| fs::read(experiment.file("settled", run, "policy.safetensors")).unwrap());
        let before = policies();
        let (code, message) = experiment.run("settled", &["--set", set]);
        assert_eq!(code, Some(0), "{message}");
        let line = format!("aaren seed 0: trained already, evaluated again: {said}");
        assert!(message.contains(&line), "{message}");
        let (code, message) = experiment.run(name, &["--set", set]);
        assert_eq!(code, Some(0), "{message}");
        for run in RUNS {
            assert_eq!(
                last_rows(&experiment, "settled", run),
                last_rows(&experiment, name, run),
                "{name}, {run}"
            );
        }
        let [settled, fresh] = ["settled", name].map(|results| experiment.json(results, "summary.json"));
        assert_eq!(scores(&settled), scores(&fresh), "{name}");
        // What acts from the file acts under the protocol of its scores; the weights are the same.
        let fresh = RUNS.map(|run| fs::read(experiment.file(name, run, "policy.safetensors")).unwrap());
        assert!(policies() == fresh, "{name}");
        assert_eq!(name == "episodes", policies() == before, "{name}");
        // The same again is not played again.
        let (code, message) = experiment.run("settled", &["--set", set]);
        assert!(code == Some(0) && !message.contains("evaluated again"), "{message}");
    }
    let (code, message) = experiment.run("settled", &["--set", "train.batch=8"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("which differ in train.batch: found 4, expected 8"), "{message}");
}

/// Copies a folder, the newest files first, so that no time of a file means what it did.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.metadata().unwrap().modified().unwrap()));
    for entry in entries {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn a_copied_folder_is_what_the_original_was_and_its_report_needs_no_data() {
    let experiment = Experiment::new(YAML);
    experiment.finish("original");
    copy(&experiment.path("original"), &experiment.path("copied"));
    let made = || fs::read(experiment.path("copied/tiny/summary.json")).unwrap();
    let before = made();
    // Nothing is trained, played or measured again.
    let (code, message) = experiment.run("copied", &[]);
    assert!(code == Some(0) && message.is_empty(), "{message}");
    assert!(made() == before);
    fs::remove_file(experiment.path("pendulum.hdf5")).unwrap();
    for name in ["summary.json", "summary.md", "scores.svg"] {
        fs::remove_file(experiment.path("copied/tiny").join(name)).unwrap();
    }
    let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_aaren"));
    report.current_dir(experiment.path("")).args(["report", "copied/tiny", "--out", "paper"]);
    let (code, message) = common::outcome(report.output().unwrap());
    assert!(code == Some(0) && message.is_empty(), "{message}");
    assert!(made() == before);
    assert!(experiment.path("copied/tiny/scores.svg").is_file());
}

/// An endpoint is also of how its policies act, and one that gives way to another leaves a trace.
#[test]
fn a_played_endpoint_is_the_one_that_was_fixed() {
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 5"));
    let path = experiment.path("tiny.yaml");
    let yaml = fs::read_to_string(&path).unwrap()
        + "primary: {policy: aaren, against: transformer, endpoint: mean, margin: 2}\n";
    fs::write(&path, &yaml).unwrap();
    let run = |arguments: &[&str]| experiment.run("results", arguments).1;
    let report = || {
        let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_aaren"));
        report.current_dir(experiment.path("")).args(["report", "results/tiny"]);
        let output = report.output().unwrap();
        let text = [&*output.stdout, &*output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    run(&[]);
    let message = run(&["--set", "context.rollout={reset: 1}"]);
    assert!(message.contains("its `primary` endpoint fixed how it is played"), "{message}");
    let (code, message) = report();
    assert!(
        code == Some(2)
            && message.contains("aaren seed 0 was played with roll-out reset 1 instead of unbounded"),
        "{message}"
    );
    run(&[]);
    let another = "Runs began with another `primary` endpoint";
    let (code, message) = report();
    assert!(code == Some(0) && message.contains("## Primary endpoint"), "{message}");
    assert!(!message.contains(another), "{message}");
    // The same policies under other names, judged the other way round.
    let renamed = yaml
        .replace("[aaren, transformer]", "[other: {encoder: aaren}, rival: {encoder: transformer}]")
        .replace("policy: aaren, against: transformer", "policy: rival, against: other");
    fs::write(&path, renamed).unwrap();
    run(&[]);
    let (code, message) = report();
    assert!(code == Some(0) && message.contains(another), "{message}");
    // A run by itself decides nothing, and denies nothing.
    let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_aaren"));
    report.current_dir(experiment.path("")).args(["report", "results/tiny/other-seed0"]);
    let message = String::from_utf8(report.output().unwrap().stdout).unwrap();
    assert!(message.contains("single runs decide nothing"), "{message}");
}

/// Before anything more is trained, `run` says what the report will refuse.
#[test]
fn an_endpoint_that_is_changed_later_is_told_at_once() {
    let yaml = "primary: {policy: aaren, against: transformer, endpoint: mean, margin: 2}\n";
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 5"));
    let path = experiment.path("tiny.yaml");
    let with = fs::read_to_string(&path).unwrap() + yaml;
    fs::write(&path, &with).unwrap();
    let run = |arguments: &[&str]| experiment.run("results", arguments).1;
    assert!(!run(&[]).contains("primary"));
    fs::write(&path, with.replace("margin: 2", "margin: 3")).unwrap();
    let message = run(&["--set", "seeds=[0, 1]"]);
    let said = "tiny.yaml:9: `primary`: changed after aaren:0 began with margin: 2.0, now 3.0; seeds: [0], now [0,1]; \
                `aaren report` will refuse it";
    assert_eq!(message.matches(said).count(), 1, "{message}");
    let message = run(&["--set", "seeds=[0, 1, 2]", "--jobs", "2"]);
    assert_eq!(message.matches("`primary`: changed after aaren:0 began").count(), 1, "{message}");
    // A run that was stopped on its way remembers it, too.
    let experiment = Experiment::new(YAML);
    let path = experiment.path("tiny.yaml");
    fs::write(&path, YAML.to_owned() + yaml).unwrap();
    let mut child = experiment.command("results", &[]).spawn().unwrap();
    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    assert!(wait_until(&mut child, || checkpoint.exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&path, YAML.to_owned() + &yaml.replace("margin: 2", "margin: 3")).unwrap();
    let message = experiment.run("results", &[]).1;
    assert!(
        message.contains("`primary`: changed after aaren:0 began with margin: 2.0, now 3.0"),
        "{message}"
    );
}

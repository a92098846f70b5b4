//! `aaren card`: what hubs read, and that its numbers are those of the run's files.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Experiment, YAML};
use serde_json::Value;

/// `aaren card` without an ffmpeg: exit code, standard error.
fn card(experiment: &Experiment, run: &str, out: &str) -> (Option<i32>, String) {
    let mut aaren = Command::new(env!("CARGO_BIN_EXE_aaren"));
    aaren
        .current_dir(experiment.path(""))
        .env("AAREN_FFMPEG", "no-ffmpeg-here")
        .args(["card", run, "--out", out]);
    common::outcome(aaren.output().unwrap())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_card_says_what_the_files_of_the_run_say() {
    let yaml = YAML.replace("every: 5, episodes: 2", "every: 60, episodes: 3");
    let experiment = Experiment::new(&(yaml + "seeds: [0, 4]\n"));
    experiment.finish("results");
    let (code, message) = card(&experiment, "results/tiny/aaren-seed4", "card");
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("replay.gif instead of replay.mp4"), "{message}");
    let folder = experiment.path("card");
    let mut files: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["README.md", "config.json", "policy.safetensors", "replay.gif", "summary.json"]);

    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let (matter, text) = readme.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let matter: Value = serde_yaml::from_str(matter).unwrap();
    assert_eq!(matter["pipeline_tag"], "reinforcement-learning");
    assert_eq!(matter["library_name"], "aaren");
    assert!(matter["tags"].as_array().unwrap().contains(&"Pendulum-v1".into()));

    let mut whole = experiment.json("results", "summary.json");
    let summary = json(&folder.join("summary.json"));
    whole["policies"].as_object_mut().unwrap().remove("transformer");
    whole["comparison"] = Value::Null;
    assert_eq!(summary, whole, "the part of this policy");

    let index = &matter["model-index"][0];
    let metric = &index["results"][0]["metrics"][0];
    let target = &summary["policies"]["aaren"]["targets"][0];
    assert_eq!((&index["name"], &metric["type"]), (&"aaren".into(), &"mean_reward".into()));
    assert_eq!(index["results"][0]["dataset"]["name"], "Pendulum-v1");
    assert_eq!(metric["value"], target["raw_return"]["mean"]);
    assert_eq!(metric["args"]["ci95"], target["raw_return"]["ci95"]);
    assert_eq!(metric["args"]["trained_on"], summary["protocol"]["dataset"]["name"]);

    // Mean and standard deviation of this seed's own three episodes, from its evaluations.csv.
    let csv = fs::read_to_string(experiment.file("results", "aaren-seed4", "evaluations.csv")).unwrap();
    let rows = csv.lines().skip(1).filter(|line| line.starts_with("60,"));
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split(',').collect()).collect();
    let [a, b, c] = [0, 1, 2].map(|row: usize| rows[row][4].parse::<f64>().unwrap());
    let mean = (a + b + c) / 3.0;
    let deviation = (((a - mean).powi(2) + (b - mean).powi(2) + (c - mean).powi(2)) / 2.0).sqrt();
    let own = &metric["args"]["this_policy"];
    for (key, expected) in [("mean", mean), ("standard_deviation", deviation)] {
        assert!((own[key].as_f64().unwrap() - expected).abs() < 1e-9, "{key}: {own}, {expected}");
    }
    assert_eq!(target["raw_return"]["per_seed"][1].as_f64().unwrap(), own["mean"].as_f64().unwrap());
    assert_eq!(own["seed"], 4);
    let replay = format!("starts from seed {}: return {a:.1} in {} timesteps", rows[0][3], rows[0][6]);
    assert!(text.contains(&replay), "{text}\n{replay}");
    assert!(text.contains("![An episode](replay.gif)"), "{text}");

    let run = experiment.file("results", "aaren-seed4", "policy.safetensors");
    assert_eq!(fs::read(folder.join("policy.safetensors")).unwrap(), fs::read(run).unwrap());
    let config = json(&folder.join("config.json"));
    assert_eq!(config["policy"]["env"], summary["protocol"]["env"]);
    assert_eq!(config["experiment"]["train"]["updates"], 60);

    // A policy by name is its first seed's; a folder that is there stays as it is.
    let (code, message) = card(&experiment, "results/tiny/transformer", "other");
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(json(&experiment.path("other/config.json"))["policy"]["seed"], 0);
    let (code, message) = card(&experiment, "results/tiny/transformer", "card");
    assert!(code == Some(1) && message.contains("card: it exists already"), "{message}");
    assert_eq!(fs::read_to_string(folder.join("README.md")).unwrap(), readme);
    for (run, reason) in [
        ("results/tiny", "results/tiny: is not done (no checkpoint yet)"),
        ("results/tiny/gru", "gru-seed0: is not done (no checkpoint yet)"),
        ("results/none/aaren", "is no folder"),
    ] {
        let (code, message) = card(&experiment, run, "none");
        assert!(code == Some(2) && message.contains(reason), "{run}: {code:?} {message}");
        assert!(!experiment.path("none").exists());
    }
}

//! Grids, and several runs at a time.

mod common;

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use common::{Experiment, outcome, send, wait_until};
use serde_json::Value;

/// Four experiments of two policies, on Hopper, which has reference scores.
const YAML: &str = "\
name: tiny
env: Hopper-v4
dataset: pendulum.hdf5
policies: [aaren, transformer]
model: {width: 8, layers: 1}
context: {train: 5}
train: {updates: 40, batch: 4, warmup: 5}
evaluate: {every: 20, episodes: 2, target_returns: [100], return_scale: 100}
grid: {train.learning_rate: [1e-3, 1e-2], model.heads: [1, 2]}
";

const CELLS: [&str; 4] = [
    "learning_rate-1e-3_heads-1",
    "learning_rate-1e-3_heads-2",
    "learning_rate-1e-2_heads-1",
    "learning_rate-1e-2_heads-2",
];

fn grid(yaml: &str) -> Experiment {
    let experiment = Experiment::new(yaml);
    common::toy(120, 11, 3).write_d4rl(&experiment.path("pendulum.hdf5"), &[]).unwrap();
    experiment
}

fn policies(experiment: &Experiment, results: &str) -> Vec<Vec<u8>> {
    let runs =
        CELLS.iter().flat_map(|cell| ["aaren-seed0", "transformer-seed0"].map(|run| format!("{cell}/{run}")));
    runs.map(|run| fs::read(experiment.file(results, &run, "policy.safetensors")).expect(&run)).collect()
}

#[test]
fn a_grid_of_children_is_that_of_one_process_and_a_report_gathers_it() {
    let experiment = grid(YAML);
    let (code, message) = experiment.run("alone", &["--one-thread"]);
    assert_eq!(code, Some(0), "{message}");

    // Stopped on the way, and gone on with.
    let mut child = experiment.command("jobs", &["--jobs", "3"]).spawn().unwrap();
    let first = experiment.file("jobs", "learning_rate-1e-3_heads-1/aaren-seed0", "metrics.jsonl");
    assert!(wait_until(&mut child, || fs::metadata(&first).is_ok_and(|file| file.len() > 0)));
    send(&child, libc::SIGTERM);
    let (code, message) = outcome(child.wait_with_output().unwrap());
    assert_eq!(code, Some(143), "{message}");
    assert!(message.contains("of 8 runs; everything so far is in jobs/tiny. To continue:\n"), "{message}");
    assert!(
        experiment.file("jobs", "learning_rate-1e-3_heads-1/aaren-seed0", "checkpoint.safetensors").exists()
    );
    // Then killed with all its children, wherever each is, as by a power cut.
    for last in ["learning_rate-1e-3_heads-2/aaren-seed0", "learning_rate-1e-2_heads-2/aaren-seed0"] {
        let mut child = experiment.command("jobs", &["--jobs", "3"]).process_group(0).spawn().unwrap();
        let metrics = experiment.file("jobs", last, "metrics.jsonl");
        assert!(wait_until(&mut child, || fs::metadata(&metrics).is_ok_and(|file| file.len() > 0)));
        // SAFETY: the child leads a group of its own and has not been waited for, so that the number is still its.
        assert_eq!(unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) }, 0);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
    let (code, message) = experiment.run("jobs", &["--jobs", "3"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(policies(&experiment, "jobs") == policies(&experiment, "alone"));
    assert!(message.contains("heads-2: aaren seed 0, update 40: return "), "{message}");

    let report = |folder: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
        command.current_dir(experiment.path("")).args(["report", folder, "--out", "out"]);
        outcome(command.output().unwrap())
    };
    for folder in ["jobs", "jobs/tiny"] {
        let (code, message) = report(folder);
        assert_eq!(code, Some(0), "{message}");
        let table = fs::read_to_string(experiment.path("out/report.md")).unwrap();
        for varied in ["train.learning_rate 1e-3, model.heads 1)", "train.learning_rate 1e-2, model.heads 2)"]
        {
            assert!(table.contains(&format!("(Hopper-v4, {varied}")), "{table}");
        }
    }

    // A part of it alone; the rest is known to be missing.
    let (code, message) = experiment.run("part", &["--only", "learning_rate-1e-2_heads-2/aaren:0"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(experiment.file("part", "learning_rate-1e-2_heads-2/aaren-seed0", "policy.safetensors").exists());
    let (code, message) = report("part/tiny");
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("part/tiny/learning_rate-1e-3_heads-1: aaren seed 0: no checkpoint yet"),
        "{message}"
    );
    let (code, message) = experiment.run("part", &["--only", "learning_rate-1e-2_head-2/aaren"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(
        message.contains("there is no experiment `learning_rate-1e-2_head-2`; did you mean"),
        "{message}"
    );
}

/// Children without their parent would go on unseen: the kernel tells them to save and end.
#[test]
fn children_end_with_their_parent() {
    let experiment = grid(&YAML.replace("updates: 40", "updates: 1000000"));
    let mut parent = experiment.command("results", &["--jobs", "1"]).spawn().unwrap();
    let run = "learning_rate-1e-3_heads-1/aaren-seed0";
    let metrics = experiment.file("results", run, "metrics.jsonl");
    assert!(wait_until(&mut parent, || fs::metadata(&metrics).is_ok_and(|file| file.len() > 0)));
    let lock = fs::File::open(experiment.file("results", run, ".lock")).unwrap();
    assert!(lock.try_lock().is_err(), "the child trains");
    parent.kill().unwrap();
    parent.wait().unwrap();
    lock.lock().unwrap();
    assert!(experiment.file("results", run, "checkpoint.safetensors").exists());
}

/// A build meanwhile breaks nothing that a parent started before still has to start.
#[test]
fn children_are_the_program_that_runs_though_another_took_its_place() {
    let experiment = grid(YAML);
    let program = experiment.path("aaren");
    // Copied by another process: what this one writes, children of other tests could hold open.
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_aaren").as_ref(), program.as_path()]).status();
    assert!(copied.unwrap().success());
    let usual = experiment.command("results", &["--jobs", "1"]);
    let mut parent = Command::new(&program);
    parent
        .current_dir(experiment.path(""))
        .args(usual.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut parent = parent.spawn().unwrap();
    let first = experiment.file("results", "learning_rate-1e-3_heads-1/aaren-seed0", "metrics.jsonl");
    assert!(wait_until(&mut parent, || fs::metadata(&first).is_ok_and(|file| file.len() > 0)));
    fs::remove_file(&program).unwrap();
    fs::write(&program, "none of ours").unwrap();
    let (code, message) = outcome(parent.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(policies(&experiment, "results").len(), 8);
}

#[test]
fn a_child_that_fails_is_named_with_its_reason() {
    let experiment = grid(
        &YAML.replace("[1e-3, 1e-2], model.heads: [1, 2]", "[1e-3, 1e39]").replace("warmup: 5", "warmup: 0"),
    );
    let (code, message) = experiment.run("results", &["--jobs", "2"]);
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains(
            "error: did not finish: learning_rate-1e39/aaren seed 0, learning_rate-1e39/transformer seed 0"
        ),
        "{message}"
    );
    let summary = |cell: &str| experiment.path(&format!("results/tiny/{cell}/summary.json")).exists();
    assert!(summary("learning_rate-1e-3") && !summary("learning_rate-1e39"));

    // What no child can do is refused as by one process.
    common::toy(120, 4, 3).write_d4rl(&experiment.path("pendulum.hdf5"), &[]).unwrap();
    let (code, message) = experiment.run("refused", &["--jobs", "2"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("tiny.yaml:"), "{message}");
}

#[test]
fn a_dry_run_lists_what_is_left_and_writes_nothing() {
    let experiment = grid(YAML);
    let list = |arguments: &[&str]| -> Value {
        let mut command = experiment.command("results", &["--dry-run", "--json"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let listed = list(&["--jobs", "2"]);
    assert!(!experiment.path("results").exists());
    let runs = listed["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 8);
    assert_eq!(runs[1]["run"], "learning_rate-1e-3_heads-1/transformer:0");
    for run in runs {
        let rate = run["updates_per_second"].as_f64().unwrap();
        assert!(run["from_metrics"] == false && rate > 0.0, "{run}");
        assert!((run["seconds"].as_f64().unwrap() - 40.0 / rate).abs() < 1e-9, "{run}");
    }
    // The kind is the same: it was measured once.
    assert_eq!(runs[0]["updates_per_second"], runs[4]["updates_per_second"]);

    let (code, message) = experiment.run("results", &["--only", "learning_rate-1e-3_heads-1/aaren"]);
    assert_eq!(code, Some(0), "{message}");
    let runs = list(&["--only", "aaren"]);
    assert_eq!(runs["runs"][0]["done"], 40);
    assert_eq!(runs["runs"][0]["seconds"], 0.0);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 4);
}

//! A run that is stopped, in whatever way and moment, continues to the end that an uninterrupted run has.
//!
//! `AAREN_KILLS=30` makes the kill test as long as in `make soak`.

mod common;

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use common::{Experiment, RUNS, YAML, assert_same, edit_checkpoint, edit_header, outcome, send, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

/// SIGKILL at random moments, every second one while a checkpoint is being written.
#[test]
fn killed_runs_lose_nothing() {
    let wanted = std::env::var("AAREN_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let experiment = Experiment::new(YAML);
    let started = Instant::now();
    experiment.finish("straight");
    let whole = started.elapsed();
    let expected = experiment.outcome("straight");

    let mut random = StdRng::seed_from_u64(7);
    let (mut kills, mut torn, mut lives) = (0, 0, 0);
    // A writing takes a moment only, and may be over when the signal arrives: then there is another kill.
    while kills < wanted || torn == 0 {
        let results = format!("killed-{lives}");
        lives += 1;
        assert!(lives < 100, "{kills} kills, none of them within the writing of a checkpoint");
        while kills < wanted || torn == 0 {
            let mut child = experiment.command(&results, &[]).spawn().unwrap();
            let moment = whole.mul_f64(random.random_range(0.0..0.7));
            let temporaries = RUNS.map(|run| experiment.file(&results, run, "checkpoint.safetensors.tmp"));
            // One that an earlier kill left behind is older.
            let spawned = SystemTime::now();
            let modified = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified());
            let writing = || temporaries.iter().any(|path| modified(path).is_ok_and(|time| time > spawned));
            let reached = if kills % 2 == 0 {
                let deadline = Instant::now() + moment;
                wait_until(&mut child, || Instant::now() >= deadline)
            } else {
                let from = Instant::now() + moment.mul_f64(0.3);
                wait_until(&mut child, || Instant::now() >= from && writing())
            };
            let _ = child.kill();
            // It may have come to its end first: then the next life begins.
            if !reached || child.wait().unwrap().signal() != Some(libc::SIGKILL) {
                break;
            }
            kills += 1;
            torn += u32::from(writing());
        }
        experiment.finish(&results);
        assert_same(&experiment.outcome(&results), &expected);
        let left = fs::read_dir(experiment.path(&results).join("tiny").join(RUNS[0])).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
    }
    println!(
        "{kills} kills, {torn} of them within the writing of a checkpoint, over {lives} runs: same bytes"
    );
}

/// Without the optimiser's moments a resumed run is another one: a resume that forgets them would show.
#[test]
fn a_resume_without_moments_is_another_run() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    for (results, forget) in [("resumed", false), ("forgetful", true)] {
        let mut child = experiment.command(results, &[]).spawn().unwrap();
        let checkpoint = experiment.file(results, RUNS[0], "checkpoint.safetensors");
        assert!(wait_until(&mut child, || checkpoint.exists()));
        child.kill().unwrap();
        child.wait().unwrap();
        edit_checkpoint(&checkpoint, |name, floats| {
            if forget && name.starts_with("optimizer.") {
                floats.fill(0.0);
            }
        });
        experiment.finish(results);
        let policy =
            |results: &str| fs::read(experiment.file(results, RUNS[0], "policy.safetensors")).unwrap();
        assert_eq!(policy(results) == policy("straight"), !forget, "{results}");
    }
}

/// Sums are rounded otherwise with other threads: a run goes on with those it began with, however busy the
/// machine is now.
#[test]
fn a_resumed_run_keeps_its_threads() {
    let experiment = Experiment::new(&YAML.replace(", threads: 1", ""));
    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    let mut child = experiment.command("results", &[]).spawn().unwrap();
    assert!(wait_until(&mut child, || checkpoint.exists()));
    child.kill().unwrap();
    let (_, message) = outcome(child.wait_with_output().unwrap());
    assert!(message.contains(" libtorch threads (updates/s measured: "), "{message}");
    // As many as would never be chosen.
    edit_header(&checkpoint, |header| {
        assert!(header["progress"]["threads"].as_u64().unwrap() > 0);
        header["progress"]["threads"] = json!(3);
    });
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("aaren seed 0: continues with 3 libtorch threads, as it began\n"), "{message}");
    let summary = experiment.json("results", "summary.json");
    assert_eq!(summary["policies"]["aaren"]["threads"], json!([3]));
}

#[test]
fn a_signal_saves_and_says_how_to_continue() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    let expected = experiment.outcome("straight");
    let signals = [
        (libc::SIGINT, "SIGINT", 130),
        (libc::SIGTERM, "SIGTERM", 143),
        // A terminal that is closed says so twice.
        (libc::SIGHUP, "SIGHUP", 129),
        (libc::SIGHUP, "SIGHUP", 129),
    ];
    let mut tries = 0;
    for (place, (signal, name, code)) in signals.into_iter().enumerate() {
        tries += 1;
        let mut results = format!("it's {name} {tries}");
        let (status, message) = loop {
            let mut child = experiment.command(&results, &[]).spawn().unwrap();
            let metrics = experiment.file(&results, RUNS[0], "metrics.jsonl");
            assert!(wait_until(&mut child, || fs::metadata(&metrics).is_ok_and(|file| file.len() > 0)));
            send(&child, signal);
            if place == 3 {
                send(&child, signal);
            }
            let ended = outcome(child.wait_with_output().unwrap());
            // Beside a load the run may be over first.
            if ended.0 != Some(0) || tries > 20 {
                break ended;
            }
            tries += 1;
            results = format!("it's {name} {tries}");
        };
        assert_eq!(status, Some(code), "{message}");
        assert!(message.contains(&format!("stopped by {name} after update ")), "{message}");
        assert!(message.contains("/tiny/aaren-seed0/checkpoint.safetensors holds everything"), "{message}");
        // The last line is the command, for a shell.
        let command = message.lines().last().unwrap();
        let again = Command::new("sh").arg("-c").arg(command).current_dir(experiment.path("")).output();
        let (status, message) = outcome(again.unwrap());
        assert_eq!(status, Some(0), "{command}: {message}");
        assert_same(&experiment.outcome(&results), &expected);
    }
}

/// `nohup` asks for a training that goes on without its terminal.
#[test]
fn nohup_is_obeyed() {
    let experiment = Experiment::new(YAML);
    let mut command = experiment.command("results", &[]);
    // SAFETY: one system call between fork and exec, without allocation.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let metrics = experiment.file("results", RUNS[0], "metrics.jsonl");
    assert!(wait_until(&mut child, || metrics.exists()));
    send(&child, libc::SIGHUP);
    let (code, message) = outcome(child.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{message}");
}

/// Updates of many seconds: the first signal would wait for one to end, the second does not.
#[test]
fn a_second_signal_quits_at_once() {
    let experiment = Experiment::new(
        &YAML.replace("width: 8, layers: 1", "width: 1024, layers: 4").replace("batch: 4", "batch: 1024"),
    );
    let mut child = experiment.command("results", &[]).spawn().unwrap();
    let metrics = experiment.file("results", RUNS[0], "metrics.jsonl");
    assert!(wait_until(&mut child, || metrics.exists()));
    std::thread::sleep(Duration::from_millis(10));
    send(&child, libc::SIGINT);
    send(&child, libc::SIGTERM);
    let (code, message) = outcome(child.wait_with_output().unwrap());
    assert!(matches!(code, Some(130 | 143)), "{code:?}: {message}");
    assert!(!message.contains("To continue"), "{message}");
    assert!(!experiment.file("results", RUNS[0], "checkpoint.safetensors").exists());
}

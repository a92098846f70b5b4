//! Several processes at one experiment: each run is done by one of them, whatever becomes of the others.

mod common;

use std::fs;
use std::process::Child;
use std::time::Duration;

use common::{Experiment, RUNS, YAML, assert_same, edit_checkpoint, outcome, send, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const FOUR: [&str; 4] = ["aaren-seed0", "aaren-seed1", "transformer-seed0", "transformer-seed1"];
const SEEDS: [&str; 2] = ["--set", "seeds=[0, 1]"];

/// Two policies with two seeds.
fn four() -> Experiment {
    let experiment = Experiment::new(YAML);
    let (code, message) = experiment.run("straight", &SEEDS);
    assert_eq!(code, Some(0), "{message}");
    experiment
}

/// How often these processes said that they evaluated each run after its last update.
fn finished(messages: &str) -> Vec<usize> {
    let said = |run: &&str| format!("{}, update 60:", run.replace("-seed", " seed "));
    FOUR.iter().map(|run| messages.matches(&said(run)).count()).collect()
}

/// `aaren report` of a folder.
fn report(experiment: &Experiment, folder: &str) -> (Option<i32>, String) {
    let (code, _, message) = experiment.aaren(&["report", folder, "--out", "out"]);
    (code, message)
}

#[test]
fn processes_that_race_do_each_run_once() {
    let experiment = four();
    let children: Vec<Child> = (0..4).map(|_| experiment.command("raced", &SEEDS).spawn().unwrap()).collect();
    let mut said = String::new();
    for child in children {
        let (code, message) = outcome(child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{message}");
        said += &message;
    }
    assert_eq!(finished(&said), [1; 4], "{said}");
    assert_same(&experiment.outcome_of("raced", &FOUR), &experiment.outcome_of("straight", &FOUR));
    // Whoever came last reported, with everything.
    let summary = experiment.json("raced", "summary.json");
    for policy in ["aaren", "transformer"] {
        assert_eq!(summary["policies"][policy]["threads"].as_array().unwrap().len(), 2, "{said}");
    }
}

/// Every few moments one of three processes is killed, and another one begins.
#[test]
fn processes_that_race_and_are_killed_lose_nothing() {
    let experiment = four();
    let mut random = StdRng::seed_from_u64(3);
    let start = || experiment.command("killed", &SEEDS).spawn().unwrap();
    let mut children: Vec<Child> = (0..3).map(|_| start()).collect();
    let trains = |child: &mut Child| {
        let holder = format!("process {} ", child.id());
        let holds = |run| {
            fs::read_to_string(experiment.file("killed", run, ".lock"))
                .is_ok_and(|it| it.starts_with(&holder))
        };
        child.try_wait().unwrap().is_none() && FOUR.iter().any(|run| holds(run))
    };
    let (mut kills, mut at_work, mut waits) = (0, 0, 0);
    while kills < 8 || at_work == 0 {
        assert!(waits < 200, "nobody was killed at work");
        std::thread::sleep(Duration::from_millis(random.random_range(50..400)));
        let any = random.random_range(0..3);
        // After eight only one at work.
        let place = if kills < 8 { Some(any) } else { children.iter_mut().position(trains) };
        let Some(place) = place else {
            waits += 1;
            continue;
        };
        let child = &mut children[place];
        at_work += usize::from(trains(child));
        child.kill().unwrap();
        child.wait().unwrap();
        *child = start();
        kills += 1;
    }
    for child in children {
        let (code, message) = outcome(child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{message}");
    }
    // Whoever had the last run may be among the dead.
    let (code, message) = experiment.run("killed", &SEEDS);
    assert_eq!(code, Some(0), "{message}");
    assert_same(&experiment.outcome_of("killed", &FOUR), &experiment.outcome_of("straight", &FOUR));
}

#[test]
fn parts_are_put_together_by_the_last_one() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    // Only begun.
    let mut child = experiment.command("begun", &[]).spawn().unwrap();
    assert!(wait_until(&mut child, || experiment.file("begun", RUNS[0], "checkpoint.safetensors").exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, message) = report(&experiment, "begun/tiny");
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("did not finish:\n  begun/tiny: aaren seed 0: begun, "), "{message}");
    assert!(message.ends_with("done\n  begun/tiny: transformer seed 0: no checkpoint yet\n"), "{message}");
    // A policy alone, without its result, does not make it done.
    let run = experiment.file("begun", RUNS[0], "");
    fs::copy(experiment.file("straight", RUNS[0], "policy.safetensors"), run.join("policy.safetensors"))
        .unwrap();
    let run = run.to_str().unwrap();
    for arguments in [&["evaluate", run][..], &["card", run, "--out", "card"]] {
        let (code, _, message) = experiment.aaren(arguments);
        assert!(code == Some(2) && message.contains("is not done (begun, "), "{code:?} {message}");
    }

    let (code, message) = experiment.run("parts", &["--only", "transformer:0"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("not finished: aaren seed 0\n"), "{message}");
    assert!(message.contains("`aaren report parts/tiny` reports the runs that are done"), "{message}");
    let summary = experiment.path("parts/tiny/summary.json");
    assert!(!summary.exists());
    assert!(!experiment.file("parts", RUNS[0], "spec.yaml").exists());

    // What is done can be reported at any time; what is missing is said, and nothing else is.
    let report = || report(&experiment, "parts/tiny");
    let (code, message) = report();
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.ends_with("did not finish:\n  parts/tiny: aaren seed 0: no checkpoint yet\n"),
        "{message}"
    );
    assert!(!message.contains("not finished: "), "{message}");
    let reported = || {
        let summary = experiment.json("parts", "summary.json");
        summary["policies"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(reported(), ["transformer"]);

    let (code, message) = experiment.run("parts", &["--only", "aaren"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(!message.contains("transformer seed 0, update"), "{message}");
    assert_eq!(reported(), ["aaren", "transformer"]);
    assert_same(&experiment.outcome("parts"), &experiment.outcome("straight"));
    // Another look at a part leaves everything as it is.
    let written = fs::metadata(&summary).unwrap().modified().unwrap();
    let (code, message) = experiment.run("parts", &["--only", "aaren"]);
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(fs::metadata(&summary).unwrap().modified().unwrap(), written);
    let (code, message) = report();
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(fs::metadata(&summary).unwrap().modified().unwrap(), written);

    for (only, expected) in [
        ("aren", "--only aren: there is no policy `aren`; did you mean `aaren`?"),
        ("aaren:7", "--only aaren:7: there is no seed 7; there are [0]"),
        ("aaren:x", "expected POLICY or POLICY:SEED such as aaren:0"),
    ] {
        let (code, message) = experiment.run("parts", &["--only", only]);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_second_process_goes_on_with_the_next_run_and_says_who_has_the_first() {
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 1000000"));
    let start = |only| experiment.command("results", &["--only", only]).spawn().unwrap();
    let metrics = |run| experiment.file("results", run, "metrics.jsonl");
    let mut first = start("aaren");
    assert!(wait_until(&mut first, || metrics(RUNS[0]).exists()));
    let (code, message) = experiment.run("results", &["--only", "aaren"]);
    assert_eq!(code, Some(0), "{message}");
    let holder = format!("held by other processes: aaren seed 0 (process {} on ", first.id());
    assert!(message.contains(&holder), "{message}");
    assert!(message.contains("not finished: transformer seed 0\n"), "{message}");
    // A process that is asked for both begins with the second.
    let mut second = experiment.command("results", &[]).spawn().unwrap();
    assert!(wait_until(&mut second, || metrics(RUNS[1]).exists()));
    send(&second, libc::SIGTERM);
    let (code, message) = outcome(second.wait_with_output().unwrap());
    assert_eq!(code, Some(143), "{message}");
    assert!(message.contains("of transformer seed 0"), "{message}");
    // Nobody has to clean up after a kill.
    first.kill().unwrap();
    first.wait().unwrap();
    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    let had = fs::metadata(&checkpoint).and_then(|file| file.modified()).ok();
    let mut third = start("aaren:0");
    let modified = || fs::metadata(&checkpoint).and_then(|file| file.modified()).ok();
    assert!(wait_until(&mut third, || modified() != had));
    third.kill().unwrap();
    third.wait().unwrap();
}

/// One that diverged is not waited for, and another process reports without it.
#[test]
fn a_part_that_cannot_finish_is_written_down() {
    let experiment = Experiment::new(YAML);
    let mut child = experiment.command("results", &["--only", "aaren"]).spawn().unwrap();
    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    assert!(wait_until(&mut child, || checkpoint.exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    let good = fs::read(&checkpoint).unwrap();
    edit_checkpoint(&checkpoint, |name, floats| {
        if !name.starts_with("optimizer.") {
            floats.fill(3e38);
        }
    });
    let (code, message) = experiment.run("results", &["--only", "aaren"]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("error: did not finish: aaren seed 0"), "{message}");
    let failure = experiment.file("results", RUNS[0], "failure.txt");
    let reason = fs::read_to_string(&failure).unwrap();
    assert!(reason.contains("training stopped at update "), "{reason}");

    let (code, message) = experiment.run("results", &["--only", "transformer"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(
        message.contains("not finished: aaren seed 0 (given up: results/tiny/aaren-seed0/failure.txt)"),
        "{message}"
    );
    let summary = experiment.json("results", "summary.json");
    assert_eq!(summary["policies"].as_object().unwrap().keys().collect::<Vec<_>>(), ["transformer"]);

    // Whoever asks again tries again.
    fs::write(&checkpoint, good).unwrap();
    experiment.finish("results");
    assert!(!failure.exists());
    experiment.finish("straight");
    assert_same(&experiment.outcome("results"), &experiment.outcome("straight"));
}

/// Who waits for another process's training ends at the first signal, and loses nothing.
#[test]
fn a_signal_ends_the_waiting_for_a_shared_training() {
    let sliding = "[transformer, {sliding: {encoder: transformer, rollout: {sliding: 5}}}]";
    let experiment = Experiment::new(&YAML.replace("[aaren, transformer]", sliding));
    let lock = experiment.file("results", "transformer-seed0", ".lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let mut child = experiment.command("results", &["--only", "sliding"]).spawn().unwrap();
    let its_own = experiment.file("results", "sliding-seed0", ".lock");
    assert!(wait_until(&mut child, || its_own.exists()));
    std::thread::sleep(Duration::from_millis(500));
    send(&child, libc::SIGTERM);
    let (code, message) = outcome(child.wait_with_output().unwrap());
    assert!(
        code == Some(143) && message.contains("stopped by SIGTERM while it waited for"),
        "{code:?} {message}"
    );
    drop(held);
    experiment.finish("results");
}

/// Who acts with the weights of a training that failed has failed, for other processes too.
#[test]
fn a_shared_training_that_fails_is_written_down_for_all() {
    let sliding = "[transformer, {sliding: {encoder: transformer, rollout: {sliding: 5}}}]";
    let experiment = Experiment::new(&YAML.replace("[aaren, transformer]", sliding));
    let mut child = experiment.command("results", &["--only", "transformer"]).spawn().unwrap();
    let checkpoint = experiment.file("results", "transformer-seed0", "checkpoint.safetensors");
    assert!(wait_until(&mut child, || checkpoint.exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    edit_checkpoint(&checkpoint, |name, floats| {
        if !name.starts_with("optimizer.") {
            floats.fill(3e38);
        }
    });
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("did not finish: transformer seed 0, sliding seed 0"), "{message}");
    let reason = fs::read_to_string(experiment.file("results", "sliding-seed0", "failure.txt")).unwrap();
    assert!(
        reason.starts_with("transformer seed 0 cannot be trained, whose weights it acts with\n"),
        "{reason}"
    );
}

/// Policies that differ in their roll-out only are trained once, and evaluated as if each had been.
#[test]
fn a_training_is_shared_by_its_roll_outs() {
    const BOTH: [&str; 2] = ["transformer-seed0", "sliding-seed0"];
    let sliding = "{sliding: {encoder: transformer, rollout: {sliding: 5}}}";
    let with = |policies: &str| Experiment::new(&YAML.replace("[aaren, transformer]", policies));
    let alone = with(&format!("[{sliding}]"));
    assert_eq!(alone.run("alone", &[]).0, Some(0));
    let experiment = with(&format!("[transformer, {sliding}]"));
    let listed = experiment.command("both", &["--dry-run", "--json"]).output().unwrap().stdout;
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let left = [0, 1].map(|run| (&listed["runs"][run]["shared"], listed["runs"][run]["seconds"] == 0.0));
    assert_eq!(left, [(&false.into(), false), (&true.into(), true)], "{listed}");
    let (code, message) = experiment.run("both", &[]);
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(message.matches("acts with the weights of transformer seed 0").count(), 1, "{message}");
    let read =
        |of: &Experiment, results: &str, name: &str| fs::read(of.file(results, BOTH[1], name)).unwrap();
    let policy = "policy.safetensors";
    assert!(read(&experiment, "both", policy) == read(&alone, "alone", policy));
    let [shared, alone] = [(&experiment, "both"), (&alone, "alone")].map(|(of, results)| {
        let rows = String::from_utf8(read(of, results, "evaluations.csv")).unwrap();
        rows.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    // Once, at the end.
    assert!(shared.len() == 3 && shared[1..] == alone[alone.len() - 2..], "{shared:?}");

    // Whoever needs it first trains it, and the others wait.
    let only = |part: &str| experiment.command("parts", &["--only", part]).spawn().unwrap();
    for child in [only("sliding"), only("sliding"), only("transformer")] {
        let (code, message) = outcome(child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{message}");
    }
    assert_same(&experiment.outcome_of("parts", &BOTH), &experiment.outcome_of("both", &BOTH));
}

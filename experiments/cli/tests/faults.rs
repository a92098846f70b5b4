//! Full disks, blocked folders, two processes at once, another spec, numbers that go wrong: one clear
//! message each, and the last good checkpoint stays.

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use common::{
    Experiment, RUNS, YAML, assert_same, edit_checkpoint, header, lines, outcome, send, wait_until,
};

/// An experiment whose first run stands at a checkpoint somewhere before its end.
fn interrupted(results: &str) -> Experiment {
    loop {
        let experiment = Experiment::new(YAML);
        let mut child = experiment.command(results, &[]).spawn().unwrap();
        let checkpoint = experiment.file(results, RUNS[0], "checkpoint.safetensors");
        assert!(wait_until(&mut child, || checkpoint.exists()));
        send(&child, libc::SIGTERM);
        let (code, message) = outcome(child.wait_with_output().unwrap());
        assert_eq!(code, Some(143), "{message}");
        // The signal may come when the run has done its last update, or in an evaluation, which is then done first.
        let header: serde_json::Value = serde_json::from_str(&header(&checkpoint)).unwrap();
        let updates = header["updates"].as_u64().unwrap();
        if updates < 60 && !updates.is_multiple_of(5) {
            return experiment;
        }
    }
}

/// A limit on the size of files stands for a full disk: it needs no root, and root is under it too.
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let experiment = interrupted("full");
    experiment.finish("straight");
    let checkpoint = experiment.file("full", RUNS[0], "checkpoint.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    let mut command = experiment.command("full", &[]);
    let half = before.len() as u64 / 2;
    // SAFETY: two system calls between fork and exec, without allocation.
    unsafe {
        command.pre_exec(move || {
            // Instead of being killed, the process is to get an error from `write`.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: half, rlim_max: half };
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
            Ok(())
        });
    }
    let (code, message) = outcome(command.output().unwrap());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("checkpoint.safetensors: cannot be written: File too large"), "{message}");
    assert!(message.contains("what stood there before is unharmed"), "{message}");
    assert!(fs::read(&checkpoint).unwrap() == before);
    assert!(!checkpoint.with_extension("safetensors.tmp").exists());
    experiment.finish("full");
    assert_same(&experiment.outcome("full"), &experiment.outcome("straight"));
}

/// A disk that is really full, where the system grants a process a tiny one of its own.
#[test]
fn a_tiny_disk_leaves_the_last_checkpoint() {
    let experiment = interrupted("before");
    let alone = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-ec", script]).current_dir(experiment.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    fs::create_dir(experiment.path("full")).unwrap();
    if !alone("mount -t tmpfs tmpfs full").status().is_ok_and(|status| status.success()) {
        eprintln!("no disk of its own: not tried");
        return;
    }
    experiment.finish("straight");
    let run = experiment.command("full", &[]);
    let mut command = alone(
        "used=$(du -sk before | cut -f1)
        mount -t tmpfs -o size=$((used + 4))k tmpfs full
        cp -R before/. full
        code=0; \"$0\" \"$@\" || code=$?
        cp -R full/. after
        exit $code",
    );
    fs::create_dir(experiment.path("after")).unwrap();
    let (code, message) = outcome(command.arg(run.get_program()).args(run.get_args()).output().unwrap());
    assert_eq!(code, Some(1), "{message}");
    let reason = "checkpoint.safetensors: cannot be written: No space left on device (os error 28); what stood \
                  there before is unharmed\n";
    assert!(message.ends_with(reason), "{message}");
    experiment.finish("after");
    assert_same(&experiment.outcome("after"), &experiment.outcome("straight"));
}

/// Root may write to a folder that is read-only, so these are places where nobody can.
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let experiment = interrupted("blocked");
    for results in ["tiny.yaml", "/proc/aaren"] {
        let (code, message) = experiment.run(results, &[]);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains(&format!("error: {results}/tiny: ")), "{message}");
    }
    // A folder in the temporary file's place.
    let checkpoint = experiment.file("blocked", RUNS[0], "checkpoint.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    fs::create_dir(checkpoint.with_extension("safetensors.tmp")).unwrap();
    let (code, message) = experiment.run("blocked", &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("checkpoint.safetensors: cannot be written: Is a directory"), "{message}");
    assert!(fs::read(&checkpoint).unwrap() == before);
}

/// Where there is a GPU, both do what they are asked for.
#[test]
fn a_gpu_that_is_not_there_is_refused_in_one_sentence() {
    let experiment = Experiment::new(YAML);
    let run = experiment.run("results", &["--set", "train.device=cuda"]);
    let check =
        Command::new(env!("CARGO_BIN_EXE_aaren")).args(["check", "--device", "cuda"]).output().unwrap();
    let cures = ["`make deps CUDA=1`", "`device: cpu`"];
    for (code, message) in [run, outcome(check)] {
        let there = code == Some(0);
        let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("error: ")).collect();
        let told = errors.len() == 1
            && errors[0].contains("cuda")
            && cures.iter().any(|cure| errors[0].contains(cure));
        assert!(there || (code == Some(2) && told), "{code:?}: {message}");
    }
}

#[test]
fn a_checkpoint_of_other_settings_or_data_is_refused() {
    let experiment = interrupted("results");
    let refused = |arguments: &[&str]| {
        let (code, message) = experiment.run("results", arguments);
        assert_eq!(code, Some(2), "{message}");
        message
    };
    let message = refused(&["--set", "train.batch=8", "--set", "model.heads=2"]);
    assert!(
        message
            .contains("which differ in model.heads: found 4, expected 2; train.batch: found 4, expected 8"),
        "{message}"
    );
    let path = experiment.path("pendulum.hdf5");
    let good = fs::read(&path).unwrap();
    common::toy(121, 3, 1).write_d4rl(&path, &[]).unwrap();
    let message = refused(&[]);
    assert!(message.contains("dataset pendulum: found content of checksum"), "{message}");
    fs::write(&path, good).unwrap();

    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    let good = fs::read(&checkpoint).unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&checkpoint, damaged).unwrap();
    assert!(refused(&[]).contains("checkpoint.safetensors: its checksum is "));
    fs::write(&checkpoint, good).unwrap();
    experiment.finish("results");

    // Nor is a further seed trained on other data than those that are done; target returns are the spec's.
    common::toy(121, 3, 1).write_d4rl(&path, &[]).unwrap();
    let message = refused(&["--set", "seeds=[0, 1]"]);
    assert!(
        message.contains("dataset pendulum: found other content than aaren seed 0 was trained on"),
        "{message}"
    );
}

#[test]
fn absurd_learning_rates_end_every_run_with_its_numbers() {
    let experiment = Experiment::new(YAML);
    let (code, message) =
        experiment.run("results", &["--set", "train.learning_rate=1e30", "--set", "train.warmup=0"]);
    assert_eq!(code, Some(1), "{message}");
    for run in ["aaren seed 0", "transformer seed 0"] {
        let line = message.lines().find(|line| line.starts_with(run)).expect(run);
        assert!(line.contains("there is no checkpoint yet: training stopped at update "), "{line}");
        assert!(line.contains("at learning rate 9.993e29; lower train.learning_rate"), "{line}");
    }
    assert!(message.contains("error: did not finish: aaren seed 0, transformer seed 0"), "{message}");
}

/// A checkpoint that nobody could go on from never takes the place of a good one.
#[test]
fn weights_that_are_infinite_are_not_saved() {
    let experiment = Experiment::new(YAML);
    let rate = ["--set", "train.learning_rate=1e39", "--set", "train.warmup=0", "--set", "evaluate.every=1"];
    let (code, message) = experiment.run("results", &rate);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("error: did not finish: aaren seed 0, transformer seed 0"), "{message}");
    assert!(!experiment.file("results", RUNS[0], "checkpoint.safetensors").exists());
}

/// One run whose weights overflow, and one that goes on to its end and its report.
#[test]
fn a_run_that_diverges_leaves_the_others_alone() {
    let experiment = interrupted("results");
    let checkpoint = experiment.file("results", RUNS[0], "checkpoint.safetensors");
    edit_checkpoint(&checkpoint, |name, floats| {
        if !name.starts_with("optimizer.") {
            floats.fill(3e38);
        }
    });
    let before = fs::read(&checkpoint).unwrap();
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("aaren seed 0: the last good checkpoint is results/tiny/aaren-seed0/"),
        "{message}"
    );
    assert!(message.contains("error: did not finish: aaren seed 0"), "{message}");
    assert!(fs::read(&checkpoint).unwrap() == before);
    assert_eq!(lines(&experiment.file("results", RUNS[1], "metrics.jsonl")).len(), 15);
    let summary = experiment.json("results", "summary.json");
    let reported: Vec<&String> = summary["policies"].as_object().unwrap().keys().collect();
    assert_eq!(reported, ["transformer"]);
}

/// Velocities of 1e12 are more than MuJoCo bears.
#[test]
fn an_unstable_simulation_is_marked_in_the_results() {
    let hopper = "{id: Hopper-v4, kwargs: {reset_noise_scale: 1.0e+12}}";
    let yaml = YAML.replace("{id: Pendulum-v1, kwargs: {max_episode_steps: 30}}", hopper);
    let experiment = Experiment::new(&yaml.replace("updates: 60", "updates: 5").replace(", transformer", ""));
    common::toy(120, 11, 3).write_d4rl(&experiment.path("pendulum.hdf5"), &[]).unwrap();
    experiment.finish("results");
    let text = fs::read_to_string(experiment.file("results", RUNS[0], "evaluations.csv")).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(
        rows[0].ends_with("episode,seed,return,normalised_score,length,terminated,unstable,checksum,rollout"),
        "{text}"
    );
    assert_eq!(rows.len(), 3, "{text}");
    assert!(
        rows[1].starts_with("5,-200,0,0,0,")
            && rows[2].starts_with("5,-200,1,1,0,")
            && rows[1].contains(",1,false,true,"),
        "{text}"
    );
    let summary = experiment.json("results", "summary.json");
    assert_eq!(summary["policies"]["aaren"]["targets"][0]["unstable_episodes"], 2);
}

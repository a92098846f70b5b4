//! What users of other programs reported: readers that leave, full logs, files and folders that moved.

mod common;

use std::fs::{self, File};
use std::os::fd::FromRawFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use aaren_datasets::{Dataset, Transitions};
use common::{Experiment, RUNS, YAML, assert_same, outcome, wait_until};

/// `aaren run x.yaml 2>&1 | head -1`, with `--jobs` too, and logs on disks that are full.
#[test]
fn nobody_who_reads_is_no_reason_to_stop() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    let expected = experiment.outcome("straight");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (results, jobs) in [("one", &[][..]), ("two", &["--jobs", "2"])] {
        let mut child = experiment.command(results, jobs).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_same(&experiment.outcome(results), &expected);
        let results = format!("{results}, full");
        let status = experiment.command(&results, jobs).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert_same(&experiment.outcome(&results), &expected);
    }
    // The exit code is that of the work, and what was asked for on standard output is work.
    let mut child = experiment.command("wrong", &["--set", "train.batch=0"]).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let (code, message) = outcome(experiment.command("one", &["--json"]).stdout(full()).output().unwrap());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("standard output cannot be written: No space left on device"), "{message}");
}

/// Bars are drawn on a terminal, until it is closed. (It is not the controlling one: no SIGHUP comes.)
#[test]
fn a_terminal_that_is_gone_is_no_reason_to_stop() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    for (results, jobs) in [("one", &[][..]), ("two", &["--jobs", "2"])] {
        let (mut master, mut slave) = (0, 0);
        let null = std::ptr::null_mut();
        // SAFETY: two integers to write to; the rest may be null. Both descriptors are new and nobody else's.
        let [master, slave] = unsafe {
            assert_eq!(libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()), 0);
            [master, slave].map(|descriptor| {
                // No child is to hold the other end.
                assert_eq!(libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC), 0);
                File::from_raw_fd(descriptor)
            })
        };
        let mut command = experiment.command(results, jobs);
        command.stdout(slave.try_clone().unwrap()).stderr(slave);
        let mut child = command.spawn().unwrap();
        // It holds the terminal too.
        drop(command);
        let metrics = experiment.file(results, RUNS[0], "metrics.jsonl");
        assert!(wait_until(&mut child, || metrics.exists()));
        drop(master);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_same(&experiment.outcome(results), &experiment.outcome("straight"));
    }
}

/// A grid goes on where the reader has left after the first of its experiments.
#[test]
fn a_grid_is_run_to_its_end_for_nobody() {
    let experiment = Experiment::new(&format!("{YAML}grid: {{model.heads: [1, 2]}}\n"));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = experiment.command("results", &["--only", "aaren"]);
    let (code, message) = outcome(command.stdout(full).output().unwrap());
    for cell in ["heads-1", "heads-2"] {
        assert!(
            experiment.file("results", &format!("{cell}/{}", RUNS[0]), "policy.safetensors").is_file(),
            "{message}"
        );
    }
    assert_eq!(code, Some(0), "{message}");
}

/// Folders by other spellings of their paths are the same folders, and nothing is written to where the user stands.
#[test]
fn a_report_lies_beside_its_experiments_however_they_are_spelled() {
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 5"));
    for name in ["one", "two"] {
        let file = format!("{name}.hdf5");
        fs::copy(experiment.path("pendulum.hdf5"), experiment.path(&file)).unwrap();
        let [name, data] = [format!("name={name}"), format!("dataset={file}")];
        let (code, message) = experiment.run("results", &["--set", &name, "--set", &data]);
        assert_eq!(code, Some(0), "{message}");
    }
    fs::write(experiment.path("report.md"), "my notes").unwrap();
    symlink("results/two", experiment.path("link")).unwrap();
    let absolute = experiment.path("results/two").display().to_string();
    for other in ["./results/two", "results/../results/two", &absolute, "link"] {
        let report = experiment.path("results/report.md");
        let _ = fs::remove_file(&report);
        let (code, text, message) = experiment.aaren(&["report", "results/one", other]);
        assert_eq!(code, Some(0), "{message}");
        assert!(text.contains("written to results: "), "{other}: {text}");
        assert!(report.is_file());
    }
    assert_eq!(fs::read_to_string(experiment.path("report.md")).unwrap(), "my notes");
    // A sweep leaves an earlier one alone where it is told to.
    let (code, _, message) = experiment.aaren(&["sweep", "results/one", "--episodes", "1"]);
    assert_eq!(code, Some(0), "{message}");
    let before = fs::read(experiment.path("results/one/sweep.json")).unwrap();
    let other = ["sweep", "results/one", "--episodes", "1", "--rollout", "reset:1", "--out", "elsewhere"];
    let (code, _, message) = experiment.aaren(&other);
    assert_eq!(code, Some(0), "{message}");
    assert!(fs::read(experiment.path("results/one/sweep.json")).unwrap() == before);
    assert!(experiment.path("elsewhere/sweep.svg").is_file());
}

/// Who shares a report shares what it is not of.
#[test]
fn a_report_names_the_runs_that_failed() {
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 5"));
    experiment.finish("results");
    let gone = experiment.path(&format!("results/tiny/{}", RUNS[1]));
    fs::remove_dir_all(&gone).unwrap();
    fs::create_dir(&gone).unwrap();
    fs::write(gone.join("failure.txt"), "the loss is NaN\n").unwrap();
    let (code, text, message) = experiment.aaren(&["report", "results/tiny"]);
    assert_eq!(code, Some(1), "{message}");
    let said = "Not done, and in no number here: tiny: transformer seed 0: ";
    assert!(text.contains(said) && text.contains("the loss is NaN"), "{text}");
    for file in ["report.md", "summary.md"] {
        let text = fs::read_to_string(experiment.path(&format!("results/tiny/{file}"))).unwrap();
        assert!(text.contains("transformer seed 0: "), "{file}: {text}");
    }
}

#[test]
fn a_summary_without_scores_is_refused() {
    let experiment = Experiment::new(&YAML.replace("updates: 60", "updates: 5"));
    experiment.finish("results");
    let whole = experiment.json("results", "summary.json");
    fs::create_dir(experiment.path("alone")).unwrap();
    for empty in ["/policies", "/policies/aaren/targets", "/protocol/target_returns"] {
        let mut summary = whole.clone();
        let place = summary.pointer_mut(empty).unwrap();
        *place = if place.is_object() { serde_json::json!({}) } else { serde_json::json!([]) };
        fs::write(experiment.path("alone/summary.json"), summary.to_string()).unwrap();
        let (code, _, message) = experiment.aaren(&["report", "alone", "--html"]);
        assert!(code != Some(0) && code != Some(101), "{empty}: {message}");
        assert!(
            message.contains("summary.json: ") && message.contains("it holds no policy"),
            "{empty}: {message}"
        );
    }
}

#[test]
fn data_under_another_name_go_on_and_other_data_do_not() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    let [old, new] = ["pendulum.hdf5", "renamed.hdf5"].map(|name| experiment.path(name));
    let first = ["--only", "aaren", "--set", "dataset=pendulum.hdf5"];
    let (code, message) = experiment.run("results", &first);
    assert_eq!(code, Some(0), "{message}");
    let before = fs::read(experiment.file("results", RUNS[0], "policy.safetensors")).unwrap();
    fs::rename(&old, &new).unwrap();
    let renamed = ["--set", "dataset=renamed.hdf5"];
    for _ in 0..2 {
        let (code, message) = experiment.run("results", &renamed);
        assert_eq!(code, Some(0), "{message}");
        assert_eq!(message.matches("renamed.hdf5: holds the same data as ").count(), 1, "{message}");
        assert!(fs::read(experiment.file("results", RUNS[0], "policy.safetensors")).unwrap() == before);
    }
    // What is played from the folder needs no data at all.
    fs::remove_file(&new).unwrap();
    let (code, _, message) = experiment.aaren(&["sweep", "results/tiny", "--episodes", "1"]);
    assert_eq!(code, Some(0), "{message}");
    common::toy(121, 3, 1).write_d4rl(&new, &[]).unwrap();
    let (code, message) = experiment.run("results", &renamed);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("dataset: found \"pendulum.hdf5\", expected \"renamed.hdf5\""), "{message}");
}

#[test]
fn links_that_lead_nowhere_are_named() {
    let experiment = Experiment::new(YAML);
    symlink("scratch/gone", experiment.path("results")).unwrap();
    symlink("gone.hdf5", experiment.path("link.hdf5")).unwrap();
    symlink("gone.yaml", experiment.path("link.yaml")).unwrap();
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("results is a link to scratch/gone, which is not there"), "{message}");
    let (code, message) = experiment.run("other", &["--set", "dataset=link.hdf5"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("`link.hdf5`, which is a link to gone.hdf5, which is not there"), "{message}");
    let (code, _, message) = experiment.aaren(&["run", "link.yaml"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("link.yaml: is a link to gone.yaml"), "{message}");
}

#[test]
fn a_report_lies_in_the_folder_that_it_is_of() {
    let experiment = Experiment::new(YAML);
    fs::create_dir(experiment.path("other")).unwrap();
    experiment.finish("other/results");
    for given in ["other/results/tiny", "other/results"] {
        let (code, said, message) = experiment.aaren(&["report", given]);
        assert_eq!(code, Some(0), "{message}");
        assert!(said.contains(&format!("written to {given}: report.md")), "{said}");
    }
    // Several lie side by side. What a shell makes of `results/*` has files of the last report, too.
    experiment.finish("other/more");
    let all = ["other/results/tiny", "other/results/report.md", "other/results/performance_profile.svg"];
    let (code, said, message) = experiment.aaren(&[&["report"], all.as_slice()].concat());
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("written to other/results/tiny: report.md"), "{said}");
    let (code, _, message) = experiment.aaren(&["report", "other/results/tiny", "other/more/tiny"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("is in two summaries; give one of them"), "{message}");
    // A baseline that two experiments share counts once, unless it has two scores.
    let summary = fs::read_to_string(experiment.path("other/more/tiny/summary.json")).unwrap();
    let mut summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for policies in ["/policies", "/comparison/policies"] {
        let policies = summary.pointer_mut(policies).unwrap().as_object_mut().unwrap();
        let aaren = policies.remove("aaren").unwrap();
        policies.insert("aaren-again".into(), aaren);
    }
    fs::create_dir(experiment.path("again")).unwrap();
    let baseline = "/policies/transformer/targets/0/raw_return/per_seed/0";
    let score = summary.pointer(baseline).unwrap().as_f64().unwrap();
    let mut together = |score: f64| {
        *summary.pointer_mut(baseline).unwrap() = score.into();
        fs::write(experiment.path("again/summary.json"), summary.to_string()).unwrap();
        experiment.aaren(&["report", "other/results/tiny", "again", "--out", "together"])
    };
    let (code, said, message) = together(score);
    assert_eq!(code, Some(0), "{message}");
    let heads: Vec<&str> =
        said.lines().find(|line| line.starts_with('|')).unwrap().split_whitespace().collect();
    assert_eq!(heads.join(" "), "| dataset | aaren | transformer | aaren-again |", "{said}");
    let (code, _, message) = together(score + 1.0);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("transformer on "), "{message}");
    // Several lie in the folder that holds them all.
    let runs = RUNS.map(|run| format!("other/results/tiny/{run}"));
    let (code, said, message) = experiment.aaren(&["report", &runs[1], &runs[0]]);
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("written to other/results/tiny: report.md"), "{said}");
    assert!(!experiment.path("results").exists());
}

#[test]
fn one_run_has_a_page_of_its_own() {
    let experiment = Experiment::new(YAML);
    experiment.finish("results");
    let (code, said, message) = experiment.aaren(&["report", "results/tiny/aaren-seed0", "--html"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("written to results/tiny/aaren-seed0: report.md"), "{said}");
    let html = fs::read_to_string(experiment.file("results", RUNS[0], "report.html")).unwrap();
    assert!(html.contains(">aaren</td>") && html.contains("Pendulum-v1, seed 0)"), "{said}");
    assert!(
        !html.contains(">transformer</td>") && !html.contains("\"transformer\""),
        "the other run is in it"
    );
    // In the folder itself too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
    command.current_dir(experiment.path("results/tiny/aaren-seed0"));
    assert!(command.args(["report", "."]).output().unwrap().status.success());
}

#[test]
fn a_run_with_a_page_ends_with_what_came_out_and_where_the_page_lies() {
    let experiment = Experiment::new(YAML);
    let output = experiment.command("results", &["--html"]).output().unwrap();
    let (said, message) = (String::from_utf8(output.stdout.clone()).unwrap(), outcome(output).1);
    let mut lines = said.lines().rev();
    let page = lines.next().and_then(|line| line.split(": ").last()).unwrap_or_else(|| panic!("{message}"));
    assert!(page.ends_with("results/tiny/report.html") && fs::exists(page).unwrap(), "{said}");
    let line = lines.next().unwrap();
    assert!(line.starts_with("return of tiny: ") && line.matches(" bytes)").count() == 2, "{line}");
    let means: Vec<f64> = line.split(" (").filter_map(|part| part.rsplit(' ').next()?.parse().ok()).collect();
    assert!(means.len() == 2 && means[0] >= means[1], "{line}");
}

#[test]
fn a_target_that_float32_does_not_hold_is_refused_at_once() {
    let experiment = Experiment::new(YAML);
    let (code, message) = experiment.run("results", &["--set", "evaluate.target_returns=[1e300]"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("found `1e300`, expected a return of at most 3.4e38 in size"), "{message}");
    for command in ["evaluate", "sweep", "render"] {
        for target in ["nan", "inf", "1e300"] {
            let (code, _, message) = experiment.aaren(&[command, "x", "--target-return", target]);
            assert_eq!(code, Some(2), "{message}");
            assert!(message.contains("expected a number of at most 3.4e38 in size"), "{message}");
        }
    }
}

#[test]
fn returns_that_float32_does_not_hold_are_refused_at_loading() {
    let experiment = Experiment::new(YAML);
    let columns = Transitions {
        observations: vec![0.5; 3 * 40],
        actions: vec![0.5; 40],
        rewards: vec![3e38; 40],
        terminals: vec![false; 40],
        timeouts: (0..40).map(|i| i == 39).collect(),
    };
    let path = experiment.path("pendulum.hdf5");
    Dataset::new("large", columns, 3, 1, false).write_d4rl(&path, &[]).unwrap();
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(2), "{message}");
    // Once, though its cause says it too.
    assert_eq!(message.matches("expected returns within float32, up to 3.4e38").count(), 1, "{message}");
    assert!(!experiment.file("results", RUNS[0], "checkpoint.safetensors").exists());
}

/// Such a file is nobody's but the program's.
#[test]
fn a_damaged_recipe_is_named_with_its_cure() {
    let experiment = Experiment::new("name: tiny\nenv: Hopper-v4\ndataset: hopper-medium\n");
    let path = experiment.path("results/datasets");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("hopper-medium.hdf5"), "junk").unwrap();
    let (code, message) = experiment.run("results", &[]);
    assert_eq!(code, Some(2), "{message}");
    let cure = "the recipe hopper-medium made this file: remove results/datasets/hopper-medium.hdf5 and run the command again";
    assert!(message.contains(cure), "{message}");
}

#[test]
fn a_tilde_that_the_shell_left_is_home() {
    let experiment = Experiment::new(YAML);
    let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
    command.current_dir(experiment.path("")).env("HOME", experiment.path("home"));
    let output =
        command.args(["run", "tiny.yaml", "--only", "aaren", "--results=~/x"]).stdin(Stdio::null()).output();
    let (code, message) = outcome(output.unwrap());
    assert_eq!(code, Some(0), "{message}");
    assert!(experiment.path("home/x/tiny/aaren-seed0/policy.safetensors").is_file());
    assert!(!experiment.path("~").exists());
}

/// A setting is no dataset: what a grid varies stands side by side, and nothing is pooled over it.
#[test]
fn settings_of_a_grid_are_not_pooled() {
    let yaml = YAML.replace("updates: 60", "updates: 5").replace("every: 5", "every: 5, episodes: 1");
    let experiment = Experiment::new(&(yaml.replace(", episodes: 2", "") + "grid: {train.batch: [2, 4]}\n"));
    experiment.finish("results");
    let (code, said, message) = experiment.aaren(&["report", "results/tiny"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("written to results/tiny: report.md"), "{said}");
    for batch in ["2", "4"] {
        assert!(said.contains(&format!("| mean over datasets, train.batch {batch} ")), "{said}");
        let part = format!("### Returns, of -488.208135 to 0, train.batch {batch}\n");
        assert_eq!(said.matches(&part).count(), 1, "{said}");
    }
    assert!(said.contains("Over the runs of one dataset.") && !said.contains("Over the runs of 2"), "{said}");
    let csv = fs::read_to_string(experiment.path("results/tiny/report.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
}

/// Errors of actions have no range that is known; they are reported, and not averaged.
#[test]
fn what_has_no_known_range_stands_in_the_table() {
    let env = "env: {id: Pendulum-v1, kwargs: {max_episode_steps: 30}}\n";
    let asked = ", target_returns: [-200], keep: all, return_scale: 100";
    let yaml = YAML.replace(env, "").replace("updates: 60", "updates: 5").replace(asked, "");
    let experiment = Experiment::new(&yaml.replace(", episodes: 2", ""));
    experiment.finish("results");
    let (code, said, message) = experiment.aaren(&["report", "results/tiny"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("## Held-out action errors\n") && !said.contains("mean over datasets"), "{said}");
    let csv = fs::read_to_string(experiment.path("results/tiny/report.csv")).unwrap();
    assert_eq!(csv.matches("held-out action errors,").count(), 2, "{csv}");
}

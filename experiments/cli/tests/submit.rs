//! What `aaren submit` prints. `make slurm-test` submits it to a real Slurm.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::{Experiment, RUNS, YAML, assert_same};

/// Standard output of `aaren submit tiny.yaml …`, or what it refuses.
fn submit(experiment: &Experiment, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
    command.current_dir(experiment.path("")).args(["submit", "tiny.yaml"]).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Whether a shell can read it.
fn check(script: &str) {
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success(), "{script}");
}

/// A Slurm that only keeps what it is asked for: `scontrol` says the most tasks of an array, `sbatch` keeps each job's
/// options and script as `job-N`, refusing the one that `refuse` names, `scancel` keeps what it is told.
fn slurm(experiment: &Experiment, most: u32) {
    let write = |name: &str, text: String| {
        let path = experiment.path("slurm").join(name);
        fs::write(&path, format!("#!/bin/bash\ncd \"$(dirname \"$0\")\"\n{text}")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let _ = fs::remove_dir_all(experiment.path("slurm"));
    fs::create_dir(experiment.path("slurm")).unwrap();
    write("scontrol", format!("echo 'MaxArraySize            = {most}'\n"));
    write("scancel", "echo \"$@\" >cancelled\n".into());
    write(
        "sbatch",
        "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n >n\n[ \"$n\" = \"$(cat refuse 2>/dev/null)\" ] && exit 1\n\
         { echo \"$@\"; cat; } >job-$n\necho \"$((100 + n));cluster\"\n"
            .into(),
    );
}

/// The jobs that a script submits to [`slurm`], each the options on its first line and then its script; and whether it
/// ended well.
fn jobs(experiment: &Experiment, script: &str) -> (Vec<String>, bool, String) {
    let folder = experiment.path("slurm");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.current_dir(experiment.path("")).env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bash = bash.stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    let jobs = (1..).map_while(|n| fs::read_to_string(folder.join(format!("job-{n}"))).ok()).collect();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (jobs, output.status.success(), said)
}

#[test]
fn the_script_is_an_array_and_a_report_after_it() {
    let experiment = Experiment::new(YAML);
    let resources =
        ["--partition", "gpu", "--time", "2:00:00", "--gres", "gpu:1", "--mem", "4G", "--parallel", "2"];
    let others = [
        "--set",
        "seeds=[0, 1]",
        "--results",
        "my 100 %j",
        "--print",
        "--",
        "--account=lab",
        "--comment=two words",
        "--signal=B:TERM@60",
    ];
    let script = submit(&experiment, &[&resources[..], &others].concat()).unwrap();
    // Nothing was written.
    assert!(!experiment.path("my 100 %j").exists());
    slurm(&experiment, 1001);
    let (submitted, good, said) = jobs(&experiment, &script);
    assert!(good && said.contains("submitted: job 101, tasks: 4; job 102, their report"), "{said}");
    let [array, report] = &submitted[..] else { panic!("{submitted:?}") };
    let (options, array) = array.split_once('\n').unwrap();
    assert_eq!(options.trim(), "--parsable --array=0-3%2");
    check(array);
    for line in [
        "#SBATCH --job-name=tiny",
        "#SBATCH --open-mode=append",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=2:00:00",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --mem=4G",
        "#SBATCH --account=lab",
        "#SBATCH --comment='two words'",
        "#SBATCH --signal=B:TERM@60",
        "#SBATCH --requeue",
        "    timeout 10 scontrol requeue \"$task\" && break",
    ] {
        assert_eq!(array.lines().filter(|found| *found == line).count(), 1, "{line}\n{array}");
    }
    let log = array.lines().find_map(|line| line.strip_prefix("#SBATCH --output='/")).unwrap();
    assert!(log.ends_with("/my 100 %%j/tiny/slurm/%A_%a.log'"), "{log}");
    assert!(!array.contains("TERM@120"), "what is given takes its place: {array}");
    let run = "aaren run tiny.yaml --results 'my 100 %j' --set 'seeds=[0, 1]' --only \"$run\" &\n";
    assert!(array.contains(run), "{array}");
    // The job id alone names all tasks in one of them; and times of files say nothing.
    assert!(!array.contains("$SLURM_JOB_ID") && !array.contains("stat "), "{array}");
    let (options, report) = report.split_once('\n').unwrap();
    assert_eq!(options, "--parsable --dependency=afterany:101");
    check(report);
    for line in ["#SBATCH --job-name=tiny-report", "#SBATCH --partition=gpu", "#SBATCH --account=lab"] {
        assert_eq!(report.lines().filter(|found| *found == line).count(), 1, "{line}\n{report}");
    }
    assert!(!report.contains("gpu:1") && !report.contains("TERM"), "{report}");
    assert!(report.contains("aaren report 'my 100 %j/tiny' --out 'my 100 %j/tiny'\n"), "{report}");

    // Whatever a folder is called, it is a word of the script, and never a part of it.
    let odd = submit(&experiment, &["--print", "--results", "o$x`y\"'z"]).unwrap();
    let (submitted, good, said) = jobs(&experiment, &odd);
    assert!(good && submitted.len() == 4 && said.contains("logs in o$x`y\"'z/tiny/slurm"), "{said}");
    submitted[2..].iter().for_each(|job| check(job.split_once('\n').unwrap().1));

    let plain = submit(&experiment, &["--print"]).unwrap();
    check(&plain);
    assert!(plain.contains("#SBATCH --signal=B:TERM@120\n"), "{plain}");
    assert!(!plain.contains("--time=") && !plain.contains("--gres"), "{plain}");
    let refused = submit(&experiment, &["--print", "--", "lab"]).unwrap_err();
    assert!(refused.contains("expected options of sbatch such as --account=lab"), "{refused}");
    let refused = submit(&experiment, &["--print", "--only", "gru"]).unwrap_err();
    assert!(refused.contains("there is no policy `gru`"), "{refused}");
    let refused = submit(&experiment, &["--print", "--results", "r\nj"]).unwrap_err();
    assert!(refused.contains("expected a path in UTF-8 on one line"), "{refused}");
    let refused = submit(&experiment, &["--print", "--results", r"r\j"]).unwrap_err();
    assert!(refused.contains("found a backslash"), "{refused}");
}

/// Who acts with the weights of another run has that one's checkpoint: what tells whether a task got on.
#[test]
fn a_shared_training_has_one_checkpoint() {
    let sliding = "[transformer, {sliding: {encoder: transformer, rollout: {sliding: 5}}}]";
    let experiment = Experiment::new(&YAML.replace("[aaren, transformer]", sliding));
    let script = submit(&experiment, &["--print"]).unwrap();
    assert_eq!(
        script.matches("  results/tiny/transformer-seed0/checkpoint.safetensors\n").count(),
        2,
        "{script}"
    );
}

#[test]
fn more_tasks_than_an_array_takes_are_several_arrays_and_one_report() {
    let experiment = Experiment::new(YAML);
    let seeds = ["--print", "--set", "seeds=[0, 1, 2]"];
    let script = submit(&experiment, &seeds).unwrap();
    slurm(&experiment, 4);
    let (submitted, good, said) = jobs(&experiment, &script);
    assert!(good && said.contains("submitted: job 101 102, tasks: 6; job 103, their report"), "{said}");
    let options: Vec<&str> = submitted.iter().map(|job| job.lines().next().unwrap().trim()).collect();
    let expected = ["--array=0-3", "--array=0-1", "--dependency=afterany:101:102"];
    assert_eq!(options, expected.map(|option| format!("--parsable {option}")));
    let runs = |job: &str| {
        let text = format!(
            "{}\nprintf '%s ' \"${{runs[@]}}\"",
            job.lines().find(|it| it.contains(" runs=(")).unwrap()
        );
        String::from_utf8(Command::new("bash").args(["-c", &text]).output().unwrap().stdout).unwrap()
    };
    assert_eq!(
        runs(&submitted[0]) + &runs(&submitted[1]),
        "aaren:0 aaren:1 aaren:2 transformer:0 transformer:1 transformer:2 "
    );

    // At most three at a time, of all arrays together.
    let script = submit(&experiment, &[&["--parallel", "3"], &seeds[..]].concat()).unwrap();
    slurm(&experiment, 4);
    let (submitted, ..) = jobs(&experiment, &script);
    assert!(
        submitted[1].starts_with("--parsable --array=0-1%3 --dependency=afterany:101\n"),
        "{}",
        submitted[1]
    );
    // All of them or none.
    slurm(&experiment, 4);
    fs::write(experiment.path("slurm/refuse"), "2").unwrap();
    let (_, good, said) = jobs(&experiment, &script);
    assert!(!good && said.contains("no job is submitted"), "{said}");
    assert_eq!(fs::read_to_string(experiment.path("slurm/cancelled")).unwrap(), "101\n");
    slurm(&experiment, 0);
    let (submitted, good, said) = jobs(&experiment, &script);
    assert!(!good && submitted.is_empty() && said.contains("MaxArraySize is 0"), "{said}");
    // Indices that are given are one array.
    let script = submit(&experiment, &[&seeds[..], &["--", "--array=0,5"]].concat()).unwrap();
    slurm(&experiment, 4);
    let (submitted, ..) = jobs(&experiment, &script);
    assert!(
        submitted[0].starts_with("--parsable\n#!/bin/bash\n")
            && submitted[0].contains("\n#SBATCH --array=0,5\n")
    );
}

#[test]
fn lines_for_gnu_parallel_are_the_runs() {
    let experiment = Experiment::new(YAML);
    experiment.finish("straight");
    let (code, message) = experiment.run("it's here", &["--only", "aaren"]);
    assert_eq!(code, Some(0), "{message}");
    // What is done is not done again.
    let lines = submit(&experiment, &["--results", "it's here", "--local"]).unwrap();
    let [line] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
    assert!(
        line.ends_with(r"aaren run tiny.yaml --results 'it'\''s here' --only transformer:0 --one-thread"),
        "{line}"
    );
    let status =
        Command::new("sh").args(["-c", line]).current_dir(experiment.path("")).output().unwrap().status;
    assert!(status.success());
    assert_same(&experiment.outcome("it's here"), &experiment.outcome("straight"));
    assert!(experiment.file("it's here", RUNS[1], "policy.safetensors").exists());
    assert_eq!(submit(&experiment, &["--results", "it's here", "--local"]).unwrap(), "");
}

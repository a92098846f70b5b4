//! What `aaren submit` prints. `make slurm-test` submits it to a real Slurm.

mod common;

use std::io::Write;
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

/// The job that is submitted between two lines of `word`.
fn job<'s>(script: &'s str, word: &str) -> &'s str {
    let from = script.split_once(&format!("<<'{word}'\n")).unwrap().1;
    from.split_once(&format!("\n{word}\n)")).unwrap().0
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
        "my results",
        "--print",
        "--",
        "--account=lab",
        "--signal=B:TERM@60",
    ];
    let script = submit(&experiment, &[&resources[..], &others].concat()).unwrap();
    check(&script);
    let (array, report) = (job(&script, "ARRAY"), job(&script, "REPORT"));
    check(array);
    check(report);
    for line in [
        "#SBATCH --job-name=tiny",
        "#SBATCH --array=0-3%2",
        "#SBATCH --output='my results/tiny/slurm/%A_%a.log'",
        "#SBATCH --open-mode=append",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=2:00:00",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --mem=4G",
        "#SBATCH --account=lab",
        "#SBATCH --signal=B:TERM@60",
        "#SBATCH --requeue",
        "  aaren:0",
        "  transformer:1",
        "  'my results/tiny/transformer-seed1/checkpoint.safetensors'",
        "  scontrol requeue \"$SLURM_JOB_ID\"",
    ] {
        assert_eq!(array.lines().filter(|found| *found == line).count(), 1, "{line}\n{array}");
    }
    assert!(!array.contains("TERM@120"), "what is given takes its place: {array}");
    let run = "aaren run tiny.yaml --results 'my results' --set 'seeds=[0, 1]' --only \"$run\" &\n";
    assert!(array.contains(run), "{array}");
    for line in ["#SBATCH --job-name=tiny-report", "#SBATCH --partition=gpu", "#SBATCH --account=lab"] {
        assert_eq!(report.lines().filter(|found| *found == line).count(), 1, "{line}\n{report}");
    }
    assert!(!report.contains("gpu:1") && !report.contains("TERM"), "{report}");
    assert!(report.contains("aaren report 'my results/tiny' --out 'my results/tiny'\n"), "{report}");
    assert!(script.contains("sbatch --parsable --dependency=\"afterany:$array\" <<'REPORT'\n"), "{script}");
    // Nothing was written.
    assert!(!experiment.path("my results").exists());

    let plain = submit(&experiment, &["--print"]).unwrap();
    check(&plain);
    assert!(
        plain.contains("#SBATCH --array=0-1\n") && plain.contains("#SBATCH --signal=B:TERM@120\n"),
        "{plain}"
    );
    assert!(!plain.contains("--time") && !plain.contains("--gres"), "{plain}");
    let refused = submit(&experiment, &["--print", "--", "lab"]).unwrap_err();
    assert!(refused.contains("expected options of sbatch such as --account=lab"), "{refused}");
    let refused = submit(&experiment, &["--print", "--only", "gru"]).unwrap_err();
    assert!(refused.contains("there is no policy `gru`"), "{refused}");
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

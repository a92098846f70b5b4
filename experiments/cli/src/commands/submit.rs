//! `aaren submit`: the runs of an experiment as an array of Slurm tasks, and a report when all of them have ended.
//!
//! The task of a run is sent SIGTERM before its time limit, saves, and queues again. What is submitted is one shell
//! script, the same that `--print` shows.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::selection::Selection;
use crate::refusal::Refusal;
use aaren_runs::interrupt::quoted;
use aaren_runs::{Open, output};

/// Seconds before the time limit at which a task is told to save: an update, an evaluation cut short, a checkpoint.
/// Slurm looks at time limits every half minute, and so may come a minute early.
const SAVE_SECONDS: u32 = 120;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren submit my.yaml --time 2:00:00 --mem 4G --parallel 20
  aaren submit my.yaml --set train.device=cuda --partition gpu --gres gpu:1 -- --account=lab --cpus-per-task=4
  aaren submit my.yaml --print
  aaren submit my.yaml --local | parallel --jobs 8")]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Slurm's partition.
    #[arg(long)]
    pub partition: Option<String>,
    /// Time limit of a task, as Slurm writes it (2:00:00); a run that is not done by then saves, requeues and
    /// continues.
    #[arg(long)]
    pub time: Option<String>,
    /// Generic resources of a task, such as gpu:1.
    #[arg(long)]
    pub gres: Option<String>,
    /// Memory of a task, such as 4G.
    #[arg(long)]
    pub mem: Option<String>,
    /// Largest number of tasks at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub parallel: Option<u32>,
    /// Print the script without submitting it.
    #[arg(long, conflicts_with = "local")]
    pub print: bool,
    /// Print one command for each run instead, for GNU parallel.
    #[arg(long)]
    pub local: bool,
    /// Further options of sbatch, each `--option=value`; they override those set here.
    #[arg(last = true, value_name = "SBATCH_OPTION", value_parser = sbatch_option)]
    pub sbatch: Vec<String>,
}

/// One line that begins with a dash.
fn sbatch_option(text: &str) -> Result<String, String> {
    let fits = text.starts_with('-') && !text.contains(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "expected options of sbatch such as --account=lab".into())
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let plan = args.selection.plan()?;
    let mut tasks = Vec::new();
    let Selection { only, results, .. } = &args.selection;
    for experiment in &plan.experiments {
        let open = experiment.open(results, only)?;
        if !open.is_empty() {
            experiment.check_data(results)?;
        }
        tasks.extend(open);
    }
    let folder = plan.folder(&args.selection.results);
    if tasks.is_empty() {
        output::note(format_args!("every run is done; `aaren report {}` reports them", folder.display()));
        return Ok(());
    }
    for (option, path) in [("", &args.selection.experiment), ("--results ", &args.selection.results)] {
        if path.to_str().is_none_or(|path| path.contains(char::is_control)) {
            let expected = "expected a path in UTF-8 on one line, as a script can name it";
            return Err(Refusal(format!("{option}{}: {expected}", path.display())).into());
        }
    }
    let program = quoted(std::env::current_exe().context("this program's own path")?.as_os_str());
    if args.local {
        for task in &tasks {
            let run = shell(&task.run.to_string());
            output::print(format_args!("{} --only {run} --one-thread", command(args, &program)))?;
        }
        return Ok(());
    }
    let script = script(args, &plan.name, &folder, &tasks, &program)?;
    if args.print {
        return Ok(output::print(script.trim_end())?);
    }
    plan.write(&args.selection.results)?;
    submit(&script)
}

/// Has the script submit its jobs; it says which.
fn submit(script: &str) -> Result<()> {
    use std::io::Write;
    let mut bash = Command::new("bash").stdin(Stdio::piped()).spawn().context("bash cannot be started")?;
    let mut stdin = bash.stdin.take().context("bash's input")?;
    stdin.write_all(script.as_bytes()).context("bash's input")?;
    drop(stdin);
    let status = bash.wait().context("bash")?;
    if !status.success() {
        bail!("the jobs were not submitted: see above; `--print` shows the script");
    }
    Ok(())
}

/// This program's command for a run, but for which one, for a shell in this folder.
fn command(args: &Args, program: &str) -> String {
    let Selection { experiment, results, overrides, .. } = &args.selection;
    let sets: String = overrides.iter().map(|set| format!(" --set {}", shell(set))).collect();
    format!("{program} run {} --results {}{sets}", path(experiment), path(results))
}

fn shell(text: &str) -> String {
    quoted(text.as_ref())
}

fn path(path: &Path) -> String {
    quoted(path.as_os_str())
}

/// `#SBATCH` lines: options of ours where they have a value and are not given again, then those that are given.
fn options(own: [(&str, Option<String>); 9], given: &[&String]) -> String {
    let again = |name: &str| given.iter().any(|given| given.split('=').next() == Some(name));
    let own = own.iter().filter(|(name, _)| !again(name));
    let own = own.filter_map(|(name, value)| Some(format!("{name}={}", shell(value.as_ref()?))));
    let given = given.iter().map(|option| match option.split_once('=') {
        Some((name, value)) => format!("{name}={}", shell(value)),
        None => option.to_string(),
    });
    own.chain(given).map(|option| format!("#SBATCH {option}\n")).collect()
}

/// Whether a given option is for the report too, which needs neither an array nor a GPU.
fn of_report(option: &str) -> bool {
    !["--array", "--signal", "--output", "--error", "--gres", "--gpus"]
        .iter()
        .any(|own| option.starts_with(own))
}

/// The name of a log as Slurm reads it: `pattern` in a folder, from the root, as Slurm also replaces what stands in
/// the name of the working directory.
fn log(folder: &Path, pattern: &str) -> Result<String> {
    let folder = folder.display().to_string();
    if folder.contains('\\') {
        let expected = "expected a results folder without one: Slurm would expand no pattern in a log's name";
        return Err(Refusal(format!("--results: found a backslash in {folder}, {expected}")).into());
    }
    Ok(format!("{}/{pattern}", folder.replace('%', "%%")))
}

/// What submits the arrays and the report.
fn script(args: &Args, name: &str, folder: &Path, tasks: &[Open], program: &str) -> Result<String> {
    let here = std::env::current_dir().context("the working directory")?;
    let here = here.to_str().filter(|here| !here.contains(char::is_control));
    let here = here.context("the working directory: expected a path in UTF-8 on one line")?;
    let logs = folder.join("slurm");
    let at_root = Path::new(here).join(&logs);
    let options = |name: String, pattern: &str, is_report: bool| {
        let own = [
            ("--job-name", Some(name)),
            ("--chdir", Some(here.to_owned())),
            ("--output", Some(log(&at_root, pattern)?)),
            ("--open-mode", Some("append".into()).filter(|_| !is_report)),
            ("--signal", Some(format!("B:TERM@{SAVE_SECONDS}")).filter(|_| !is_report)),
            ("--partition", args.partition.clone()),
            ("--time", args.time.clone()),
            ("--gres", args.gres.clone().filter(|_| !is_report)),
            ("--mem", args.mem.clone()),
        ];
        let given = args.sbatch.iter().filter(|given| !is_report || of_report(given));
        anyhow::Ok(options(own, &given.collect::<Vec<_>>()))
    };
    let array = options(name.to_owned(), "%A_%a.log", false)?;
    let report = options(format!("{name}-report"), "%j-report.log", true)?;
    let lines = |line: &dyn Fn(&Open) -> String| -> String {
        tasks.iter().map(|task| format!("  {}\n", line(task))).collect()
    };
    Ok(format!(
        r#"#!/bin/bash
# A task for each run of {name}, and a report when all of them have ended.
set -euo pipefail
cd {here}
mkdir -p {logs}
all_runs=(
{runs})
all_checkpoints=(
{checkpoints})

# Submits the job on standard input: all jobs, or none.
jobs=()
submit() {{
  local job
  if ! job=$(sbatch --parsable "$@"); then
    [ "${{#jobs[@]}}" -eq 0 ] || scancel "${{jobs[@]}}"
    echo "sbatch refused a job: see above; no job is submitted" >&2
    exit 1
  fi
  jobs+=("${{job%%;*}}")
}}
# The most tasks that this Slurm takes in one array.
max_array_size() {{
  local most
  most=$(scontrol show config 2>/dev/null | sed -n 's/^MaxArraySize *= *\([0-9]*\).*/\1/p') || true
  if [ "${{most:-1001}}" -lt 1 ]; then
    echo "this Slurm takes no arrays (MaxArraySize is 0); start the runs one by one: aaren submit --local" >&2
    return 1
  fi
  echo "${{most:-1001}}"
}}
task() {{
  cat <<'OPTIONS'
#!/bin/bash
{array}#SBATCH --requeue
OPTIONS
  declare -p runs checkpoints
  cat <<'ARRAY'
# One task of an array has the array's own number as its job id, which names all of them.
task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
run=${{runs[$SLURM_ARRAY_TASK_ID]}}
checkpoint=${{checkpoints[$SLURM_ARRAY_TASK_ID]}}
# The checksum that its header has of updates, evaluations and weights; else that of the file.
content() {{ {{ grep -aom1 '"checksum":"[0-9a-f]*"' "$checkpoint" || cksum <"$checkpoint"; }} 2>/dev/null; }}
before=$(content)

{command} --only "$run" &
child=$!
# Before the time limit Slurm sends SIGTERM to this shell alone, which passes it on: the run saves and ends. What is
# cancelled gets it itself, and a second one would end it before it has saved.
asked=0
requeue=
is_running() {{
  # Where Slurm does not answer, or not soon, it is asked again; where it never does, nobody has cancelled anything.
  for attempt in 1 2 3; do
    state=$(timeout 5 squeue --noheader --jobs "$task" --format %T 2>/dev/null)
    [ -z "$state" ] || break
    sleep 1
  done
  [ -z "$state" ] || [ "$state" = RUNNING ]
}}
pass_on() {{
  asked=$((asked + 1))
  if is_running; then
    requeue=1
    kill -TERM "$child" 2>/dev/null
  fi
}}
trap pass_on TERM
while :; do
  seen=$asked
  wait "$child"
  status=$?
  # A signal ends `wait` before the run has ended.
  [ "$asked" -eq "$seen" ] && break
done
if [ -z "$requeue" ] || [ "$status" -ne 143 ]; then
  exit "$status"
fi
if [ "$(content)" = "$before" ]; then
  echo "$run: not one update was done within the time limit, and the next attempt would do none; submit again with a longer --time" >&2
  exit "$status"
fi
if is_running; then
  for attempt in 1 2 3; do
    timeout 10 scontrol requeue "$task" && break
    sleep 1
  done
fi
exit "$status"
ARRAY
}}

largest={largest}
for ((first = 0; first < ${{#all_runs[@]}}; first += largest)); do
  runs=("${{all_runs[@]:first:largest}}")
  checkpoints=("${{all_checkpoints[@]:first:largest}}")
  submit{indices} < <(task)
done
arrays=("${{jobs[@]}}")
submit --dependency="afterany$(printf ':%s' "${{arrays[@]}}")" <<'REPORT'
#!/bin/bash
{report}{program} report {folder} --out {folder}
status=$?
[ "$status" -eq 0 ] || echo "the tasks' logs are in "{logs} >&2
exit "$status"
REPORT
echo "submitted: job ${{arrays[*]}}, tasks: {count}; job ${{jobs[-1]}}, their report; logs in "{logs}
"#,
        here = shell(here),
        logs = path(&logs),
        runs = lines(&|task| shell(&task.run.to_string())),
        checkpoints = lines(&|task| path(&task.checkpoint)),
        command = command(args, program),
        folder = path(folder),
        count = tasks.len(),
        largest = if own_array(args) { "${#all_runs[@]}" } else { "$(max_array_size)" },
        indices = indices(args),
    ))
}

/// Whether the indices of the tasks are among the given options, and so no array is split.
fn own_array(args: &Args) -> bool {
    args.sbatch.iter().any(|option| option.split('=').next() == Some("--array"))
}

/// The options of sbatch for one of the arrays.
fn indices(args: &Args) -> String {
    if own_array(args) {
        return String::new();
    }
    let last = "0-$((${#runs[@]} - 1))";
    match args.parallel {
        None => format!(r#" --array="{last}""#),
        // So many tasks at a time are those of one array; the next array waits for it.
        Some(most) => {
            let after = "${jobs[*]:+--dependency=afterany:${jobs[-1]}}";
            format!(r#" --array="{last}%{most}" {after}"#)
        }
    }
}

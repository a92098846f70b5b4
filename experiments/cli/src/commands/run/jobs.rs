//! `aaren run --jobs N`: N runs at a time, each in a process of its own.
//!
//! libtorch's thread pools are one for each process, and so are its number of threads and its random state: processes
//! of this program with `--only` share nothing but the results folder, whose locks keep them apart. Each of them holds
//! the dataset.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Args;
use crate::interrupt::{self, Interrupted};
use crate::training::{Part, Plan, last_update};
use crate::{Refusal, RunFolder, dataset};

/// How often the children are looked after, and every how many of these times at how far they are.
const TICK: Duration = Duration::from_millis(50);
const LOOK: u32 = 10;

/// A run that waits for its turn.
struct Job {
    run: Part,
    folder: RunFolder,
    updates: u64,
}

/// A run that is being done.
struct Running {
    job: Job,
    child: Child,
    lines: Receiver<String>,
    /// What it said last, in case it fails.
    last: String,
    bar: ProgressBar,
}

/// Does the runs that are asked for; those whose process did not end well for another reason than their loss.
pub fn run(plan: &Plan, args: &Args, jobs: usize) -> Result<Vec<String>> {
    plan.write(&args.selection.results)?;
    let (mut queue, mut finished) = (VecDeque::new(), BTreeMap::new());
    for (experiment, run) in plan.runs(&args.selection.only) {
        let spec = experiment.spec();
        if !finished.contains_key(&spec.name) {
            // With all threads, before all children want it.
            dataset::path(spec, &args.selection.results)?;
            finished.insert(spec.name.clone(), experiment.finished(&args.selection.results)?);
        }
        if !finished[&spec.name].contains(&run) {
            let folder =
                experiment.run_folder(&args.selection.results, &run).context("a run of the experiment")?;
            queue.push_back(Job { run, folder, updates: spec.train.updates });
        }
    }
    if queue.is_empty() {
        return Ok(Vec::new());
    }
    interrupt::watch()?;
    let (total, count) = (queue.iter().map(|job| job.updates).sum(), queue.len());
    let bars = MultiProgress::new();
    let style = "{msg} {wide_bar} {human_pos}/{human_len} updates, {eta} left";
    let whole = bars.add(ProgressBar::new(total).with_style(ProgressStyle::with_template(style)?));
    let (mut running, mut ended, mut broken) = (Vec::<Running>::new(), Vec::new(), Vec::new());
    let (mut refused, mut passed_on, mut ticks) = (0, None, 0_u32);
    loop {
        while passed_on.is_none()
            && running.len() < jobs
            && let Some(job) = queue.pop_front()
        {
            let bar = bars.insert_before(&whole, ProgressBar::new(job.updates));
            running.push(Running::start(job, args, bar)?);
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(TICK);
        ticks = ticks.wrapping_add(1);
        // A second signal ends this process at once; its children, which have the first, end when they have saved.
        if let Some(signal) = interrupt::signal().filter(|_| passed_on.is_none()) {
            running.iter().for_each(|one| one.send(signal));
            passed_on = Some(signal);
        }
        let mut still = Vec::new();
        for mut one in running {
            let status = one.child.try_wait().context("a child process")?;
            if status.is_some() || ticks.is_multiple_of(LOOK) {
                one.look();
            }
            one.listen(&bars, Duration::ZERO);
            let Some(status) = status else {
                still.push(one);
                continue;
            };
            one.listen(&bars, Duration::from_secs(1));
            let updates = if status.success() { one.job.updates } else { one.bar.position() };
            ended.push((updates, status.success()));
            one.bar.finish_and_clear();
            // Interrupted, or diverged, which its folder says: the others are for us to say.
            let known = passed_on.is_some() || one.job.folder.failure().is_file();
            if !status.success() && !known {
                refused += usize::from(status.code() == Some(2));
                bars.suspend(|| eprintln!("{}: {}", one.job.run, one.last));
                broken.push(format!("{} ({})", one.job.run, one.last));
            }
        }
        running = still;
        let of_running: u64 = running.iter().map(|one| one.bar.position()).sum();
        whole.set_position(ended.iter().map(|(updates, _)| updates).sum::<u64>() + of_running);
        whole.set_message(format!("{} of {count} runs", ended.iter().filter(|(_, done)| *done).count()));
    }
    whole.finish_and_clear();
    if let Some(signal) = passed_on {
        let done = ended.iter().filter(|(_, done)| *done).count();
        let done = format!(
            "after {done} of {count} runs; everything so far is in {}",
            plan.folder(&args.selection.results).display()
        );
        bail!(Interrupted { signal, done });
    }
    if refused > 0 && refused == count {
        bail!(Refusal(broken.join("\n")));
    }
    Ok(broken)
}

impl Running {
    /// Starts a process for a run: its own process group, so that a signal of the terminal comes only from us.
    fn start(job: Job, args: &Args, bar: ProgressBar) -> Result<Self> {
        let style = "{prefix} {wide_bar} {human_pos}/{human_len} updates, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style)?);
        bar.set_prefix(job.run.to_string());
        let mut command = Command::new(std::env::current_exe().context("this program's own path")?);
        command.arg("run").arg(&args.selection.experiment).arg("--results").arg(&args.selection.results);
        for set in &args.selection.overrides {
            command.arg("--set").arg(set);
        }
        command.arg("--only").arg(job.run.to_string()).arg("--one-thread");
        command.env("RAYON_NUM_THREADS", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        alone(&mut command);
        let mut child = command.spawn().context("a process for a run")?;
        let (sender, lines) = channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || pass(BufReader::new(stderr), &sender));
        }
        Ok(Self { job, child, lines, last: "it said nothing".into(), bar })
    }

    /// Shows how far it is.
    fn look(&self) {
        if let Some(update) = last_update(&self.job.folder) {
            self.bar.set_position(update);
        }
    }

    /// Shows what it says of its evaluations; waits so long for a line.
    fn listen(&mut self, bars: &MultiProgress, wait: Duration) {
        while let Ok(line) = self.lines.recv_timeout(wait) {
            if line.contains(", update ") {
                bars.suspend(|| eprintln!("{line}"));
            }
            if !line.trim().is_empty() {
                self.last = line;
            }
        }
    }

    fn send(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for, so that the number still is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }
}

fn pass(lines: impl BufRead, to: &Sender<String>) {
    for line in lines.lines() {
        let Ok(line) = line else { return };
        if to.send(line).is_err() {
            return;
        }
    }
}

/// A process group of its own, and a SIGTERM where this process ends before it.
fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: one system call between fork and exec, without allocation.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, interrupt::ORPHANED) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

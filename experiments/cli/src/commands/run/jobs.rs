//! `aaren run --jobs N`: N runs at a time, each in a process of its own.
//!
//! libtorch's thread pools are one for each process, and so are its number of threads and its random state: processes
//! of this program with `--only` share nothing but the results folder, whose locks keep them apart. Each of them holds
//! the dataset.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use aaren_runs::output::{self, Event};
use aaren_runs::{Interrupted, Open, Plan, dataset, interrupt};
use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar};

use super::Args;
use crate::refusal::Refusal;

/// How often the children are looked after.
const TICK: Duration = Duration::from_millis(50);

/// A run that is being done.
struct Running {
    job: Open,
    child: Child,
    /// What it tells: events, or whatever else is written to its standard error.
    lines: Receiver<Result<Event, String>>,
    /// What it said last, in case it fails.
    last: String,
    bar: ProgressBar,
}

/// Does the runs that are asked for; those whose process did not end well for another reason than their loss.
pub fn run(plan: &Plan, args: &Args, jobs: usize) -> Result<Vec<String>> {
    plan.write(&args.selection.results)?;
    let mut queue = VecDeque::new();
    for experiment in &plan.experiments {
        let open = experiment.open(&args.selection.results, &args.selection.only)?;
        if open.is_empty() {
            continue;
        }
        // With all threads, before all children want it.
        dataset::path(experiment.spec(), &args.selection.results)?;
        queue.extend(open);
    }
    if queue.is_empty() {
        return Ok(Vec::new());
    }
    interrupt::watch()?;
    let (total, count) = (queue.iter().map(|job| job.updates).sum(), queue.len());
    let bars = MultiProgress::new();
    let style = "{msg} {wide_bar} {human_pos}/{human_len} updates, {eta} left";
    let whole = bars.add(output::bar(total, style));
    let (mut running, mut ended, mut broken) = (Vec::<Running>::new(), Vec::new(), Vec::new());
    let (mut refused, mut passed_on) = (0, None);
    loop {
        while passed_on.is_none()
            && running.len() < jobs
            && let Some(job) = queue.pop_front()
        {
            let style = "{prefix} {wide_bar} {human_pos}/{human_len} updates, {per_sec}, {eta} left";
            let bar = bars.insert_before(&whole, output::bar(job.updates, style));
            running.push(Running::start(job, args, bar)?);
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(TICK);
        // A second signal ends this process at once; its children, which have the first, end when they have saved.
        if let Some(signal) = interrupt::signal().filter(|_| passed_on.is_none()) {
            running.iter().for_each(|one| one.send(signal));
            passed_on = Some(signal);
        }
        let mut still = Vec::new();
        for mut one in running {
            let status = one.child.try_wait().context("a child process")?;
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
                // Who was killed, or panicked, has said nothing of it.
                let said = !matches!(status.code(), None | Some(101));
                let last = if said { one.last } else { status.to_string() };
                output::beside(&bars, || output::note(format_args!("{}: {last}", one.job.run)));
                broken.push(format!("{} ({last})", one.job.run));
            }
        }
        running = still;
        let of_running: u64 = running.iter().map(|one| one.bar.position()).sum();
        let done = ended.iter().map(|(updates, _)| updates).sum::<u64>() + of_running;
        if done != whole.position() {
            output::updates(done);
        }
        whole.set_position(done);
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
    fn start(job: Open, args: &Args, bar: ProgressBar) -> Result<Self> {
        bar.set_prefix(job.run.to_string());
        // The program that is running, though another one may stand at its path by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg("run").arg(&args.selection.experiment).arg("--results").arg(&args.selection.results);
        for set in &args.selection.overrides {
            command.arg("--set").arg(set);
        }
        command.arg("--only").arg(job.run.to_string()).arg("--one-thread").arg("--events");
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

    /// Shows what it tells; waits so long for a line.
    fn listen(&mut self, bars: &MultiProgress, wait: Duration) {
        while let Ok(told) = self.lines.recv_timeout(wait) {
            match told {
                Ok(Event::Update(done)) => self.bar.set_position(done),
                Ok(Event::Evaluated(text)) => {
                    let of = self.job.run.experiment().map(|it| format!("{it}: ")).unwrap_or_default();
                    output::beside(bars, || output::evaluated(of + &text));
                }
                Ok(Event::Warned(text)) => output::beside(bars, || output::warn(text)),
                Ok(Event::Note(text)) | Err(text) => {
                    if !text.trim().is_empty() {
                        self.last = text;
                    }
                }
            }
        }
    }

    fn send(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for, so that the number still is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }
}

fn pass(lines: impl BufRead, to: &Sender<Result<Event, String>>) {
    for line in lines.split(b'\n') {
        let Ok(line) = line else { return };
        let text = || String::from_utf8_lossy(&line).into_owned();
        if to.send(serde_json::from_slice(&line).map_err(|_| text())).is_err() {
            return;
        }
    }
}

/// A process group of its own, and a SIGTERM where this process ends before it.
fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
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

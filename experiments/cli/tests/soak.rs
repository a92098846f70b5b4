//! Whatever happens to a run at a random moment, it goes on to the end that an undisturbed run has.
//!
//! `make soak` does this for an hour, or for `AAREN_SOAK_SECONDS`.

mod common;

use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{Experiment, RUNS, YAML, assert_same, send};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// SIGKILL: the machine loses its power.
    Killed,
    /// SIGTERM: Slurm's time limit.
    Told,
    /// SIGHUP, twice, as a shell and the kernel send it: the terminal is closed.
    HungUp,
    /// No file may grow beyond so many bytes: the disk is full.
    Full(u64),
    /// The reader of its standard error leaves.
    Unread,
    /// The disk below its standard error is full.
    LogFull,
}

impl Fault {
    fn any(random: &mut StdRng) -> Self {
        let full = Self::Full(random.random_range(100..20_000));
        *[Self::Killed, Self::Told, Self::HungUp, full, Self::Unread, Self::LogFull].choose(random).unwrap()
    }

    fn start(self, mut command: Command) -> Child {
        if let Self::Full(bytes) = self {
            // SAFETY: two system calls between fork and exec, without allocation.
            unsafe {
                command.pre_exec(move || {
                    libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
                    assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
                    Ok(())
                });
            }
        }
        if self == Self::LogFull {
            command.stderr(File::options().write(true).open("/dev/full").unwrap());
        }
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// Lets it happen to a child after a while; how the child ended, and what it said.
    fn strike(self, mut child: Child, moment: Duration) -> (ExitStatus, String) {
        std::thread::sleep(moment);
        match self {
            Self::Killed => drop(child.kill()),
            Self::Told => signal(&mut child, &[libc::SIGTERM]),
            Self::HungUp => signal(&mut child, &[libc::SIGHUP, libc::SIGHUP]),
            Self::Unread => drop(child.stderr.take()),
            Self::Full(_) | Self::LogFull => {}
        }
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        (child.wait().unwrap(), said)
    }

    /// Whether a process may end so after it; any may come to its end before.
    fn explains(self, status: ExitStatus) -> bool {
        let code = status.code();
        code == Some(0)
            || match self {
                Self::Killed => status.signal() == Some(libc::SIGKILL),
                Self::Told => code == Some(143) || status.signal() == Some(libc::SIGTERM),
                Self::HungUp => code == Some(129) || status.signal() == Some(libc::SIGHUP),
                Self::Full(_) => code == Some(1),
                Self::Unread | Self::LogFull => false,
            }
    }
}

fn signal(child: &mut Child, signals: &[i32]) {
    for &signal in signals {
        if child.try_wait().unwrap().is_none() {
            send(child, signal);
        }
    }
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seconds = std::env::var("AAREN_SOAK_SECONDS").map_or(6, |seconds| seconds.parse().unwrap());
    let experiment = Experiment::new(YAML);
    let started = Instant::now();
    experiment.finish("straight");
    let whole = started.elapsed();
    let expected = experiment.outcome("straight");
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let (mut faults, mut lives) = (0, 0);
    while Instant::now() < deadline {
        let results = format!("life-{lives}");
        lives += 1;
        for _ in 0..random.random_range(1..8) {
            let fault = Fault::any(&mut random);
            let jobs: &[&str] = if random.random_bool(0.3) { &["--jobs", "2"] } else { &[] };
            let child = fault.start(experiment.command(&results, jobs));
            let (status, said) = fault.strike(child, whole.mul_f64(random.random_range(0.0..0.9)));
            assert!(fault.explains(status), "{fault:?} {jobs:?}: {status}\n{said}");
            assert!(!said.contains("panicked"), "{fault:?} {jobs:?}: {said}");
            faults += 1;
            // The children of one that was killed save and end.
            for run in RUNS {
                if let Ok(lock) = File::open(experiment.file(&results, run, ".lock")) {
                    lock.lock().unwrap();
                }
            }
        }
        experiment.finish(&results);
        assert_same(&experiment.outcome(&results), &expected);
        std::fs::remove_dir_all(experiment.path(&results)).unwrap();
    }
    println!("{faults} faults in {lives} lives: same bytes");
}

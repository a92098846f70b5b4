//! A Python process that steps environments.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::{Description, EnvSpec, Error};
use aaren_format::PythonEnv;

/// What the process runs.
const BRIDGE: &str = include_str!("bridge.py");
/// How often a wait asks whether somebody wants it to end.
const TICK: Duration = Duration::from_millis(50);
/// Bytes that are kept of what the process prints.
const PRINTED: usize = 4096;

/// Whether whoever waits for Python is to give up.
static STOP: OnceLock<fn() -> bool> = OnceLock::new();

/// From now on `asked` is called while an answer of Python is waited for; where it says yes, the wait ends with
/// [`Error::Stopped`]. The first call counts.
pub fn stop_waiting_when(asked: fn() -> bool) {
    let _ = STOP.set(asked);
}

/// What is asked of the process, as `bridge.py` knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Reset = 1,
    Step = 2,
    Render = 3,
}

/// A process.
pub(super) struct Worker {
    child: Child,
    socket: UnixStream,
    printed: Arc<Mutex<VecDeque<u8>>>,
    pub spec: EnvSpec,
    pub film: bool,
    /// Whether it failed, and is not used any more.
    pub broken: bool,
    /// Whether it ended and was waited for, after which its number may be another's.
    reaped: bool,
    /// The message that is being written, or the answer that was read.
    pub buffer: Vec<u8>,
}

/// What the process says of something that went wrong.
#[derive(Deserialize)]
pub(super) struct Complaint {
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub row: Option<u32>,
    #[serde(default)]
    pub call: String,
    pub reason: String,
    #[serde(default)]
    pub cure: String,
}

impl Complaint {
    pub fn with_cure(self) -> String {
        if self.cure.is_empty() { self.reason } else { format!("{}; {}", self.reason, self.cure) }
    }
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The process says.
    Said(Complaint),
    /// The process does not say.
    Other(String),
    /// Nobody wants it any more.
    Stopped,
}

impl Worker {
    /// Starts one, which says what its environment is; with `check` it also looks whether a seed decides where an episode starts.
    pub fn start(
        spec: &EnvSpec,
        python: &PythonEnv,
        film: bool,
        check: bool,
    ) -> Result<(Self, Description), Error> {
        let refused = |reason: String| Error::Python { id: spec.id.clone(), reason, refused: true };
        // The console script of the wheel names its own.
        let own = std::env::var("AAREN_PYTHON").ok().filter(|path| !path.is_empty());
        let interpreter = python.interpreter.as_deref().or(own.as_deref()).unwrap_or(PythonEnv::INTERPRETER);
        let unstarted = |error: io::Error| {
            let cure = "set `interpreter:` to a Python that has gymnasium, such as `.venv/bin/python`";
            refused(format!("the interpreter {interpreter} cannot be started ({error}); {cure}"))
        };
        let (socket, theirs) = UnixStream::pair().map_err(unstarted)?;
        let (reader, writer) = io::pipe().map_err(unstarted)?;
        let mut command = Command::new(interpreter);
        command.args(["-c", BRIDGE]).stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(writer.try_clone().map_err(unstarted)?).stderr(writer);
        if std::env::var_os("DISPLAY").is_none() && std::env::var_os("MUJOCO_GL").is_none() {
            command.env("MUJOCO_GL", "egl");
        }
        let child = spawn(command).map_err(unstarted)?;
        let printed = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&printed);
        std::thread::spawn(move || keep(reader, &kept));
        socket.set_read_timeout(Some(TICK)).and(socket.set_write_timeout(Some(TICK))).map_err(unstarted)?;
        let (spec, buffer) = (spec.clone(), Vec::new());
        let mut worker = Worker { child, socket, printed, spec, film, broken: false, reaped: false, buffer };
        let config = json!({
            "id": worker.spec.id, "kwargs": worker.spec.kwargs, "function": python.function, "import": python.import,
            "path": python.path, "max_episode_steps": python.max_episode_steps, "observe": python.observe,
            "film": film, "check": check,
        });
        let config = config.to_string();
        worker.buffer.extend((config.len() as u32).to_le_bytes());
        worker.buffer.extend(config.as_bytes());
        let answer = worker.write().and_then(|()| worker.read());
        match answer {
            Ok(()) => {
                let said: Description = serde_json::from_slice(&worker.buffer).map_err(|error| {
                    refused(format!("{interpreter} answered what cannot be read: {error}"))
                })?;
                let spec = worker.spec.clone();
                Ok((worker, Description { spec, ..said }))
            }
            Err(Trouble::Stopped) => Err(Error::Stopped { id: worker.spec.id.clone() }),
            Err(Trouble::Said(complaint)) => Err(refused(complaint.with_cure())),
            Err(Trouble::Other(reason)) => Err(refused(format!(
                "{interpreter} was started, and {reason}; is it a Python with gymnasium?"
            ))),
        }
    }

    /// Sends what stands in the buffer, which begins with [`begin`](Self::begin).
    pub fn write(&mut self) -> Result<(), Trouble> {
        let (mut sent, deadline) = (0, Instant::now() + self.timeout());
        while sent < self.buffer.len() {
            match self.socket.write(&self.buffer[sent..]) {
                Ok(count) => sent += count,
                Err(error) => self.waits(&error, deadline)?,
            }
        }
        Ok(())
    }

    /// Begins a message about these rows.
    pub fn begin(&mut self, ask: Ask, rows: impl ExactSizeIterator<Item = u32>) {
        self.buffer.clear();
        self.buffer.extend((ask as u32).to_le_bytes());
        self.buffer.extend((rows.len() as u32).to_le_bytes());
        rows.for_each(|row| self.buffer.extend(row.to_le_bytes()));
    }

    /// Reads an answer into the buffer.
    pub fn read(&mut self) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.timeout();
        self.fill(8, deadline)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum: u32, &byte| sum << 8 | u32::from(byte));
        let (status, length) = (number(&self.buffer[..4]), number(&self.buffer[4..8]) as usize);
        self.fill(length, deadline)?;
        if status == 0 {
            return Ok(());
        }
        let complaint = serde_json::from_slice(&self.buffer);
        Err(complaint.map_or_else(|error| Trouble::Other(error.to_string()), Trouble::Said))
    }

    /// Reads so many bytes into the buffer.
    fn fill(&mut self, length: usize, deadline: Instant) -> Result<(), Trouble> {
        self.buffer.resize(length, 0);
        let mut at = 0;
        while at < length {
            match self.socket.read(&mut self.buffer[at..]) {
                Ok(0) => return Err(Trouble::Other(self.end())),
                Ok(count) => at += count,
                Err(error) => self.waits(&error, deadline)?,
            }
        }
        Ok(())
    }

    /// Whether there is a reason to wait on.
    fn waits(&mut self, error: &io::Error, deadline: Instant) -> Result<(), Trouble> {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) {
            return Err(Trouble::Other(self.end()));
        }
        if STOP.get().is_some_and(|asked| asked()) {
            return Err(Trouble::Stopped);
        }
        if Instant::now() < deadline {
            return Ok(());
        }
        let seconds = self.timeout().as_secs_f64();
        let cure = "raise `timeout:` if it is only slow";
        Err(Trouble::Other(format!("has not answered for {seconds} s{}; {cure}", self.said())))
    }

    fn timeout(&self) -> Duration {
        let seconds = self.spec.python.as_ref().map_or(PythonEnv::TIMEOUT, |python| python.timeout);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1 << 30))
    }

    /// How the process ended, whose socket is closed.
    fn end(&mut self) -> String {
        for _ in 0..40 {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.kill_group();
                    self.reaped = true;
                    return format!("{}{}", ended(status), self.said());
                }
                Ok(None) => std::thread::sleep(TICK),
                Err(_) => break,
            }
        }
        format!("closed its connection{}", self.said())
    }

    /// Kills it, and what its environments started.
    fn kill_group(&self) {
        if !self.reaped {
            // SAFETY: a system call without memory; the group has the number of the process that leads it.
            unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        }
    }

    /// The last line that it printed.
    fn said(&self) -> String {
        // What is still in the pipe is read by another thread.
        std::thread::sleep(TICK);
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(printed.make_contiguous()).into_owned();
        match text.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
            None => String::new(),
            Some(line) => format!(" (the last that it printed: {})", line.replace(char::is_control, "?")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It would end by itself, unless it hangs.
        self.kill_group();
        let _ = self.child.wait();
    }
}

/// How a process ended.
fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its process ended with exit status {code}"),
        (None, Some(libc::SIGSEGV)) => "its process was killed by SIGSEGV, a fault in native code".into(),
        (None, Some(libc::SIGKILL)) => "its process was killed by SIGKILL; was the memory enough?".into(),
        (None, signal) => format!("its process was killed by signal {}", signal.unwrap_or_default()),
    }
}

/// Keeps the end of what is printed.
fn keep(mut from: impl Read, printed: &Mutex<VecDeque<u8>>) {
    let mut some = [0; PRINTED];
    while let Ok(count @ 1..) = from.read(&mut some) {
        let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.extend(&some[..count]);
        let surplus = printed.len().saturating_sub(PRINTED);
        printed.drain(..surplus);
    }
}

/// Starts a process of its own group that is killed when this one ends, however that ends.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    // The kernel's signal comes when the thread that started the process ends: this one never does.
    static ORDERS: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, taken) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in taken {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let mut command = command;
    alone(&mut command);
    let (answer, child) = channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    ORDERS.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // A signal of the terminal is for the parent, which decides.
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: one system call between fork and exec, without allocation.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

//! What goes to the terminal: the one place that writes to it. A reader that has seen enough (`aaren … | head`) and a
//! disk below a log that is full are no errors of the work.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// What a process that does a run for another one tells it, a line of JSON each on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something on the way.
    Note(String),
    /// Something that a person may want to change.
    Warned(String),
    /// What an evaluation came to.
    Evaluated(String),
    /// Updates done.
    Update(u64),
}

/// Whether events are told instead of text.
static EVENTS: AtomicBool = AtomicBool::new(false);

/// From now on what is said on standard error is an [`Event`] a line.
pub fn tell_events() {
    EVENTS.store(true, Relaxed);
}

/// Prints the result of a command on standard output, unless its reader has left.
///
/// # Errors
/// Where it cannot be written for another reason than a reader that left: its disk is full, say.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut stdout = stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    printed.or_else(|error| if is_nobody(&error) { Ok(()) } else { Err(error) })
}

/// Whether standard output is a pipe whose reader left, or a terminal that is gone.
fn is_nobody(error: &io::Error) -> bool {
    let is_device = || {
        let file = stdout().as_fd().try_clone_to_owned().map(File::from);
        file.and_then(|file| file.metadata()).is_ok_and(|about| about.file_type().is_char_device())
    };
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(libc::EIO) && is_device()
}

/// Says something on the way on standard error, unless its reader has left.
pub fn note(text: impl Display) {
    say(Event::Note(text.to_string()));
}

/// Says what a person may want to change, on standard error, whichever process does the run.
pub fn warn(text: impl Display) {
    say(Event::Warned(text.to_string()));
}

/// Says what an evaluation came to.
pub fn evaluated(text: impl Display) {
    say(Event::Evaluated(text.to_string()));
}

/// Says how many updates are done, where another process wants to know.
pub fn updates(done: u64) {
    if EVENTS.load(Relaxed) {
        say(Event::Update(done));
    }
}

fn say(event: Event) {
    let mut stderr = stderr().lock();
    let _ = match event {
        event if EVENTS.load(Relaxed) => {
            let line = serde_json::to_string(&event).expect("an event is plain JSON");
            writeln!(stderr, "{line}")
        }
        Event::Note(text) | Event::Warned(text) | Event::Evaluated(text) => writeln!(stderr, "{text}"),
        Event::Update(_) => Ok(()),
    };
}

/// A bar of that length.
///
/// # Panics
/// If the template is none of indicatif's.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a valid template");
    ProgressBar::new(length).with_style(style)
}

/// Says something while bars are shown. (`MultiProgress::suspend` panics where the terminal is gone.)
pub fn beside(bars: &MultiProgress, say: impl FnOnce()) {
    let _ = bars.clear();
    say();
}

#[expect(clippy::disallowed_methods, reason = "the one place that writes to it")]
fn stdout() -> io::Stdout {
    io::stdout()
}

#[expect(clippy::disallowed_methods, reason = "the one place that writes to it")]
fn stderr() -> io::Stderr {
    io::stderr()
}

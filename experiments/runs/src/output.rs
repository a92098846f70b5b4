//! What goes to the terminal. A reader that has seen enough (`aaren … | head`) is no error of ours.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints the result of a command on standard output.
///
/// # Errors
/// Where it cannot be written; [`is_closed_pipe`] tells whether nobody reads it any more.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Says something on the way on standard error, if anybody listens.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a command only failed because nobody reads its output any more.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}

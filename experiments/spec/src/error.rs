//! One error type: each message says where, which key, what was found, what was expected and the cure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1, of the experiment file.
    Line(Arc<Path>, usize),
    /// An option of the command line, such as `--set KEY=VALUE`.
    Override(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Override(text) => write!(f, "{}", brief(text)),
        }
    }
}

/// Why an experiment was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {reason}; expected a YAML file that describes an experiment{}", path.display(), added(cure))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        reason: String,
        /// What to do instead.
        cure: Option<String>,
    },
    /// The text is not YAML, or uses a part of YAML that a spec does without.
    #[error("{place}: {found}; expected {expected}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the text does.
        found: String,
        /// What it should do.
        expected: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`; {cure}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key's path.
        key: String,
        /// The nearest valid key, or all of them.
        cure: String,
    },
    /// The same key twice in one map.
    #[error("{place}: key `{key}` again, first given at {first}; expected each key once: remove one of them")]
    DuplicateKey {
        /// Where it stands for the second time.
        place: Place,
        /// The key.
        key: String,
        /// Where it stands first.
        first: Place,
    },
    /// A required key that is absent.
    #[error("{place}: `{key}` is missing; expected {expected}")]
    MissingKey {
        /// The map that should have it.
        place: Place,
        /// The key's path.
        key: String,
        /// What its value is.
        expected: String,
    },
    /// A value of the wrong type, or one that cannot be.
    #[error("{place}: `{key}`: found {found}, expected {expected}{}", added(cure))]
    Invalid {
        /// Where.
        place: Place,
        /// The key's path.
        key: String,
        /// The value.
        found: String,
        /// What is valid.
        expected: String,
        /// What to write instead, when there is one answer.
        cure: Option<String>,
    },
    /// A run that is there was made with other settings.
    #[error(
        "{}: it was made with other settings (hash {found}, now {expected}){}; restore the YAML, or choose another --results folder",
        path.display(),
        told(differences)
    )]
    OtherSettings {
        /// The policy or the checkpoint.
        path: PathBuf,
        /// Hash of its settings.
        found: String,
        /// Hash of those in force.
        expected: String,
        /// What differs, one `key: found …, expected …` each, where that is known.
        differences: Vec<String>,
    },
    /// A file of the results folder that is not what it should be.
    #[error("{}: {found}; {cure}", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What to do.
        cure: String,
    },
    /// A folder that cannot be made.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("{}: cannot be written: {reason}; what stood there before is unharmed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

impl Error {
    /// Whether the input was refused (exit status 2), rather than the work failed (1).
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Error::Write { .. } | Error::Folder { .. })
    }
}

/// What differs, as the end of a clause.
fn told(differences: &[String]) -> String {
    if differences.is_empty() {
        String::new()
    } else {
        format!(", which differ in {}", differences.join("; "))
    }
}

/// A cure, as the end of a message.
fn added(cure: &Option<String>) -> String {
    cure.as_ref().map_or_else(String::new, |cure| format!("; {cure}"))
}

/// Whether a character is invisible, or looks like a space without being one.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
        || c.is_whitespace() && !c.is_ascii()
}

/// What to call a character that cannot be shown.
pub(super) fn character(c: char) -> String {
    let name = match c {
        '\0' => "NUL",
        '\t' => "a tab",
        '\n' => "a line end",
        '\r' => "a carriage return",
        '\u{a0}' => "a non-breaking space",
        '\u{200b}' => "a zero-width space",
        '\u{feff}' => "a byte order mark",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "a Unicode line separator",
        c if c.is_control() => "a control character",
        c if c.is_whitespace() => "a space character that YAML does not accept",
        _ => "an invisible character",
    };
    format!("{name} (U+{:04X})", u32::from(c))
}

/// `text` on one line and short enough for a message, whatever a stranger put into it.
pub(super) fn brief(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short = String::new();
    for c in text.chars().take(LONGEST) {
        if c.is_control() || is_invisible(c) {
            short.extend(c.escape_default());
        } else {
            short.push(c);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The words in quotes, with commas between them.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

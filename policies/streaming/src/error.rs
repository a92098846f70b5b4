//! What can go wrong.

use alloc::string::{String, ToString};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy file cannot be read.
    #[cfg(feature = "std")]
    #[error("cannot read policy {}: {source}", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is read, and is no policy.
    #[cfg(feature = "std")]
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The bytes are not a complete safetensors file.
    #[error("not a complete safetensors file: {0}; `aaren run` writes policies")]
    Container(String),
    /// The safetensors file has no policy header.
    #[error(
        "the safetensors file has no `aaren` entry in its metadata, so it is no policy; `aaren run` writes policies"
    )]
    NoHeader,
    /// The policy header is not the JSON expected, or a value in it is impossible.
    #[error("policy header: {0}")]
    Header(#[from] aaren_format::Error),
    /// A value that is impossible.
    #[error(transparent)]
    Value(#[from] aaren_format::Invalid),
    /// A tensor that the header calls for is missing.
    #[error("tensor `{name}` is missing; the header asks for it")]
    NoTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor has another element type or shape than the header asks for.
    #[error("tensor `{name}`: found {found}, expected {expected}")]
    Tensor {
        /// The tensor.
        name: String,
        /// Element type and shape in the file.
        found: String,
        /// Element type and shape the header asks for.
        expected: String,
    },
    /// A tensor holds an unusable number.
    #[error("tensor `{name}`, element {index}: found {found}, expected {expected}")]
    Element {
        /// The tensor.
        name: String,
        /// Position in the flattened tensor.
        index: usize,
        /// The number.
        found: f32,
        /// What it must be.
        expected: &'static str,
    },
    /// What is to be rounded to int8 is int8 already.
    #[error("`weights`: found int8, expected float32; give the policy file that `aaren run` wrote")]
    Int8,
    /// A C file's name is no beginning of a C identifier.
    #[error(
        "name: found {found:?}, expected a lower-case letter, then lower-case letters, digits and underscores, 40 at most"
    )]
    Name {
        /// The name.
        found: String,
    },
    /// The processor lacks the instruction set asked for.
    #[error("this processor has no {0:?} instructions; use `InstructionSet::best()`")]
    InstructionSet(crate::InstructionSet),
    /// An observation of the wrong length.
    #[error("the observation has {found} entries, the policy takes {expected}")]
    ObservationSize {
        /// Entries given.
        found: usize,
        /// Entries the policy was trained on.
        expected: usize,
    },
    /// Another number of rewards than of streams.
    #[error("there are {found} rewards for {expected} streams; give one for each")]
    Rewards {
        /// Rewards given.
        found: usize,
        /// Streams.
        expected: usize,
    },
    /// More streams than memory holds.
    #[error(
        "{count} streams need at least {bytes} bytes of memory, more than this process can have; ask for fewer"
    )]
    Memory {
        /// Streams asked for.
        count: usize,
        /// What they need.
        bytes: u128,
    },
    /// An entry of an observation is NaN, infinite, or so large that it overflows float32 once it is normalised.
    #[error(
        "entry {entry} of the observation{} is {found:?}, expected a finite number that float32 holds once it is normalised; check \
         the environment or the sensor",
        stream.map_or(String::new(), |stream| alloc::format!(" of stream {stream}"))
    )]
    Observation {
        /// The stream, where there are several.
        stream: Option<usize>,
        /// Position in the observation, counted from 0.
        entry: usize,
        /// Its value.
        found: f64,
    },
    /// A number given to the stream, or computed by it, is infinite or not a number.
    #[error("{what} is {found}; reset the stream and check what feeds it")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Its value.
        found: f64,
    },
    /// Saved bytes do not restore this kind of stream.
    #[error("saved state: found {found}, expected {expected}")]
    Saved {
        /// What the bytes hold.
        found: String,
        /// What a stream of this policy and regime needs.
        expected: String,
    },
}

/// What a file says, without the line breaks and other control characters that it may hold.
pub(crate) fn one_line(found: &impl ToString) -> String {
    found.to_string().replace(char::is_control, "?")
}

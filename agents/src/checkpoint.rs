//! Everything a training run needs to go on as if it had not been interrupted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::Error;
use crate::tensors::{TensorBytes, find_tensor, write};

/// Everything a training run needs to go on as if it had not been interrupted.
///
/// On disk a safetensors file: the learner's tensors by their names, and a JSON header in its metadata with format
/// version, hash of the spec, updates done and the run's own progress; beside it a checksum of header and tensors.
#[derive(Debug)]
pub struct Checkpoint {
    /// Hash of the spec that made it.
    pub spec: String,
    /// Updates done.
    pub updates: u64,
    /// Whatever the run wants to remember beside the weights.
    pub progress: Value,
    /// What the learner takes from one update to the next.
    pub saved: Saved,
    /// Where it was read from.
    pub(crate) path: Option<PathBuf>,
}

/// What a learner takes from one update to the next.
#[derive(Debug, Default)]
pub struct Saved {
    /// Tensors with their names: weights, moments of optimisers, states.
    pub tensors: Vec<(String, Tensor)>,
    /// Anything else.
    pub json: Value,
}

impl Saved {
    /// Adds tensors, their names below `prefix`.
    pub fn add(&mut self, prefix: &str, named: impl IntoIterator<Item = (String, Tensor)>) {
        self.tensors.extend(named.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    spec: String,
    updates: u64,
    progress: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    learner: Value,
}

const FORMAT: &str = "aaren-checkpoint";
const VERSION: u32 = 2;

impl Checkpoint {
    /// Writes it whole, or leaves what stood at `path` unharmed.
    ///
    /// # Errors
    /// [`Error::Write`].
    ///
    /// # Panics
    /// If the progress holds a map whose keys are no text.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let tensors = TensorBytes::new(&self.saved.tensors);
        let header = Header {
            format: FORMAT.into(),
            version: VERSION,
            spec: self.spec.clone(),
            updates: self.updates,
            progress: self.progress.clone(),
            learner: self.saved.json.clone(),
        };
        let header = serde_json::to_string(&header).expect("a header is plain JSON");
        let checksum = format!("{:08x}", tensors.checksum(&header));
        let metadata = [("aaren".into(), header), ("checksum".into(), checksum)];
        write(path, &tensors.serialize(metadata.into()))
    }

    /// Reads a checkpoint of the spec with hash `spec`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Format`] for a damaged file, [`Error::OtherSpec`].
    pub fn load(path: &Path, spec: &str) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|reason| Error::Read { path: path.to_owned(), reason })?;
        let bad = |found: String| Error::Format {
            path: path.to_owned(),
            found: found.replace(char::is_control, "?"),
            expected: "a checkpoint written by `aaren run`; remove the file to start that policy afresh"
                .into(),
        };
        let (metadata, tensors) = TensorBytes::parse(&bytes).map_err(bad)?;
        let text = metadata.get("aaren").ok_or_else(|| bad("no `aaren` header".into()))?;
        let header: Header =
            serde_json::from_str(text).map_err(|e| bad(format!("its header is not readable: {e}")))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(bad(format!(
                "its format is {} version {}, not {FORMAT} version {VERSION}",
                header.format, header.version
            )));
        }
        let checksum = format!("{:08x}", tensors.checksum(text));
        let expected = metadata.get("checksum").map_or("none", String::as_str);
        if checksum != expected {
            return Err(bad(format!(
                "its checksum is {checksum}, where it says {expected}: the file is damaged"
            )));
        }
        if header.spec != spec {
            let (found, expected) = (header.spec, spec.to_owned());
            return Err(Error::OtherSpec { path: path.to_owned(), found, expected });
        }
        Ok(Self {
            spec: header.spec,
            updates: header.updates,
            progress: header.progress,
            saved: Saved { tensors: tensors.into_tensors(), json: header.learner },
            path: Some(path.to_owned()),
        })
    }

    /// Copies into these tensors what was [added](Saved::add) with their names.
    ///
    /// # Errors
    /// [`Error::Format`] where one is missing or has another shape.
    pub fn restore(&self, named: impl IntoIterator<Item = (String, Tensor)>) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (name, mut tensor) in named {
            let shape = tensor.size();
            let found = find_tensor(&self.saved.tensors, &name, &shape);
            tensor.copy_(found.map_err(|found| self.lacks(found, format!("{name} of shape {shape:?}")))?);
        }
        Ok(())
    }

    /// The error of a checkpoint that has something else than what is needed.
    pub fn lacks(&self, found: String, expected: String) -> Error {
        let path = self.path.clone().unwrap_or_else(|| "checkpoint in memory".into());
        Error::Format { path, found, expected }
    }
}

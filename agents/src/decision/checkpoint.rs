use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{Error, file};

/// Everything a training run needs to go on as if it had not been interrupted.
///
/// On disk a safetensors file: the model's tensors by their names, `optimizer.first` and
/// `optimizer.second`, and a JSON header in its metadata with format version, hash of the spec,
/// updates done and the run's own progress; beside it a checksum of header and tensors.
#[derive(Debug)]
pub struct Checkpoint {
    /// Hash of the spec that made it.
    pub spec: String,
    /// Updates done.
    pub updates: u64,
    /// Whatever the run wants to remember beside the weights.
    pub progress: serde_json::Value,
    pub(super) tensors: Vec<(String, Tensor)>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    spec: String,
    updates: u64,
    progress: serde_json::Value,
}

const FORMAT: &str = "aaren-checkpoint";
const VERSION: u32 = 2;

impl Checkpoint {
    /// Writes it whole, or leaves what stood at `path` unharmed.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let tensors = TensorBytes::new(&self.tensors);
        let header = Header {
            format: FORMAT.into(),
            version: VERSION,
            spec: self.spec.clone(),
            updates: self.updates,
            progress: self.progress.clone(),
        };
        let header = serde_json::to_string(&header).expect("a header is plain JSON");
        let checksum = format!("{:08x}", tensors.checksum(&header));
        let metadata = [("aaren".into(), header), ("checksum".into(), checksum)];
        file::write(path, &tensors.serialize(metadata.into()))
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
            tensors: tensors.into_tensors(),
        })
    }

    pub(super) fn tensor(&self, name: &str, shape: &[i64]) -> Result<&Tensor, Error> {
        find_tensor(&self.tensors, name, shape).map_err(|found| Error::Format {
            path: "checkpoint.safetensors".into(),
            found,
            expected: format!("{name} of shape {shape:?}"),
        })
    }
}

/// The tensor of that name and shape.
pub(super) fn find_tensor<'t>(
    tensors: &'t [(String, Tensor)],
    name: &str,
    shape: &[i64],
) -> Result<&'t Tensor, String> {
    match tensors.iter().find(|(other, _)| other == name) {
        None => Err(format!("tensor {name} is missing")),
        Some((_, tensor)) if tensor.size() != shape => {
            Err(format!("tensor {name} has shape {:?}", tensor.size()))
        }
        Some((_, tensor)) => Ok(tensor),
    }
}

/// Named float32 tensors as bytes: what both checkpoints and policy files are made of.
pub(super) struct TensorBytes {
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl TensorBytes {
    pub(super) fn new(tensors: &[(String, Tensor)]) -> Self {
        let bytes = |tensor: &Tensor| {
            let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
            let mut bytes = vec![0; 4 * tensor.numel()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            bytes
        };
        let shape = |tensor: &Tensor| tensor.size().iter().map(|&n| n as usize).collect();
        let mut tensors: Vec<_> =
            tensors.iter().map(|(name, tensor)| (name.clone(), shape(tensor), bytes(tensor))).collect();
        tensors.sort();
        Self { tensors }
    }

    /// Checksum of a header and of names, shapes and bytes of the tensors.
    fn checksum(&self, header: &str) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header.as_bytes());
        for (name, shape, bytes) in &self.tensors {
            hasher.update(format!("{name}{shape:?}").as_bytes());
            hasher.update(bytes);
        }
        hasher.finalize()
    }

    pub(super) fn serialize(&self, metadata: HashMap<String, String>) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("sizes agree by construction"))
        });
        serialize(views, Some(metadata)).expect("names and shapes are valid")
    }

    /// The metadata and the tensors; the safetensors crate checks all sizes against the file's.
    pub(super) fn parse(bytes: &[u8]) -> Result<(HashMap<String, String>, Self), String> {
        let not = |e: safetensors::SafeTensorError| format!("not a safetensors file: {e}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not)?;
        let file = SafeTensors::deserialize(bytes).map_err(not)?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(format!("tensor {name} is {:?}, not F32", view.dtype()));
            }
            tensors.push((name, view.shape().to_vec(), view.data().to_vec()));
        }
        tensors.sort();
        Ok((metadata.metadata().clone().unwrap_or_default(), Self { tensors }))
    }

    pub(super) fn into_tensors(self) -> Vec<(String, Tensor)> {
        let tensor = |(name, shape, bytes): (String, Vec<usize>, Vec<u8>)| {
            let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            (name, Tensor::from_data_size(&bytes, &shape, Kind::Float))
        };
        self.tensors.into_iter().map(tensor).collect()
    }
}

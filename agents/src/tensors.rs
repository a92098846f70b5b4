//! Named float32 tensors as bytes: what both checkpoints and policy files are made of.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use tch::{Device, Kind, Tensor};

use crate::Error;

/// [`aaren_datasets::write_whole`] with this crate's error.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    aaren_datasets::write_whole(path, bytes).map_err(|reason| Error::Write { path: path.to_owned(), reason })
}

/// The tensor of that name and shape.
pub(crate) fn find_tensor<'t>(
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

/// The tensors of a safetensors file.
pub(crate) struct TensorBytes {
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl TensorBytes {
    pub(crate) fn new(tensors: &[(String, Tensor)]) -> Self {
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
    pub(crate) fn checksum(&self, header: &str) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header.as_bytes());
        for (name, shape, bytes) in &self.tensors {
            hasher.update(format!("{name}{shape:?}").as_bytes());
            hasher.update(bytes);
        }
        hasher.finalize()
    }

    pub(crate) fn serialize(&self, metadata: HashMap<String, String>) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("sizes agree by construction"))
        });
        serialize(views, Some(metadata)).expect("names and shapes are valid")
    }

    /// The metadata and the tensors; the safetensors crate checks all sizes against the file's.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(HashMap<String, String>, Self), String> {
        let not = |e: safetensors::SafeTensorError| format!("not a safetensors file: {e}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not)?;
        let file = SafeTensors::deserialize(bytes).map_err(not)?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            if view.dtype() == Dtype::I8 {
                return Err(format!(
                    "tensor {name} is I8: an int8 policy, from which only the streaming runtime acts"
                ));
            }
            if view.dtype() != Dtype::F32 {
                return Err(format!("tensor {name} is {:?}, not F32", view.dtype()));
            }
            tensors.push((name, view.shape().to_vec(), view.data().to_vec()));
        }
        tensors.sort();
        Ok((metadata.metadata().clone().unwrap_or_default(), Self { tensors }))
    }

    pub(crate) fn into_tensors(self) -> Vec<(String, Tensor)> {
        let tensor = |(name, shape, bytes): (String, Vec<usize>, Vec<u8>)| {
            let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            (name, Tensor::from_data_size(&bytes, &shape, Kind::Float))
        };
        self.tensors.into_iter().map(tensor).collect()
    }
}

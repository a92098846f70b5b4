use std::path::Path;

use aaren_format::{Agent, Decision, Header, check_scale};
use tch::{Device, Tensor};

use super::checkpoint::{TensorBytes, find_tensor};
use super::{Model, ModelConfig};
use crate::{Error, file};

/// A trained policy: all that is needed to act, in one safetensors file.
///
/// Tensors by their names in [`Model`], plus `observation.mean` and `observation.std`; the [`Header`]
/// as JSON under the metadata key `aaren`. `aaren-streaming` reads the same file without libtorch.
#[derive(Debug)]
pub struct PolicyFile {
    /// What it says of itself.
    pub header: Header,
    tensors: Vec<(String, Tensor)>,
}

impl PolicyFile {
    /// The file of a model, with what is to be said of it.
    pub fn new(model: &Model, header: Header) -> Self {
        let mut tensors = model.named_parameters();
        let config = model.config();
        tensors.push(("observation.mean".into(), Tensor::from_slice(&config.observation_mean)));
        tensors.push(("observation.std".into(), Tensor::from_slice(&config.observation_std)));
        Self { header, tensors }
    }

    /// Trainable parameters of its model.
    pub fn parameters(&self) -> usize {
        let weights = self.tensors.iter().filter(|(name, _)| !name.starts_with("observation."));
        weights.map(|(_, tensor)| tensor.numel()).sum()
    }

    /// The bytes of the file; equal weights and headers give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        TensorBytes::new(&self.tensors).serialize([("aaren".into(), self.header.to_json())].into())
    }

    /// Writes it whole, or leaves what stood at `path` unharmed.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        file::write(path, &self.to_bytes())
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Format`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|reason| Error::Read { path: path.to_owned(), reason })?;
        let bad = |found: String| Error::Format {
            path: path.to_owned(),
            found: found.replace(char::is_control, "?"),
            expected: "a policy written by `aaren run`".into(),
        };
        let (metadata, tensors) = TensorBytes::parse(&bytes).map_err(bad)?;
        let header = metadata.get("aaren").ok_or_else(|| bad("no `aaren` header".into()))?;
        let tensors = tensors.into_tensors();
        let held = tensors.iter().map(|(_, tensor)| tensor.numel()).sum();
        let header = Header::parse(header, held).map_err(|e| bad(format!("its header: {e}")))?;
        Ok(Self { header, tensors })
    }

    /// The model, ready to act on `device`.
    ///
    /// # Errors
    /// [`Error::Format`] where a tensor is missing or has another shape.
    pub fn model(&self, path: &Path, device: Device) -> Result<Model, Error> {
        let bad = |found: String| Error::Format {
            path: path.to_owned(),
            found,
            expected: "the tensors that its header describes".into(),
        };
        let header = &self.header;
        let Agent::Decision(Decision { model, max_timesteps, return_scale, .. }) = header.agent else {
            return Err(bad(format!("its agent is {}", header.agent.name())));
        };
        let vector = |name: &str| -> Result<Vec<f32>, Error> {
            let tensor = find_tensor(&self.tensors, name, &[header.observation_size as i64]).map_err(bad)?;
            Ok(Vec::try_from(tensor).expect("a float vector"))
        };
        let (observation_mean, observation_std) = (vector("observation.mean")?, vector("observation.std")?);
        check_scale(&observation_mean, &observation_std).map_err(|e| bad(e.to_string()))?;
        let model = Model::new(
            ModelConfig {
                model,
                dropout: 0.0,
                observation_size: header.observation_size,
                action: header.action.clone(),
                max_timesteps,
                return_scale,
                observation_mean,
                observation_std,
            },
            device,
        )?;
        let _guard = tch::no_grad_guard();
        for (name, mut parameter) in model.named_parameters() {
            parameter.copy_(find_tensor(&self.tensors, &name, &parameter.size()).map_err(bad)?);
        }
        Ok(model)
    }
}

//! A trained policy in a file.

use std::path::Path;

use aaren_format::{self as format, Decision, DecisionConfig, Header, Weights};
use tch::{Device, Tensor};

use crate::decision::DecisionNetwork;
use crate::tensors::{TensorBytes, find_tensor, write};
use crate::{Error, Network, Origin, Perceptron, Task};

/// A trained policy: all that is needed to act, in one safetensors file.
///
/// Tensors by their names in the [`Network`], plus `observation.mean` and `observation.std`; the [`Header`]
/// as JSON under the metadata key `aaren`. `aaren-streaming` reads the same file without libtorch.
#[derive(Debug)]
pub struct PolicyFile {
    /// What it says of itself.
    pub header: Header,
    tensors: Vec<(String, Tensor)>,
}

impl PolicyFile {
    /// The file of a network that comes from there.
    pub fn new(network: &dyn Network, origin: Origin) -> Self {
        let (mut tensors, task) = (network.named_parameters(), network.task());
        tensors.push(("observation.mean".into(), Tensor::from_slice(&task.observation_mean)));
        tensors.push(("observation.std".into(), Tensor::from_slice(&task.observation_std)));
        let Origin { policy, agent, seed, updates, fingerprint, dataset, target_returns } = origin;
        let header = Header {
            policy,
            seed,
            updates,
            fingerprint,
            dataset,
            env: task.env.clone(),
            observation_size: task.observation_size,
            action: task.action.clone(),
            target_returns,
            agent,
            network: network.describe(),
            weights: Weights::Float32,
        };
        Self { header, tensors }
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
        write(path, &self.to_bytes())
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

    /// What its network was built for. `path` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] where the scale of observations is missing or unusable.
    ///
    /// # Panics
    /// Never: a tensor of that shape is a vector.
    pub fn task(&self, path: &Path) -> Result<Task, Error> {
        let vector = |name: &str| -> Result<Vec<f32>, Error> {
            let shape = [self.header.observation_size as i64];
            let tensor = find_tensor(&self.tensors, name, &shape).map_err(|e| lacking(path, e))?;
            Ok(Vec::try_from(tensor).expect("a float vector"))
        };
        Task::of_file(&self.header, vector("observation.mean")?, vector("observation.std")?)
            .map_err(|e| lacking(path, e.to_string()))
    }

    /// The network, its weights on `device`.
    ///
    /// # Errors
    /// [`Error::Format`] where a tensor is missing or has another shape.
    pub fn network(&self, path: &Path, device: Device) -> Result<Box<dyn Network>, Error> {
        let network: Box<dyn Network> = match &self.header.network {
            format::Network::Decision(decision) => Box::new(self.untrained(decision, path, device)?),
            format::Network::Perceptron(mlp) => {
                Box::new(Perceptron::new(*mlp, 0.0, self.task(path)?, device)?)
            }
        };
        self.copy_to(&*network, path)?;
        Ok(network)
    }

    /// The network of a decision agent, ready to be looked into; `None` for another one.
    ///
    /// # Errors
    /// As [`PolicyFile::network`].
    pub fn decision(&self, path: &Path, device: Device) -> Result<Option<DecisionNetwork>, Error> {
        let Some(decision) = self.header.decision() else { return Ok(None) };
        let network = self.untrained(decision, path, device)?;
        self.copy_to(&network, path)?;
        Ok(Some(network))
    }

    fn untrained(&self, decision: &Decision, path: &Path, device: Device) -> Result<DecisionNetwork, Error> {
        DecisionNetwork::new(&DecisionConfig::of_network(decision, 0.0), self.task(path)?, device)
    }

    fn copy_to(&self, network: &dyn Network, path: &Path) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (name, mut parameter) in network.named_parameters() {
            let tensor = find_tensor(&self.tensors, &name, &parameter.size());
            parameter.copy_(tensor.map_err(|e| lacking(path, e))?);
        }
        Ok(())
    }
}

fn lacking(path: &Path, found: String) -> Error {
    Error::Format { path: path.to_owned(), found, expected: "the tensors that its header describes".into() }
}

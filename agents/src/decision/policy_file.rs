use std::path::Path;

use aaren_envs::EnvSpec;
use aaren_policies::{EncoderConfig, EncoderKind, Norm, Recency};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::checkpoint::{TensorBytes, find_tensor};
use super::{ActionScale, Model, ModelConfig};
use crate::{Error, file};

/// How a policy remembers its episode when it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rollout {
    /// The state from timestep 0 on, never reset.
    Unbounded,
    /// The last timesteps, recomputed at every step: what public Decision Transformers do.
    Window(usize),
    /// The state starts afresh every so many timesteps.
    Reset(usize),
}

impl std::fmt::Display for Rollout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rollout::Unbounded => f.write_str("unbounded"),
            Rollout::Window(timesteps) => write!(f, "window {timesteps}"),
            Rollout::Reset(timesteps) => write!(f, "reset {timesteps}"),
        }
    }
}

/// What a policy file says of itself, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// `aaren-policy`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Name of the policy in its experiment.
    pub policy: String,
    /// Training seed.
    pub seed: u64,
    /// Updates it was trained for.
    pub updates: u64,
    /// Name of the dataset.
    pub dataset: String,
    /// Environment it acts in.
    pub env: EnvSpec,
    /// Shape of its encoder.
    pub model: HeaderModel,
    /// Entries of an observation.
    pub observation_size: usize,
    /// Timesteps with an embedding of their own.
    pub max_timesteps: usize,
    /// Scale of actions.
    pub action: ActionScale,
    /// Context in training and in roll-out.
    pub context: HeaderContext,
    /// Returns-to-go are divided by this.
    pub return_scale: f64,
    /// Target returns of its evaluation.
    pub target_returns: Vec<f64>,
}

/// Shape of a policy's encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderModel {
    /// The attention.
    pub encoder: EncoderKind,
    /// Width of a token.
    pub width: i64,
    /// Number of blocks.
    pub layers: i64,
    /// Attention heads.
    pub heads: i64,
    /// Place of the LayerNorms.
    pub norm: Norm,
    /// Aaren's recency.
    pub recency: Recency,
}

impl From<&EncoderConfig> for HeaderModel {
    fn from(config: &EncoderConfig) -> Self {
        let EncoderConfig { encoder, width, layers, heads, norm, recency, .. } = *config;
        Self { encoder, width, layers, heads, norm, recency }
    }
}

/// Context of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderContext {
    /// Timesteps of a training window.
    pub train: usize,
    /// Memory in roll-out.
    pub rollout: Rollout,
}

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

const FORMAT: &str = "aaren-policy";
const VERSION: u32 = 1;

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
        let header = serde_json::to_string(&self.header).expect("a header is plain JSON");
        TensorBytes::new(&self.tensors).serialize([("aaren".into(), header)].into())
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
        let header: Header =
            serde_json::from_str(header).map_err(|e| bad(format!("its header is not readable: {e}")))?;
        if header.format != FORMAT || header.version != VERSION {
            let (format, version) = (header.format, header.version);
            return Err(bad(format!(
                "its format is {format} version {version}, not {FORMAT} version {VERSION}"
            )));
        }
        let tensors = tensors.into_tensors();
        header.check(tensors.iter().map(|(_, tensor)| tensor.numel()).sum()).map_err(bad)?;
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
        let vector = |name: &str| -> Result<Vec<f32>, Error> {
            let tensor = find_tensor(&self.tensors, name, &[header.observation_size as i64]).map_err(bad)?;
            Ok(Vec::try_from(tensor).expect("a float vector"))
        };
        let model = Model::new(
            ModelConfig {
                encoder: EncoderConfig {
                    encoder: header.model.encoder,
                    width: header.model.width,
                    layers: header.model.layers,
                    heads: header.model.heads,
                    dropout: 0.0,
                    norm: header.model.norm,
                    recency: header.model.recency,
                },
                observation_size: header.observation_size,
                action: header.action.clone(),
                max_timesteps: header.max_timesteps,
                return_scale: header.return_scale,
                observation_mean: vector("observation.mean")?,
                observation_std: vector("observation.std")?,
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

impl Header {
    /// Whether its values are possible, and no more than `held` numbers are needed for them: libtorch
    /// would panic at the former and take whatever memory the latter ask for.
    fn check(&self, held: usize) -> Result<(), String> {
        let HeaderModel { width, layers, heads, .. } = self.model;
        let sizes = [
            ("model.width", width),
            ("model.layers", layers),
            ("model.heads", heads),
            ("observation_size", self.observation_size as i64),
            ("max_timesteps", self.max_timesteps as i64),
            ("action", self.action.size() as i64),
        ];
        if let Some((key, found)) = sizes.into_iter().find(|&(_, found)| found < 1) {
            return Err(format!("`{key}` of its header is {found}, not at least 1"));
        }
        // Attention and MLP hold more than 8 width² a layer, the embeddings a row for each of their inputs.
        let inputs: f64 = sizes[3..].iter().map(|&(_, size)| size as f64).sum();
        if (8.0 * layers as f64 * width as f64 + inputs) * width as f64 > held as f64 {
            return Err(format!("its header promises more than the {held} numbers that it holds"));
        }
        let usable = match &self.action {
            ActionScale::Discrete { .. } => true,
            ActionScale::Continuous { low, high } => {
                let finite = |(low, high): (&f32, &f32)| low < high && (high - low).is_finite();
                low.len() == high.len() && low.iter().zip(high).all(finite)
            }
        };
        if !usable {
            return Err("`action` of its header is not finite bounds, low < high".into());
        }
        if matches!(self.context.rollout, Rollout::Window(0) | Rollout::Reset(0)) {
            return Err("`context.rollout` of its header has no timesteps".into());
        }
        let targets = &self.target_returns;
        if !(self.return_scale.is_finite() && self.return_scale > 0.0) {
            return Err(format!("`return_scale` of its header is {}, not positive", self.return_scale));
        }
        if targets.is_empty() || targets.iter().any(|target| !target.is_finite()) {
            return Err("`target_returns` of its header are not finite numbers".into());
        }
        Ok(())
    }

    /// `format` and `version` of files written now.
    pub fn format() -> (String, u32) {
        (FORMAT.into(), VERSION)
    }
}

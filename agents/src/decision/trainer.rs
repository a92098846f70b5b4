use aaren_envs::{Dataset, EnvSpec};
use aaren_format::Precision;
use aaren_policies::{Pass, State};
use tch::{Device, Tensor};

use super::checkpoint::Checkpoint;
use super::chunks::Chunks;
use super::{AdamW, Model, ModelConfig, Schedule, Windows};
use crate::Error;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Updates in all; the schedule ends there.
    pub updates: u64,
    /// Windows in a batch.
    pub batch: usize,
    /// Timesteps in a window.
    pub context: usize,
    /// Windows are the chunks of whole episodes, each trained from the state that the one before it left,
    /// as RNNs are; no gradient flows from one to the other. For an Aaren.
    pub carry: bool,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Updates of linear warm-up.
    pub warmup: u64,
    /// The learning rate after the warm-up.
    pub schedule: Schedule,
    /// Largest norm of the gradient.
    pub clip: f64,
    /// Arithmetic of the encoder.
    pub precision: Precision,
    /// Decides initial weights, windows and dropout.
    pub seed: u64,
}

/// What one update did. On a GPU the tensors are not read before they are asked for.
#[derive(Debug)]
pub struct Update {
    /// The loss before the update.
    pub loss: Tensor,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Tensor,
    /// Learning rate of the update.
    pub learning_rate: f64,
}

/// Trains one model on one dataset.
///
/// Every random draw is keyed by (seed, update): an update depends on the weights, the moments and its
/// number alone (and on the state carried into it), so a run continued from a checkpoint is the run that was
/// not interrupted.
#[derive(Debug)]
pub struct Trainer<'d> {
    model: Model,
    optimizer: AdamW,
    windows: Windows<'d>,
    carried: Option<Carried>,
    config: TrainConfig,
    done: u64,
}

/// What carry training takes from one update to the next.
#[derive(Debug)]
struct Carried {
    chunks: Chunks,
    state: State,
}

impl<'d> Trainer<'d> {
    /// A trainer at update 0.
    ///
    /// # Errors
    /// Where the model is impossible or the dataset does not fit it, and [`Error::Carry`].
    pub fn new(
        model: ModelConfig,
        config: TrainConfig,
        dataset: &'d Dataset,
        env: &EnvSpec,
        device: Device,
    ) -> Result<Self, Error> {
        let windows = Windows::new(dataset, env, &model, config.context, config.seed)?;
        if config.carry && !model.model.encoder.constant_state() {
            return Err(Error::Carry(model.model.encoder));
        }
        tch::manual_seed(config.seed as i64);
        let model = Model::new(model, device)?;
        let parameters = model.named_parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, config.weight_decay, config.clip);
        let carried = config.carry.then(|| Carried {
            chunks: Chunks::new(dataset, config.batch, config.context, config.seed),
            state: model.zero_state(config.batch as i64),
        });
        Ok(Self { model, optimizer, windows, carried, config, done: 0 })
    }

    /// The model as trained so far.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Updates done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Does the next update.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where loss or gradient is no number. On a GPU, which must not be waited for
    /// at every update, it is found at the next multiple of 50.
    pub fn update(&mut self) -> Result<Update, Error> {
        let (update, config) = (self.done, &self.config);
        let learning_rate =
            config.learning_rate * config.schedule.factor(update, config.warmup, config.updates);
        let device = self.model.device();
        let batch = match &mut self.carried {
            None => self.windows.batch(update, config.batch, device),
            Some(Carried { chunks, state }) => {
                let step = chunks.step(self.windows.dataset());
                state.forget(&Tensor::from_slice(&step.fresh).to_device(device));
                self.windows.at(&step.starts, device)
            }
        };
        // Dropout draws from libtorch's generator, whose state cannot be saved: key it instead.
        tch::manual_seed((config.seed ^ (update + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as i64);
        let before = self.carried.as_ref().map(|carried| &carried.state);
        let (loss, after) = self.model.loss(&batch, before, Pass::Training(config.precision));
        if let Some(carried) = &mut self.carried {
            carried.state = after.detach();
        }
        let gradient_norm = self.optimizer.update(&loss, learning_rate);
        self.done += 1;
        if self.model.device() == Device::Cpu || self.done.is_multiple_of(50) {
            for (what, tensor) in [("loss", &loss), ("gradient norm", &gradient_norm)] {
                let value = tensor.double_value(&[]);
                if !value.is_finite() {
                    return Err(Error::NonFinite { update, what, value, learning_rate });
                }
            }
        }
        Ok(Update { loss: loss.detach(), gradient_norm, learning_rate })
    }

    /// Everything that the next update depends on.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where a weight or a moment of the optimiser is no number: on a GPU that may
    /// be known only now, and a checkpoint must be one to go on from.
    pub fn checkpoint(&self, spec: &str, progress: serde_json::Value) -> Result<Checkpoint, Error> {
        let (first, second, _) = self.optimizer.state();
        let mut tensors = self.model.named_parameters();
        tensors.push(("optimizer.first".into(), first.shallow_clone()));
        tensors.push(("optimizer.second".into(), second.shallow_clone()));
        if let Some(Carried { state, .. }) = &self.carried {
            let tensors_of_state = state.tensors().into_iter().map(Tensor::shallow_clone);
            tensors.extend((0..).map(|index| format!("carried.{index}")).zip(tensors_of_state));
        }
        if tensors.iter().any(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) == 0) {
            let (config, update) = (&self.config, self.done.saturating_sub(1));
            let factor = config.schedule.factor(update, config.warmup, config.updates);
            let (what, value, learning_rate) = ("state to save", f64::NAN, config.learning_rate * factor);
            return Err(Error::NonFinite { update, what, value, learning_rate });
        }
        Ok(Checkpoint { spec: spec.to_owned(), updates: self.done, progress, tensors })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`Error::Format`] where a tensor is missing or has another shape.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (name, mut parameter) in self.model.named_parameters() {
            parameter.copy_(checkpoint.tensor(&name, &parameter.size())?);
        }
        let length = [self.model.parameters() as i64];
        let first = checkpoint.tensor("optimizer.first", &length)?;
        let second = checkpoint.tensor("optimizer.second", &length)?;
        self.optimizer.restore(first, second, checkpoint.updates);
        self.done = checkpoint.updates;
        if let Some(carried) = &mut self.carried {
            for (index, tensor) in carried.state.tensors().into_iter().enumerate() {
                tensor.shallow_clone().copy_(checkpoint.tensor(&format!("carried.{index}"), &tensor.size())?);
            }
            carried.chunks =
                Chunks::new(self.windows.dataset(), self.config.batch, self.config.context, self.config.seed);
            for _ in 0..checkpoint.updates {
                carried.chunks.step(self.windows.dataset());
            }
        }
        Ok(())
    }

    /// Starts the optimiser's moments afresh. With it a test shows that they matter to a resumed run.
    #[doc(hidden)]
    pub fn forget_moments(&mut self) {
        let (first, second, updates) = self.optimizer.state();
        let (first, second) = (first.zeros_like(), second.zeros_like());
        self.optimizer.restore(&first, &second, updates);
    }
}

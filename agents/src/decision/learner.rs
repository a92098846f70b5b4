//! What a decision agent learns with: windows drawn at random, or chunk after chunk with the state carried on.

use aaren_datasets::Dataset;
use aaren_encoders::State;
use aaren_format::{DecisionConfig, Precision};
use tch::Tensor;

use super::chunks::Chunks;
use super::{DecisionNetwork, Windows};
use crate::{Checkpoint, Descent, Error, Learner, Metrics, Network, Saved, TrainConfig};

/// Batches of windows for a [`DecisionNetwork`].
#[derive(Debug)]
pub(super) struct DecisionLearner<'d> {
    network: DecisionNetwork,
    windows: Windows<'d>,
    carried: Option<Carried>,
    descent: Descent,
    batch: usize,
    precision: Precision,
}

/// What carry training takes from one update to the next.
#[derive(Debug)]
struct Carried {
    chunks: Chunks,
    state: State,
}

impl<'d> DecisionLearner<'d> {
    pub fn new(
        config: &DecisionConfig,
        network: DecisionNetwork,
        dataset: &'d Dataset,
        train: &TrainConfig,
    ) -> Result<Self, Error> {
        let TrainConfig { batch, precision, seed, .. } = *train;
        if config.carry && !config.model.encoder().constant_state() {
            return Err(Error::Carry(config.model.encoder()));
        }
        let context_length = config.context.context_length.timesteps(dataset.longest_episode());
        let windows = Windows::new(dataset, network.task(), context_length, seed)?.starting(config.start);
        let carried = config.carry.then(|| Carried {
            chunks: Chunks::new(dataset, batch, context_length, seed),
            state: network.zero_state(batch as i64),
        });
        let descent = Descent::new(&network, train);
        Ok(Self { network, windows, carried, descent, batch, precision })
    }
}

impl Learner for DecisionLearner<'_> {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let (network, precision) = (&self.network, self.precision);
        let device = network.device();
        let (loss, gradients) = match &mut self.carried {
            None => {
                let batch = self.windows.batch(update, self.batch, device);
                let (loss, _, gradients) = network.gradients(&batch, None, precision);
                (loss, gradients)
            }
            Some(Carried { chunks, state }) => {
                let step = chunks.step(self.windows.dataset());
                *state = network.forget(state, &Tensor::from_slice(&step.fresh).to_device(device))?;
                let batch = self.windows.at(&step.starts, device);
                let (loss, after, gradients) = network.gradients(&batch, Some(state), precision);
                *state = after.unwrap_or_else(|| state.detach());
                (loss, gradients)
            }
        };
        Ok(self.descent.step(update, loss, &gradients))
    }

    fn save(&self) -> Saved {
        let mut saved = self.descent.save(&self.network);
        if let Some(Carried { chunks, state }) = &self.carried {
            let tensors = state.tensors().into_iter().map(Tensor::shallow_clone);
            saved.add("carried.", (0..).map(|index: usize| index.to_string()).zip(tensors));
            saved.json = serde_json::json!({ "chunks": chunks.places() });
        }
        saved
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.descent.restore(&self.network, checkpoint)?;
        let Some(Carried { chunks, state }) = &mut self.carried else { return Ok(()) };
        let device = self.network.device();
        *state = state.from_tensors(|index, tensor| {
            let saved = checkpoint.tensor(&format!("carried.{index}"), &tensor.size())?;
            Ok::<_, Error>(saved.to_device(device))
        })?;
        let places = serde_json::from_value(checkpoint.saved.json["chunks"].clone());
        let resumed = places.ok().and_then(|places| chunks.resume(places, self.windows.dataset()));
        resumed.ok_or_else(|| {
            let expected = format!("the places in the data of {} rows", self.batch);
            checkpoint.lacks("its `learner.chunks` are not those of this dataset".into(), expected)
        })
    }
}

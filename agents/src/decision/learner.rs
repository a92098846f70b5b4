//! What a decision agent learns with: windows drawn at random, or chunk after chunk with the state carried on.

use aaren_datasets::Dataset;
use aaren_encoders::{Gradients, State};
use aaren_format::Precision;
use tch::Tensor;

use super::chunks::Chunks;
use super::{DecisionConfig, DecisionNetwork, Windows};
use crate::{Checkpoint, Error, Learner, Network};

/// Batches of windows for a [`DecisionNetwork`].
#[derive(Debug)]
pub(super) struct DecisionLearner<'d> {
    network: DecisionNetwork,
    windows: Windows<'d>,
    carried: Option<Carried>,
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
        batch: usize,
        precision: Precision,
        seed: u64,
    ) -> Result<Self, Error> {
        if config.carry && !config.model.encoder().constant_state() {
            return Err(Error::Carry(config.model.encoder()));
        }
        let context_length = config.context.context_length.timesteps(dataset.longest_episode());
        let windows = Windows::new(dataset, network.task(), context_length, seed)?.starting(config.start);
        let carried = config.carry.then(|| Carried {
            chunks: Chunks::new(dataset, batch, context_length, seed),
            state: network.zero_state(batch as i64),
        });
        Ok(Self { network, windows, carried, batch, precision })
    }
}

impl Learner for DecisionLearner<'_> {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    fn gradients(&mut self, update: u64) -> Result<(Tensor, Gradients), Error> {
        let (network, precision) = (&self.network, self.precision);
        let device = network.device();
        let Some(Carried { chunks, state }) = &mut self.carried else {
            let batch = self.windows.batch(update, self.batch, device);
            let (loss, _, gradients) = network.gradients(&batch, None, precision);
            return Ok((loss, gradients));
        };
        let step = chunks.step(self.windows.dataset());
        *state = network.forget(state, &Tensor::from_slice(&step.fresh).to_device(device))?;
        let batch = self.windows.at(&step.starts, device);
        let (loss, after, gradients) = network.gradients(&batch, Some(state), precision);
        *state = after.unwrap_or_else(|| state.detach());
        Ok((loss, gradients))
    }

    fn carried(&self) -> (Vec<(String, Tensor)>, serde_json::Value) {
        let Some(Carried { chunks, state }) = &self.carried else { return Default::default() };
        let tensors = state.tensors().into_iter().map(Tensor::shallow_clone);
        let named = (0..).map(|index| format!("carried.{index}")).zip(tensors).collect();
        (named, serde_json::json!({ "chunks": chunks.places() }))
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let Some(Carried { chunks, state }) = &mut self.carried else { return Ok(()) };
        let device = self.network.device();
        *state = state.from_tensors(|index, tensor| {
            let saved = checkpoint.tensor(&format!("carried.{index}"), &tensor.size())?;
            Ok::<_, Error>(saved.to_device(device))
        })?;
        let places = serde_json::from_value(checkpoint.learner["chunks"].clone());
        let resumed = places.ok().and_then(|places| chunks.resume(places, self.windows.dataset()));
        resumed.ok_or_else(|| {
            let expected = format!("the places in the data of {} rows", self.batch);
            checkpoint.lacks("its `learner.chunks` are not those of this dataset".into(), expected)
        })
    }
}

//! What a decision agent learns with: windows drawn at random, or chunk after chunk with the state carried on.

use aaren_datasets::Dataset;
use aaren_encoders::State;
use aaren_format::{DecisionConfig, Precision, Variation};
use tch::{Kind, Tensor};

use super::chunks::Chunks;
use super::{Batch, DecisionNetwork, Windows};
use crate::{Checkpoint, Descent, Error, Learner, Metrics, Network, Saved, TrainConfig};

/// Batches of windows for a [`DecisionNetwork`].
#[derive(Debug)]
pub(super) struct DecisionLearner<'d> {
    network: DecisionNetwork,
    /// What the averaged weights act with.
    averaged: Option<DecisionNetwork>,
    windows: Windows<'d>,
    carried: Option<Carried>,
    descent: Descent,
    variation: Variation,
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
        let windows = Windows::new(dataset, network.task(), context_length, seed)?.of(config);
        let shared = windows.shares_rows(network.device());
        let carried = config.carry.then(|| Carried {
            chunks: Chunks::new(dataset, batch, context_length, shared, seed),
            state: network.zero_state(batch as i64),
        });
        let device = network.device();
        let averaged = (train.ema > 0.0)
            .then(|| DecisionNetwork::new(config, network.task().clone(), device))
            .transpose()?;
        let descent = Descent::new(&network, averaged.as_ref().map(|it| it as &dyn Network), train);
        let variation = config.variation;
        Ok(Self { network, averaged, windows, carried, descent, variation, batch, precision })
    }
}

/// A batch as training sees it: some windows ask for no return, and the past is not quite what it was. Draws from
/// libtorch's generator, where there is something to draw.
fn vary(mut batch: Batch, variation: Variation) -> Batch {
    let Variation { return_dropout, history_noise, .. } = variation;
    let options = (Kind::Float, batch.asked.device());
    if return_dropout > 0.0 {
        let asks = Tensor::rand([batch.asked.size()[0], 1, 1], options).ge(return_dropout);
        batch.asked *= asks.to_kind(Kind::Float);
    }
    if history_noise > 0.0 {
        for past in [&mut batch.states, &mut batch.past] {
            *past += past.randn_like() * history_noise;
        }
    }
    batch
}

impl Learner for DecisionLearner<'_> {
    fn network(&self) -> &dyn Network {
        self.averaged.as_ref().unwrap_or(&self.network)
    }

    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let (network, precision, variation) = (&self.network, self.precision, self.variation);
        let device = network.device();
        let (loss, gradients) = match &mut self.carried {
            None => {
                let batch = vary(self.windows.batch(update, self.batch, device), variation);
                let (loss, _, gradients) = network.gradients(&batch, None, precision);
                (loss, gradients)
            }
            Some(Carried { chunks, state }) => {
                let step = chunks.step(self.windows.dataset());
                *state = network.forget(state, &Tensor::from_slice(&step.fresh).to_device(device));
                let batch = vary(self.windows.pieces(&step.rows, device), variation);
                let (loss, after, gradients) = network.gradients(&batch, Some(state), precision);
                *state = after.unwrap_or_else(|| state.detach());
                (loss, gradients)
            }
        };
        let mut metrics = self.descent.step(update, loss.action, &gradients);
        metrics.others.extend(loss.most.map(|most| ("return_loss", most)));
        Ok(metrics)
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
        checkpoint.restore(self.save().tensors)?;
        let Some(Carried { chunks, .. }) = &mut self.carried else { return Ok(()) };
        let places = serde_json::from_value(checkpoint.saved.json["chunks"].clone());
        let resumed = places.ok().and_then(|places| chunks.resume(places, self.windows.dataset()));
        resumed.ok_or_else(|| {
            let expected = format!("the places in the data of {} rows", self.batch);
            checkpoint.lacks("its `learner.chunks` are not those of this dataset".into(), expected)
        })
    }
}

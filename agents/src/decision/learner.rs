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
        let carried = config.carry.then(|| Carried {
            chunks: Chunks::new(dataset, batch, windows.longest(), windows.shared_rows(), seed),
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

#[cfg(test)]
mod tests {
    use aaren_datasets::Transitions;
    use aaren_encoders::Pass;
    use aaren_envs::EnvSpec;
    use aaren_format::{
        ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Recency,
        Regime, ReturnIn, Settings, Start,
    };
    use tch::Device;

    use super::*;
    use crate::Task;

    const ROWS: usize = 5;

    /// Episodes shorter and longer than a chunk, several in one: the loss of every timestep is that of its episode read from
    /// where the row began it.
    #[test]
    fn carried_chunks_are_their_episodes_read_whole() {
        let lengths = [3, 1, 25, 7, 10];
        let ends: Vec<bool> =
            lengths.iter().flat_map(|&length| (1..=length).map(move |t| t == length)).collect();
        let count = ends.len();
        let transitions = Transitions {
            observations: (0..3 * count).map(|i| (i as f32 * 0.7).sin()).collect(),
            actions: (0..2 * count).map(|i| 0.9 * (i as f32 * 0.37).cos()).collect(),
            rewards: (0..count).map(|i| (i as f32).cos()).collect(),
            timeouts: vec![false; count],
            terminals: ends,
        };
        let dataset = Dataset::new("toy", transitions, 3, 2, false);
        let task = Task {
            env: EnvSpec::new("Pendulum-v1"),
            observation_size: 3,
            action: ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] },
            max_timesteps: 25,
            return_scale: 1.0,
            return_range: [-1.0, 2.0],
            observation_mean: vec![0.0; 3],
            observation_std: vec![1.0; 3],
        };
        let joint = Layout::Joint { return_in: ReturnIn::Head, rate: true, bins: 0 };
        let (separate, timestep, rotary) = (Layout::Separate, Positions::Timestep, Positions::Rotary);
        for (encoder, recency, keys, positions, layout, past_actions) in [
            (EncoderKind::Aaren, Recency::None, 1, timestep, separate, true),
            (EncoderKind::Aaren, Recency::Learned, 1, rotary, joint, false),
            (EncoderKind::Aaren, Recency::Gated, 1, rotary, separate, false),
            (EncoderKind::Aaren, Recency::Gated, 3, rotary, joint, true),
            (EncoderKind::Gru, Recency::None, 1, timestep, joint, true),
            (EncoderKind::MinGru, Recency::None, 1, timestep, separate, false),
            (EncoderKind::GatedDelta, Recency::None, 1, rotary, separate, true),
            (EncoderKind::Lstm, Recency::None, 1, timestep, joint, false),
        ] {
            let mixer = Mixer::new(encoder, Settings { heads: 2, recency, keys, ..Settings::default() });
            let config = DecisionConfig {
                model: Model { width: 16, layers: 2, norm: Norm::Post, past_actions, positions, mixer },
                dropout: 0.0,
                context: Context { context_length: ContextLength::Timesteps(8), regime: Regime::Unbounded },
                start: Start::Uniform,
                carry: true,
                layout,
                variation: Variation::default(),
            };
            let network = DecisionNetwork::new(&config, task.clone(), Device::Cpu).unwrap();
            let windows = |timesteps| Windows::new(&dataset, &task, timesteps, 1).unwrap().of(&config);
            let (cut, whole) = (windows(8), windows(25));
            for threads in [1, 3] {
                tch::set_num_threads(threads);
                let mut chunks = Chunks::new(&dataset, ROWS, cut.longest(), cut.shared_rows(), 1);
                let mut state = network.zero_state(ROWS as i64);
                let mut begun: [Option<usize>; ROWS] = [None; ROWS];
                for update in 0..12 {
                    let step = chunks.step(&dataset);
                    state = network.forget(&state, &Tensor::from_slice(&step.fresh));
                    let batch = cut.pieces(&step.rows, Device::Cpu);
                    let (loss, after, _) = network.gradients(&batch, Some(&state), Precision::Float32);
                    state = after.unwrap();
                    let (mut sum, mut timesteps) = (0.0, 0);
                    for (pieces, begun) in step.rows.iter().zip(&mut begun) {
                        for piece in pieces {
                            let start = *begun.get_or_insert(piece.start);
                            let episode = whole.at(&[start], Device::Cpu);
                            let (actions, _) = network.predict(&episode, None, Pass::Inference);
                            let errors =
                                (actions - &episode.actions).square().mean_dim(-1, false, Kind::Double);
                            for t in piece.clone() {
                                sum += errors.double_value(&[0, (t - start) as i64]);
                            }
                            timesteps += piece.len();
                            if start + errors.size()[1] as usize == piece.end {
                                *begun = None;
                            }
                        }
                    }
                    let (found, expected) = (loss.action.double_value(&[]), sum / timesteps as f64);
                    assert!(
                        (found / expected - 1.0).abs() < 1e-5,
                        "{encoder}, {recency:?}, {threads} threads, update {update}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

//! The network of the decision agent: tokens, encoder, head.

use aaren_encoders::{Dropout, Encoder, Gradients, Pass, State, Wanted, linear};
use aaren_format::{self as format, Decision, DecisionConfig, Layout, Positions, Precision, Variation};
use tch::{Device, Kind, Tensor, nn, nn::Module};

use super::Batch;
use super::head::Head;
use crate::{Error, Network, Task};

/// Token embeddings, encoder and action head.
///
/// In separate tokens each of return-to-go, normalised state and action is embedded linearly, gets the embedding of its
/// timestep, and a LayerNorm; tokens stand in the order R, s, a; the action is read at the state token. Without past
/// actions a timestep is R, s. Where it is one token, what it holds is embedded together; see [`Layout`].
#[derive(Debug)]
pub struct DecisionNetwork {
    config: DecisionConfig,
    task: Task,
    store: nn::VarStore,
    embed: Embedding,
    /// A row for each timestep that training sees, where there are embeddings.
    embed_timestep: Option<nn::Embedding>,
    embed_norm: nn::LayerNorm,
    encoder: Encoder,
    head: Head,
}

/// From a timestep to its tokens.
#[derive(Debug)]
enum Embedding {
    Separate { returns: nn::Linear, states: nn::Linear, actions: Option<nn::Linear> },
    Joint(nn::Linear),
}

/// What is minimised: their sum.
#[derive(Debug)]
pub struct Losses {
    /// Mean over the real timesteps: squared error of an action's entries, or cross-entropy.
    pub action: Tensor,
    /// That of the most that can be had, where it is predicted.
    pub most: Option<Tensor>,
}

impl Losses {
    /// Their sum.
    pub fn total(&self) -> Tensor {
        match &self.most {
            Some(most) => &self.action + most,
            None => self.action.shallow_clone(),
        }
    }

    fn detach(&self) -> Losses {
        Losses { action: self.action.detach(), most: self.most.as_ref().map(Tensor::detach) }
    }

    fn add(&mut self, other: Losses) {
        self.action += other.action;
        if let (Some(most), Some(other)) = (&mut self.most, other.most) {
            *most += other;
        }
    }
}

impl DecisionNetwork {
    /// A network with weights drawn from libtorch's generator on the CPU, then moved to `device`, so that
    /// a seed means the same weights everywhere.
    ///
    /// # Errors
    /// Where the encoder's configuration is impossible.
    pub fn new(config: &DecisionConfig, task: Task, device: Device) -> Result<Self, Error> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let embed = &root / "embed";
        let (width, action) = (config.model.width as i64, task.action.size() as i64);
        let observation = task.observation_size as i64;
        let past_actions = config.model.past_actions;
        let tokens = match config.layout {
            Layout::Separate => Embedding::Separate {
                returns: linear(&embed / "return", 1, width),
                states: linear(&embed / "state", observation, width),
                actions: past_actions.then(|| linear(&embed / "action", action, width)),
            },
            Layout::Joint { .. } => {
                let asked = if config.layout.in_head() { 0 } else { config.layout.asked_size() as i64 };
                let past = if past_actions { 1 + action } else { 0 };
                Embedding::Joint(linear(&embed / "token", observation + asked + past, width))
            }
        };
        let timesteps = task.max_timesteps as i64;
        // Small, as in GPT-2: with PyTorch's N(0, 1) the timestep drowns what happened at it.
        let small =
            nn::EmbeddingConfig { ws_init: nn::Init::Randn { mean: 0.0, stdev: 0.02 }, ..Default::default() };
        let embed_timestep = match config.model.positions {
            Positions::Timestep => Some(nn::embedding(&embed / "timestep", timesteps, width, small)),
            Positions::None | Positions::Rotary | Positions::Alibi => None,
        };
        let embed_norm = nn::layer_norm(&embed / "norm", vec![width], Default::default());
        let each = config.layout.tokens(config.model.past_actions) as i64;
        let mut encoder = Encoder::new(&root, &config.model, config.dropout, task.max_timesteps)?.timed(each);
        let Variation { band, frozen_scores, .. } = config.variation;
        if band > 0 {
            encoder = encoder.banded(band, each - 1 - config.layout.read_at() as i64);
        }
        if frozen_scores {
            encoder = encoder.frozen();
        }
        let head = Head::new(&root, config.layout, width, action);
        store.set_device(device);
        Ok(Self { config: *config, task, store, embed: tokens, embed_timestep, embed_norm, encoder, head })
    }

    /// How it is built.
    pub fn config(&self) -> &DecisionConfig {
        &self.config
    }

    /// Tokens of one timestep.
    fn tokens_each(&self) -> i64 {
        self.config.layout.tokens(self.config.model.past_actions) as i64
    }

    /// Tokens `[rows, tokens of a timestep · timesteps, width]` of a batch.
    fn tokens(&self, batch: &Batch) -> Tensor {
        let Batch { returns, asked, states, actions, past, timesteps, .. } = batch;
        let tokens = match &self.embed {
            Embedding::Separate { returns: embed_return, states: embed_state, actions: embed_action } => {
                let mut tokens = vec![embed_return.forward(returns), embed_state.forward(states)];
                tokens.extend(embed_action.as_ref().map(|embed| embed.forward(actions)));
                tokens
            }
            Embedding::Joint(embed) => {
                let mut inputs = vec![states];
                if !self.config.layout.in_head() {
                    inputs.push(asked);
                }
                if self.config.model.past_actions {
                    inputs.push(past);
                }
                vec![embed.forward(&Tensor::cat(&inputs, -1))]
            }
        };
        let (rows, steps) = timesteps.size2().expect("timesteps are [rows, timesteps]");
        let mut tokens = Tensor::stack(&tokens, 2);
        if let Some(embed) = &self.embed_timestep {
            let known = timesteps.clamp_max(self.task.max_timesteps as i64 - 1);
            tokens += embed.forward(&known).unsqueeze(2);
        }
        let width = self.config.model.width as i64;
        self.embed_norm.forward(&tokens.view([rows, self.tokens_each() * steps, width]))
    }

    /// Which tokens begin an episode, where a row of the batch holds several.
    fn begins(&self, batch: &Batch) -> Option<Tensor> {
        let each = self.tokens_each();
        batch.begins.as_ref().map(|begins| {
            let first = begins.unsqueeze(2).constant_pad_nd([0, each - 1]);
            first.reshape([begins.size()[0], -1])
        })
    }

    /// Where actions are read.
    fn state_tokens(&self) -> Wanted {
        match self.tokens_each() {
            1 => Wanted::All,
            stride => Wanted::Every { stride, offset: self.config.layout.read_at() as i64 },
        }
    }

    /// The encoder's outputs `[rows, timesteps, width]` where actions are read. `before` is its state before the batch,
    /// empty for `None`; the state after it is returned.
    fn outputs(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let begins = self.begins(batch);
        self.encoder.forward(&self.tokens(batch), before, begins.as_ref(), self.state_tokens(), pass)
    }

    /// Predicted actions `[rows, timesteps, action size]`: tanh for continuous ones, else logits. `before`
    /// is the encoder's state before the batch, empty for `None`; the state after it is returned.
    pub fn predict(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let (outputs, after) = self.outputs(batch, before, pass);
        (self.task.action_tokens(&self.head.forward(&outputs, &batch.asked)), after)
    }

    /// Share of the attention that each layer pays to each timestep of a batch when it acts at the timesteps
    /// `at`, `[rows, heads, timesteps at, timesteps]`; each row sums to 1. `None` for an encoder without attention.
    pub fn attention(&self, batch: &Batch, at: &[usize]) -> Option<Vec<Tensor>> {
        let tokens = self.tokens(batch);
        let (each, first) = (self.tokens_each(), self.config.layout.read_at() as i64);
        let state_tokens: Vec<i64> = at.iter().map(|&timestep| each * timestep as i64 + first).collect();
        let layers = self.encoder.attention(&tokens, &state_tokens)?.into_iter();
        let of_timesteps =
            |weights: Tensor| weights.unflatten(-1, [-1, each]).sum_dim_intlist(-1, false, None);
        Some(layers.map(of_timesteps).collect())
    }

    /// The losses over real timesteps only. States as for [`DecisionNetwork::predict`].
    pub fn loss(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Losses, State) {
        let (outputs, after) = self.outputs(batch, before, pass);
        (self.losses(&outputs, batch, &batch.mask.sum(None::<Kind>)), after)
    }

    /// Losses for the encoder's outputs, where `real` timesteps of the whole batch are none of padding.
    fn losses(&self, outputs: &Tensor, batch: &Batch, real: &Tensor) -> Losses {
        let sum = |errors: Tensor| (errors * batch.mask.unsqueeze(-1)).sum(None::<Kind>);
        let head = self.head.forward(outputs, &batch.asked);
        let action = sum(self.task.action_errors(&head, &batch.actions)) / (real * self.task.action_terms());
        let most = self.head.most_errors(outputs, &batch.returns).map(|errors| sum(errors) / real);
        Losses { action, most }
    }

    /// [`DecisionNetwork::loss`] in training, with the state after the batch where there was one before it, and the
    /// gradients of all parameters.
    ///
    /// On a CPU each of libtorch's threads computes its part of the rows from beginning to end: they wait for one
    /// another once an update.
    pub fn gradients(
        &self,
        batch: &Batch,
        before: Option<&State>,
        precision: Precision,
    ) -> (Losses, Option<State>, Gradients) {
        if self.device() != Device::Cpu {
            let (loss, after) = self.loss(batch, before, Pass::Training(precision));
            let gradients = Gradients::of_graph(&loss.total(), &self.store.trainable_variables());
            return (loss.detach(), before.map(|_| after.detach()), gradients);
        }
        let [rows, steps] = [0, 1].map(|axis: usize| batch.timesteps.size()[axis]);
        let threads = i64::from(tch::get_num_threads());
        let parts = threads.min(rows);
        let real = batch.mask.sum(None::<Kind>);
        let part = |part: i64| {
            let (start, end) = (part * rows / parts, (part + 1) * rows / parts);
            let tokens = (end - start) * steps * self.tokens_each();
            Part {
                batch: batch.rows(start, end - start),
                before: before.map(|state| state.rows(start, end - start)),
                dropout: self.encoder.draw(tokens, precision),
                real: real.shallow_clone(),
            }
        };
        let mut parts: Vec<Part> = (0..parts).map(part).collect();
        let own = parts.remove(0);
        if parts.is_empty() {
            let (loss, after, gradients) = self.part_gradients(own, precision);
            return (loss, before.map(|_| after), gradients);
        }
        tch::set_num_threads(1);
        let network = Shared(self);
        let (own, others) = std::thread::scope(|scope| {
            let begin = |part| {
                let network = &network;
                scope.spawn(move || {
                    // A new thread of ours begins with as many of libtorch's as there are cores.
                    tch::set_num_threads(1);
                    network.get().part_gradients(part, precision)
                })
            };
            let others: Vec<_> = parts.into_iter().map(begin).collect();
            let own = self.part_gradients(own, precision);
            let joined = others.into_iter().map(|thread| thread.join());
            (own, joined.collect::<Result<Vec<_>, _>>())
        });
        tch::set_num_threads(threads as i32);
        let others = others.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (mut loss, after, mut gradients) = own;
        let mut states = vec![after];
        for (part_loss, after, part) in others {
            loss.add(part_loss);
            states.push(after);
            gradients.add_part(&part);
        }
        (loss, before.map(|_| State::of_rows(&states)), gradients)
    }

    /// What some rows add to loss and gradients of their batch.
    fn part_gradients(&self, part: Part, precision: Precision) -> (Losses, State, Gradients) {
        let Part { batch, before, dropout, real } = part;
        let (tokens, begins) = (self.tokens(&batch), self.begins(&batch));
        let (outputs, after, back) = self.encoder.train(
            &tokens,
            before.as_ref(),
            begins.as_ref(),
            self.state_tokens(),
            precision,
            &dropout,
        );
        let outputs = outputs.set_requires_grad(true);
        let loss = self.losses(&outputs, &batch, &real);
        let mut gradients = Gradients::default();
        // Of all of them the head's are in this graph, the embeddings' in that of the tokens.
        let parameters = self.store.trainable_variables();
        gradients.add_graph(&loss.total(), [&outputs].into_iter().chain(&parameters));
        let to_outputs = gradients.take(&outputs);
        let to_tokens = back(&to_outputs, &mut gradients);
        gradients.add_flow(&tokens, &to_tokens, &parameters);
        (loss.detach(), after, gradients)
    }

    /// The encoder's state before any token.
    pub(super) fn zero_state(&self, rows: i64) -> State {
        self.encoder.zero_state(rows)
    }

    /// [`Encoder::forget`].
    pub(super) fn forget(&self, state: &State, rows: &Tensor) -> State {
        self.encoder.forget(state, rows)
    }
}

/// Rows of a batch, for one thread.
struct Part {
    batch: Batch,
    before: Option<State>,
    dropout: Dropout,
    /// Timesteps of the whole batch that are none of padding.
    real: Tensor,
}

/// A network that several threads read.
struct Shared<'n>(&'n DecisionNetwork);

// SAFETY: libtorch's tensors may be read by any number of threads, graphs that begin with them included; nobody writes
// to a network while its gradients are computed.
unsafe impl Sync for Shared<'_> {}

impl Shared<'_> {
    fn get(&self) -> &DecisionNetwork {
        self.0
    }
}

impl Network for DecisionNetwork {
    fn store(&self) -> &nn::VarStore {
        &self.store
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn describe(&self) -> format::Network {
        let (DecisionConfig { model, layout, context, variation, .. }, task) = (self.config, &self.task);
        format::Network::Decision(Decision {
            model,
            layout,
            max_timesteps: task.max_timesteps,
            context,
            return_scale: task.return_scale,
            return_range: if layout.bins() > 0 { task.return_range } else { [0.0; 2] },
            return_dropout: variation.return_dropout,
            band: variation.band,
            guidance: 1.0,
        })
    }
}

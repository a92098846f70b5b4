//! The network of the decision agent: tokens, encoder, head.

use aaren_encoders::{Dropout, Encoder, Gradients, Pass, State, Wanted, linear};
use aaren_format::{self as format, Decision, DecisionConfig, Positions, Precision};
use tch::{Device, Kind, Tensor, nn, nn::Module};

use super::Batch;
use crate::{Error, Network, Task};

/// Token embeddings, encoder and action head.
///
/// Each of return-to-go, normalised state and action is embedded linearly, gets the embedding of its
/// timestep, and a LayerNorm; tokens stand in the order R, s, a; the action is read at the state token. Without past
/// actions a timestep is R, s.
#[derive(Debug)]
pub struct DecisionNetwork {
    config: DecisionConfig,
    task: Task,
    store: nn::VarStore,
    embed_return: nn::Linear,
    embed_state: nn::Linear,
    embed_action: Option<nn::Linear>,
    /// A row for each timestep that training sees, where there are embeddings.
    embed_timestep: Option<nn::Embedding>,
    embed_norm: nn::LayerNorm,
    encoder: Encoder,
    head: nn::Linear,
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
        let embed_return = linear(&embed / "return", 1, width);
        let embed_state = linear(&embed / "state", task.observation_size as i64, width);
        let embed_action = config.model.past_actions.then(|| linear(&embed / "action", action, width));
        let timesteps = task.max_timesteps as i64;
        // Small, as in GPT-2: with PyTorch's N(0, 1) the timestep drowns what happened at it.
        let small =
            nn::EmbeddingConfig { ws_init: nn::Init::Randn { mean: 0.0, stdev: 0.02 }, ..Default::default() };
        let embed_timestep = match config.model.positions {
            Positions::Timestep => Some(nn::embedding(&embed / "timestep", timesteps, width, small)),
            Positions::None => None,
        };
        let embed_norm = nn::layer_norm(&embed / "norm", vec![width], Default::default());
        let encoder = Encoder::new(&root, &config.model, config.dropout)?;
        let head = linear(&root / "head", width, action);
        store.set_device(device);
        Ok(Self {
            config: *config,
            task,
            store,
            embed_return,
            embed_state,
            embed_action,
            embed_timestep,
            embed_norm,
            encoder,
            head,
        })
    }

    /// Tokens of one timestep: return-to-go, state and, where it is one, action.
    fn tokens_each(&self) -> i64 {
        if self.config.model.past_actions { 3 } else { 2 }
    }

    /// Tokens `[rows, tokens of a timestep · timesteps, width]` of `returns` `[rows, timesteps, 1]` (scaled), `states`
    /// `[rows, timesteps, observation size]` (normalised), `actions` `[rows, timesteps, action size]`
    /// (token entries) and `timesteps` `[rows, timesteps]` (int64).
    fn tokens(&self, returns: &Tensor, states: &Tensor, actions: &Tensor, timesteps: &Tensor) -> Tensor {
        let mut tokens = vec![self.embed_return.forward(returns), self.embed_state.forward(states)];
        tokens.extend(self.embed_action.as_ref().map(|embed| embed.forward(actions)));
        let (rows, steps) = timesteps.size2().expect("timesteps are [rows, timesteps]");
        let mut tokens = Tensor::stack(&tokens, 2);
        if let Some(embed) = &self.embed_timestep {
            let known = timesteps.clamp_max(self.task.max_timesteps as i64 - 1);
            tokens += embed.forward(&known).unsqueeze(2);
        }
        let width = self.config.model.width as i64;
        self.embed_norm.forward(&tokens.view([rows, self.tokens_each() * steps, width]))
    }

    /// Where actions are read.
    fn state_tokens(&self) -> Wanted {
        Wanted::Every { stride: self.tokens_each(), offset: 1 }
    }

    /// The head's output `[rows, timesteps, action size]` for a batch. `before` is the encoder's state before
    /// it, empty for `None`; the state after it is returned.
    fn head(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let tokens = self.tokens(&batch.returns, &batch.states, &batch.actions, &batch.timesteps);
        let (outputs, after) = self.encoder.forward(&tokens, before, self.state_tokens(), pass);
        (self.head.forward(&outputs), after)
    }

    /// Predicted actions `[rows, timesteps, action size]`: tanh for continuous ones, else logits. `before`
    /// is the encoder's state before the batch, empty for `None`; the state after it is returned.
    pub fn predict(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let (head, after) = self.head(batch, before, pass);
        (self.task.action_tokens(&head), after)
    }

    /// Share of the attention that each layer pays to each timestep of a batch when it acts at the timesteps
    /// `at`, `[rows, heads, timesteps at, timesteps]`; each row sums to 1. `None` for an encoder without attention.
    pub fn attention(&self, batch: &Batch, at: &[usize]) -> Option<Vec<Tensor>> {
        let tokens = self.tokens(&batch.returns, &batch.states, &batch.actions, &batch.timesteps);
        let each = self.tokens_each();
        let state_tokens: Vec<i64> = at.iter().map(|&timestep| each * timestep as i64 + 1).collect();
        let layers = self.encoder.attention(&tokens, &state_tokens)?.into_iter();
        let of_timesteps =
            |weights: Tensor| weights.unflatten(-1, [-1, each]).sum_dim_intlist(-1, false, None);
        Some(layers.map(of_timesteps).collect())
    }

    /// The loss over real timesteps only: mean squared error of the action entries, or cross-entropy. States
    /// as for [`DecisionNetwork::predict`].
    pub fn loss(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let (head, after) = self.head(batch, before, pass);
        (self.errors(&head, batch) / self.terms(batch), after)
    }

    /// Errors of the head's output, summed up over real timesteps.
    fn errors(&self, head: &Tensor, batch: &Batch) -> Tensor {
        (self.task.action_errors(head, &batch.actions) * batch.mask.unsqueeze(-1)).sum(None::<Kind>)
    }

    /// Over how many their sum is a mean.
    fn terms(&self, batch: &Batch) -> Tensor {
        batch.mask.sum(None::<Kind>) * self.task.action_terms()
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
    ) -> (Tensor, Option<State>, Gradients) {
        if self.device() != Device::Cpu {
            let (loss, after) = self.loss(batch, before, Pass::Training(precision));
            let gradients = Gradients::of_graph(&loss, &self.store.trainable_variables());
            return (loss.detach(), before.map(|_| after.detach()), gradients);
        }
        let [rows, steps] = [0, 1].map(|axis: usize| batch.timesteps.size()[axis]);
        let threads = i64::from(tch::get_num_threads());
        let parts = threads.min(rows);
        let terms = self.terms(batch);
        let part = |part: i64| {
            let (start, end) = (part * rows / parts, (part + 1) * rows / parts);
            let tokens = (end - start) * steps * self.tokens_each();
            Part {
                batch: batch.rows(start, end - start),
                before: before.map(|state| state.rows(start, end - start)),
                dropout: self.encoder.draw(tokens, precision),
                terms: terms.shallow_clone(),
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
            loss += part_loss;
            states.push(after);
            gradients.add_part(&part);
        }
        (loss, before.map(|_| State::of_rows(&states)), gradients)
    }

    /// What some rows add to loss and gradients of their batch.
    fn part_gradients(&self, part: Part, precision: Precision) -> (Tensor, State, Gradients) {
        let Part { batch, before, dropout, terms } = part;
        let tokens = self.tokens(&batch.returns, &batch.states, &batch.actions, &batch.timesteps);
        let (outputs, after, back) =
            self.encoder.train(&tokens, before.as_ref(), self.state_tokens(), precision, &dropout);
        let outputs = outputs.set_requires_grad(true);
        let loss = self.errors(&self.head.forward(&outputs), &batch) / terms;
        let mut gradients = Gradients::default();
        gradients.add_graph(&loss, [&outputs, &self.head.ws].into_iter().chain(&self.head.bs));
        let to_outputs = gradients.take(&outputs);
        let to_tokens = back(&to_outputs, &mut gradients);
        gradients.add_flow(&tokens, &to_tokens, self.embeddings());
        (loss.detach(), after, gradients)
    }

    /// The parameters of the tokens.
    fn embeddings(&self) -> impl Iterator<Item = &Tensor> {
        let linear = [Some(&self.embed_return), Some(&self.embed_state), self.embed_action.as_ref()];
        let linear = linear.into_iter().flatten().flat_map(|layer| [Some(&layer.ws), layer.bs.as_ref()]);
        let norm = [self.embed_norm.ws.as_ref(), self.embed_norm.bs.as_ref()];
        linear.chain(norm).flatten().chain(self.embed_timestep.as_ref().map(|embed| &embed.ws))
    }

    /// The encoder's state before any token.
    pub(super) fn zero_state(&self, rows: i64) -> State {
        self.encoder.zero_state(rows)
    }

    /// [`Encoder::forget`].
    pub(super) fn forget(&self, state: &State, rows: &Tensor) -> Result<State, Error> {
        Ok(self.encoder.forget(state, rows)?)
    }
}

/// Rows of a batch, for one thread.
struct Part {
    batch: Batch,
    before: Option<State>,
    dropout: Dropout,
    /// Terms of the whole batch's loss.
    terms: Tensor,
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
        let (DecisionConfig { model, context, .. }, task) = (self.config, &self.task);
        let (max_timesteps, return_scale) = (task.max_timesteps, task.return_scale);
        format::Network::Decision(Decision { model, max_timesteps, context, return_scale })
    }
}

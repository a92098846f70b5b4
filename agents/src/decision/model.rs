use aaren_envs::ActionSpace;
use aaren_policies::{Encoder, EncoderConfig, Pass, Rows, State, linear};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn, nn::Module};

use super::Batch;
use crate::Error;

/// Tokens of one timestep: return-to-go, state, action.
const TOKENS: i64 = 3;

/// How actions of the environment become entries of a token and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ActionScale {
    /// Scaled to [−1, 1] by the bounds; the head ends in tanh.
    Continuous {
        /// Lower bounds.
        low: Vec<f32>,
        /// Upper bounds.
        high: Vec<f32>,
    },
    /// One-hot; the head gives logits.
    Discrete {
        /// Number of choices.
        choices: usize,
    },
}

impl ActionScale {
    /// The scale for an environment's action space.
    pub fn of(space: &ActionSpace) -> Self {
        match space {
            ActionSpace::Discrete(choices) => ActionScale::Discrete { choices: *choices },
            ActionSpace::Continuous { low, high } => {
                ActionScale::Continuous { low: low.clone(), high: high.clone() }
            }
        }
    }

    /// Entries of an action token.
    pub fn size(&self) -> usize {
        match self {
            ActionScale::Continuous { low, .. } => low.len(),
            ActionScale::Discrete { choices } => *choices,
        }
    }

    /// Appends the token entries of one action of the environment (a discrete one is its index).
    pub fn push_token(&self, action: &[f32], token: &mut Vec<f32>) {
        match self {
            ActionScale::Continuous { low, high } => {
                let bounds = low.iter().zip(high);
                token.extend(
                    action.iter().zip(bounds).map(|(a, (l, h))| (a - (l + h) / 2.0) / ((h - l) / 2.0)),
                );
            }
            ActionScale::Discrete { choices } => {
                token.extend((0..*choices).map(|choice| f32::from(choice == action[0] as usize)));
            }
        }
    }

    /// The environment's action for the head's output of one timestep.
    pub fn action(&self, head: &[f32]) -> Vec<f32> {
        match self {
            ActionScale::Continuous { low, high } => {
                let bounds = low.iter().zip(high);
                head.iter().zip(bounds).map(|(a, (l, h))| (l + h) / 2.0 + (h - l) / 2.0 * a).collect()
            }
            ActionScale::Discrete { .. } => {
                let best = head.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                vec![best.map_or(0.0, |(choice, _)| choice as f32)]
            }
        }
    }
}

/// Everything that fixes a model's shape and its inputs' scales.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Entries of an observation.
    pub observation_size: usize,
    /// Scale of actions.
    pub action: ActionScale,
    /// Timesteps that have an embedding of their own; later ones share the last.
    pub max_timesteps: usize,
    /// Returns-to-go are divided by this.
    pub return_scale: f64,
    /// Mean of the dataset's observations.
    pub observation_mean: Vec<f32>,
    /// Their standard deviation.
    pub observation_std: Vec<f32>,
}

/// Token embeddings, encoder and action head.
///
/// Each of return-to-go, normalised state and action is embedded linearly, gets the embedding of its
/// timestep, and a LayerNorm; tokens stand in the order R, s, a; the action is read at the state token.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    store: nn::VarStore,
    embed_return: nn::Linear,
    embed_state: nn::Linear,
    embed_action: nn::Linear,
    embed_timestep: nn::Embedding,
    embed_norm: nn::LayerNorm,
    encoder: Encoder,
    head: nn::Linear,
}

impl Model {
    /// A model with weights drawn from libtorch's generator on the CPU, then moved to `device`, so that
    /// a seed means the same weights everywhere.
    ///
    /// # Errors
    /// Where the encoder's configuration is impossible.
    pub fn new(config: ModelConfig, device: Device) -> Result<Self, Error> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let embed = &root / "embed";
        let (width, action) = (config.encoder.width, config.action.size() as i64);
        let embed_return = linear(&embed / "return", 1, width);
        let embed_state = linear(&embed / "state", config.observation_size as i64, width);
        let embed_action = linear(&embed / "action", action, width);
        let timesteps = config.max_timesteps as i64;
        // Small, as in GPT-2: with PyTorch's N(0, 1) the timestep drowns what happened at it.
        let small =
            nn::EmbeddingConfig { ws_init: nn::Init::Randn { mean: 0.0, stdev: 0.02 }, ..Default::default() };
        let embed_timestep = nn::embedding(&embed / "timestep", timesteps, width, small);
        let embed_norm = nn::layer_norm(&embed / "norm", vec![width], Default::default());
        let encoder = Encoder::new(&root, &config.encoder)?;
        let head = linear(&root / "head", width, action);
        store.set_device(device);
        Ok(Self {
            config,
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

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.store.device()
    }

    /// Number of trainable parameters.
    pub fn parameters(&self) -> usize {
        self.store.trainable_variables().iter().map(Tensor::numel).sum()
    }

    /// The trainable tensors (not copies) with their names, in the order of the names.
    pub fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut named: Vec<_> = self.store.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    /// Tokens `[rows, 3 · timesteps, width]` of `returns` `[rows, timesteps, 1]` (scaled), `states`
    /// `[rows, timesteps, observation size]` (normalised), `actions` `[rows, timesteps, action size]`
    /// (token entries) and `timesteps` `[rows, timesteps]` (int64).
    fn tokens(&self, returns: &Tensor, states: &Tensor, actions: &Tensor, timesteps: &Tensor) -> Tensor {
        let time = self.time(timesteps);
        let tokens = [
            self.embed_return.forward(returns),
            self.embed_state.forward(states),
            self.embed_action.forward(actions),
        ];
        let (rows, steps) = timesteps.size2().expect("timesteps are [rows, timesteps]");
        let tokens = (Tensor::stack(&tokens, 2) + time.unsqueeze(2)).view([
            rows,
            TOKENS * steps,
            self.config.encoder.width,
        ]);
        self.embed_norm.forward(&tokens)
    }

    fn time(&self, timesteps: &Tensor) -> Tensor {
        self.embed_timestep.forward(&timesteps.clamp_max(self.config.max_timesteps as i64 - 1))
    }

    /// Predicted actions `[rows, timesteps, action size]`: tanh for continuous ones, else logits. `before`
    /// is the encoder's state before the batch, empty for `None`; the state after it is returned.
    pub fn predict(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let tokens = self.tokens(&batch.returns, &batch.states, &batch.actions, &batch.timesteps);
        let state_tokens = Rows::Every { stride: TOKENS, offset: 1 };
        let (outputs, after) = self.encoder.forward(&tokens, before, state_tokens, pass);
        (self.act(&outputs), after)
    }

    /// Share of the attention that each layer pays to each timestep of a batch when it acts at the timesteps
    /// `at`, `[rows, heads, timesteps at, timesteps]`; each row sums to 1.
    pub fn attention(&self, batch: &Batch, at: &[usize]) -> Vec<Tensor> {
        let tokens = self.tokens(&batch.returns, &batch.states, &batch.actions, &batch.timesteps);
        let state_tokens: Vec<i64> = at.iter().map(|&timestep| TOKENS * timestep as i64 + 1).collect();
        let layers = self.encoder.attention(&tokens, &state_tokens).into_iter();
        let of_timesteps =
            |weights: Tensor| weights.unflatten(-1, [-1, TOKENS]).sum_dim_intlist(-1, false, None);
        layers.map(of_timesteps).collect()
    }

    fn act(&self, outputs: &Tensor) -> Tensor {
        let head = self.head.forward(outputs);
        match self.config.action {
            ActionScale::Continuous { .. } => head.tanh(),
            ActionScale::Discrete { .. } => head,
        }
    }

    /// The loss over real timesteps only: mean squared error of the action entries, or cross-entropy. States
    /// as for [`Model::predict`].
    pub fn loss(&self, batch: &Batch, before: Option<&State>, pass: Pass) -> (Tensor, State) {
        let (predicted, after) = self.predict(batch, before, pass);
        let (errors, terms) = match self.config.action {
            ActionScale::Continuous { .. } => {
                let entries = batch.actions.size()[2] as f64;
                ((predicted - &batch.actions).square(), entries)
            }
            ActionScale::Discrete { .. } => {
                (-(predicted.log_softmax(-1, None::<Kind>) * &batch.actions), 1.0)
            }
        };
        let mask = batch.mask.unsqueeze(-1);
        ((errors * &mask).sum(None::<Kind>) / (mask.sum(None::<Kind>) * terms), after)
    }

    /// The encoder's state before any token.
    pub(super) fn zero_state(&self, rows: i64) -> State {
        self.encoder.zero_state(rows)
    }

    /// One environment step of a roll-out: pushes the previous timestep's action (`None` at the start
    /// of a context) and this timestep's return-to-go and state. Returns the head's output
    /// `[rows, action size]` and the state after it. All tensors are `[rows, 1, …]`.
    pub(super) fn step(
        &self,
        previous_action: Option<&Tensor>,
        returns: &Tensor,
        states: &Tensor,
        timestep: i64,
        state: &State,
    ) -> (Tensor, State) {
        let rows = returns.size()[0];
        let time = |t: i64| self.time(&Tensor::full([rows, 1], t, (Kind::Int64, self.device())));
        let now = time(timestep);
        let mut tokens = Vec::with_capacity(TOKENS as usize);
        if let Some(action) = previous_action {
            tokens.push(self.embed_action.forward(action) + time(timestep - 1));
        }
        tokens.push(self.embed_return.forward(returns) + &now);
        tokens.push(self.embed_state.forward(states) + &now);
        let last = tokens.len() as i64 - 1;
        let tokens = self.embed_norm.forward(&Tensor::cat(&tokens, 1));
        let rows = Rows::Every { stride: TOKENS, offset: last };
        let (outputs, state) = self.encoder.forward(&tokens, Some(state), rows, Pass::Inference);
        (self.act(&outputs.squeeze_dim(1)), state)
    }
}

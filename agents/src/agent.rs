//! What an experiment needs of an agent, whichever it is.

use std::fmt::Debug;

use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use aaren_envs::Environment;
use aaren_format::{
    self as format, ActionSpace, AgentConfig, CloningConfig, ContextLength, DecisionConfig, EnvSpec, Header,
    Precision, Regime, Start, check_scale,
};
use tch::{Device, Kind, Tensor, nn};

use crate::{Checkpoint, Error};

/// What is to be learned: the environment's sizes, and the scales of what a network sees of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The environment.
    pub env: EnvSpec,
    /// Entries of an observation.
    pub observation_size: usize,
    /// The actions it takes.
    pub action: ActionSpace,
    /// Timesteps of the longest episode.
    pub max_timesteps: usize,
    /// Returns-to-go are divided by this.
    pub return_scale: f64,
    /// Mean of the dataset's observations.
    pub observation_mean: Vec<f32>,
    /// Their standard deviation.
    pub observation_std: Vec<f32>,
}

impl Task {
    /// Of an environment alone: observations are taken as they are.
    pub fn new(environment: &Environment, return_scale: f64) -> Self {
        let observation_size = environment.observation_size();
        Self {
            env: environment.spec().clone(),
            observation_size,
            action: environment.action_space().clone(),
            max_timesteps: environment.max_episode_steps(),
            return_scale,
            observation_mean: vec![0.0; observation_size],
            observation_std: vec![1.0; observation_size],
        }
    }

    /// With the scales and the longest episode of a dataset.
    ///
    /// # Errors
    /// Where dimensions, kind of action or a discrete action do not fit the environment.
    pub fn with_dataset(self, dataset: &Dataset) -> Result<Self, Error> {
        self.check_fit(dataset)?;
        let longest = dataset.episodes().iter().map(|episode| episode.length).max().unwrap_or(0);
        let (observation_mean, observation_std) = dataset.observation_statistics();
        let max_timesteps = self.max_timesteps.max(longest);
        Ok(Self { max_timesteps, observation_mean, observation_std, ..self })
    }

    /// Whether a dataset is of this environment.
    ///
    /// # Errors
    /// Where dimensions, kind of action or a discrete action do not fit.
    pub fn check_fit(&self, dataset: &Dataset) -> Result<(), Error> {
        let (name, env) = (dataset.name().to_owned(), self.env.id.clone());
        if dataset.observation_size() != self.observation_size {
            return Err(Error::Dimension {
                dataset: name,
                env,
                what: "observations",
                found: dataset.observation_size(),
                expected: self.observation_size,
            });
        }
        let found = if dataset.discrete() { "discrete" } else { "continuous" };
        if found != self.action.kind() {
            return Err(Error::ActionKind { dataset: name, env, found, expected: self.action.kind() });
        }
        match self.action {
            ActionSpace::Continuous { ref low, .. } if dataset.action_size() != low.len() => {
                Err(Error::Dimension {
                    dataset: name,
                    env,
                    what: "actions",
                    found: dataset.action_size(),
                    expected: low.len(),
                })
            }
            ActionSpace::Discrete { choices } => {
                let outside = |action: &f32| !self.action.takes(&[*action]);
                match dataset.actions().iter().position(outside) {
                    Some(index) => {
                        let found = dataset.actions()[index];
                        Err(Error::ActionChoice { dataset: name, index, found, choices })
                    }
                    None => Ok(()),
                }
            }
            ActionSpace::Continuous { .. } => Ok(()),
        }
    }

    /// What the file of a policy says that an agent learned from this task.
    pub fn header(&self, agent: &dyn Agent, origin: Origin) -> Header {
        let Origin { policy, seed, updates, fingerprint, dataset, target_returns } = origin;
        Header {
            policy,
            seed,
            updates,
            fingerprint,
            dataset,
            env: self.env.clone(),
            observation_size: self.observation_size,
            action: self.action.clone(),
            target_returns,
            weights: format::Weights::Float32,
            agent: agent.describe(self),
        }
    }

    /// Observations `[rows × observation size]` as networks take them: less their mean, over their deviation.
    pub(crate) fn normalised(&self, observations: &[f32]) -> Vec<f32> {
        let scale = || self.observation_mean.iter().zip(&self.observation_std);
        let rows = observations.chunks_exact(self.observation_size);
        rows.flat_map(|row| row.iter().zip(scale()).map(|(o, (mean, std))| (o - mean) / std)).collect()
    }

    /// Action tokens for a head's output: tanh for continuous ones, else the logits as they are.
    pub(crate) fn action_tokens(&self, head: &Tensor) -> Tensor {
        match self.action {
            ActionSpace::Continuous { .. } => head.tanh(),
            ActionSpace::Discrete { .. } => head.shallow_clone(),
        }
    }

    /// Errors `[…, action size]` of a head's output against action tokens: squares, or the terms of a
    /// cross-entropy.
    pub(crate) fn action_errors(&self, head: &Tensor, tokens: &Tensor) -> Tensor {
        match self.action {
            ActionSpace::Continuous { .. } => (self.action_tokens(head) - tokens).square(),
            ActionSpace::Discrete { .. } => -(head.log_softmax(-1, None::<Kind>) * tokens),
        }
    }

    /// Over how many entries of one action the sum of these errors is a mean.
    pub(crate) fn action_terms(&self) -> f64 {
        match self.action {
            ActionSpace::Continuous { .. } => self.action.size() as f64,
            ActionSpace::Discrete { .. } => 1.0,
        }
    }

    /// Of a policy file, with what its tensors say of the observations.
    pub(crate) fn of_file(header: &Header, mean: Vec<f32>, std: Vec<f32>) -> Result<Self, format::Invalid> {
        check_scale(&mean, &std)?;
        let (max_timesteps, return_scale) =
            header.decision().map_or((1, 1.0), |decision| (decision.max_timesteps, decision.return_scale));
        Ok(Self {
            env: header.env.clone(),
            observation_size: header.observation_size,
            action: header.action.clone(),
            max_timesteps,
            return_scale,
            observation_mean: mean,
            observation_std: std,
        })
    }
}

/// Where a policy comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Name of the policy in its experiment.
    pub policy: String,
    /// Training seed.
    pub seed: u64,
    /// Updates it was trained for.
    pub updates: u64,
    /// Hash of the settings that decided its training, where an experiment trained it.
    pub fingerprint: Option<String>,
    /// Name of the dataset.
    pub dataset: String,
    /// Target returns of its evaluation, at least one.
    pub target_returns: Vec<f64>,
}

/// An agent as configured: it builds what learns and what acts.
pub trait Agent: Debug + Send + Sync {
    /// What a policy file says of it.
    fn describe(&self, task: &Task) -> format::Agent;

    /// Its network, with weights drawn from libtorch's generator on the CPU and then moved to `device`, so
    /// that a seed means the same weights everywhere.
    ///
    /// # Errors
    /// Where the configuration is impossible.
    fn network(&self, task: &Task, device: Device) -> Result<Box<dyn Network>, Error>;

    /// What learns from a dataset that fits the task, in batches of `batch`; `seed` decides every draw.
    ///
    /// # Errors
    /// Where the configuration is impossible.
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        batch: usize,
        precision: Precision,
        seed: u64,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error>;

    /// The same agent with rows of another length.
    fn with_context_length(&self, timesteps: usize) -> AgentConfig;
}

/// The weights of an agent.
pub trait Network: Debug {
    /// What holds them.
    fn store(&self) -> &nn::VarStore;

    /// Where they are.
    fn device(&self) -> Device {
        self.store().device()
    }

    /// The trainable tensors (not copies) with their names, in the order of the names.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut named: Vec<_> = self.store().variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    /// What it was built for.
    fn task(&self) -> &Task;

    /// What rolls it out: a row for each target return, at the start of its episode.
    ///
    /// # Errors
    /// Where it cannot act in that regime.
    fn actor<'n>(&'n self, regime: Regime, target_returns: &[f64]) -> Result<Box<dyn Actor + 'n>, Error>;

    /// Number of trainable parameters.
    fn parameters(&self) -> usize {
        self.named_parameters().iter().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// Rolls a network out on libtorch, one row for each environment; all rows are at the same timestep.
pub trait Actor {
    /// The actions `[rows][entries]` for `observations` `[rows × observation size]`; `rewards` are those
    /// of the step before (ignored at timestep 0).
    fn act(&mut self, observations: &[f32], rewards: &[f64]) -> Vec<Vec<f32>>;

    /// Goes on with some of the rows only, after the others' episodes have ended.
    fn keep(&mut self, rows: &[usize]);

    /// Bytes that it keeps of the episode so far, for all rows.
    fn state_bytes(&self) -> usize;
}

/// What an agent learns with. Every draw is keyed by (seed, update), so that an update can be repeated alone.
pub trait Learner: Debug {
    /// The network that learns.
    fn network(&self) -> &dyn Network;

    /// The loss of an update, and its gradients. Updates are asked for in their order.
    ///
    /// # Errors
    /// Where they cannot be computed.
    fn gradients(&mut self, update: u64) -> Result<(Tensor, Gradients), Error>;

    /// What it takes from one update to the next beside the weights: named tensors, and anything else as JSON.
    fn carried(&self) -> (Vec<(String, Tensor)>, serde_json::Value) {
        (Vec::new(), serde_json::Value::Null)
    }

    /// Goes on from what [`Learner::carried`] gave.
    ///
    /// # Errors
    /// [`Error::Format`] where the checkpoint does not hold it.
    fn resume(&mut self, _checkpoint: &Checkpoint) -> Result<(), Error> {
        Ok(())
    }
}

/// The registration of an agent.
fn registered(config: &AgentConfig) -> &dyn Agent {
    match config {
        AgentConfig::Decision(agent) => agent,
        AgentConfig::BehaviourCloning(agent) => agent,
    }
}

impl Agent for AgentConfig {
    fn describe(&self, task: &Task) -> format::Agent {
        registered(self).describe(task)
    }

    fn network(&self, task: &Task, device: Device) -> Result<Box<dyn Network>, Error> {
        registered(self).network(task, device)
    }

    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        batch: usize,
        precision: Precision,
        seed: u64,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        registered(self).learner(task, dataset, batch, precision, seed, device)
    }

    fn with_context_length(&self, timesteps: usize) -> AgentConfig {
        registered(self).with_context_length(timesteps)
    }
}

/// The agent of a policy file, to act or to train anew with `dropout`.
pub fn config_of_file(header: &Header, dropout: f64) -> AgentConfig {
    match &header.agent {
        format::Agent::Decision(decision) => {
            let format::Decision { model, context, .. } = *decision;
            let start = Start::Uniform;
            AgentConfig::Decision(DecisionConfig { model, dropout, context, start, carry: false })
        }
        format::Agent::BehaviourCloning(mlp) => AgentConfig::BehaviourCloning(CloningConfig {
            mlp: *mlp,
            dropout,
            top: 1.0,
            context_length: ContextLength::Timesteps(1),
        }),
    }
}

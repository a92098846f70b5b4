//! What an experiment needs of an agent, whichever it is, and the agents that there are.

use std::fmt::Debug;
use std::sync::RwLock;

use aaren_datasets::Dataset;
use aaren_format::{
    self as format, AgentConfig, AgentSettings, CloningConfig, DecisionConfig, Invalid, IqlConfig,
    Td3BcConfig,
};
use tch::{Device, Tensor, nn};

use crate::{Checkpoint, Error, Saved, Task, TrainConfig};

/// An agent as configured: settings that build what learns.
pub trait Agent: AgentSettings {
    /// What learns from a dataset that fits the task. Weights are drawn from libtorch's generator on the CPU and
    /// then moved to `device`, so that a seed means the same weights everywhere.
    ///
    /// # Errors
    /// Where the configuration is impossible, or not one for this task.
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error>;
}

/// What learns: it owns its networks, its losses and its optimisers.
pub trait Learner: Debug {
    /// The network that acts: what a policy file holds.
    fn network(&self) -> &dyn Network;

    /// Does one update. Updates are asked for in their order; every draw is keyed by (seed, update), libtorch's
    /// generator before the call, so that an update can be repeated alone.
    ///
    /// # Errors
    /// Where it cannot be computed.
    fn step(&mut self, update: u64) -> Result<Metrics, Error>;

    /// Everything that the next update depends on; the tensors are no copies.
    fn save(&self) -> Saved;

    /// Goes on from what [`Learner::save`] gave. By default its tensors are copied into those that are there; what else
    /// it saves a learner takes up itself.
    ///
    /// # Errors
    /// [`Error::Format`] where the checkpoint does not hold it.
    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        checkpoint.restore(self.save().tensors)
    }
}

/// What one update did. On a GPU the tensors are not read before they are asked for.
#[derive(Debug)]
pub struct Metrics {
    /// The loss of the policy before the update.
    pub loss: Tensor,
    /// Learning rate of the policy in the update.
    pub learning_rate: f64,
    /// Further numbers with their names in `metrics.jsonl`, such as the `gradient_norm` before clipping.
    pub others: Vec<(&'static str, Tensor)>,
}

/// The weights of what acts.
pub trait Network: Debug {
    /// What holds them.
    fn store(&self) -> &nn::VarStore;

    /// What it was built for.
    fn task(&self) -> &Task;

    /// What a policy file says of it, so that others can act with its weights.
    fn describe(&self) -> format::Network;

    /// Where its weights are.
    fn device(&self) -> Device {
        self.store().device()
    }

    /// The trainable tensors (not copies) with their names, in the order of the names.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        named_parameters(self.store())
    }

    /// Number of trainable parameters.
    fn parameters(&self) -> usize {
        self.named_parameters().iter().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// The tensors (not copies) of a store with their names, in the order of the names.
pub fn named_parameters(store: &nn::VarStore) -> Vec<(String, Tensor)> {
    let mut named: Vec<_> = store.variables().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}

/// Where a policy comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Name of the policy in its experiment.
    pub policy: String,
    /// Name of the agent that trained it.
    pub agent: String,
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

/// [`Agent::learner`] of an agent with these settings.
type Build = for<'d> fn(
    &AgentConfig,
    &Task,
    &'d Dataset,
    &TrainConfig,
    Device,
) -> Result<Box<dyn Learner + 'd>, Error>;

/// An agent's name, and how it is built.
type Entry = (&'static str, Build);

/// The agents of this crate.
const AGENTS: [Entry; 4] =
    [entry::<DecisionConfig>(), entry::<CloningConfig>(), entry::<IqlConfig>(), entry::<Td3BcConfig>()];

/// Those of others.
static REGISTERED: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

const fn entry<T: Agent>() -> Entry {
    (T::NAME, |config, task, dataset, train, device| {
        config.read::<T>()?.learner(task, dataset, train, device)
    })
}

/// Makes an agent known, in the place of one of the same name; its keys in YAML are made known by
/// `aaren_spec::register`.
pub fn register<T: Agent>() {
    let mut registered = REGISTERED.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    registered.retain(|(name, _)| *name != T::NAME);
    registered.push(entry::<T>());
}

/// What learns as `agent` says.
pub(crate) fn learner<'d>(
    agent: &AgentConfig,
    task: &Task,
    dataset: &'d Dataset,
    train: &TrainConfig,
    device: Device,
) -> Result<Box<dyn Learner + 'd>, Error> {
    let registered = REGISTERED.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let known = || registered.iter().chain(&AGENTS);
    let Some((_, build)) = known().find(|(name, _)| *name == agent.name) else {
        return Err(Error::Settings(Invalid {
            key: "agent",
            found: agent.name.clone(),
            expected: known().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            cure: Some("an agent of your own is made known by `aaren_agents::register`".into()),
        }));
    };
    build(agent, task, dataset, train, device)
}

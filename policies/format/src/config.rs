//! How an agent is trained: what the YAML says of it, beside what its policy file says.

use serde::{Deserialize, Serialize};

use crate::{Context, ContextLength, Mlp, Model};

/// Every agent there is: in YAML `agent: NAME` and that agent's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "agent", rename_all = "kebab-case")]
pub enum AgentConfig {
    /// The decision agent.
    Decision(DecisionConfig),
    /// Behaviour cloning.
    BehaviourCloning(CloningConfig),
}

/// How a decision agent is built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionConfig {
    /// Shape of its encoder.
    #[serde(flatten)]
    pub model: Model,
    /// Dropout probability after attention and after the MLP, in training.
    pub dropout: f64,
    /// What it sees of the past.
    #[serde(flatten)]
    pub context: Context,
    /// Where windows start.
    pub start: Start,
    /// Windows are the chunks of whole episodes, each trained from the state that the one before it left,
    /// as RNNs are; no gradient flows from one to the other. For encoders with a state of constant size. Chunks
    /// begin where episodes do, whatever `start` says.
    pub carry: bool,
}

/// How a behaviour-cloning agent is built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloningConfig {
    /// Its network.
    #[serde(flatten)]
    pub mlp: Mlp,
    /// Dropout probability after each hidden layer, in training.
    pub dropout: f64,
    /// Share of the timesteps that it learns from, in (0, 1]: those of the episodes with the highest returns.
    pub top: f64,
    /// Transitions drawn for each row of a batch, so that an update sees as many as a decision agent's.
    #[serde(rename = "train")]
    pub context_length: ContextLength,
}

/// Where training windows start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At transitions drawn uniformly from all, so that trajectories count by their length.
    #[default]
    Uniform,
    /// At the first transition of episodes drawn uniformly: a policy then learns with whole histories, up to its
    /// context length.
    Episode,
}

/// How the learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// A half cosine from the learning rate to zero at the last update.
    Cosine,
    /// The same learning rate throughout.
    Constant,
}

//! How an agent is trained: what the YAML says of it, beside what its policy file says.

use alloc::{borrow::ToOwned, format, string::String};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::values::{probability, share, whole};
use crate::{Context, ContextLength, Decision, EncoderKind, Invalid, Layout, Mlp, Model, Regime};

pub(crate) const WIDEST: u64 = Model::WIDEST as u64;
pub(crate) const DEEPEST: u64 = Model::DEEPEST as u64;

/// An agent as an experiment describes it: in YAML `agent: NAME` and that agent's keys, everything written out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Its name.
    #[serde(rename = "agent")]
    pub name: String,
    /// Its settings, those of an [`AgentSettings`].
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

/// The settings of one agent, each a key in YAML. A struct of plain values that serde derives with
/// `#[serde(default)]`; the functions of [`values`](crate::values) give a key its range.
pub trait AgentSettings: Serialize + DeserializeOwned {
    /// The agent's name in YAML and JSON.
    const NAME: &'static str;
    /// Its keys that the sections `model` and `context` say where a policy's own entry does not.
    const SHARED: &'static [&'static str] = &[];
    /// Batch and learning rate of an agent that brings its optimisation along: of the section `train` it then takes
    /// the number of updates and the device only. `None` for one that is trained as `train` says.
    const OPTIMISATION: Option<Optimisation> = None;
}

/// What an agent is trained with unless its entry says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimisation {
    /// Rows of a batch.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
}

impl AgentConfig {
    /// An agent with these settings.
    ///
    /// # Panics
    /// If they are no map that JSON can hold.
    pub fn new<T: AgentSettings>(settings: &T) -> Self {
        let value = serde_json::to_value(settings).expect("settings are plain values");
        let Value::Object(settings) = value else { panic!("settings are a map, found {value}") };
        Self { name: T::NAME.to_owned(), settings }
    }

    /// The settings, as those of the agent `T`.
    ///
    /// # Errors
    /// `agent`, where it is another agent or has other settings.
    pub fn read<T: AgentSettings>(&self) -> Result<T, Invalid> {
        Invalid::unless(self.name == T::NAME, "agent", &self.name, T::NAME)?;
        serde_json::from_value(Value::Object(self.settings.clone())).map_err(|error| Invalid {
            key: "agent",
            found: format!("{} with settings that it does not have ({error})", self.name),
            expected: "the settings that this version writes".to_owned(),
            cure: None,
        })
    }

    /// The encoder with which it reads trajectories; `None` for an agent that acts on the observation alone.
    pub fn encoder(&self) -> Option<EncoderKind> {
        EncoderKind::deserialize(self.settings.get("encoder")?).ok()
    }

    /// Whether a return can be asked for: of an agent that reads trajectories.
    pub fn hears_of_returns(&self) -> bool {
        self.encoder().is_some()
    }

    /// Whether it predicts the most that can be had.
    pub fn predicts_max(&self) -> bool {
        self.read::<DecisionConfig>().is_ok_and(|config| config.layout.in_head())
    }

    /// Whether it can act free of what is asked for, so that guidance means something.
    pub fn can_be_free(&self) -> bool {
        self.read::<DecisionConfig>()
            .is_ok_and(|config| config.layout.in_head() && config.variation.return_dropout > 0.0)
    }

    /// What it remembers of its episode when it acts.
    pub fn regime(&self) -> Regime {
        let rollout = self.settings.get("rollout").and_then(|rollout| Regime::deserialize(rollout).ok());
        rollout.unwrap_or(Regime::Reset(1))
    }
}

/// How a decision agent is built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionConfig {
    /// Shape of its encoder.
    #[serde(flatten)]
    pub model: Model,
    /// What its tokens hold, and where the return-to-go enters.
    #[serde(flatten)]
    pub layout: Layout,
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
    /// What training changes of the windows.
    #[serde(flatten)]
    pub variation: Variation,
}

/// What training changes of what a policy sees, so that it relies less on its past, and controls for comparisons. Nothing by
/// default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variation {
    /// Share of the windows that ask for no return, from 0 to below 1. With `tokens: 1` only.
    #[serde(skip_serializing_if = "is_default")]
    pub return_dropout: f64,
    /// Standard deviation of the normal noise on normalised observations, and with `tokens: 1` on past actions and rewards, 0
    /// or more.
    #[serde(skip_serializing_if = "is_default")]
    pub history_noise: f64,
    /// Whether a window has a length drawn uniformly from 1 to the context length, instead of the context length.
    #[serde(skip_serializing_if = "is_default")]
    pub random_length: bool,
    /// The last timesteps, its own among them, that a token of a Transformer sees: those of the sliding cache that it acts
    /// with. 0 for all.
    #[serde(skip_serializing_if = "is_default")]
    pub band: usize,
    /// Whether the scores of an Aaren are zero and stay so: each head is then a mean of values that only forgets.
    #[serde(skip_serializing_if = "is_default")]
    pub frozen_scores: bool,
}

/// Settings that say nothing are not written: earlier runs do not have them.
pub(crate) fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

impl DecisionConfig {
    /// The agent that trains such a network on windows of its context length.
    pub fn of_network(network: &Decision, dropout: f64) -> Self {
        let Decision { model, layout, context, return_dropout, band, .. } = *network;
        let variation = Variation { return_dropout, band, ..Variation::default() };
        Self { model, layout, dropout, context, start: Start::Uniform, carry: false, variation }
    }
}

impl AgentSettings for DecisionConfig {
    const NAME: &'static str = "decision";
}

/// How a behaviour-cloning agent is built.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloningConfig {
    /// Units of a hidden layer.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    /// Number of hidden layers.
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    /// Dropout probability after each hidden layer, in training.
    #[serde(deserialize_with = "probability")]
    pub dropout: f64,
    /// Share of the timesteps that it learns from, in (0, 1]: those of the episodes with the highest returns.
    #[serde(deserialize_with = "share")]
    pub top: f64,
    /// Transitions drawn for each row of a batch, so that an update sees as many as a decision agent's.
    #[serde(rename = "train")]
    pub context_length: ContextLength,
}

impl Default for CloningConfig {
    fn default() -> Self {
        let context_length = ContextLength::Timesteps(20);
        Self { width: 256, layers: 2, dropout: 0.0, top: 1.0, context_length }
    }
}

impl AgentSettings for CloningConfig {
    const NAME: &'static str = "behaviour-cloning";
    const SHARED: &'static [&'static str] = &["train"];
}

impl CloningConfig {
    /// Its network.
    pub fn mlp(&self) -> Mlp {
        Mlp { width: self.width, layers: self.layers }
    }
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
    /// A half cosine from the learning rate to zero after the last update.
    Cosine,
    /// The same learning rate throughout.
    Constant,
}

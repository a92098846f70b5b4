//! One policy to train: its agent, and everything in which policies can differ.

use std::collections::BTreeMap;

use aaren_format::{AgentConfig, DecisionConfig, Precision};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// One policy to train.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySpec {
    /// Name in results folders, tables and legends.
    pub name: String,
    /// What learns, with its settings.
    pub agent: AgentConfig,
    /// Updates of its training.
    pub updates: u64,
    /// Windows per update.
    pub batch: usize,
    /// Peak learning rate of its training.
    pub learning_rate: f64,
    /// Arithmetic of its encoder in training; float32 where it has none.
    pub precision: Precision,
}

/// An entry of `policies` with everything written out.
impl Serialize for PolicySpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            #[serde(flatten)]
            agent: &'a AgentConfig,
            #[serde(flatten)]
            unsaid: BTreeMap<&'static str, Value>,
            updates: u64,
            batch: usize,
            learning_rate: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            precision: Option<Precision>,
        }
        let precision = self.agent.encoder().map(|_| self.precision);
        let unsaid = unsaid(&self.agent);
        let mut map = serializer.serialize_map(Some(1))?;
        let Self { name, agent, updates, batch, learning_rate, .. } = self;
        let (updates, batch, learning_rate) = (*updates, *batch, *learning_rate);
        map.serialize_entry(name, &Entry { agent, unsaid, updates, batch, learning_rate, precision })?;
        map.end()
    }
}

/// What a policy's file leaves out, though an entry that does not say it means something else.
fn unsaid(agent: &AgentConfig) -> BTreeMap<&'static str, Value> {
    let Ok(decision) = agent.read::<DecisionConfig>() else { return BTreeMap::new() };
    let DecisionConfig { model, layout, .. } = decision;
    let tokens = layout.tokens(model.past_actions);
    let positions = serde_json::to_value(model.positions).expect("a word");
    let both = [("tokens", Value::from(tokens)), ("positions", positions)];
    both.into_iter().filter(|(key, _)| !agent.settings.contains_key(*key)).collect()
}

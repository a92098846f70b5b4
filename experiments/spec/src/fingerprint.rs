//! What a checkpoint must agree with: the settings that determine the weights of one policy and seed.

use std::collections::BTreeMap;

use aaren_format::{AgentSettings, DecisionConfig, EncoderKind, Start, fnv1a};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::ContextSection;
use super::keys::keys_of;
use super::model::ModelSection;
use super::{DatasetSource, PolicySpec, Spec, agents};

/// Key path → value of every setting that determines training.
///
/// Left out is what may change between two parts of one run: where files lie (only the dataset's name
/// counts), which interpreter steps an environment of Python, device and threads, the roll-out and the evaluations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Spec {
    /// The fingerprint of one run of this experiment.
    pub fn fingerprint(&self, policy: &PolicySpec, seed: u64) -> Fingerprint {
        let dataset = match &self.dataset {
            DatasetSource::Recipe(name) => name.clone(),
            DatasetSource::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let mut settings = BTreeMap::new();
        let mut insert = |key: &str, value: Value| flatten(key, &value, &mut settings);
        insert("env", json(&self.env));
        insert("dataset", dataset.into());
        let read = [
            ("observe", json(&self.observe)),
            ("actions", json(&self.actions)),
            ("columns", json(&self.columns)),
        ];
        read.into_iter().filter(|(_, value)| !value.is_null()).for_each(|(key, value)| insert(key, value));
        if let Some(share) = self.evaluate.hold_out.filter(|share| *share > 0.0) {
            insert("evaluate.hold_out", share.into());
        }
        insert("seed", seed.into());
        let (agent, its) = (&policy.agent, agents::named(&policy.agent.name));
        if its.and_then(|agent| agent.optimisation).is_none() {
            insert("train", json(&self.train));
            insert("train.warmup", self.warmup(policy).into());
        }
        insert("train.updates", policy.updates.into());
        insert("train.batch", policy.batch.into());
        insert("train.learning_rate", policy.learning_rate.into());
        insert("train.precision", json(&policy.precision));
        if agent.encoder().is_some() {
            let scale = self.evaluate.return_scale.map_or_else(|| json(&"auto"), Value::from);
            insert("evaluate.return_scale", scale);
        }
        if agent.name != DecisionConfig::NAME {
            insert("agent", agent.name.as_str().into());
        }
        for (key, value) in &agent.settings {
            match key.as_str() {
                "rollout" => {}
                // Earlier checkpoints do not say what was the only way then.
                "start" if *value == json(&Start::Uniform) => {}
                "past_actions" if *value == json(&true) && !agent.settings.contains_key("tokens") => {}
                "encoder" => insert("model.encoder", value.clone()),
                // Earlier programs padded what they carried.
                "carry" if *value == json(&true) && agent.encoder().is_some_and(EncoderKind::resets) => {
                    insert("context.carry", "with rows that go on".into());
                }
                key if keys_of::<ModelSection>().contains(&key) => {
                    insert(&format!("model.{key}"), value.clone())
                }
                key if keys_of::<ContextSection>().contains(&key) => {
                    insert(&format!("context.{key}"), value.clone());
                }
                key => insert(key, value.clone()),
            }
        }
        ["env.interpreter", "env.path", "env.timeout"].iter().for_each(|place| drop(settings.remove(*place)));
        // Earlier checkpoints do not say that there are no averages.
        settings.retain(|key, value| key != "train.ema" || value != "0.0");
        settings.remove("train.device");
        settings.remove("train.threads");
        Fingerprint(settings)
    }
}

impl Fingerprint {
    /// 16 hexadecimal digits (FNV-1a, 64 bit), the same for the same settings on every machine.
    pub fn hash(&self) -> String {
        let bytes =
            self.0.iter().flat_map(|(key, value)| [key.as_str(), "=", value, "\n"]).flat_map(str::bytes);
        format!("{:016x}", fnv1a(bytes))
    }

    /// Whether the two differ in the name of the dataset, and in nothing else.
    pub(crate) fn differs_in_dataset(&self, there: &Fingerprint) -> bool {
        let but_for_it = |side: &Fingerprint| {
            let mut settings = side.0.clone();
            settings.remove("dataset");
            settings
        };
        self != there && but_for_it(self) == but_for_it(there)
    }

    /// What differs, one `key: found there, expected here` each; empty if and only if the two are equal.
    pub fn differences(&self, there: &Fingerprint) -> Vec<String> {
        let keys: std::collections::BTreeSet<&String> = self.0.keys().chain(there.0.keys()).collect();
        let shown =
            |settings: &BTreeMap<String, String>, key| settings.get(key).map_or("none", |v| v).to_owned();
        keys.into_iter()
            .filter(|&key| self.0.get(key) != there.0.get(key))
            .map(|key| format!("{key}: found {}, expected {}", shown(&there.0, key), shown(&self.0, key)))
            .collect()
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("specs hold only what JSON holds")
}

/// Maps become key paths, so that the order of keys does not matter.
fn flatten(key: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(part, value)| flatten(&format!("{key}.{part}"), value, settings))
        }
        value => {
            settings.insert(key.into(), value.to_string());
        }
    }
}

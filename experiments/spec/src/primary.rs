//! `primary:` the one comparison that decides, fixed before the first of its runs.

use aaren_format::fnv1a;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::error::{Error, list};
use super::field::Fields;
use super::nearest;
use super::policy::PolicySpec;
use super::values::seeds;
use super::values::{Distinct, distinct, not_negative, text};
use crate::Protocol;

/// The confirmatory endpoint of an experiment or a grid. Whatever else a report shows is exploratory.
///
/// Each run remembers the endpoint that stood in the YAML when it began, so that a report can refuse one that was
/// changed after there were results to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrimarySpec {
    /// Name of the policy that is judged.
    #[serde(deserialize_with = "name")]
    pub policy: String,
    /// Name of the policy that it is compared with.
    #[serde(deserialize_with = "name")]
    pub against: String,
    /// What is estimated.
    pub endpoint: Endpoint,
    /// By how much the policy may fall short and still count as non-inferior: of a mean in its units, of a probability
    /// from 0.5 down.
    #[serde(deserialize_with = "not_negative")]
    pub margin: f64,
    /// Names of the experiments that it is over, a grid's folders; all of them unless given.
    #[serde(default, deserialize_with = "names")]
    pub datasets: Vec<String>,
    /// Training seeds that it is over; all of them unless given.
    #[serde(default, deserialize_with = "seeds")]
    pub seeds: Vec<u64>,
}

/// The endpoint that stood in the YAML when a run began, and how the run's policy was to be played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedPrimary {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: PrimarySpec,
    /// The name that the run's experiment had; absent from older files, as the next is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// How the policy was to be played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

impl FixedPrimary {
    /// Whether the endpoint was over this run of an experiment that has this name now.
    pub fn was_over(&self, experiment: &str, policy: &str, seed: u64) -> bool {
        self.endpoint.is_over(self.experiment.as_deref().unwrap_or(experiment), policy, seed)
    }

    /// What differs between how the policy was to be played and how it was, in words, as far as the endpoint goes: its score is
    /// that of the first target return.
    pub fn played_otherwise(&self, now: &Protocol) -> Option<String> {
        let first = |protocol: &Protocol| {
            let mut protocol = protocol.clone();
            protocol.target_returns.truncate(1);
            protocol
        };
        let differences = first(self.protocol.as_ref()?).differences(&first(now));
        Some(differences).filter(|differences| !differences.is_empty())
    }
}

/// What a primary endpoint estimates, datasets counting alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// The mean difference of the two policies' scores, paired by training seed.
    Mean,
    /// The probability that a run of the policy is above one of the other (Agarwal et al. 2021), ties counting half.
    Probability,
}

impl PrimarySpec {
    /// Fills in what follows from the experiment, and checks the rest against it.
    pub(super) fn complete(
        &mut self,
        section: &Fields,
        experiment: &str,
        policies: &[PolicySpec],
        all_seeds: &[u64],
    ) -> Result<(), Error> {
        let refuse = |key: &str, found, expected: &str, cure| section.refuse(&[key], found, expected, cure);
        let known: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        for (key, name) in [("policy", &self.policy), ("against", &self.against)] {
            if !known.contains(&name.as_str()) {
                let cure = nearest(name, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
                return Err(refuse(key, format!("`{name}`"), &format!("one of {}", list(&known)), cure));
            }
        }
        if self.policy == self.against {
            let found = format!("`{}` again", self.against);
            return Err(refuse("against", found, "another policy than `primary.policy`", None));
        }
        if self.endpoint == Endpoint::Probability && self.margin > 0.5 {
            let found = format!("{} with `endpoint: probability`", self.margin);
            return Err(refuse("margin", found, "a probability of at most 0.5", None));
        }
        if let Some(stranger) = self.seeds.iter().find(|seed| !all_seeds.contains(seed)) {
            let found = format!("the seed {stranger}");
            let cure = Some(format!("add {stranger} to `seeds`"));
            return Err(refuse("seeds", found, "seeds among those of the experiment's `seeds`", cure));
        }
        if self.seeds.is_empty() {
            self.seeds = all_seeds.to_vec();
        }
        if self.datasets.is_empty() {
            self.datasets = vec![experiment.to_owned()];
        }
        Ok(())
    }

    /// Whether it is over that run.
    pub fn is_over(&self, experiment: &str, policy: &str, seed: u64) -> bool {
        self.datasets.iter().any(|dataset| dataset == experiment)
            && [&self.policy, &self.against].iter().any(|judged| *judged == policy)
            && self.seeds.contains(&seed)
    }

    /// What differs from the endpoint that it was when a run of the experiment that is now called so began, one `key: then, now
    /// here` each; empty if the two are equal.
    pub fn differences(&self, experiment: &str, then: Option<&FixedPrimary>) -> Vec<String> {
        let Some(then) = then else { return vec!["no `primary`".into()] };
        let mut as_named_now = then.endpoint.clone();
        for dataset in &mut as_named_now.datasets {
            if Some(&*dataset) == then.experiment.as_ref() {
                experiment.clone_into(dataset);
            }
        }
        self.unlike(&as_named_now)
    }

    /// What differs between the two; the order of seeds and datasets means nothing.
    pub fn unlike(&self, then: &PrimarySpec) -> Vec<String> {
        let fields = |endpoint: &PrimarySpec| {
            let mut endpoint = endpoint.clone();
            endpoint.seeds.sort_unstable();
            endpoint.datasets.sort_unstable();
            match serde_json::to_value(endpoint) {
                Ok(Value::Object(map)) => map,
                _ => serde_json::Map::new(),
            }
        };
        let (now, then) = (fields(self), fields(then));
        let differ = now.iter().filter(|(key, value)| then.get(*key) != Some(*value));
        let shown = |value: Option<&Value>| value.map_or_else(String::new, Value::to_string);
        differ.map(|(key, value)| format!("{key}: {}, now {value}", shown(then.get(key)))).collect()
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "the name of a policy", |name| Ok(name.to_owned()))
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Name(#[serde(deserialize_with = "experiment")] String);

    let names = Distinct {
        list: "a list of names of experiments",
        item: "each experiment once",
        key: |name: &Name| fnv1a(name.0.bytes()),
    };
    Ok(distinct(deserializer, names)?.into_iter().map(|name| name.0).collect())
}

fn experiment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "the name of an experiment", |name| Ok(name.to_owned()))
}

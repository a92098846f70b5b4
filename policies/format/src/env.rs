//! Which environment a policy acts in.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which environment, with which keyword arguments: in YAML `Hopper-v4` or `{id: Hopper-v4, kwargs: {…}}`.
///
/// `aaren_envs::make` says which ids and arguments there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Form")]
pub struct EnvSpec {
    /// Gymnasium's id, or the name of a D4RL dataset.
    pub id: String,
    /// Gymnasium's keyword arguments, and ours.
    pub kwargs: Map<String, Value>,
    /// Whether data of another environment are refused (`check`, the default) or used all the same (`ignore`).
    #[serde(default, skip_serializing_if = "OfData::is_check")]
    pub of_data: OfData,
}

/// What becomes of data that say that they are of another environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfData {
    /// They are refused.
    #[default]
    Check,
    /// They are used.
    Ignore,
}

impl OfData {
    fn is_check(&self) -> bool {
        *self == OfData::Check
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Id(String),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    id: String,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default)]
    of_data: OfData,
}

impl From<Form> for EnvSpec {
    fn from(form: Form) -> Self {
        match form {
            Form::Id(id) => EnvSpec::new(id),
            Form::Full(Full { id, kwargs, of_data }) => Self { id, kwargs, of_data },
        }
    }
}

impl EnvSpec {
    /// An environment without keyword arguments.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), kwargs: Map::new(), of_data: OfData::Check }
    }

    /// The id of no environment, where policies are trained from data alone.
    pub const NONE: &'static str = "none";

    /// No environment: policies are trained from data alone, and not played.
    pub fn none() -> Self {
        Self::new(Self::NONE)
    }

    /// Whether it is none.
    pub fn is_none(&self) -> bool {
        self.id == Self::NONE
    }
}

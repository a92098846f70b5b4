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
}

impl From<Form> for EnvSpec {
    fn from(form: Form) -> Self {
        match form {
            Form::Id(id) => EnvSpec::new(id),
            Form::Full(Full { id, kwargs }) => Self { id, kwargs },
        }
    }
}

impl EnvSpec {
    /// An environment without keyword arguments.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), kwargs: Map::new() }
    }
}

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::environment::Dynamics;
use crate::hopper::Hopper;
use crate::pendulum::Pendulum;
use crate::{Environment, Error};

/// Which environment, with which keyword arguments: in YAML `Hopper-v4` or `{id: Hopper-v4, kwargs: {…}}`.
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
    Full {
        id: String,
        #[serde(default)]
        kwargs: Map<String, Value>,
    },
}

impl From<Form> for EnvSpec {
    fn from(form: Form) -> Self {
        let (id, kwargs) = match form {
            Form::Id(id) => (id, Map::new()),
            Form::Full { id, kwargs } => (id, kwargs),
        };
        Self { id, kwargs }
    }
}

/// The ids that [`EnvSpec::make`] knows.
pub fn ids() -> &'static [&'static str] {
    &["Hopper-v4", "Hopper-v5", "Pendulum-v1"]
}

impl EnvSpec {
    /// An environment without keyword arguments.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), kwargs: Map::new() }
    }

    /// Makes the environment.
    ///
    /// # Errors
    /// [`Error::UnknownEnv`], [`Error::Kwargs`], [`Error::Mujoco`].
    pub fn make(&self) -> Result<Environment, Error> {
        let (dynamics, limit): (Box<dyn Dynamics>, _) = match canonical(&self.id) {
            "Hopper-v4" => (Box::new(Hopper::new(&self.id, false, self.kwargs()?)?), 1000),
            "Hopper-v5" => (Box::new(Hopper::new(&self.id, true, self.kwargs()?)?), 1000),
            "Pendulum-v1" => (Box::new(Pendulum::new(self.kwargs()?)), 200),
            _ => {
                let nearest = ids().iter().max_by(|a, b| {
                    strsim::jaro_winkler(a, &self.id).total_cmp(&strsim::jaro_winkler(b, &self.id))
                });
                let nearest = nearest.map_or_else(String::new, ToString::to_string);
                return Err(Error::UnknownEnv { id: self.id.clone(), nearest });
            }
        };
        Ok(Environment::new(self.clone(), dynamics, limit))
    }

    fn kwargs<K: DeserializeOwned>(&self) -> Result<K, Error> {
        serde_json::from_value(Value::Object(self.kwargs.clone()))
            .map_err(|error| Error::Kwargs { id: self.id.clone(), reason: error.to_string() })
    }
}

/// Gymnasium's id for a D4RL dataset's name: those data were made in what is now called v4.
fn canonical(id: &str) -> &str {
    const QUALITIES: [&str; 6] =
        ["random", "medium", "expert", "medium-replay", "medium-expert", "full-replay"];
    let dataset = id.strip_prefix("hopper-").and_then(|rest| rest.rsplit_once("-v"));
    match dataset {
        Some((quality, "0" | "1" | "2")) if QUALITIES.contains(&quality) => "Hopper-v4",
        _ => id,
    }
}

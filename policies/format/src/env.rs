//! Which environment a policy acts in.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::is_default;

/// Which environment, with which keyword arguments: in YAML `Hopper-v4` or `{id: Hopper-v4, kwargs: {…}}`; one of
/// Python `{gymnasium: ID, import: MODULE, …}` or `{python: "module:function", …}`.
///
/// `aaren_envs::make` says which ids and arguments there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct EnvSpec {
    /// Gymnasium's id, the name of a D4RL dataset, or the function that makes an environment, `module:function`.
    pub id: String,
    /// Gymnasium's keyword arguments, and ours; those of the function.
    pub kwargs: Map<String, Value>,
    /// Where Python steps it, how.
    pub python: Option<PythonEnv>,
    /// Whether data of another environment are refused (`check`, the default) or used all the same (`ignore`).
    pub of_data: OfData,
    /// Where there is no environment, what the data do not say of its spaces.
    pub spaces: Option<Spaces>,
}

/// Spaces of an environment that is not here, as Minari's `metadata.json` has Gymnasium's:
/// `{type: Box, shape: [3], low: -2, high: 2}`, `{type: Discrete, n: 4}`. What is not given is of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaces {
    /// Of its observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<Value>,
    /// Of its actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Value>,
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

/// An environment that a Python process steps.
#[derive(Clone, Debug, PartialEq)]
pub struct PythonEnv {
    /// Whether the id names a function instead of an entry of Gymnasium's registry.
    pub function: bool,
    /// Modules that are imported first, as they register environments.
    pub import: Vec<String>,
    /// The interpreter: a path, or a name that the PATH has. Unless given, the Python in which the command is installed, else
    /// `python3`.
    pub interpreter: Option<String>,
    /// A folder that modules are also looked for in.
    pub path: Option<String>,
    /// Seconds that Python may take for an answer.
    pub timeout: f64,
    /// Timesteps after which an episode is truncated, where the environment does not say.
    pub max_episode_steps: Option<u64>,
    /// Keys of a dictionary of observations, in the order in which a policy sees them; all unless given.
    pub observe: Option<Vec<String>>,
}

impl PythonEnv {
    /// Seconds that Python may take for an answer, unless another number is given.
    pub const TIMEOUT: f64 = 120.0;
    /// The interpreter, unless another one is given.
    pub const INTERPRETER: &'static str = "python3";
}

impl Default for PythonEnv {
    fn default() -> Self {
        Self {
            function: false,
            import: Vec::new(),
            interpreter: None,
            path: None,
            timeout: Self::TIMEOUT,
            max_episode_steps: None,
            observe: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Id(String),
    Full(Box<Full>),
}

/// An environment as a map.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gymnasium: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    python: Option<String>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default, skip_serializing_if = "is_default")]
    of_data: OfData,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    import: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interpreter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_episode_steps: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    observe: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spaces: Option<Spaces>,
}

impl TryFrom<Form> for EnvSpec {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        let full = match form {
            Form::Id(id) => return Ok(EnvSpec::new(id)),
            Form::Full(full) => *full,
        };
        let (id, function) = match (full.id, full.gymnasium, full.python) {
            (Some(id), None, None) => (id, None),
            (None, Some(id), None) => (id, Some(false)),
            (None, None, Some(id)) => (id, Some(true)),
            (None, None, None) if full.spaces.is_some() => (EnvSpec::NONE.into(), None),
            _ => return Err("expected one of the keys `id`, `gymnasium` and `python`"),
        };
        let python = function.map(|function| PythonEnv {
            function,
            import: full.import,
            interpreter: full.interpreter,
            path: full.path,
            timeout: full.timeout.unwrap_or(PythonEnv::TIMEOUT),
            max_episode_steps: full.max_episode_steps,
            observe: full.observe,
        });
        Ok(Self { id, kwargs: full.kwargs, python, of_data: full.of_data, spaces: full.spaces })
    }
}

impl From<EnvSpec> for Form {
    fn from(spec: EnvSpec) -> Self {
        let EnvSpec { id, kwargs, python, of_data, spaces } = spec;
        let Some(python) = python else {
            return Form::Full(Box::new(Full { id: Some(id), kwargs, of_data, spaces, ..Full::default() }));
        };
        let (gymnasium, function) = if python.function { (None, Some(id)) } else { (Some(id), None) };
        Form::Full(Box::new(Full {
            id: None,
            gymnasium,
            python: function,
            kwargs,
            of_data,
            import: python.import,
            interpreter: python.interpreter,
            path: python.path,
            timeout: Some(python.timeout).filter(|seconds| *seconds != PythonEnv::TIMEOUT),
            max_episode_steps: python.max_episode_steps,
            observe: python.observe,
            spaces,
        }))
    }
}

impl EnvSpec {
    /// An environment without keyword arguments.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), kwargs: Map::new(), python: None, of_data: OfData::Check, spaces: None }
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

//! What an environment is, without playing it.

use std::collections::BTreeMap;

use aaren_format::Spaces;
use serde::Deserialize;

use crate::{ActionSpace, EnvSpec, Environment, Error, make, python};

/// The spaces of an environment, and how long its episodes are.
///
/// A process of Python says all but what is skipped.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Description {
    /// The environment.
    #[serde(skip, default = "nameless")]
    pub spec: EnvSpec,
    /// Entries of an observation.
    pub observation_size: usize,
    /// The actions it takes.
    pub action: ActionSpace,
    /// The most timesteps of an episode.
    pub max_episode_steps: usize,
    /// Where `observe: positions` hides entries of the observation, those that are left of it.
    #[serde(skip)]
    pub observed: Option<Vec<usize>>,
    /// The least and the most that an episode can return, where that is known.
    #[serde(skip)]
    pub return_range: Option<(f64, f64)>,
    /// Versions of the Python packages that decide what it does; none of an environment of this crate.
    pub versions: BTreeMap<String, String>,
    /// Whether a seed decides where an episode starts.
    pub repeats: bool,
    /// What an environment of Python says of its spaces; a dictionary's are pairs of name and space, in its order.
    pub spaces: Option<Spaces>,
}

/// What an environment is. One of Python is asked by starting its interpreter, once in a process.
///
/// # Errors
/// As [`make`]; [`Error::Python`] where Python cannot make it, [`Error::Stopped`].
pub fn describe(spec: &EnvSpec) -> Result<Description, Error> {
    match &spec.python {
        Some(its) => python::describe(spec, its),
        None => Ok(make(spec)?.describe()),
    }
}

fn nameless() -> EnvSpec {
    EnvSpec::new(EnvSpec::NONE)
}

impl Environment {
    /// What it is.
    pub fn describe(&self) -> Description {
        Description {
            spec: self.spec().clone(),
            observation_size: self.observation_size(),
            action: self.action_space().clone(),
            max_episode_steps: self.max_episode_steps(),
            observed: self.observed(),
            return_range: self.return_range(),
            versions: BTreeMap::new(),
            repeats: true,
            spaces: None,
        }
    }
}

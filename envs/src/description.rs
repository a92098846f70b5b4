//! What an environment is, without playing it.

use std::collections::BTreeMap;

use aaren_format::Spaces;

use crate::{ActionSpace, EnvSpec, Environment, Error, make, python};

/// The spaces of an environment, and how long its episodes are.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The environment.
    pub spec: EnvSpec,
    /// Entries of an observation.
    pub observation_size: usize,
    /// The actions it takes.
    pub action: ActionSpace,
    /// The most timesteps of an episode.
    pub max_episode_steps: usize,
    /// Where `observe: positions` hides entries of the observation, those that are left of it.
    pub observed: Option<Vec<usize>>,
    /// The least and the most that an episode can return, where that is known.
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
    let Some(its) = &spec.python else { return Ok(make(spec)?.describe()) };
    let facts = python::facts(spec, its)?;
    Ok(Description {
        spec: spec.clone(),
        observation_size: facts.observation_size,
        action: facts.action,
        max_episode_steps: facts.max_episode_steps,
        observed: None,
        return_range: None,
        versions: facts.versions,
        repeats: facts.repeats,
        spaces: Some(facts.spaces),
    })
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

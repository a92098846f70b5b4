//! The environments by their ids.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::table::{self, ENTRIES, Entry};
use crate::{EnvSpec, Environment, Error, ReferenceScores, nearest};

/// The ids of the environments of this crate.
pub fn ids() -> &'static [&'static str] {
    static IDS: LazyLock<Vec<&str>> =
        LazyLock::new(|| ENTRIES.iter().flat_map(Entry::ids).map(|id| &*id.leak()).collect());
    &IDS
}

type Constructor = Arc<dyn Fn(&EnvSpec) -> Result<Environment, Error> + Send + Sync>;

static REGISTERED: RwLock<BTreeMap<String, Constructor>> = RwLock::new(BTreeMap::new());

/// Makes [`make`] know another environment: one with [`Dynamics`](crate::Dynamics) of your own, or one of
/// [`Environment::from_gymnasium`]. An id registered before, or of this crate, is replaced; an episode's return then has no
/// reference scores. `make` may itself call [`make`](crate::make) and `register`.
pub fn register(
    id: impl Into<String>,
    make: impl Fn(&EnvSpec) -> Result<Environment, Error> + Send + Sync + 'static,
) {
    REGISTERED.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), Arc::new(make));
}

/// The ids of the environments that were registered, of this process alone.
pub fn registered_ids() -> Vec<String> {
    REGISTERED.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
}

/// What was registered under that id. The lock is not held while it is called, as it may register something.
fn registered(id: &str) -> Option<Constructor> {
    REGISTERED.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
}

/// Makes an environment.
///
/// The keyword arguments are those of Gymnasium's environment of that id (also `max_episode_steps`, which
/// `gymnasium.make` takes), less those of its renderer and `xml_file`, and one of ours: `observe: positions` hides the
/// velocities.
/// `TMaze-v0` is ours, `RateTMaze-v0` that of RATE (arXiv 2306.09459); they take `corridor`. Ids that begin with
/// `popgym-` are those of the package popgym, with the levels Easy, Medium and Hard.
/// An interval is `[low, high]`, `null` or YAML's `.inf` leaving an end open.
///
/// The name of a D4RL dataset (`hopper-medium-v2`) stands for the -v4 environment with the observation
/// of those data.
///
/// # Errors
/// [`Error::UnknownEnv`], [`Error::NoEnv`], [`Error::OldMujoco`], [`Error::Kwargs`], [`Error::Mujoco`]; [`Error::Python`] for
/// an environment of Python, which a [`VectorEnv`](crate::VectorEnv) plays.
pub fn make(spec: &EnvSpec) -> Result<Environment, Error> {
    if spec.python.is_some() {
        let reason = "Python steps it: a `VectorEnv` plays it, `describe` says its spaces".into();
        return Err(Error::Python { id: spec.id.clone(), reason, refused: true });
    }
    if let Some(constructor) = registered(&spec.id) {
        return constructor(spec);
    }
    let id = &spec.id;
    let entry = table::find(id).ok_or_else(|| unknown(id))?;
    let mut kwargs = spec.kwargs.clone();
    let limit = kwargs.remove("max_episode_steps");
    if table::d4rl(id) == Some("ant") {
        kwargs.entry("observe").or_insert("d4rl".into());
    }
    let (dynamics, usual_limit) = (entry.make)(id, kwargs)?;
    let limit = match limit {
        None => usual_limit,
        Some(limit) => {
            let limit = serde_json::from_value::<NonZeroUsize>(limit)
                .map_err(|e| Error::Kwargs { id: id.clone(), reason: format!("`max_episode_steps`: {e}") })?;
            Some(limit.get())
        }
    };
    Ok(Environment::new(spec.clone(), dynamics, limit))
}

fn unknown(id: &str) -> Error {
    if id == EnvSpec::NONE {
        return Error::NoEnv;
    }
    // Gymnasium refuses it too (Farama-Foundation/Gymnasium#950).
    if id == "Pusher-v4" {
        return Error::OldMujoco;
    }
    let others = registered_ids();
    let known = ids().iter().copied().chain(others.iter().map(String::as_str));
    Error::UnknownEnv { id: id.into(), nearest: nearest(id, known).map(Into::into) }
}

/// D4RL's reference returns (`d4rl/infos.py`) for an environment of this crate, or for the name of a D4RL dataset; none for
/// an id that was registered.
pub fn reference_scores(id: &str) -> Option<ReferenceScores> {
    if registered(id).is_some() { None } else { table::find(id)?.references }
}

/// The least and the most that an episode of an environment can return; infinite where that is not known.
///
/// # Errors
/// As [`make`].
pub fn return_range(spec: &EnvSpec) -> Result<(f64, f64), Error> {
    // Of one of Python it is not known, whoever asks.
    let known = if spec.python.is_some() { None } else { make(spec)?.return_range() };
    Ok(known.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)))
}

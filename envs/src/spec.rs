//! The environments by their ids.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::classic_control::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum};
use crate::environment::Dynamics;
use crate::kwargs::parse;
use crate::mujoco::{Version, ant, half_cheetah, hopper, walker2d};
use crate::popgym;
use crate::rate_t_maze::RateTMaze;
use crate::t_maze::TMaze;
use crate::{EnvSpec, Environment, Error};

/// The ids of the environments of this crate.
pub fn ids() -> &'static [&'static str] {
    &[
        "Acrobot-v1",
        "Ant-v4",
        "Ant-v5",
        "CartPole-v1",
        "HalfCheetah-v4",
        "HalfCheetah-v5",
        "Hopper-v4",
        "Hopper-v5",
        "MountainCar-v0",
        "MountainCarContinuous-v0",
        "Pendulum-v1",
        "RateTMaze-v0",
        "TMaze-v0",
        "Walker2d-v4",
        "Walker2d-v5",
        "popgym-AutoencodeEasy-v0",
        "popgym-AutoencodeMedium-v0",
        "popgym-AutoencodeHard-v0",
        "popgym-CountRecallEasy-v0",
        "popgym-CountRecallMedium-v0",
        "popgym-CountRecallHard-v0",
        "popgym-PositionOnlyCartPoleEasy-v0",
        "popgym-PositionOnlyCartPoleMedium-v0",
        "popgym-PositionOnlyCartPoleHard-v0",
        "popgym-PositionOnlyPendulumEasy-v0",
        "popgym-PositionOnlyPendulumMedium-v0",
        "popgym-PositionOnlyPendulumHard-v0",
        "popgym-RepeatFirstEasy-v0",
        "popgym-RepeatFirstMedium-v0",
        "popgym-RepeatFirstHard-v0",
        "popgym-RepeatPreviousEasy-v0",
        "popgym-RepeatPreviousMedium-v0",
        "popgym-RepeatPreviousHard-v0",
    ]
}

type Constructor = Box<dyn Fn(&EnvSpec) -> Result<Environment, Error> + Send + Sync>;

static REGISTERED: RwLock<BTreeMap<String, Constructor>> = RwLock::new(BTreeMap::new());

/// Makes [`make`] know another environment, such as one of
/// [`Environment::from_gymnasium`]. An id registered before, or of this crate, is replaced.
pub fn register(
    id: impl Into<String>,
    make: impl Fn(&EnvSpec) -> Result<Environment, Error> + Send + Sync + 'static,
) {
    REGISTERED.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), Box::new(make));
}

/// The ids of the environments that were registered, of this process alone.
pub fn registered_ids() -> Vec<String> {
    REGISTERED.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
}

/// Makes an environment.
///
/// The keyword arguments are those of Gymnasium's environment of that id (also `max_episode_steps`, which
/// `gymnasium.make` takes), and one of ours: `observe: positions` hides the velocities.
/// `TMaze-v0` is ours, `RateTMaze-v0` that of RATE (arXiv 2306.09459); they take `corridor`. Ids that begin with
/// `popgym-` are those of the package popgym, with the levels Easy, Medium and Hard.
/// An interval is `[low, high]`, `null` or YAML's `.inf` leaving an end open.
///
/// The name of a D4RL dataset (`hopper-medium-v2`) stands for the -v4 environment with the observation
/// of those data.
///
/// # Errors
/// [`Error::UnknownEnv`], [`Error::Kwargs`], [`Error::Mujoco`].
pub fn make(spec: &EnvSpec) -> Result<Environment, Error> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(constructor) = registered.get(&spec.id) {
        return constructor(spec);
    }
    let mut kwargs = spec.kwargs.clone();
    let limit = kwargs.remove("max_episode_steps");
    let id = &spec.id;
    // The limit of the wrapper that `gymnasium.make` puts around the environment, where it does.
    let (dynamics, usual_limit): (Box<dyn Dynamics>, Option<usize>) = match resolve(&spec.id, &mut kwargs) {
        "Acrobot-v1" => (Box::new(Acrobot::new(parse(id, kwargs, &[])?)), Some(500)),
        "CartPole-v1" => (Box::new(CartPole::new(parse(id, kwargs, &[])?)), Some(500)),
        "MountainCar-v0" => (Box::new(MountainCar::new(parse(id, kwargs, &[])?)), Some(200)),
        "MountainCarContinuous-v0" => {
            (Box::new(MountainCarContinuous::new(parse(id, kwargs, &[])?)), Some(999))
        }
        "Pendulum-v1" => (Box::new(Pendulum::new(parse(id, kwargs, &[])?)), Some(200)),
        "TMaze-v0" => {
            let maze = TMaze::new(parse(id, kwargs, &[])?);
            let limit = maze.time_limit();
            (Box::new(maze), Some(limit))
        }
        "RateTMaze-v0" => (Box::new(RateTMaze::new(parse(id, kwargs, &[])?)), None),
        "Ant-v4" => (Box::new(ant(id, Version::V4, kwargs)?), Some(1000)),
        "Ant-v5" => (Box::new(ant(id, Version::V5, kwargs)?), Some(1000)),
        "HalfCheetah-v4" => (Box::new(half_cheetah(id, Version::V4, kwargs)?), Some(1000)),
        "HalfCheetah-v5" => (Box::new(half_cheetah(id, Version::V5, kwargs)?), Some(1000)),
        "Hopper-v4" => (Box::new(hopper(id, Version::V4, kwargs)?), Some(1000)),
        "Hopper-v5" => (Box::new(hopper(id, Version::V5, kwargs)?), Some(1000)),
        "Walker2d-v4" => (Box::new(walker2d(id, Version::V4, kwargs)?), Some(1000)),
        "Walker2d-v5" => (Box::new(walker2d(id, Version::V5, kwargs)?), Some(1000)),
        other => {
            let Some(dynamics) = popgym::make(other) else {
                let known = ids().iter().copied().chain(registered.keys().map(String::as_str));
                return Err(Error::UnknownEnv { id: id.clone(), nearest: nearest(id, known).to_owned() });
            };
            let NoKwargs {} = parse(id, kwargs, &[])?;
            (dynamics, None)
        }
    };
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

/// Gymnasium's id for a D4RL dataset's name: those data were made in what is now called v4.
fn resolve<'i>(id: &'i str, kwargs: &mut Map<String, Value>) -> &'i str {
    const QUALITIES: [&str; 7] =
        ["random", "medium", "expert", "mixed", "medium-replay", "medium-expert", "full-replay"];
    let parts = id.split_once('-').and_then(|(family, rest)| {
        let (quality, version) = rest.rsplit_once("-v")?;
        (QUALITIES.contains(&quality) && ["0", "1", "2"].contains(&version)).then_some(family)
    });
    match parts {
        Some("ant") => {
            kwargs.entry("observe").or_insert("d4rl".into());
            "Ant-v4"
        }
        Some("halfcheetah") => "HalfCheetah-v4",
        Some("hopper") => "Hopper-v4",
        Some("walker2d") => "Walker2d-v4",
        _ => id,
    }
}

/// Of an environment that takes none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoKwargs {}

/// The name that is spelt most like `name`.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&other.to_lowercase(), &name);
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}

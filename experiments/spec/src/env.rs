//! `env: Hopper-v4`, `env: {id: Hopper-v4, kwargs: {observe: positions}}`, `env: {gymnasium: …, import: …}`,
//! `env: {python: "module:function"}`, or `env: {spaces: …}` where there is none.

use std::fmt;
use std::path::{Path, PathBuf};

use aaren_datasets::Space;
use aaren_format::{ActionSpace, EnvSpec, OfData, PythonEnv, Spaces};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as DeError, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::document::Document;
use super::error::{Error, Place};
use super::field::Field;
use super::values::{ANY, some_positive, some_whole, text, visible, words};

const ENV: &str = "an environment's id such as `Hopper-v4`, or `{id: …, kwargs: {…}}`, or one of Python, \
                   `{gymnasium: …, import: …}` or `{python: \"module:function\"}`";

struct Env;

/// An environment as a map.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    #[serde(default, deserialize_with = "id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "id")]
    gymnasium: Option<String>,
    #[serde(default, deserialize_with = "function")]
    python: Option<String>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    /// `ignore` uses data that say that they are of another environment; `check`, the default, refuses them.
    #[serde(default)]
    of_data: OfData,
    #[serde(default, deserialize_with = "modules")]
    import: Option<Vec<String>>,
    #[serde(default, deserialize_with = "interpreter")]
    interpreter: Option<String>,
    #[serde(default, deserialize_with = "folder")]
    path: Option<String>,
    #[serde(default, deserialize_with = "some_positive")]
    timeout: Option<f64>,
    #[serde(default, deserialize_with = "some_whole::<_, _, 1, ANY>")]
    max_episode_steps: Option<u64>,
    #[serde(default, deserialize_with = "keys")]
    observe: Option<Vec<String>>,
    #[serde(default)]
    spaces: Option<Spaces>,
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "an environment's id such as `Hopper-v4`", |id| Ok(Some(id.into())))
}

fn function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    const FUNCTION: &str =
        "a function that makes an environment, `module:function`, such as `my_env:make_env`";
    let parse = |text: &str| {
        let halves = text.split_once(':');
        let named = halves.is_some_and(|(module, name)| !module.is_empty() && !name.is_empty());
        let of_file = |module: &str| module.contains('/') || module.ends_with(".py");
        match halves {
            Some((module, name)) if of_file(module) => {
                let stem = Path::new(module).file_stem().unwrap_or_default().to_string_lossy();
                let above = Path::new(module).parent().filter(|above| !above.as_os_str().is_empty());
                let above = above.map_or(".".into(), |above| above.display().to_string());
                Err(Some(format!("write `python: \"{stem}:{name}\"` and `path: {above}`")))
            }
            _ if named => Ok(Some(text.into())),
            _ => Err(None),
        }
    };
    text(deserializer, FUNCTION, parse)
}

fn interpreter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "a Python such as `.venv/bin/python`", |text| Ok(Some(text.into())))
}

fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "the folder that holds the module", |text| Ok(Some(text.into())))
}

/// A module, or a list of them.
fn modules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    words(deserializer, "a module such as `gymnasium_robotics`, or a list of them").map(Some)
}

/// A list of keys.
pub(super) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    words(deserializer, "a list of keys such as `[observation, desired_goal]`").map(Some)
}

/// An id, or a map.
pub(super) fn env<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EnvSpec, D::Error> {
    deserializer.deserialize_str(Env)
}

impl<'de> Visitor<'de> for Env {
    type Value = EnvSpec;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(ENV)
    }

    fn visit_str<E: DeError>(self, id: &str) -> Result<EnvSpec, E> {
        visible(id, "an environment's id such as `Hopper-v4`")?;
        Ok(EnvSpec::new(id))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvSpec, A::Error> {
        let full = Full::deserialize(MapAccessDeserializer::new(map))?;
        let (id, function) = match (full.id, full.gymnasium, full.python) {
            (Some(id), None, None) => (id, None),
            (None, Some(id), None) => (id, Some(false)),
            (None, None, Some(id)) => (id, Some(true)),
            (None, None, None) if full.spaces.is_some() => (EnvSpec::NONE.to_owned(), None),
            (None, None, None) => return Err(A::Error::missing_field("id")),
            _ => return Err(A::Error::custom("one of the keys `id`, `gymnasium` and `python`")),
        };
        if let Some(spaces) = &full.spaces {
            if id != EnvSpec::NONE {
                return Err(A::Error::custom(format!(
                    "no `spaces` beside {id}, which has its own; they are for data without an environment"
                )));
            }
            for (key, json) in [("observation", &spaces.observation), ("action", &spaces.action)] {
                if let Some(json) = json {
                    space(json, key == "action")
                        .map_err(|reason| A::Error::custom(format!("as `spaces.{key}` {reason}")))?;
                }
            }
        }
        let Some(function) = function else {
            let other = [
                ("import", full.import.is_some()),
                ("interpreter", full.interpreter.is_some()),
                ("path", full.path.is_some()),
                ("timeout", full.timeout.is_some()),
                ("max_episode_steps", full.max_episode_steps.is_some()),
                ("observe", full.observe.is_some()),
            ];
            return match other.into_iter().find(|(_, said)| *said) {
                None => Ok(EnvSpec {
                    kwargs: full.kwargs,
                    of_data: full.of_data,
                    spaces: full.spaces,
                    ..EnvSpec::new(id)
                }),
                Some((key, _)) => Err(A::Error::custom(format!(
                    "no `{key}` beside `id`, an environment that this program steps; for one that Python steps write \
                     `gymnasium: {id}`"
                ))),
            };
        };
        let python = PythonEnv {
            function,
            import: full.import.unwrap_or_default(),
            interpreter: full.interpreter,
            path: full.path,
            timeout: full.timeout.unwrap_or(PythonEnv::TIMEOUT),
            max_episode_steps: full.max_episode_steps,
            observe: full.observe,
        };
        let (kwargs, of_data) = (full.kwargs, full.of_data);
        Ok(EnvSpec { kwargs, of_data, python: Some(python), ..EnvSpec::new(id) })
    }
}

/// Checks a space; what is expected where it is not one.
fn space(json: &Value, of_actions: bool) -> Result<(), String> {
    const SPACE: &str = "a space as Gymnasium's, such as `{type: Box, shape: [3], low: -1, high: 1}` or `{type: Discrete, n: 4}`";
    let space = Space::of_json(json).ok_or(SPACE)?;
    let vector = if of_actions {
        space.actions().is_some()
    } else {
        !matches!(space, Space::Images { .. } | Space::Other(_))
    };
    if !vector || space.flat_size() == 0 {
        let kinds = if of_actions {
            "a Box with finite bounds, `low` below `high`, or Discrete, MultiDiscrete or MultiBinary"
        } else {
            "Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple, with at least one entry"
        };
        return Err(kinds.into());
    }
    match space.actions() {
        Some(ActionSpace::Continuous { low, high })
            if of_actions && low.iter().zip(&high).any(|(low, high)| low >= high) =>
        {
            Err("a Box with each of `low` below that of `high`".into())
        }
        _ => Ok(()),
    }
}

/// Makes the paths of an environment of Python absolute, those of the file relative to it: an interpreter with a slash,
/// and the folder of modules, which is the file's own unless given. Of a dictionary of observations `observe` says the keys.
pub(super) fn resolve(
    env: &mut EnvSpec,
    observe: Option<Vec<String>>,
    document: &Document,
) -> Result<(), Error> {
    let Some(python) = &mut env.python else { return Ok(()) };
    if observe.is_some() {
        python.observe = observe;
    }
    let absolute = |key: &str, path: &str| {
        let base = match document.place(&format!("env.{key}")) {
            Place::Line(..) => document.folder().to_owned(),
            Place::Override(_) => PathBuf::new(),
        };
        let path = match (path.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => base.join(path),
        };
        // What a link leads to is another interpreter: that of a virtual environment is one.
        let path = std::path::absolute(&path).ok();
        path.and_then(|path| path.to_str().map(str::to_owned))
    };
    let unreadable = |key: &str| Error::Invalid {
        place: document.place("env").clone(),
        key: format!("env.{key}"),
        found: "a path that is not UTF-8 text".into(),
        expected: "one that is, the folder's own included".into(),
        cure: None,
    };
    if let Some(interpreter) = python.interpreter.as_ref().filter(|name| name.contains('/')) {
        python.interpreter =
            Some(absolute("interpreter", interpreter).ok_or_else(|| unreadable("interpreter"))?);
    }
    let folder = python.path.as_deref().unwrap_or(".");
    python.path = Some(absolute("path", folder).ok_or_else(|| unreadable("path"))?);
    Ok(())
}

/// An environment as `--env` gives it: an id, or a map as in the YAML of an experiment, its paths relative to the working
/// directory.
///
/// # Errors
/// [`Error::Invalid`] and its like, with what is expected.
pub fn environment(text: &str) -> Result<EnvSpec, Error> {
    #[derive(Deserialize)]
    struct Only {
        #[serde(deserialize_with = "env")]
        env: EnvSpec,
    }
    let document = Document::parse(Path::new(""), "env: none", &[format!("env={text}")])?;
    let Only { mut env } = Field { path: String::new(), node: document.root() }.read()?;
    resolve(&mut env, None, &document)?;
    Ok(env)
}

//! The forms of a dataset: which of them a path leads to.

use std::path::Path;

use aaren_envs::{EnvSpec, describe};

use crate::signature::{Kind, beginning, folder, kind};
use crate::{Dataset, Error, Reading, Space, csv, d4rl, lerobot, minari, npz, parquet};

/// Reads a file or a folder by what it holds, not by its name.
fn read(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let fail = |reason: String| Error::open(path, reason);
    let metadata = std::fs::metadata(path).map_err(|e| {
        let known = "a D4RL .hdf5 file, a Minari or LeRobot folder, an .npz, .csv or .parquet file, or a recipe's name \
                     (`aaren data make --help`)";
        fail(format!("{e}; give {known}"))
    })?;
    if metadata.is_dir() {
        if lerobot::is_one(path) {
            return lerobot::load(path, reading);
        }
        return match folder(path) {
            Some(what) => Err(fail(what)),
            None => minari::load(path, reading),
        };
    }
    let first = beginning(path).map_err(|e| fail(e.to_string()))?;
    let name = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match kind(&first, &name) {
        Kind::Hdf5 => d4rl::load(path, reading),
        Kind::Zip => npz::load(path, reading),
        Kind::Parquet => parquet::load(path, reading),
        Kind::Other(what) => Err(fail(what.into())),
        Kind::Unknown if first.is_empty() => Err(fail("the file is empty; is the download complete?".into())),
        Kind::Unknown if ["csv", "tsv", "txt"].contains(&name.as_str()) => csv::load(path, reading),
        Kind::Unknown if first.iter().all(|&byte| byte >= b' ' || b"\t\r\n".contains(&byte)) => {
            let text = String::from_utf8_lossy(&first);
            let line: String = text.trim().lines().next().unwrap_or_default().chars().take(60).collect();
            Err(fail(format!(
                "not a readable HDF5 file but text that begins with `{}`; download the file itself, or end the name of a \
                 table in .csv",
                line.escape_debug()
            )))
        }
        // The signature may stand behind a block of a user's own.
        Kind::Unknown => d4rl::load(path, reading),
    }
}

impl Dataset {
    /// Reads a dataset of any of the forms that `docs/src/reference/datasets.md` lists; everything is checked.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Content`] name file, key, what was found and what was expected.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_for(path, &Reading::default(), None)
    }

    /// Reads a dataset as `reading` says, for an environment where there is one: its action space decides what the
    /// numbers of actions mean, and its `observe: positions` what is seen.
    ///
    /// # Errors
    /// As [`Dataset::load`]; where the data say that they are of another environment; and those of [`describe`].
    pub fn load_for(path: &Path, reading: &Reading, env: Option<&EnvSpec>) -> Result<Self, Error> {
        let environment = env.map(describe).transpose()?;
        let mut reading = reading.clone();
        if let Some(its) = environment.as_ref().and_then(|its| its.spaces.as_ref()) {
            let space = |json: &Option<_>| json.as_ref().and_then(Space::of_json);
            reading.spaces = (space(&its.observation), space(&its.action));
        }
        let mut dataset = read(path, &reading)?;
        if let Some(space) = reading.spaces.1.take() {
            dataset.said.action_space = Some(space);
        }
        if let Some(env) = env {
            dataset.said.check_env(path, env)?;
            dataset = dataset.observed_in(env)?;
        }
        if let (Some(environment), Some(env)) = (&environment, env)
            && dataset.observation_size != environment.observation_size
        {
            let found = format!("{} entries", dataset.observation_size);
            let expected = format!(
                "{}, as those of {} have; choose the environment of these data, or keys of them with `observe`",
                environment.observation_size, env.id
            );
            return Err(Error::content(path, "observations", found, expected));
        }
        if let (None, None, Some(space)) = (&environment, &reading.observe, &reading.spaces.0)
            && dataset.observation_size != space.flat_size()
        {
            let found = format!("{} entries", dataset.observation_size);
            let expected = format!("{}, as `env.spaces.observation` has", space.flat_size());
            return Err(Error::content(path, "observations", found, expected));
        }
        let takes = environment.as_ref().zip(env).map(|(its, env)| (env.id.as_str(), &its.action));
        let fitting = dataset.with_actions(reading.actions, takes);
        dataset = fitting.map_err(|fault| Error::content(path, "actions", fault.found, fault.expected))?;
        // Sums of finite rewards may overflow.
        if let Some(episode) = dataset.episodes.iter().position(|it| !(it.total_return as f32).is_finite()) {
            let found =
                format!("a return of {:.1e} of episode {episode}", dataset.episodes[episode].total_return);
            let expected = "returns within float32, up to 3.4e38; scale the rewards";
            return Err(Error::content(path, "rewards", found, expected));
        }
        Ok(dataset)
    }
}

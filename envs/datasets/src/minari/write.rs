//! Writes a dataset as a Minari folder.

use std::fs;
use std::io;
use std::path::Path;

use hdf5_pure::{AttrValue, EnumTypeBuilder, FileBuilder};
use serde_json::{Map, Value};

use super::{HDF5, METADATA, gymnasium};
use crate::{Dataset, End, Error, folder_whole, is_minari_id, minari_root, write_whole};
use aaren_envs::{ActionSpace, Description, EnvSpec};

/// The version whose layout this is.
const VERSION: &str = "0.5.4";

const FINAL_OBSERVATION: &str =
    "The final observation of each episode was not recorded: it repeats the one before the last action.";

impl Dataset {
    /// Writes a folder that the minari library (0.5.4) loads: its HDF5 form, observations and rewards as
    /// float64, with the spaces and the specification of the environment `env`; without one with the spaces of the data.
    ///
    /// Minari holds one observation more than actions; a dataset holds none after the last action, so that
    /// the last observation of each episode is there twice, which `description` says. An episode
    /// that the data cut off has neither a termination nor a truncation.
    ///
    /// Minari finds a dataset by its place below `MINARI_DATASETS_PATH`, which is its id: `hopper/medium-v0`.
    /// Outside of Minari's own folder the id is `folder` as given, or the last name of an absolute path.
    /// Into `metadata.json` go also `metadata`, where `dataset_id` replaces it. Minari's own keys for them are `algorithm_name`, `author`, `author_email`,
    /// `code_permalink`, `description`.
    ///
    /// # Errors
    /// [`Error::Write`] where `folder` exists (it is never replaced), cannot be written, or the environment
    /// is not of the sizes of these data; and those of [`aaren_envs::describe`].
    pub fn write_minari(
        &self,
        folder: &Path,
        env: Option<&EnvSpec>,
        metadata: &[(&str, String)],
    ) -> Result<(), Error> {
        let environment = env.map(aaren_envs::describe).transpose()?;
        let action = environment.as_ref().map_or_else(|| self.action_space(), |its| its.action.clone());
        let kind = |observation, action, discrete| {
            let kind = if discrete { "discrete" } else { "continuous" };
            format!("observations of {observation} entries and {kind} actions of {action}")
        };
        if let Some(its) = &environment {
            let expected = kind(its.observation_size, action.entries(), !action.choices().is_empty());
            let found = kind(self.observation_size, self.action_size, self.discrete);
            if found != expected {
                let reason = format!("found {found}; expected {expected}, as {} has", its.spec.id);
                return Err(Error::write(folder, reason));
            }
        }
        let id = id(folder)?;
        folder_whole(folder, |temporary| {
            let bytes = hdf5(self).map_err(io::Error::other)?;
            let metadata = describe(self, &id, (environment.as_ref(), &action), bytes.len(), metadata);
            let data = temporary.join("data");
            fs::create_dir(&data)?;
            write_whole(&data.join(HDF5), &bytes)?;
            write_whole(&data.join(METADATA), metadata.to_string().as_bytes())
        })
        .map_err(|e| Error::write(folder, e))
    }

    /// Whether Minari takes the name of a folder: `…-vN`.
    ///
    /// # Errors
    /// [`Error::Open`] with a name that would do.
    pub fn check_minari_name(folder: &Path) -> Result<(), Error> {
        id(folder).map(drop)
    }
}

fn hdf5(dataset: &Dataset) -> Result<Vec<u8>, hdf5_pure::Error> {
    let mut file = FileBuilder::new();
    let ends =
        [("terminations", dataset.ends(End::Terminated)), ("truncations", dataset.ends(End::Truncated))];
    for (number, episode) in dataset.episodes.iter().enumerate() {
        let rows = |data: &[f32], size: usize| -> Vec<f64> {
            let rows = &data[episode.start * size..(episode.start + episode.length) * size];
            rows.iter().map(|&x| x.into()).collect()
        };
        let (size, columns) = (dataset.observation_size, dataset.action_size);
        let steps = episode.length as u64;
        let mut group = file.create_group(&format!("episode_{number}"));
        group.set_attr("id", AttrValue::I64(number as i64));
        group.set_attr("total_steps", AttrValue::I64(steps as i64));

        let mut observations = rows(&dataset.observations, size);
        observations.extend_from_within(observations.len() - size..);
        let shape = [steps + 1, size as u64];
        let node = group.create_dataset("observations").with_f64_data(&observations);
        node.with_shape(&shape).with_chunks(&shape).with_deflate(4);

        let actions = rows(&dataset.actions, columns);
        let node = group.create_dataset("actions");
        let (only_steps, shape) = ([steps], [steps, columns as u64]);
        if dataset.discrete {
            node.with_i64_data(&actions.iter().map(|&x| x as i64).collect::<Vec<_>>())
                .with_shape(if columns == 1 { &only_steps } else { &shape });
        } else {
            // As Gymnasium's action spaces, which are float32.
            let actions: Vec<_> = actions.iter().map(|&x| x as f32).collect();
            node.with_f32_data(&actions).with_shape(&[steps, columns as u64]);
        }
        group.create_dataset("rewards").with_f64_data(&rows(&dataset.rewards, 1)).with_shape(&[steps]);
        // h5py's booleans.
        let boolean = EnumTypeBuilder::u8_based().u8_value("FALSE", 0).u8_value("TRUE", 1).build()?;
        for (key, flags) in &ends {
            let flags = &flags[episode.start..episode.start + episode.length];
            group.create_dataset(key).with_enum_u8_data(boolean.clone(), flags).with_shape(&[steps]);
        }
        // Minari's `EpisodeData` cannot be printed without it.
        let infos = group.create_group("infos").finish();
        group.add_group(infos);
        let group = group.finish();
        file.add_group(group);
    }
    file.finish()
}

fn describe(
    dataset: &Dataset,
    id: &str,
    (environment, action): (Option<&Description>, &ActionSpace),
    bytes: usize,
    metadata: &[(&str, String)],
) -> Value {
    let mut all = Map::from_iter([("dataset_id".to_owned(), Value::from(id))]);
    for (key, value) in metadata {
        // Minari takes these for sets.
        let list = ["author", "author_email", "requirements"].contains(key);
        let value = if list { vec![value.as_str()].into() } else { value.as_str().into() };
        all.insert((*key).to_owned(), value);
    }
    let description = all.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
    let description = description.unwrap_or_default() + FINAL_OBSERVATION;
    let spec = environment.and_then(gymnasium::env_spec).map(|spec| ("env_spec", spec.into()));
    let layout = [
        ("total_episodes", dataset.episodes.len().into()),
        ("total_steps", dataset.transitions().into()),
        ("data_format", "hdf5".into()),
        ("observation_space", gymnasium::observation_space(dataset.observation_size).into()),
        ("action_space", gymnasium::action_space(action).into()),
        ("minari_version", VERSION.into()),
        // In megabytes, to a tenth, as Minari does.
        ("dataset_size", ((bytes as f64 / 1e5).round() / 10.0).into()),
        ("description", description.into()),
    ];
    all.extend(layout.into_iter().chain(spec).map(|(key, value)| (key.to_owned(), value)));
    Value::Object(all)
}

/// The id of a folder, as the Minari library finds it: its path below Minari's own folder where it is there, else the
/// path as it was given, for a `MINARI_DATASETS_PATH` that is the working directory; of an absolute path the last name.
fn id(folder: &Path) -> Result<String, Error> {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let root = std::path::absolute(minari_root()).unwrap_or_else(|_| minari_root());
    let inside = whole.starts_with(&root);
    let given = if inside { whole.strip_prefix(&root).unwrap_or(&whole) } else { folder };
    let names: Vec<String> = (given.components())
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let below = !folder.is_absolute() && !folder.components().any(|part| part.as_os_str() == "..");
    let kept = if inside || below { names.len() } else { 1 };
    let id = names[names.len().saturating_sub(kept)..].join("/");
    let last = names.last().cloned().unwrap_or_default();
    match (is_minari_id(&id), is_minari_id(&last)) {
        (true, _) => Ok(id),
        (false, true) if !inside => Ok(last),
        _ => {
            let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
            let better: String = last.chars().map(plain).collect();
            let better = if is_minari_id(&better) { better } else { better + "-v0" };
            let reason = format!(
                "found the name `{last}`; expected one that Minari takes, letters, digits, `-` and `_` with a version \
                 at the end: `{better}` (for D4RL, end the name in .hdf5)"
            );
            Err(Error::open(folder, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `minari list local` warns of an id that is not the path below `MINARI_DATASETS_PATH`, and leaves the dataset out.
    #[test]
    fn an_id_is_the_path_as_given() {
        for (folder, expected) in [
            ("plain-v0", "plain-v0"),
            ("./hopper/plain-v0", "hopper/plain-v0"),
            ("my.data/plain-v0", "plain-v0"),
            ("../runs/plain-v0", "plain-v0"),
            ("/data/plain-v0", "plain-v0"),
        ] {
            assert_eq!(id(Path::new(folder)).unwrap(), expected);
        }
        let below = minari_root().join("a/b/plain-v0");
        assert_eq!(id(&below).unwrap(), "a/b/plain-v0");
    }
}

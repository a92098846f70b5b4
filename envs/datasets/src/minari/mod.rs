//! Minari's folders (minari 0.5): `data/metadata.json`, and the episodes as HDF5, as Arrow or as Parquet.

mod arrow;
mod episodes;
mod gymnasium;
mod hdf5;
mod write;

use std::path::{Path, PathBuf};

use serde_json::Value;

use self::episodes::Episodes;
use crate::space::{Space, python_json};
use crate::{Dataset, Error, Reading, minari_root};

const METADATA: &str = "metadata.json";
const HDF5: &str = "main_data.hdf5";

/// What the metadata of a folder say.
#[derive(Default)]
struct Metadata {
    path: PathBuf,
    format: Option<String>,
    episodes: Option<u64>,
    observation: Option<Space>,
    action: Option<Space>,
    env: Option<String>,
    /// Ids of the datasets that this one is made of.
    combined: Vec<String>,
}

pub(super) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let metadata = Metadata::read(folder)?;
    let mut episodes = Episodes::new(reading);
    let format = episodes_of(folder, &metadata, &mut episodes, 0)?;
    let data = folder.join("data");
    let sizes = episodes.sizes.filter(|_| !episodes.all.rewards.is_empty());
    let Some((observation_size, action_size, integer)) = sizes else {
        return Err(Error::content(&data, "/", "no transitions", "episodes numbered 0, 1, …"));
    };
    let mut dataset = Dataset::new(&name(folder), episodes.all, observation_size, action_size, integer);
    dataset.format = format;
    dataset.said.env = metadata.env;
    dataset.said.action_space = metadata.action;
    Ok(dataset)
}

/// Reads the episodes of a folder, and of the folders that it combines.
fn episodes_of(
    folder: &Path,
    metadata: &Metadata,
    all: &mut Episodes,
    depth: usize,
) -> Result<&'static str, Error> {
    let data = folder.join("data");
    if !metadata.combined.is_empty() {
        if depth > 8 {
            return Err(Error::content(
                &metadata.path,
                "combined_datasets",
                "datasets within datasets",
                "at most 8 levels",
            ));
        }
        let mut format = "Minari";
        for id in &metadata.combined {
            let there = beside(folder, id).ok_or_else(|| {
                let found = format!("`{id}`, which is not in {}", minari_root().display());
                let expected = format!("the datasets that this one is made of; `aaren data fetch {id}`");
                Error::content(&metadata.path, "combined_datasets", found, expected)
            })?;
            format = episodes_of(&there, &Metadata::read(&there)?, all, depth + 1)?;
        }
        return Ok(format);
    }
    let spaces = (metadata.observation.as_ref(), metadata.action.as_ref());
    let hdf5 = data.join(HDF5);
    let before = all.episodes;
    let format = match metadata.format.as_deref() {
        Some("hdf5") => "Minari HDF5",
        Some("arrow") => "Minari Arrow",
        Some("parquet") => "Minari Parquet",
        Some(other) => {
            let expected = "\"hdf5\", \"arrow\" or \"parquet\"";
            return Err(Error::content(&metadata.path, "data_format", format!("\"{other}\""), expected));
        }
        None if hdf5.is_file() => "Minari HDF5",
        None if data.join("0").is_dir() => "Minari Arrow",
        None => {
            let reason = "no data/main_data.hdf5 and no data/0/part-0.arrow in this folder; give a Minari dataset in its \
                          HDF5, Arrow or Parquet form, a LeRobot folder, or a D4RL .hdf5 file";
            return Err(Error::open(folder, reason));
        }
    };
    match format {
        "Minari HDF5" => hdf5::load(&hdf5, spaces, all)?,
        _ => arrow::load(&data, spaces, all)?,
    }
    Error::check_episodes(&metadata.path, metadata.episodes, all.episodes - before)?;
    Ok(format)
}

/// The dataset of an id, in the same tree as `folder` or where Minari keeps its own.
fn beside(folder: &Path, id: &str) -> Option<PathBuf> {
    let mut roots: Vec<PathBuf> = folder.ancestors().skip(1).take(6).map(Path::to_owned).collect();
    roots.push(minari_root());
    let sound = id.split('/').all(|part| !part.is_empty() && part != "..");
    roots.into_iter().map(|root| root.join(id)).find(|path| sound && path.join("data").is_dir())
}

impl Metadata {
    /// What there is of it.
    fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("data").join(METADATA);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(Self { path, ..Self::default() }) };
        let text = String::from_utf8_lossy(&bytes);
        let metadata = python_json(&text).ok_or_else(|| {
            let other = crate::signature::other(&path);
            Error::open(&path, other.unwrap_or("not readable JSON; is the download complete?"))
        })?;
        let space =
            |key: &str| metadata[key].as_str().and_then(python_json).and_then(|json| Space::of_json(&json));
        let spec = metadata["env_spec"].as_str().and_then(python_json).unwrap_or(Value::Null);
        let combined = metadata["combined_datasets"].as_array();
        Ok(Self {
            format: metadata["data_format"].as_str().map(str::to_owned),
            episodes: metadata["total_episodes"].as_u64(),
            observation: space("observation_space"),
            action: space("action_space"),
            env: spec["id"].as_str().map(str::to_owned),
            combined: combined
                .into_iter()
                .flatten()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect(),
            path,
        })
    }
}

/// Minari's ids are paths: hopper/medium-v0.
fn name(folder: &Path) -> String {
    let parts: Vec<_> = folder.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("-")
}

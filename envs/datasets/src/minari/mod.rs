//! Minari's folders (minari 0.5): `data/metadata.json`, and the episodes as HDF5 or as Arrow.

mod arrow;
mod episodes;
mod gymnasium;
mod hdf5;
mod write;

pub(super) use write::write;

use std::path::Path;

use serde_json::Value;

use crate::Dataset;
use crate::Error;

const METADATA: &str = "metadata.json";
const HDF5: &str = "main_data.hdf5";

pub(super) fn load(folder: &Path) -> Result<Dataset, Error> {
    let data = folder.join("data");
    let hdf5 = data.join(HDF5);
    let (format, episodes) = match data_format(&data)?.as_deref() {
        Some("hdf5") => ("Minari HDF5", hdf5::load(&hdf5)?),
        Some("arrow") => ("Minari Arrow", arrow::load(&data)?),
        Some(other) => {
            let path = data.join(METADATA);
            return Err(Error::content(
                &path,
                "data_format",
                format!("\"{other}\""),
                "\"hdf5\" or \"arrow\"",
            ));
        }
        None if hdf5.is_file() => ("Minari HDF5", hdf5::load(&hdf5)?),
        None if data.join("0").is_dir() => ("Minari Arrow", arrow::load(&data)?),
        None => {
            let reason = "no data/main_data.hdf5 and no data/0/part-0.arrow in this folder; \
                          give a Minari dataset in its HDF5 or Arrow form, or a D4RL .hdf5 file";
            return Err(Error::Open { path: folder.to_owned(), reason: reason.into() });
        }
    };
    let sizes = episodes.sizes.filter(|_| !episodes.all.rewards.is_empty());
    let Some((observation_size, action_size, discrete)) = sizes else {
        return Err(Error::content(&data, "/", "no transitions", "episodes numbered 0, 1, …"));
    };
    let dataset = Dataset::new(&name(folder), episodes.all, observation_size, action_size, discrete);
    Ok(Dataset { format, ..dataset })
}

/// What the metadata, where there are any, say of the form.
fn data_format(data: &Path) -> Result<Option<String>, Error> {
    let path = data.join(METADATA);
    let Ok(text) = std::fs::read(&path) else { return Ok(None) };
    let metadata: Value = serde_json::from_slice(&text).map_err(|e| Error::Open {
        path: path.clone(),
        reason: format!("not readable JSON ({e}); is the download complete?"),
    })?;
    Ok(metadata["data_format"].as_str().map(str::to_owned))
}

/// Minari's ids are paths: hopper/medium-v0.
fn name(folder: &Path) -> String {
    let parts: Vec<_> = folder.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("-")
}

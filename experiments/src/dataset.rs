//! The dataset of an experiment.

use std::path::Path;

use aaren_agents::recipe;
use aaren_envs::Dataset;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::experiment::{DatasetSource, Spec};
use crate::{folder, lock};

/// The dataset of an experiment, as its environment shows the world; recipes are kept below `results`.
pub fn of_experiment(spec: &Spec, results: &Path) -> Result<Dataset> {
    let dataset = match &spec.dataset {
        DatasetSource::Path(path) => Dataset::load(path)?,
        DatasetSource::Recipe(name) => cached(name, &folder::datasets(results))?,
    };
    Ok(dataset.observed_in(&spec.env)?)
}

/// A recipe's dataset from `folder`, made there first where it is missing.
fn cached(name: &str, folder: &Path) -> Result<Dataset> {
    let path = folder.join(format!("{name}.hdf5"));
    if !path.exists() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    // Another experiment may be making it at this moment.
    let _claim = lock::wait_for(folder)?;
    if !path.exists() {
        let bar = bar(recipe::TRANSITIONS, name);
        recipe::write(name, &path, recipe::TRANSITIONS, recipe::SEED, |made| bar.set_position(made as u64))?;
        bar.finish_and_clear();
    }
    Ok(Dataset::load(&path)?)
}

pub(crate) fn bar(transitions: usize, name: &str) -> ProgressBar {
    let style = "making {msg} {wide_bar} {human_pos}/{human_len} transitions, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("a valid template");
    ProgressBar::new(transitions as u64).with_style(style).with_message(name.to_owned())
}

/// Checksum of everything a trainer takes from a dataset.
pub(crate) fn checksum(dataset: &Dataset) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for column in [dataset.observations(), dataset.actions(), dataset.returns_to_go()] {
        let mut bytes = Vec::with_capacity(4 * 4096);
        for part in column.chunks(4096) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    dataset.episodes().iter().for_each(|episode| hasher.update(&(episode.start as u64).to_le_bytes()));
    hasher.finalize()
}

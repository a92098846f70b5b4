//! Minari's HDF5 form.

use std::path::Path;

use super::episodes::{Episodes, KEYS};
use crate::Error;
use crate::hdf5::Hdf5;

/// `main_data.hdf5`, with a group `episode_N` for each episode.
pub(super) fn load(path: &Path) -> Result<Episodes, Error> {
    let file = Hdf5::open(path)?;
    let mut numbers: Vec<u64> = file
        .groups()?
        .iter()
        .filter_map(|group| group.strip_prefix("episode_").and_then(|number| number.parse().ok()))
        .collect();
    numbers.sort_unstable();
    let mut episodes = Episodes::default();
    for number in numbers {
        let group = format!("episode_{number}/");
        let [a, b, c, d, e] = KEYS.map(|key| file.read(&format!("{group}{key}")));
        episodes.push(path, &group, [a?, b?, c?, d?, e?])?;
    }
    Ok(episodes)
}

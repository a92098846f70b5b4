//! Minari's HDF5 form.

use std::path::Path;

use super::episodes::{Episode, Episodes, Spaces};
use crate::Error;
use crate::hdf5::Hdf5;

/// `main_data.hdf5`, with a group `episode_N` for each episode.
pub(super) fn load(path: &Path, spaces: Spaces, episodes: &mut Episodes) -> Result<(), Error> {
    let file = Hdf5::open(path)?;
    let mut numbers: Vec<u64> = (file.names("")?.unwrap_or_default().iter())
        .filter_map(|group| group.strip_prefix("episode_").and_then(|number| number.parse().ok()))
        .collect();
    numbers.sort_unstable();
    for number in numbers {
        let group = format!("episode_{number}/");
        let key = |name: &str| format!("{group}{name}");
        let episode = Episode {
            observations: file.tree(&key("observations"))?,
            actions: file.tree(&key("actions"))?,
            rewards: file.read(&key("rewards"))?,
            terminations: file.read(&key("terminations"))?,
            truncations: file.read(&key("truncations"))?,
        };
        episodes.push(path, &group, spaces, episode)?;
    }
    Ok(())
}

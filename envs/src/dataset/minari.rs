use std::path::Path;

use super::columns::Columns;
use super::{Dataset, Transitions};
use crate::Error;

/// Minari's HDF5 form (minari 0.5): `data/main_data.hdf5` with a group `episode_N` for each episode,
/// whose observations are one longer than its actions.
pub(super) fn load(folder: &Path) -> Result<Dataset, Error> {
    let path = folder.join("data").join("main_data.hdf5");
    if !path.is_file() {
        let reason = "no data/main_data.hdf5 in this folder; give a Minari dataset in its HDF5 form, or a D4RL .hdf5 file";
        return Err(Error::Open { path: folder.to_owned(), reason: reason.into() });
    }
    let columns = Columns::open(&path)?;
    let mut numbers: Vec<u64> = columns
        .groups()?
        .iter()
        .filter_map(|group| group.strip_prefix("episode_").and_then(|number| number.parse().ok()))
        .collect();
    numbers.sort_unstable();
    let mut all = Transitions::default();
    let mut sizes = None;
    for number in numbers {
        let key = |name: &str| format!("episode_{number}/{name}");
        let actions = columns.read(&key("actions"))?;
        let (observations, rewards) = (columns.read(&key("observations"))?, columns.read(&key("rewards"))?);
        let steps = actions.rows;
        columns.expect_rows(&key("rewards"), &rewards, steps)?;
        if observations.rows != steps + 1 {
            let (found, expected) = (observations.rows, steps + 1);
            let expected = format!("{expected}, one more than actions");
            return Err(columns.content(&key("observations"), format!("{found} rows"), expected));
        }
        let found = (observations.size, actions.size, actions.integer);
        if *sizes.get_or_insert(found) != found {
            let expected = "the sizes of the episodes before";
            return Err(columns.content(&key("observations"), format!("other sizes ({found:?})"), expected));
        }
        all.observations.extend_from_slice(&observations.data[..steps * observations.size]);
        all.actions.extend(actions.data);
        all.rewards.extend(rewards.data);
        all.terminals.extend(columns.flags(&key("terminations"), steps)?);
        all.timeouts.extend(columns.flags(&key("truncations"), steps)?);
        // An episode that was cut off still ends where its group ends.
        if let (Some(timeout), Some(false)) = (all.timeouts.last_mut(), all.terminals.last()) {
            *timeout = true;
        }
    }
    let Some((observation_size, action_size, discrete)) = sizes.filter(|_| !all.rewards.is_empty()) else {
        return Err(columns.content("/", "no episodes", "groups episode_0, episode_1, …"));
    };
    let name = dataset_name(folder);
    let dataset = Dataset::new(&name, all, observation_size, action_size, discrete);
    Ok(Dataset { format: "Minari HDF5", ..dataset })
}

/// Minari's ids are paths: hopper/medium-v0.
fn dataset_name(folder: &Path) -> String {
    let parts: Vec<_> = folder.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("-")
}

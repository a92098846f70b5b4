//! D4RL's HDF5 layout.

use std::path::Path;

use hdf5_pure::FileBuilder;

use crate::Error;
use crate::hdf5::Hdf5;
use crate::{Dataset, End, Transitions};

/// D4RL's flat layout: `observations actions rewards terminals timeouts`, a row for each transition.
pub(super) fn load(path: &Path) -> Result<Dataset, Error> {
    let file = Hdf5::open(path)?;
    let rewards = file.read("rewards")?;
    let rows = rewards.rows;
    if rows == 0 {
        return Err(file.content("rewards", "no transitions", "at least one"));
    }
    rewards.expect(path, "rewards", rows, true)?;
    let read = |key: &str, scalar: bool| {
        let column = file.read(key)?;
        column.expect(path, key, rows, scalar)?;
        Ok::<_, Error>(column)
    };
    let (observations, actions) = (read("observations", false)?, read("actions", false)?);
    let (sizes, discrete) = ((observations.size, actions.size), actions.integer);
    let transitions = Transitions {
        observations: observations.data,
        actions: actions.data,
        rewards: rewards.data,
        terminals: read("terminals", true)?.flags().collect(),
        timeouts: read("timeouts", true)?.flags().collect(),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let dataset = Dataset::new(&name, transitions, sizes.0, sizes.1, discrete);
    Ok(Dataset { format: "D4RL HDF5", ..dataset })
}

pub(super) fn write(dataset: &Dataset, path: &Path, metadata: &[(&str, String)]) -> Result<(), Error> {
    let fail = |reason: String| Error::Write { path: path.to_owned(), reason };
    let rows = dataset.transitions() as u64;
    let (size, columns) = (dataset.observation_size, dataset.action_size as u64);
    let mut file = FileBuilder::new();
    let mut matrix = |key: &str, data: &[f32], columns: u64| {
        let shape = [rows, columns];
        let chunk = [rows.min(16384), columns];
        let node = file.create_dataset(key);
        node.with_f32_data(data).with_shape(&shape).with_chunks(&chunk).with_deflate(4);
    };
    matrix("observations", &dataset.observations, size as u64);
    if !dataset.discrete {
        matrix("actions", &dataset.actions, columns);
    }
    // After the last observation of an episode the data hold none: it stands for its own successor.
    let mut next = dataset.observations.clone();
    for episode in &dataset.episodes {
        let (first, end) = (episode.start * size, (episode.start + episode.length) * size);
        next.copy_within(first + size..end, first);
    }
    matrix("next_observations", &next, size as u64);
    if dataset.discrete {
        let choices: Vec<i64> = dataset.actions.iter().map(|&choice| choice as i64).collect();
        file.create_dataset("actions").with_i64_data(&choices).with_shape(&[rows]);
    }
    file.create_dataset("rewards").with_f32_data(&dataset.rewards).with_shape(&[rows]);
    for (key, end) in [("terminals", End::Terminated), ("timeouts", End::Truncated)] {
        let mut flags = vec![0u8; dataset.transitions()];
        for episode in dataset.episodes.iter().filter(|episode| episode.end == end) {
            flags[episode.start + episode.length - 1] = 1;
        }
        file.create_dataset(key).with_u8_data(&flags).with_shape(&[rows]);
    }
    let mut group = file.create_group("metadata");
    for (key, value) in metadata {
        group.create_dataset(key).with_strings(&[value]).map_err(|e| fail(e.to_string()))?;
    }
    let group = group.finish();
    file.add_group(group);
    let bytes = file.finish().map_err(|e| fail(e.to_string()))?;
    crate::write_whole(path, &bytes).map_err(|e| fail(e.to_string()))
}

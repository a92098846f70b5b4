//! The dataset of an experiment.

use std::path::{Path, PathBuf};

use aaren_datasets::{Dataset, recipe};
use aaren_spec::{DatasetSource, Spec, make_folder, recipe_file};
use indicatif::ProgressBar;

use crate::{Error, Result, lock, output};

/// The dataset of an experiment, as its environment shows the world; recipes are kept below `results`.
pub fn of_experiment(spec: &Spec, results: &Path) -> Result<Dataset> {
    let path = path(spec, results)?;
    Dataset::load_for(&path, &spec.reading(), spec.played_in()).map_err(|source| match &spec.dataset {
        DatasetSource::Path(_) => Error::Dataset(source),
        DatasetSource::Recipe(name) => Error::Recipe { path, name: name.clone(), source: Box::new(source) },
    })
}

/// Where it is; that of a recipe is made there first where it is missing.
pub fn path(spec: &Spec, results: &Path) -> Result<PathBuf> {
    let name = match &spec.dataset {
        DatasetSource::Path(path) => return Ok(path.clone()),
        DatasetSource::Recipe(name) => name,
    };
    let path = recipe_file(results, name);
    once(&path, || {
        let bar = bar(recipe::TRANSITIONS, name);
        let made = |count: usize| bar.set_position(count as u64);
        recipe::write(name, &path, recipe::TRANSITIONS, recipe::SEED, made)?;
        bar.finish_and_clear();
        Ok(())
    })?;
    Ok(path)
}

/// Has the file at `path` made where it is missing, by one process, for which the others wait.
fn once(path: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    make_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let shown = path.display();
    let _claim = lock::wait_for(&folder.join(name), |holder| {
        output::note(format_args!("{shown} is being made by {holder}: waiting for it"));
    })?;
    if path.exists() { Ok(()) } else { make() }
}

/// A bar for making the dataset of a recipe.
///
/// # Panics
/// Never: its template is valid.
pub fn bar(transitions: usize, name: &str) -> ProgressBar {
    let style = "making {msg} {wide_bar} {human_pos}/{human_len} transitions, {per_sec}, {eta} left";
    output::bar(transitions as u64, style).with_message(name.to_owned())
}

/// Checksum of everything a trainer takes from a dataset.
pub fn checksum(dataset: &Dataset) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for column in [dataset.observations(), dataset.actions(), dataset.returns_to_go()] {
        let mut bytes = Vec::with_capacity(4 * 4096);
        for part in column.chunks(4096) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    for episode in dataset.episodes() {
        hasher.update(&(episode.start as u64).to_le_bytes());
        hasher.update(&[episode.end as u8]);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    /// Agents that learn values go on from a time limit, and not from an end.
    #[test]
    fn how_an_episode_ends_is_part_of_the_content() {
        let of = |ends: [bool; 2]| {
            let [terminal, timeout] = ends.map(|it| vec![false, it]);
            let transitions = aaren_datasets::Transitions {
                observations: vec![0.5; 2],
                actions: vec![0.5; 2],
                rewards: vec![1.0; 2],
                terminals: terminal,
                timeouts: timeout,
            };
            checksum(&Dataset::new("toy", transitions, 1, 1, false))
        };
        assert_ne!(of([true, false]), of([false, true]));
        assert_ne!(of([true, false]), of([false, false]));
        assert_eq!(of([true, false]), of([true, false]));
    }

    /// Locks of files opened twice are as those of two processes.
    #[test]
    fn who_comes_second_waits_for_the_file_of_who_came_first() {
        let folder = tempfile::tempdir().unwrap();
        let (path, made) = (folder.path().join("datasets/x.hdf5"), AtomicUsize::new(0));
        let make = || {
            made.fetch_add(1, SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(50));
            Ok(aaren_datasets::write_whole(&path, b"whole")?)
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    once(&path, make).unwrap();
                    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
                });
            }
        });
        assert_eq!(made.load(SeqCst), 1);
        // Who fails leaves it to the next.
        std::fs::remove_file(&path).unwrap();
        once(&path, || Err(Error::Refused("no".into()))).unwrap_err();
        once(&path, make).unwrap();
        assert_eq!(made.load(SeqCst), 2);
    }
}

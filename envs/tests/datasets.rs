//! Datasets: round trips, episode splitting, and files that are refused.

use std::path::PathBuf;

use aaren_envs::Dataset;
use aaren_envs::dataset::{End, Transitions};
use proptest::prelude::*;

/// Transitions of a toy task: observation 2 entries, action 1.
fn transitions(ends: &[(bool, bool)]) -> Transitions {
    let count = ends.len();
    Transitions {
        observations: (0..2 * count).map(|i| i as f32 * 0.5).collect(),
        actions: (0..count).map(|i| (i as f32).sin()).collect(),
        rewards: (0..count).map(|i| i as f32).collect(),
        terminals: ends.iter().map(|end| end.0).collect(),
        timeouts: ends.iter().map(|end| end.1).collect(),
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("datasets");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

const NO: (bool, bool) = (false, false);
const TERMINAL: (bool, bool) = (true, false);
const TIMEOUT: (bool, bool) = (false, true);

#[test]
fn a_written_file_reads_back_the_same() {
    let ends = [NO, TERMINAL, NO, NO, TIMEOUT, NO];
    let made = Dataset::new("toy", transitions(&ends), 2, 1, false);
    let path = scratch("toy.hdf5");
    made.write_d4rl(&path, &[("made_by", "a test".into())]).unwrap();
    let read = Dataset::load(&path).unwrap();
    assert_eq!(read.observations(), made.observations());
    assert_eq!(read.actions(), made.actions());
    assert_eq!(read.episodes(), made.episodes());
    assert_eq!(read.returns_to_go(), [1.0, 1.0, 9.0, 7.0, 4.0, 5.0]);
    let ends: Vec<_> = read.episodes().iter().map(|episode| episode.end).collect();
    assert_eq!(ends, [End::Terminated, End::Truncated, End::Unfinished]);
    assert_eq!((read.name(), read.observation_size(), read.action_size()), ("toy", 2, 1));
    let (mean, std) = read.observation_statistics();
    assert_eq!(mean, [2.5, 3.0]);
    assert!((std[0] - 1.707825).abs() < 1e-6);
}

proptest! {
    #[test]
    fn episodes_are_all_transitions_in_order(ends in prop::collection::vec(any::<(bool, bool)>(), 1..200)) {
        let dataset = Dataset::new("toy", transitions(&ends), 2, 1, false);
        let mut next = 0;
        for episode in dataset.episodes() {
            prop_assert_eq!(episode.start, next);
            prop_assert!(episode.length > 0);
            next += episode.length;
            let first = f64::from(dataset.returns_to_go()[episode.start]);
            prop_assert!((first - episode.total_return).abs() < 1e-2);
        }
        prop_assert_eq!(next, ends.len());
    }
}

#[test]
fn bad_files_are_refused_with_file_key_and_place() {
    let refused = |name: &str| Dataset::load(&scratch(name)).unwrap_err().to_string();
    let message = refused("nowhere.hdf5");
    assert!(message.contains("nowhere.hdf5") && message.contains("No such file"), "{message}");

    std::fs::write(scratch("text.hdf5"), "not a dataset").unwrap();
    assert!(refused("text.hdf5").contains("not a readable HDF5 file"));

    let mut nan = transitions(&[NO, NO, TERMINAL]);
    nan.observations[3] = f32::NAN;
    Dataset::new("nan", nan, 2, 1, false).write_d4rl(&scratch("nan.hdf5"), &[]).unwrap();
    let message = refused("nan.hdf5");
    assert!(message.contains("observations: found NaN at transition 1"), "{message}");

    let path = scratch("cut.hdf5");
    Dataset::new("cut", transitions(&[NO; 5000]), 2, 1, false).write_d4rl(&path, &[]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for kept in [bytes.len() / 2, bytes.len() - 1, 100, 0] {
        std::fs::write(&path, &bytes[..kept]).unwrap();
        let message = refused("cut.hdf5");
        assert!(message.contains("cut.hdf5"), "{message}");
    }
    assert!(Dataset::load(&scratch("")).unwrap_err().to_string().contains("no data/main_data.hdf5"));
}

//! Datasets: round trips, episode splitting, and files that are refused.

use std::path::{Path, PathBuf};

use aaren_datasets::Dataset;
use aaren_datasets::{End, Transitions};
use aaren_envs::EnvSpec;
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
    let other = scratch("other");
    std::fs::create_dir_all(other.join("notes")).unwrap();
    assert!(Dataset::load(&other).unwrap_err().to_string().contains("no data/main_data.hdf5"));
}

/// `envs/tests/minari-arrow` was written by minari 0.5.4 with `MINARI_DATASETS_PATH` set to that folder:
///
/// ```python
/// import minari, numpy as np, gymnasium as gym
/// from minari.data_collector import EpisodeBuffer
/// Box, Discrete = gym.spaces.Box, gym.spaces.Discrete
/// def buffers(actions):
///     for i, steps in enumerate([3, 2]):
///         x = np.arange(2 * steps + 2, dtype=np.float64).reshape(-1, 2) / 4 + 10 * i
///         a = np.arange(steps) % 2 if actions == "discrete" else (np.arange(steps, dtype=np.float32).reshape(-1, 1) / 8 + i)
///         yield EpisodeBuffer(id=i, observations=x, actions=a, rewards=[float(i + t) for t in range(steps)],
///               terminations=[i == 0 and t == steps - 1 for t in range(steps)],
///               truncations=[i == 1 and t == steps - 1 for t in range(steps)], infos={"n": np.arange(steps + 1)})
/// for kind, space in [("continuous", Box(-1, 1, (1,))), ("discrete", Discrete(2))]:
///     minari.create_dataset_from_buffers(f"{kind}-v0", list(buffers(kind)), action_space=space,
///         observation_space=Box(-np.inf, np.inf, (2,), np.float64), data_format="arrow")
/// ```
fn arrow(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/minari-arrow").join(format!("{kind}-v0"))
}

#[test]
fn arrow_of_the_minari_library_is_read() {
    let read = Dataset::load(&arrow("continuous")).unwrap();
    assert_eq!((read.observation_size(), read.action_size(), read.discrete()), (2, 1, false));
    assert_eq!(read.observations(), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 10.0, 10.25, 10.5, 10.75]);
    assert_eq!(read.actions(), [0.0, 0.125, 0.25, 1.0, 1.125]);
    assert_eq!(read.rewards(), [0.0, 1.0, 2.0, 1.0, 2.0]);
    let ends: Vec<_> = read.episodes().iter().map(|episode| (episode.length, episode.end)).collect();
    assert_eq!(ends, [(3, End::Terminated), (2, End::Truncated)]);

    let read = Dataset::load(&arrow("discrete")).unwrap();
    assert_eq!((read.action_size(), read.discrete()), (1, true));
    assert_eq!(read.actions(), [0.0, 1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_written_minari_folder_reads_back_the_same() {
    let folder = scratch("toy-v0");
    let _ = std::fs::remove_dir_all(&folder);
    let ends = [NO, TERMINAL, NO, NO, TIMEOUT, NO];
    let made = Dataset::new("toy", transitions(&ends), 2, 1, false);
    let metadata = [("algorithm_name", "none".to_owned()), ("author", "a test".to_owned())];
    made.write_minari(&folder, Some(&EnvSpec::new("MountainCarContinuous-v0")), &metadata).unwrap();
    let read = Dataset::load(&folder).unwrap();
    assert_eq!(read.observations(), made.observations());
    assert_eq!(read.actions(), made.actions());
    assert_eq!(read.rewards(), made.rewards());
    assert_eq!(read.episodes(), made.episodes());

    let refused =
        |id: &str| made.write_minari(&folder, Some(&EnvSpec::new(id)), &[]).unwrap_err().to_string();
    assert!(refused("MountainCarContinuous-v0").contains("exists already"));
    assert!(refused("CartPole-v1").contains("found observations of 2 entries and continuous actions of 1"));

    let indices: Vec<f32> = (0..ends.len()).map(|i| (i % 3) as f32).collect();
    let made = Dataset::new("toy", Transitions { actions: indices, ..transitions(&ends) }, 2, 1, true);
    std::fs::remove_dir_all(&folder).unwrap();
    made.write_minari(&folder, Some(&EnvSpec::new("MountainCar-v0")), &[]).unwrap();
    let read = Dataset::load(&folder).unwrap();
    assert!(read.discrete());
    assert_eq!(read.actions(), made.actions());
}

/// A file of which the end is missing is said to be incomplete, not to lack what it holds.
#[test]
fn a_truncated_file_is_not_said_to_lack_a_dataset() {
    let made = Dataset::new("toy", transitions(&[NO, TERMINAL, NO, NO, TIMEOUT, NO]), 2, 1, false);
    let path = scratch("truncated.hdf5");
    made.write_d4rl(&path, &[]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for kept in [whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4] {
        std::fs::write(&path, &whole[..kept]).unwrap();
        let message = Dataset::load(&path).unwrap_err().to_string();
        assert!(!message.contains("of that name") && message.contains("complete?"), "{kept}: {message}");
    }
}

#[test]
fn velocities_are_left_out_where_the_environment_hides_them() {
    let env = |observe: &str| EnvSpec {
        kwargs: serde_json::Map::from_iter([("observe".to_owned(), observe.into())]),
        ..EnvSpec::new("CartPole-v1")
    };
    let cart_pole = || {
        let Transitions { actions, rewards, terminals, timeouts, .. } = transitions(&[NO, NO, TERMINAL]);
        let observations = (0..12).map(|i| i as f32).collect();
        let actions = actions.iter().map(|_| 1.0).collect();
        let columns = Transitions { observations, actions, rewards, terminals, timeouts };
        Dataset::new("toy", columns, 4, 1, true)
    };
    let whole = cart_pole().observed_in(&env("all")).unwrap();
    assert_eq!((whole.observation_size(), whole.observations().len()), (4, 12));
    // Positions of the cart and of the pole.
    let some = cart_pole().observed_in(&env("positions")).unwrap();
    assert_eq!((some.observation_size(), some.observations()), (2, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0][..]));
    assert_eq!(some.returns_to_go(), whole.returns_to_go());
    // Data that were made without them are as the environment shows them.
    let again = some.observed_in(&env("positions")).unwrap();
    assert_eq!(again.observation_size(), 2);
}

#[test]
fn of_what_is_set_aside_and_what_is_kept_neither_is_nothing() {
    for (share, aside) in [(0.01, 1), (0.5, 2), (0.99, 2), (1.0, 2)] {
        let made = Dataset::new("toy", transitions(&[TERMINAL, TIMEOUT, TERMINAL]), 2, 1, false);
        let (kept, held) = made.set_aside(share);
        assert_eq!((kept.episodes().len(), held.unwrap().episodes().len()), (3 - aside, aside), "{share}");
    }
}

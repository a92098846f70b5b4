//! The same transitions in every form that is read, each written by another program: h5py, NumPy, pyarrow, minari
//! (`tests/forms/write.py`).

use std::path::{Path, PathBuf};

use aaren_datasets::{Columns, Dataset, End, Reading, Space};
use aaren_envs::EnvSpec;
use serde_json::json;

fn form(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms").join(name)
}

fn load(name: &str) -> Dataset {
    load_path(&form(name))
}

fn load_path(path: &Path) -> Dataset {
    Dataset::load(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Row i: observation [i, i/4], action [(i % 5 − 2) / 4], reward i; episodes of 4, 3 and 5 rows.
fn check(name: &str, dataset: &Dataset) {
    let rows = || (0..12).map(|i| i as f32);
    assert_eq!(dataset.observations(), rows().flat_map(|i| [i, i / 4.0]).collect::<Vec<_>>(), "{name}");
    assert_eq!(dataset.actions(), rows().map(|i| (i % 5.0 - 2.0) / 4.0).collect::<Vec<_>>(), "{name}");
    assert_eq!(dataset.rewards(), rows().collect::<Vec<_>>(), "{name}");
    assert!(!dataset.discrete());
    let found: Vec<_> = dataset.episodes().iter().map(|it| (it.length, it.end)).collect();
    assert_eq!(found, [(4, End::Terminated), (3, End::Truncated), (5, End::Truncated)], "{name}");
}

#[test]
fn hdf5_as_h5py_reads_it() {
    let kinds = ["plain", "packed", "links", "unwritten", "growing"];
    let files = kinds.iter().flat_map(|kind| ["earliest", "latest"].map(|age| format!("{kind}-{age}.hdf5")));
    for name in files.chain([
        "types.hdf5".into(),
        "d3rlpy-1.hdf5".into(),
        "d3rlpy-2.hdf5".into(),
        "jumps.hdf5".into(),
    ]) {
        check(&name, &load(&name));
    }
}

#[test]
fn what_was_never_written_is_the_fill_value() {
    let dataset = load("fill.hdf5");
    assert_eq!(dataset.rewards(), [7.0; 12]);
    assert!(dataset.episodes().iter().all(|episode| episode.end == End::Truncated || episode.length == 5));
    assert_eq!(dataset.episodes()[0].length, 7, "no row of `terminals` was ever written");
}

/// Paged and super blocks, trees of several levels: every index with more chunks than one of its blocks holds.
#[test]
fn indices_of_many_chunks() {
    for age in ["earliest", "latest"] {
        let dataset = load(&format!("indices-{age}.hdf5"));
        let rows = || (0..1100).map(|j| j as f32);
        assert_eq!(dataset.observations(), rows().flat_map(|j| [j, -j]).collect::<Vec<_>>(), "{age}");
        assert_eq!(dataset.rewards(), rows().map(|j| j % 251.0).collect::<Vec<_>>(), "{age}");
        assert_eq!(dataset.actions(), rows().map(|j| j % 3.0 - 1.0).collect::<Vec<_>>(), "{age}");
        assert!(dataset.episodes().iter().all(|it| it.length == 10 && it.end == End::Terminated), "{age}");
        assert_eq!(dataset.episodes().len(), 110);
    }
}

#[test]
fn arrays_and_tables() {
    for name in ["plain.npz", "packed.npz", "lerobot"] {
        check(name, &load(name));
    }
    let said = |name: &str| Some(name.to_owned());
    let columns = Columns {
        observation: vec!["a".into(), "b".into()],
        action: vec!["u".into()],
        reward: said("r"),
        episode: said("id"),
        terminal: said("ended"),
        timeout: None,
    };
    let reading = Reading { columns: Some(columns), ..Reading::default() };
    for name in ["plain.csv", "plain.parquet"] {
        check(name, &Dataset::load_for(&form(name), &reading, None).unwrap());
        let message = Dataset::load(&form(name)).unwrap_err().to_string();
        assert!(message.contains("`a`, `b`, `u`") && message.contains("columns: {observation"), "{message}");
    }
    // Episodes by name or date, also beyond what float32 tells apart; numbers in dictionaries, decimals; a spreadsheet's
    // text with a byte order mark, CRLF and semicolons.
    for name in ["named.parquet", "dated.parquet", "named.csv", "stamped.csv"] {
        check(name, &Dataset::load_for(&form(name), &reading, None).unwrap());
    }
    for (name, expected) in [
        ("empty.parquet", "rows: found none"),
        ("brotli.parquet", "compressed with brotli; write them with `compression='zstd'`"),
    ] {
        let message = Dataset::load_for(&form(name), &reading, None).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    // HDF5 keeps numbers as float32 would have them: episodes that it would join are refused.
    let mut file = hdf5_pure::FileBuilder::new();
    for name in ["observations", "actions", "rewards"] {
        file.create_dataset(name).with_f64_data(&[0.5, 0.25, 0.75]).with_shape(&[3]);
    }
    let ids = [1_700_000_000, 1_700_000_000, 1_700_000_001];
    file.create_dataset("episode_id").with_i64_data(&ids).with_shape(&[3]);
    let stamped = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stamped.hdf5");
    std::fs::write(&stamped, file.finish().unwrap()).unwrap();
    let message = Dataset::load(&stamped).unwrap_err().to_string();
    assert!(message.contains("episode_id") && message.contains("number the episodes from 0"), "{message}");
    // A trajectory's last row is its final state.
    let ogbench = load("ogbench.npz");
    let kept: Vec<f32> = (0..12).filter(|i| ![3, 6, 11].contains(i)).map(|i| i as f32).collect();
    assert_eq!(ogbench.observations().iter().step_by(2).copied().collect::<Vec<_>>(), kept);
    let lengths: Vec<_> = ogbench.episodes().iter().map(|it| (it.length, it.end)).collect();
    assert_eq!(lengths, [(3, End::Truncated), (2, End::Truncated), (4, End::Truncated)]);
}

/// A table of these columns and rows.
fn table(name: &str, text: &str) -> Result<Dataset, aaren_datasets::Error> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    Dataset::load(&path)
}

fn ends(dataset: &Dataset) -> Vec<(usize, End)> {
    dataset.episodes().iter().map(|it| (it.length, it.end)).collect()
}

/// A recording that is stopped sets no flag; the number of its episode tells.
#[test]
fn an_episode_without_flags_ends_where_its_number_does() {
    let header = "observation,action,reward,terminated,truncated,episode\n";
    let read = |rows: &str| table("numbered.csv", &format!("{header}{}", rows.replace(' ', "\n")));
    let stopped =
        read("0,0.5,1,0,0,0 1,0.5,1,0,0,0 2,0.5,1,0,0,0 3,0.5,1,0,0,1 4,0.5,1,1,0,1 5,0.5,1,0,0,2").unwrap();
    let expected = [(3, End::Truncated), (2, End::Terminated), (1, End::Unfinished)];
    assert_eq!(ends(&stopped), expected);
    assert_eq!(stopped.returns_to_go(), [3.0, 2.0, 1.0, 2.0, 1.0, 1.0]);
    // A LeRobot folder is counted, and keeps what was unfinished.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("unfinished-lerobot");
    let _ = std::fs::remove_dir_all(&folder);
    stopped.write_lerobot(&folder).unwrap();
    assert_eq!(ends(&load_path(&folder)), expected);
    // Tables one behind another, each with a number 0, where flags tell; without numbers, too.
    let again = read("0,0.5,1,1,0,0 1,0.5,1,0,1,1 2,0.5,1,0,0,0 3,0.5,1,0,0,0").unwrap();
    assert_eq!(ends(&again), [(1, End::Terminated), (1, End::Truncated), (2, End::Unfinished)]);
    let none = read("0,0.5,1,0,1, 1,0.5,1,0,0, 2,0.5,1,1,0,").unwrap();
    assert_eq!(ends(&none), [(1, End::Truncated), (2, End::Terminated)]);
    assert!(none.findings(None).iter().any(|note| note.contains("as `episode` cannot be read")));
    let message = read("0,0.5,1,0,0,0 1,0.5,1,0,0,1 2,0.5,1,0,0,0 3,0.5,1,0,0,1").unwrap_err().to_string();
    assert!(message.contains("an episode again at row 2") && message.contains("sort the table"), "{message}");
}

/// Only where nothing else tells of ends are they OGBench's, whose last rows are no transitions.
#[test]
fn last_rows_are_transitions_where_a_file_says_how_episodes_end() {
    let rows = |beside: [&str; 4]| -> String {
        let row = |i: usize| format!("{i},0.5,{},{}\n", i % 2, beside[i]);
        (0..4).map(row).collect()
    };
    for (name, beside) in [
        ("truncated", ["0"; 4]),
        ("episode_terminals", ["0", "1", "0", "1"]),
        ("next_observations", ["1", "9", "3", "9"]),
        ("episode", ["0", "0", "1", "1"]),
    ] {
        let text = format!("observation,action,terminated,{name}\n{}", rows(beside));
        let dataset = table("no-rewards.csv", &text).unwrap();
        assert_eq!(dataset.observations(), [0.0, 1.0, 2.0, 3.0], "{name}");
        assert_eq!(ends(&dataset), [(2, End::Terminated), (2, End::Terminated)], "{name}");
    }
}

/// A flag of the user's names tells of time limits, not of the task's ends.
#[test]
fn flags_by_names_of_ones_own() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("flags.csv");
    std::fs::write(&path, "a,u,r,ended,late\n0,0.5,1,0,0\n1,0.5,1,0,1\n2,0.5,1,1,0\n").unwrap();
    let said = |name: &str| Some(name.to_owned());
    let columns = Columns {
        observation: vec!["a".into()],
        action: vec!["u".into()],
        reward: said("r"),
        episode: None,
        terminal: said("ended"),
        timeout: said("late"),
    };
    let reading = Reading { columns: Some(columns), ..Reading::default() };
    let dataset = Dataset::load_for(&path, &reading, None).unwrap();
    assert_eq!(ends(&dataset), [(2, End::Truncated), (1, End::Terminated)]);
}

/// h5py's `userblock_size`; and columns in the only group that has them.
#[test]
fn hdf5_behind_other_bytes_and_in_a_group() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("group.hdf5");
    for before in [0, 512, 1024, 2048] {
        let mut file = hdf5_pure::FileBuilder::new();
        file.with_userblock(before);
        file.create_dataset("notes").with_f64_data(&[1.0]).with_shape(&[1]);
        let mut group = file.create_group("data");
        for name in ["observations", "actions", "rewards", "terminals"] {
            group.create_dataset(name).with_f64_data(&[0.5, 1.0]).with_shape(&[2]);
        }
        let group = group.finish();
        file.add_group(group);
        std::fs::write(&path, file.finish().unwrap()).unwrap();
        assert_eq!(load_path(&path).observations(), [0.5, 1.0], "{before}");
    }
}

/// polars and others write lists with offsets of 64 bits.
#[test]
fn large_lists() {
    use arrow_array::{ArrayRef, Float32Array, LargeListArray, RecordBatch};
    let numbers = |numbers: &[f32]| std::sync::Arc::new(Float32Array::from(numbers.to_vec())) as ArrayRef;
    let item = std::sync::Arc::new(arrow_schema::Field::new("item", arrow_schema::DataType::Float32, false));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([2, 2]);
    let lists = LargeListArray::new(item, offsets, numbers(&[0.5, 1.5, 2.5, 3.5]), None);
    let columns = [
        ("observations", std::sync::Arc::new(lists) as ArrayRef),
        ("actions", numbers(&[0.25, 0.75])),
        ("rewards", numbers(&[1.0, 2.0])),
        ("timeouts", numbers(&[0.0, 1.0])),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("large.parquet");
    std::fs::write(&path, bytes).unwrap();
    let dataset = load_path(&path);
    assert_eq!((dataset.observation_size(), dataset.observations()), (2, &[0.5, 1.5, 2.5, 3.5][..]));
}

#[test]
fn a_combined_dataset_is_all_of_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["one-v0", "other-v0"] {
        load("plain.npz").write_minari(&folder.path().join(part), None, &[]).unwrap();
    }
    let data = folder.path().join("both-v0/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("metadata.json"), r#"{"combined_datasets": ["one-v0", "other-v0"]}"#).unwrap();
    let both = load_path(&folder.path().join("both-v0"));
    let one: Vec<f32> = (0..12).map(|row| row as f32).collect();
    assert_eq!(both.rewards(), [one.clone(), one].concat());
}

/// Files of one folder with other columns: the file is named, however many rows those before it have.
#[test]
fn a_file_of_lerobot_with_other_columns_is_named() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("columns-lerobot");
    let _ = std::fs::remove_dir_all(&folder);
    let rows = 3000;
    let transitions = aaren_datasets::Transitions {
        observations: (0..rows).map(|row| row as f32).collect(),
        actions: vec![0.5; rows],
        rewards: vec![1.0; rows],
        terminals: vec![false; rows],
        timeouts: (0..rows).map(|row| row + 1 == rows).collect(),
    };
    Dataset::new("long", transitions, 1, 1, false).write_lerobot(&folder).unwrap();
    load("plain.npz").write_parquet(&folder.join("data/chunk-000/file-001.parquet")).unwrap();
    let message = Dataset::load(&folder).unwrap_err().to_string();
    assert!(message.contains("file-001.parquet, columns: found others than the files before"), "{message}");
}

/// One-hot of `index` among `n`.
fn one_hot(index: usize, n: usize) -> impl Iterator<Item = f32> {
    (0..n).map(move |i| f32::from(i == index))
}

/// `gymnasium.spaces.flatten` of what `write.py` collects at a step.
fn dict(step: usize) -> Vec<f32> {
    let a = one_hot(step % 3, 3).chain(one_hot(step % 2, 2)).chain(one_hot((step + 1) % 3, 3));
    a.chain(box_of(step, 4)).collect()
}

fn box_of(step: usize, size: usize) -> impl Iterator<Item = f32> {
    (0..size).map(move |k| (step % 4) as f32 / 4.0 + k as f32)
}

#[test]
fn minari_spaces_in_each_form() {
    for form_name in ["hdf5", "arrow", "parquet"] {
        let get = |name: &str| load(&format!("minari/{form_name}/{name}-v0"));
        let episodes = if form_name == "hdf5" { 10 } else { 2 };
        // In the order of all transitions, the step that each was collected at.
        let steps = |episodes: usize| {
            (0..episodes).flat_map(|episode| (0..3 + episode % 2).map(move |t| episode + t))
        };
        let flat = |episodes: usize, f: &dyn Fn(usize) -> Vec<f32>| {
            steps(episodes).flat_map(f).collect::<Vec<f32>>()
        };

        // `start` is subtracted from choices, observed or made.
        let dataset = get("dict");
        assert_eq!(dataset.observations(), flat(episodes, &dict), "{form_name}");
        assert_eq!(dataset.actions(), flat(episodes, &|step| vec![(step % 4) as f32]), "{form_name}");
        let kind = |dataset: &Dataset| (dataset.discrete(), dataset.summary().choices);
        assert_eq!(kind(&dataset), (true, vec![4]));
        assert_eq!(dataset.episodes()[0].end, End::Terminated);
        assert_eq!(dataset.episodes()[1].end, End::Truncated);
        assert_eq!(dataset.episodes()[1].total_return, 6.0);

        let dataset = get("tuple");
        let tuple = |step: usize| box_of(step, 1).chain((0..3).map(|k| ((step + k) % 2) as f32)).collect();
        assert_eq!(dataset.observations(), flat(2, &tuple), "{form_name}");
        assert_eq!(
            dataset.actions(),
            flat(2, &|step| vec![(step % 3) as f32, ((step + 1) % 2) as f32]),
            "{form_name}"
        );
        assert_eq!(kind(&dataset), (true, vec![3, 2]));

        let dataset = get("half");
        assert_eq!(dataset.observations(), flat(2, &|step| one_hot(step % 5, 5).collect()), "{form_name}");
        assert_eq!(dataset.actions(), flat(2, &|step| box_of(step, 2).collect()), "{form_name}");
        assert_eq!(kind(&dataset), (false, vec![]));
    }
}

#[test]
fn keys_of_a_dictionary_in_the_order_asked_for() {
    let read = |keys: &[&str]| {
        let observe = Some(keys.iter().map(|&key| key.to_owned()).collect());
        Dataset::load_for(&form("minari/arrow/dict-v0"), &Reading { observe, ..Reading::default() }, None)
    };
    let dataset = read(&["z", "a.c"]).unwrap();
    assert_eq!(dataset.observations()[..7], [0.0, 1.0, 2.0, 3.0, 1.0, 0.0, 0.0]);
    let message = read(&["desired_goal"]).unwrap_err().to_string();
    assert!(message.contains("`a`, `m`, `z`"), "{message}");
}

#[test]
fn data_of_another_environment_are_refused() {
    let path = form("minari/arrow/half-v0");
    let refused =
        |env: EnvSpec| Dataset::load_for(&path, &Reading::default(), Some(&env)).unwrap_err().to_string();
    let message = refused(EnvSpec::new("Hopper-v4"));
    assert!(message.contains("data of CartPole-v1") && message.contains("of_data: ignore"), "{message}");
    let message = refused(EnvSpec { of_data: aaren_envs::OfData::Ignore, ..EnvSpec::new("Hopper-v4") });
    assert!(message.contains("5 entries; expected 11"), "{message}");
}

#[test]
fn a_folder_that_lost_an_episode_is_refused() {
    let lost = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lost-an-episode");
    let _ = std::fs::remove_dir_all(&lost);
    std::fs::create_dir_all(lost.join("data/0")).unwrap();
    for file in ["data/metadata.json", "data/0/part-0.arrow"] {
        std::fs::copy(form("minari/arrow/half-v0").join(file), lost.join(file)).unwrap();
    }
    let message = Dataset::load(&lost).unwrap_err().to_string();
    assert!(message.contains("1 episodes in the folder; expected the 2"), "{message}");
}

/// A copy of a folder of Minari's, with another space.
fn with_space(name: &str, key: &str, space: &serde_json::Value) -> PathBuf {
    let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{key}-{}", name.replace('/', "-")));
    let _ = std::fs::remove_dir_all(&copy);
    let mut metadata: serde_json::Value =
        serde_json::from_slice(&std::fs::read(form(name).join("data/metadata.json")).unwrap()).unwrap();
    metadata[key] = space.to_string().into();
    std::fs::create_dir_all(copy.join("data")).unwrap();
    std::fs::write(copy.join("data/metadata.json"), metadata.to_string()).unwrap();
    for episode in ["0", "1"] {
        let part = format!("data/{episode}/part-0.arrow");
        std::fs::create_dir_all(copy.join("data").join(episode)).unwrap();
        std::fs::copy(form(name).join(&part), copy.join(&part)).unwrap();
    }
    copy
}

#[test]
fn images_and_dictionaries_of_actions_are_refused_by_their_spaces() {
    // Arrow keeps the bytes of an image flat.
    let pictures = json!({"type": "Box", "dtype": "uint8", "shape": [2, 2, 1], "low": 0, "high": 255});
    let folder = with_space("minari/arrow/tuple-v0", "observation_space", &pictures);
    let message = Dataset::load(&folder).unwrap_err().to_string();
    assert!(message.contains("found images, 2 × 2 × 1 bytes a row"), "{message}");
    let (force, grip) = (json!({"type": "Box", "shape": [1]}), json!({"type": "Discrete", "n": 2}));
    let both = json!({"type": "Dict", "subspaces": {"force": force, "grip": grip}});
    let folder = with_space("minari/arrow/half-v0", "action_space", &both);
    let message = Dataset::load(&folder).unwrap_err().to_string();
    assert!(message.contains("a dictionary or tuple with choices"), "{message}");
    let boxes = json!({"type": "Tuple", "subspaces": [force, force]});
    let dataset = Dataset::load(&with_space("minari/arrow/half-v0", "action_space", &boxes)).unwrap();
    assert!(!dataset.discrete());
}

/// What `LeRobotDataset` of lerobot 0.4.4 wants, which loads such a folder with equal numbers: vectors of one entry are
/// plain numbers (it cannot cast a list of one), and statistics to normalise with.
#[test]
fn a_folder_as_lerobot_loads_it() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("as-lerobot");
    let _ = std::fs::remove_dir_all(&folder);
    load("plain.npz").write_lerobot(&folder).unwrap();
    let file = std::fs::File::open(folder.join("data/chunk-000/file-000.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr();
    let paths: Vec<_> = columns.columns().iter().map(|column| column.path().string()).collect();
    assert_eq!(paths[..3], ["observation.state.list.item", "action", "next.reward"]);
    let stats: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("meta/stats.json")).unwrap()).unwrap();
    // Row i: [i, i/4], i from 0 to 11.
    let std = (143.0f64 / 12.0).sqrt();
    let expected = json!({
        "min": [0.0, 0.0], "max": [11.0, 2.75], "mean": [5.5, 1.375], "std": [std, std / 4.0], "count": [12],
    });
    assert_eq!(stats["observation.state"], expected);
    assert_eq!(stats["action"]["max"], json!([0.5]));
}

type Write = fn(&Dataset, &Path) -> Result<(), aaren_datasets::Error>;

#[test]
fn what_is_written_is_read_again() {
    let forms: [(&str, Write); 6] = [
        ("written.npz", Dataset::write_npz),
        ("written.csv", Dataset::write_csv),
        ("written.parquet", Dataset::write_parquet),
        ("lerobot", Dataset::write_lerobot),
        ("written.hdf5", |dataset, path| dataset.write_d4rl(path, &[])),
        // Without an environment its spaces are those of the data.
        ("written-v0", |dataset, path| dataset.write_minari(path, None, &[])),
    ];
    let odd = load("plain.npz");
    let folder = tempfile::tempdir().unwrap();
    for (name, write) in forms {
        let (several, plain) = (folder.path().join("several"), folder.path().join("plain"));
        std::fs::create_dir_all(&several).unwrap();
        std::fs::create_dir_all(&plain).unwrap();
        let dataset = load("minari/hdf5/tuple-v0");
        write(&dataset, &several.join(name)).unwrap();
        let again = Dataset::load(&several.join(name)).unwrap();
        assert_eq!(
            (again.observations(), again.actions()),
            (dataset.observations(), dataset.actions()),
            "{name}"
        );
        assert_eq!((again.summary().choices, again.discrete()), (vec![3, 2], true), "{name}");
        assert_eq!(again.episodes(), dataset.episodes(), "{name}");
        write(&odd, &plain.join(name)).unwrap();
        check(name, &Dataset::load(&plain.join(name)).unwrap());
    }
}

/// Numbers whose decimals are long, which a table as text must give back to the bit.
#[test]
fn text_is_exact() {
    let numbers: Vec<f32> =
        (0..400u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9) & 0xbf7f_ffff)).collect();
    assert!(numbers.iter().all(|x| x.is_finite()));
    let transitions = aaren_datasets::Transitions {
        observations: numbers.clone(),
        actions: numbers.iter().rev().copied().collect(),
        rewards: numbers.iter().map(|x| x.clamp(-1.0, 1.0)).collect(),
        terminals: vec![false; 400],
        timeouts: (0..400).map(|row| row % 100 == 99).collect(),
    };
    let dataset = Dataset::new("odd", transitions, 1, 1, false);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("odd.csv");
    dataset.write_csv(&path).unwrap();
    let again = Dataset::load(&path).unwrap();
    let bits = |data: &[f32]| data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(again.observations()), bits(dataset.observations()));
    assert_eq!(bits(again.actions()), bits(dataset.actions()));
    assert_eq!(bits(again.rewards()), bits(dataset.rewards()));
}

/// What a file does not say of its numbers.
#[test]
fn spaces_say_what_numbers_mean() {
    let path = form("minari/hdf5/dict-v0");
    let space = |json: serde_json::Value| Space::of_json(&json);
    let reading = |observation, action| Reading { spaces: (observation, action), ..Reading::default() };
    let flat = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spaces.csv");
    std::fs::write(&flat, "observation,action,reward,episode\n3,6,0,0\n5,5,0,0\n4,7,0,1\n3,5,0,1\n").unwrap();
    let observed = || space(json!({"type": "Discrete", "n": 3, "start": 3}));
    let acted = space(json!({"type": "Discrete", "n": 4, "start": 5}));
    let dataset = Dataset::load_for(&flat, &reading(observed(), acted), None).unwrap();
    assert_eq!(dataset.observations(), [1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0].map(|x| x as f32));
    assert_eq!((dataset.actions(), dataset.summary().choices), (&[1.0, 0.0, 2.0, 0.0][..], vec![4]));
    let bounds = space(json!({"type": "Box", "shape": [1], "low": -9, "high": 9}));
    let dataset = Dataset::load_for(&flat, &reading(None, bounds), None).unwrap();
    let expected = aaren_envs::ActionSpace::Continuous { low: vec![-9.0], high: vec![9.0] };
    assert_eq!(dataset.action_space(), expected);
    let few = space(json!({"type": "Discrete", "n": 2, "start": 5}));
    let message = Dataset::load_for(&flat, &reading(None, few), None).unwrap_err().to_string();
    assert!(message.contains("found choice 2 in column 0; expected less than 2"), "{message}");
    let narrow = space(json!({"type": "Discrete", "n": 2, "start": 3}));
    let message = Dataset::load_for(&flat, &reading(narrow, None), None).unwrap_err().to_string();
    assert!(message.contains("found 5; expected choices from 3 to 4"), "{message}");
    let wide = space(json!({"type": "Box", "shape": [2]}));
    let message = Dataset::load_for(&flat, &reading(wide, None), None).unwrap_err().to_string();
    assert!(message.contains("found 1 entries; expected 2, as `env.spaces.observation` has"), "{message}");
    // A dictionary is flattened in the order of the space, one within another too.
    let turned = space(json!({"type": "Dict", "subspaces": [
        ["z", {"type": "Box", "shape": [2, 2]}], ["m", {"type": "MultiDiscrete", "nvec": [2, 3]}],
        ["a", {"type": "Dict", "subspaces": {"c": {"type": "Discrete", "n": 3, "start": 1}}}],
    ]}));
    let dataset = Dataset::load_for(&path, &reading(turned, None), None).unwrap();
    let first: Vec<f32> =
        box_of(0, 4).chain(one_hot(0, 2)).chain(one_hot(1, 3)).chain(one_hot(0, 3)).collect();
    assert_eq!(dataset.observations()[..12], first);
}

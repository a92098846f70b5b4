//! Datasets from strangers: one clear error, no panic, no memory beyond what the file justifies.

use std::path::{Path, PathBuf};

use aaren_damaged_files::{Measuring, fuzz, peak};
use aaren_datasets::{Dataset, End, Transitions};
use arrow_ipc::{Field, FieldArgs, Footer, FooterArgs, Schema, SchemaArgs, Struct_, Struct_Args, Type};
use flatbuffers::FlatBufferBuilder;
use hdf5_pure::{Datatype, DatatypeByteOrder, FileBuilder, FixedPointLayout};

#[global_allocator]
static MEASURING: Measuring = Measuring;

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Truncating a file that is written again makes some file systems wait for the disk; a new one does not.
fn write(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

/// Whatever loads must also be fit for use.
fn try_out(path: &Path) -> Result<(), aaren_datasets::Error> {
    let dataset = Dataset::load(path)?;
    assert!(!dataset.summary().to_string().is_empty());
    let (mean, std) = dataset.observation_statistics();
    assert_eq!((mean.len(), std.len()), (dataset.observation_size(), dataset.observation_size()));
    Ok(())
}

#[test]
fn d4rl_files() {
    let count = 60;
    let transitions = || Transitions {
        observations: (0..2 * count).map(|i| i as f32 * 0.5).collect(),
        actions: (0..count).map(|i| (i as f32).sin()).collect(),
        rewards: vec![1.0; count],
        terminals: (0..count).map(|i| i == 20).collect(),
        timeouts: (0..count).map(|i| i == 50).collect(),
    };
    let path = scratch("d4rl.hdf5");
    // Compressed chunks as we write them, and the plain columns of other programs.
    Dataset::new("toy", transitions(), 2, 1, false)
        .write_d4rl(&path, &[("made_by", "a test".into())])
        .unwrap();
    let compressed = std::fs::read(&path).unwrap();
    let Transitions { observations, actions, rewards, terminals, timeouts } = transitions();
    let rows = count as u64;
    let mut file = FileBuilder::new();
    let flags = |flags: Vec<bool>| flags.into_iter().map(u8::from).collect::<Vec<u8>>();
    let double = |floats: Vec<f32>| floats.into_iter().map(f64::from).collect::<Vec<f64>>();
    file.create_dataset("observations").with_f64_data(&double(observations)).with_shape(&[rows, 2]);
    file.create_dataset("actions").with_f32_data(&actions).with_shape(&[rows, 1]);
    file.create_dataset("rewards").with_f64_data(&double(rewards)).with_shape(&[rows]);
    file.create_dataset("terminals").with_u8_data(&flags(terminals)).with_shape(&[rows]);
    file.create_dataset("timeouts").with_u8_data(&flags(timeouts)).with_shape(&[rows]);
    let plain = file.finish().unwrap();
    // Of h5py, without the checksums that new files have: `observations` in gzip chunks, `actions` in lzf
    // chunks, `rewards` shuffled, flags as enumerations.
    let h5py = include_bytes!("files/d4rl.hdf5").to_vec();
    fuzz("D4RL", &[h5py.clone(), h5py, compressed, plain], |bytes| {
        write(&path, bytes);
        try_out(&path)
    });
}

#[test]
fn minari_folders() {
    let folder = scratch("minari");
    let path = folder.join("data").join("main_data.hdf5");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = FileBuilder::new();
    for (episode, steps) in [(0, 12_usize), (1, 5)] {
        let rows = steps as u64;
        let mut group = file.create_group(&format!("episode_{episode}"));
        let wave = |count: usize| (0..count).map(|i| (i as f64).sin()).collect::<Vec<f64>>();
        let observations = group.create_dataset("observations").with_f64_data(&wave(2 * (steps + 1)));
        observations.with_shape(&[rows + 1, 2]).with_chunks(&[4, 2]).with_deflate(4);
        group.create_dataset("actions").with_f64_data(&wave(steps)).with_shape(&[rows, 1]);
        group.create_dataset("rewards").with_f64_data(&wave(steps)).with_shape(&[rows]);
        for key in ["terminations", "truncations"] {
            group.create_dataset(key).with_u8_data(&vec![0; steps]).with_shape(&[rows]);
        }
        let group = group.finish();
        file.add_group(group);
    }
    let h5py = include_bytes!("files/minari.hdf5").to_vec();
    let ours = file.finish().unwrap();
    write(&path, &ours);
    // An episode that was cut off ends where the next one begins.
    let ends: Vec<_> =
        Dataset::load(&folder).unwrap().episodes().iter().map(|it| (it.length, it.end)).collect();
    assert_eq!(ends, [(12, End::Truncated), (5, End::Unfinished)]);
    fuzz("Minari HDF5", &[h5py.clone(), h5py, ours], |bytes| {
        write(&path, bytes);
        try_out(&folder)
    });
}

/// A Minari folder with one episode in Arrow form.
fn arrow_folder(name: &str, episode: &[u8]) -> PathBuf {
    let folder = scratch(name);
    std::fs::create_dir_all(folder.join("data").join("0")).unwrap();
    std::fs::write(folder.join("data").join("metadata.json"), r#"{"data_format": "arrow"}"#).unwrap();
    write(&folder.join("data").join("0").join("part-0.arrow"), episode);
    folder
}

fn refused(path: &Path) -> String {
    let (outcome, held) = peak(|| try_out(path).map_err(|error| error.to_string()));
    let message = outcome.unwrap_err();
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(held < 1 << 20, "{held} bytes of memory: {message}");
    message
}

/// Files that long runs of the tests here found.
#[test]
fn found_before() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    refused(&files.join("chunk-offset.hdf5"));
    refused(&files.join("chunk-size.hdf5"));
    // Damaged names, and halves for floats: readable.
    try_out(&arrow_folder("found", include_bytes!("files/type-name.arrow"))).unwrap();
    let path = scratch("found-members").join("data").join("main_data.hdf5");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, include_bytes!("files/type-members.hdf5"));
    let message = refused(&scratch("found-members"));
    assert!(
        message.contains("episode_1/terminations: found an enumeration of other things than integers"),
        "{message}"
    );
}

/// Parts within parts, each named more than once: they would unfold to more than any memory or time.
#[test]
fn small_files_that_unfold() {
    let path = scratch("unfolds.hdf5");
    // Above the tree of the root's members, eight nodes whose sixteen children are the same.
    let mut bytes = include_bytes!("files/d4rl.hdf5").to_vec();
    let mut tree = bytes.windows(6).position(|six| six == b"TREE\0\0").unwrap() as u64;
    for level in 1..=8 {
        let node = bytes.len() as u64;
        bytes.extend_from_slice(&[b'T', b'R', b'E', b'E', 0, level, 16, 0]);
        bytes.extend_from_slice(&[0xff; 16]);
        (0..16).for_each(|_| bytes.extend([0, tree].map(u64::to_le_bytes).as_flattened()));
        bytes.extend_from_slice(&[0; 8]);
        tree = node;
    }
    // The superblock and the root's header name the tree.
    for place in [80, 120] {
        bytes[place..place + 8].copy_from_slice(&tree.to_le_bytes());
    }
    write(&path, &bytes);
    let message = refused(&path);
    assert!(message.contains("named over and over"), "{message}");

    // A type of a type of a type ….
    let integer = FixedPointLayout { signed: true, bit_offset: 0, bit_precision: 32 };
    let mut datatype =
        Datatype::FixedPoint { size: 4, byte_order: DatatypeByteOrder::LittleEndian, layout: integer };
    for _ in 0..500 {
        let base_type = Box::new(datatype);
        datatype = Datatype::VariableLength { is_string: false, padding: None, charset: None, base_type };
    }
    let mut file = FileBuilder::new();
    for name in ["observations", "actions", "rewards"] {
        file.create_dataset(name).with_dtype(datatype.clone()).with_shape(&[0]);
    }
    write(&path, &file.finish().unwrap());
    let message = refused(&path);
    assert!(message.contains("lists of varying length (images as JPEG, or ragged rows)"), "{message}");

    // A column of two columns, which are the same, of two columns, which are ….
    let mut builder = FlatBufferBuilder::new();
    let mut children = None;
    for _ in 0..16 {
        let kind = Struct_::create(&mut builder, &Struct_Args {}).as_union_value();
        let args =
            FieldArgs { type_type: Type::Struct_, type_: Some(kind), children, ..FieldArgs::default() };
        let field = Field::create(&mut builder, &args);
        children = Some(builder.create_vector(&[field, field]));
    }
    let schema = Schema::create(&mut builder, &SchemaArgs { fields: children, ..SchemaArgs::default() });
    let args = FooterArgs { schema: Some(schema), ..FooterArgs::default() };
    let footer = Footer::create(&mut builder, &args);
    builder.finish(footer, None);
    let footer = builder.finished_data();
    let length = (footer.len() as u32).to_le_bytes();
    let message = refused(&arrow_folder("unfolds", &[footer, &length, b"ARROW1"].concat()));
    assert!(message.contains("Too many tables"), "{message}");
}

/// The only place of these bytes.
fn only(bytes: &[u8], wanted: &[u8]) -> usize {
    let places = bytes.windows(wanted.len()).enumerate().filter(|(_, found)| *found == wanted);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("{}: {places:?}", String::from_utf8_lossy(wanted)) };
    place
}

/// A fill value that float32 does not hold, of no rows; text without a width where a flag is expected.
#[test]
fn hdf5_of_nothing() {
    let path = scratch("nothing.hdf5");
    let mut file = FileBuilder::new();
    for (name, shape) in [("observations", &[0, 2][..]), ("actions", &[0, 1]), ("rewards", &[0])] {
        file.create_dataset(name).with_f64_data(&[]).with_shape(shape).with_fill_value(1e300);
    }
    file.create_dataset("timeouts").with_u8_data(&[]).with_shape(&[0]);
    write(&path, &file.finish().unwrap());
    let message = refused(&path);
    assert!(message.contains("found no transitions"), "{message}");

    let mut file = FileBuilder::new();
    file.create_dataset("observations_0").with_f64_data(&[0.5]).with_shape(&[1, 1]);
    file.create_dataset("actions_0").with_f64_data(&[0.5]).with_shape(&[1, 1]);
    file.create_dataset("rewards_0").with_f64_data(&[0.5]).with_shape(&[1]);
    file.create_dataset("terminated_0").with_ascii_strings_sized(&["true"], 0x77).unwrap().with_shape(&[]);
    let bytes = file.finish().unwrap();
    let kind = [0x13, 1, 0, 0, 0x77, 0, 0, 0];
    let place = only(&bytes, &kind);
    for width in [0, 0x77] {
        let mut bytes = bytes.clone();
        bytes[place + 4] = width;
        write(&path, &bytes);
        let message = refused(&path);
        assert!(message.contains("terminated_0: found text; expected a number or a boolean"), "{message}");
    }
}

/// Nine groups of ten keys, each of which is the next group: 10⁹ columns.
#[test]
fn groups_that_share_their_keys() {
    let path = scratch("shared.hdf5");
    let mut file = FileBuilder::new();
    let name = |level: usize| if level == 0 { "observations".into() } else { format!("group_{level}") };
    for level in 0..9 {
        let mut group = file.create_group(&name(level));
        for key in 0..10 {
            group.create_dataset(&format!("key_{level}{key}")).with_f64_data(&[0.5]).with_shape(&[1]);
        }
        let group = group.finish();
        file.add_group(group);
    }
    for name in ["actions", "rewards", "timeouts"] {
        file.create_dataset(name).with_f64_data(&[1.0]).with_shape(&[1]);
    }
    let mut bytes = file.finish().unwrap();
    // An address stands behind the name of what it leads to.
    let behind = |bytes: &[u8], name: &str| only(bytes, name.as_bytes()) + name.len();
    for level in 0..8 {
        let place = behind(&bytes, &name(level + 1));
        let next: [u8; 8] = bytes[place..place + 8].try_into().unwrap();
        for key in 0..10 {
            let place = behind(&bytes, &format!("key_{level}{key}"));
            bytes[place..place + 8].copy_from_slice(&next);
        }
    }
    write(&path, &bytes);
    let (outcome, held) = peak(|| try_out(&path).map_err(|error| error.to_string()));
    let message = outcome.unwrap_err();
    assert!(message.contains("expected a dictionary of at most 4096 keys"), "{message}");
    assert!(held < 4 << 20, "{held} bytes of memory");
}

/// One value for all rows takes a few bytes, whatever their number.
#[test]
fn parquet_of_any_number_of_rows() {
    let path = scratch("rows.parquet");
    let column =
        std::sync::Arc::new(arrow_array::Float64Array::from(vec![0.5; 1 << 23])) as arrow_array::ArrayRef;
    let batch = arrow_array::RecordBatch::try_from_iter([("observations", column)]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_data_page_row_count_limit(1 << 24)
        .set_write_batch_size(1 << 24)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    drop(batch);
    assert!(bytes.len() < 2000, "{} bytes", bytes.len());
    write(&path, &bytes);
    let (outcome, held) = peak(|| try_out(&path).map_err(|error| error.to_string()));
    let message = outcome.unwrap_err();
    assert!(message.contains(&format!("entries in {} bytes", bytes.len())), "{message}");
    assert!(held < 32 << 20, "{held} bytes of memory");
}

/// Chunks at the edge of a dataset that a flag of its layout leaves unfiltered.
#[test]
fn hdf5_with_unfiltered_edges() {
    let mut bytes = form("packed-latest.hdf5");
    // A chunked layout of version 5 without flags, of edges 5 and 2 and entries of 4 bytes.
    let layout = [5, 2, 0, 3, 1, 5, 2, 4];
    let place = only(&bytes, &layout);
    bytes[place + 2] = 1;
    let path = scratch("edges.hdf5");
    write(&path, &bytes);
    let message = refused(&path);
    assert!(
        message.contains("observations: found compressed chunks whose last ones are not compressed"),
        "{message}"
    );
}

/// A line of `metadata.json` claims any number of entries.
#[test]
fn spaces_of_any_size() {
    let episode = include_bytes!("minari-arrow/continuous-v0/data/0/part-0.arrow");
    let folder = arrow_folder("spaces", episode);
    let path = folder.join("data").join("metadata.json");
    for space in [
        r#"{"type": "Box", "shape": [1000000000000], "low": 0, "high": 1}"#,
        r#"{"type": "Box", "shape": [4294967296, 4294967296], "low": [0], "high": [1]}"#,
        r#"{"type": "Discrete", "n": 1000000000000}"#,
        r#"{"type": "MultiBinary", "n": 1000000000000000}"#,
        r#"{"type": "MultiBinary", "n": [1000000000, 1000000]}"#,
        r#"{"type": "MultiDiscrete", "nvec": [1e30, 1e30]}"#,
        r#"{"type": "Box", "dtype": "uint8", "shape": [4294967296, 4294967296, 3]}"#,
    ] {
        for key in ["observation_space", "action_space"] {
            let tuple = format!(r#"{{"type": "Tuple", "subspaces": [{space}, {space}]}}"#);
            for space in [space, &tuple] {
                let metadata = serde_json::json!({"data_format": "arrow", key: space});
                write(&path, metadata.to_string().as_bytes());
                let (outcome, held) = peak(|| try_out(&folder));
                outcome.unwrap_or_else(|error| panic!("{space}: {error}"));
                assert!(held < 1 << 20, "{held} bytes of memory: {space}");
            }
        }
    }
    let many = vec![r#"{"type": "Box", "shape": [4000000], "low": 0, "high": 1}"#; 50].join(", ");
    let space = format!(r#"{{"type": "Tuple", "subspaces": [{many}]}}"#);
    write(
        &path,
        serde_json::json!({"data_format": "arrow", "observation_space": space}).to_string().as_bytes(),
    );
    let (outcome, held) = peak(|| try_out(&folder));
    outcome.unwrap();
    assert!(held < 100 << 20, "{held} bytes of memory");
}

/// A file of `tests/forms`.
fn form(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms").join(name)).unwrap()
}

#[test]
fn hdf5_files_of_every_kind() {
    let path = scratch("kinds.hdf5");
    let files = [
        "packed-latest",
        "growing-latest",
        "growing-earliest",
        "links-latest",
        "unwritten-latest",
        "d3rlpy-2",
    ];
    fuzz("HDF5", &files.map(|name| form(&format!("{name}.hdf5"))), |bytes| {
        write(&path, bytes);
        try_out(&path)
    });
}

#[test]
fn npz_files() {
    let path = scratch("x.npz");
    fuzz("npz", &["plain.npz", "packed.npz", "ogbench.npz"].map(form), |bytes| {
        write(&path, bytes);
        try_out(&path)
    });
}

#[test]
fn tables() {
    use aaren_datasets::{Columns, Reading};
    let one = |name: &str| vec![name.to_owned()];
    let (reward, episode) = (Some("r".into()), Some("id".into()));
    let columns =
        Columns { observation: one("a"), action: one("u"), reward, episode, terminal: None, timeout: None };
    let reading = Reading { columns: Some(columns), ..Reading::default() };
    for (name, path) in [("plain.csv", scratch("x.csv")), ("plain.parquet", scratch("x.parquet"))] {
        fuzz(name, &[form(name)], |bytes| {
            write(&path, bytes);
            Dataset::load_for(&path, &reading, None).map(drop)
        });
    }
}

#[test]
fn minari_folders_in_arrow_form() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/minari-arrow/continuous-v0/data");
    let folder = scratch("arrow");
    let episode = folder.join("data").join("0");
    std::fs::create_dir_all(&episode).unwrap();
    let metadata = std::fs::read_to_string(original.join("metadata.json")).unwrap();
    let one = metadata.replace(r#""total_episodes": 2"#, r#""total_episodes": 1"#);
    assert_ne!(one, metadata);
    let path = episode.join("part-0.arrow");
    let files = ["0", "1"].map(|number| std::fs::read(original.join(number).join("part-0.arrow")).unwrap());
    write(&path, &files[0]);
    let metadata = folder.join("data").join("metadata.json");
    fuzz("Minari metadata", &[one.clone().into_bytes()], |bytes| {
        write(&metadata, bytes);
        try_out(&folder)
    });
    write(&metadata, one.as_bytes());
    fuzz("Minari Arrow", &files, |bytes| {
        write(&path, bytes);
        try_out(&folder)
    });
}

//! Datasets from strangers: one clear error, no panic, no memory beyond what the file justifies.

use std::path::{Path, PathBuf};

use aaren_envs::Dataset;
use aaren_envs::dataset::Transitions;
use aaren_fuzz::{Measuring, fuzz};
use hdf5_pure::FileBuilder;

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
fn try_out(path: &Path) -> Result<(), aaren_envs::Error> {
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
    fuzz("Minari HDF5", &[h5py.clone(), h5py, file.finish().unwrap()], |bytes| {
        write(&path, bytes);
        try_out(&folder)
    });
}

/// Files that long runs of the tests here found.
#[test]
fn found_before() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let folder = scratch("found");
    let episode = folder.join("data").join("0");
    std::fs::create_dir_all(&episode).unwrap();
    std::fs::copy(files.join("type-name.arrow"), episode.join("part-0.arrow")).unwrap();
    std::fs::write(folder.join("data").join("metadata.json"), r#"{"data_format": "arrow"}"#).unwrap();
    for path in [files.join("chunk-offset.hdf5"), folder] {
        let message = try_out(&path).unwrap_err().to_string();
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn minari_folders_in_arrow_form() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/minari-arrow/continuous-v0/data");
    let folder = scratch("arrow");
    let episode = folder.join("data").join("0");
    std::fs::create_dir_all(&episode).unwrap();
    std::fs::copy(original.join("metadata.json"), folder.join("data").join("metadata.json")).unwrap();
    let path = episode.join("part-0.arrow");
    let files = ["0", "1"].map(|number| std::fs::read(original.join(number).join("part-0.arrow")).unwrap());
    fuzz("Minari Arrow", &files, |bytes| {
        write(&path, bytes);
        try_out(&folder)
    });
}

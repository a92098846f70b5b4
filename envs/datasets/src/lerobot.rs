//! LeRobot's folders (v3.0, and v2.1's): `meta/info.json`, and Parquet files with many episodes each below `data`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::flat;
use crate::table::{Batches, parquet_batches};
use crate::{Dataset, Error, Reading};

/// Whether a folder is one of LeRobot's.
pub(crate) fn is_one(folder: &Path) -> bool {
    folder.join("meta/info.json").is_file()
}

/// `observation.state`, `action`, `next.reward`, `next.done`, `episode_index`; other vectors of observations through
/// `columns`. Videos are left.
pub(crate) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let info = folder.join("meta/info.json");
    let fail = |reason: String| Error::Open { path: info.clone(), reason };
    let text = std::fs::read(&info).map_err(|e| fail(e.to_string()))?;
    let info_json: Value = serde_json::from_slice(&text)
        .map_err(|e| fail(format!("not readable JSON ({e}); is the download complete?")))?;
    let mut files = Vec::new();
    parquet_files(&folder.join("data"), 0, &mut files).map_err(|e| fail(e.to_string()))?;
    files.sort();
    let mut batches = Vec::new();
    for file in &files {
        batches.extend(parquet_batches(file, None)?);
    }
    if batches.is_empty() {
        return Err(Error::content(
            folder,
            "data",
            "no Parquet files",
            "data/chunk-000/file-000.parquet; is the download complete?",
        ));
    }
    let schema = batches[0].schema();
    if let Some((file, _)) =
        files.iter().zip(&batches).find(|(_, batch)| batch.schema().fields().len() != schema.fields().len())
    {
        return Err(Error::content(file, "columns", "others than the files before", "the same in all files"));
    }
    let mut dataset = flat::dataset(&Batches { path: folder.to_owned(), batches }, "LeRobot", reading)?;
    let features = info_json["features"].as_object();
    let videos: Vec<String> = (features.into_iter().flatten())
        .filter(|(_, feature)| ["video", "image"].contains(&feature["dtype"].as_str().unwrap_or_default()))
        .map(|(name, _)| name.clone())
        .collect();
    if !videos.is_empty() {
        dataset.said.notes.push(format!("pictures are left out: {}", crate::hdf5::shown(&videos)));
    }
    let (found, said) = (dataset.episodes.len() as u64, info_json["total_episodes"].as_u64());
    if said.is_some_and(|said| said != found) {
        let expected = format!(
            "the {} that its `total_episodes` says; is the download complete?",
            said.unwrap_or_default()
        );
        return Err(Error::content(
            &info,
            "total_episodes",
            format!("{found} episodes in the folder"),
            expected,
        ));
    }
    Ok(dataset)
}

fn parquet_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < 4 {
            parquet_files(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

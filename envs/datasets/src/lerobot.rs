//! LeRobot's folders (v3.0, and v2.1's): `meta/info.json`, and Parquet files with many episodes each below `data`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use serde_json::{Map, Value, json};

use crate::flat;
use crate::parquet::{self, Batches};
use crate::{Dataset, End, Error, Reading, folder_whole, write_whole};

/// Whether a folder is one of LeRobot's.
pub(crate) fn is_one(folder: &Path) -> bool {
    folder.join("meta/info.json").is_file()
}

/// `observation.state`, `action`, `next.reward`, `next.done`, `episode_index`; other vectors of observations through
/// `columns`. Videos are left.
pub(crate) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let info = folder.join("meta/info.json");
    let text = fs::read(&info).map_err(|e| Error::open(&info, e))?;
    let info_json: Value = serde_json::from_slice(&text)
        .map_err(|e| Error::open(&info, format!("not readable JSON ({e}); is the download complete?")))?;
    let mut files = Vec::new();
    parquet_files(&folder.join("data"), 0, &mut files).map_err(|e| Error::open(&info, e))?;
    files.sort();
    let mut batches: Vec<RecordBatch> = Vec::new();
    for file in &files {
        let its = parquet::batches(file, None)?;
        let columns = |all: &[RecordBatch]| all.first().map(RecordBatch::num_columns);
        if !batches.is_empty() && columns(&its).is_some_and(|found| Some(found) != columns(&batches)) {
            return Err(Error::content(
                file,
                "columns",
                "others than the files before",
                "the same in all files",
            ));
        }
        batches.extend(its);
    }
    if batches.is_empty() {
        return Err(Error::content(
            folder,
            "data",
            "no Parquet files",
            "data/chunk-000/file-000.parquet; is the download complete?",
        ));
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
    let others: Vec<String> = (features.into_iter().flatten())
        .map(|(name, _)| name.clone())
        .filter(|name| {
            name.starts_with("observation.") && name != "observation.state" && !videos.contains(name)
        })
        .collect();
    if !others.is_empty() && reading.columns.is_none() {
        dataset.said.notes.push(format!(
            "observations are left out: {}; `columns: {{observation: [observation.state, …], action: [action], reward: \
             next.reward, episode: episode_index}}` names which to take",
            crate::hdf5::shown(&others)
        ));
    }
    Error::check_episodes(&info, info_json["total_episodes"].as_u64(), dataset.episodes.len() as u64)?;
    Ok(dataset)
}

fn parquet_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < 4 {
            parquet_files(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

/// The one task of a dataset that does not name any.
const TASK: &str = "as recorded";

impl Dataset {
    /// Writes a folder in the layout of LeRobot 0.4 (v3.0), as `lerobot.datasets` has it, with one file of data, without
    /// pictures. These data have no rate: a second stands for a timestep.
    ///
    /// # Errors
    /// [`Error::Write`] where `folder` exists or cannot be written.
    pub fn write_lerobot(&self, folder: &Path) -> Result<(), Error> {
        let (rows, episodes) = (self.transitions(), &self.episodes);
        let numbers = |of: &dyn Fn(usize, usize) -> i64| {
            let all =
                episodes.iter().enumerate().flat_map(|(index, it)| (0..it.length).map(move |t| (index, t)));
            Arc::new(all.map(|(index, t)| of(index, t)).collect::<Int64Array>()) as ArrayRef
        };
        let seconds =
            episodes.iter().flat_map(|it| (0..it.length).map(|t| t as f32)).collect::<Float32Array>();
        // LeRobot keeps vectors of one entry as plain numbers.
        let [states, actions] = parquet::vectors(self).map(|array| match array.as_fixed_size_list_opt() {
            Some(list) if list.value_length() == 1 => list.values().clone(),
            _ => array,
        });
        let action_type = if self.discrete { "int64" } else { "float32" };
        let columns: [(&str, ArrayRef, &str, usize); 10] = [
            ("observation.state", states, "float32", self.observation_size),
            ("action", actions, action_type, self.action_size),
            ("next.reward", Arc::new(Float32Array::from(self.rewards.clone())), "float32", 1),
            ("next.done", parquet::flags(self, End::Terminated), "bool", 1),
            ("next.truncated", parquet::flags(self, End::Truncated), "bool", 1),
            ("timestamp", Arc::new(seconds), "float32", 1),
            ("frame_index", numbers(&|_, t| t as i64), "int64", 1),
            ("episode_index", numbers(&|index, _| index as i64), "int64", 1),
            ("index", Arc::new(Int64Array::from_iter_values(0..rows as i64)), "int64", 1),
            ("task_index", numbers(&|_, _| 0), "int64", 1),
        ];
        let features: Map<String, Value> = (columns.iter())
            .map(|(name, _, kind, size)| {
                ((*name).to_owned(), json!({"dtype": kind, "shape": [size], "names": null}))
            })
            .collect();
        let info = json!({
            "codebase_version": "v3.0", "robot_type": null, "total_episodes": episodes.len(), "total_frames": rows,
            "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 500, "fps": 1,
            "splits": {"train": format!("0:{}", episodes.len())},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "video_path": null,
            "features": features,
        });
        let data = parquet::file(&columns.map(|(name, array, ..)| (name, array)), None);
        let stats = json!({
            "observation.state": statistics(&self.observations, self.observation_size),
            "action": statistics(&self.actions, self.action_size),
            "next.reward": statistics(&self.rewards, 1),
        });
        let files = [
            ("data/chunk-000/file-000.parquet", data),
            ("meta/tasks.parquet", tasks()),
            ("meta/episodes/chunk-000/file-000.parquet", episodes_of(self)),
        ];
        folder_whole(folder, |temporary| {
            for (name, bytes) in files {
                let path = temporary.join(name);
                fs::create_dir_all(path.parent().unwrap_or(temporary))?;
                write_whole(&path, &bytes.map_err(io::Error::other)?)?;
            }
            write_whole(&temporary.join("meta/stats.json"), stats.to_string().as_bytes())?;
            write_whole(&temporary.join("meta/info.json"), info.to_string().as_bytes())
        })
        .map_err(|e| Error::write(folder, e))
    }
}

/// What LeRobot normalises with: over all rows, for each entry.
fn statistics(data: &[f32], size: usize) -> Value {
    let count = (data.len() / size) as f64;
    let each = |f: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64| -> Vec<f64> {
        (0..size).map(|entry| f(&mut data.iter().skip(entry).step_by(size).map(|&x| x.into()))).collect()
    };
    let mean = |rows: &mut dyn Iterator<Item = f64>| rows.sum::<f64>() / count;
    let means = each(&mean);
    let std: Vec<f64> = (means.iter().enumerate())
        .map(|(entry, middle)| {
            let rows = data.iter().skip(entry).step_by(size);
            mean(&mut rows.map(|&x| (f64::from(x) - middle).powi(2))).sqrt()
        })
        .collect();
    json!({
        "min": each(&|rows| rows.fold(f64::INFINITY, f64::min)),
        "max": each(&|rows| rows.fold(f64::NEG_INFINITY, f64::max)),
        "mean": means, "std": std, "count": [count as u64],
    })
}

/// pandas' table of tasks, indexed by their names.
fn tasks() -> Result<Vec<u8>, arrow_schema::ArrowError> {
    const INDEX: &str = "__index_level_0__";
    let column = |field: &str, kind: &str, numpy: &str, name: Value| json!({"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy, "metadata": null});
    let pandas = json!({
        "index_columns": [INDEX], "column_indexes": [],
        "columns": [
            column("task_index", "int64", "int64", "task_index".into()),
            column(INDEX, "unicode", "object", Value::Null),
        ],
    });
    let columns: [(&str, ArrayRef); 2] = [
        ("task_index", Arc::new(Int64Array::from(vec![0]))),
        (INDEX, Arc::new(StringArray::from(vec![TASK]))),
    ];
    parquet::file(&columns, Some(pandas.to_string()))
}

/// A row for each episode: where it lies.
fn episodes_of(dataset: &Dataset) -> Result<Vec<u8>, arrow_schema::ArrowError> {
    let count = dataset.episodes.len();
    let numbers = |of: &dyn Fn(usize) -> usize| {
        Arc::new((0..count).map(|index| of(index) as i64).collect::<Int64Array>()) as ArrayRef
    };
    let (first, length) =
        (|index: usize| dataset.episodes[index].start, |index: usize| dataset.episodes[index].length);
    let item = Arc::new(arrow_schema::Field::new("item", arrow_schema::DataType::Utf8, false));
    let names = Arc::new(StringArray::from(vec![TASK; count])) as ArrayRef;
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(vec![1; count]);
    let tasks = Arc::new(arrow_array::ListArray::new(item, offsets, names, None)) as ArrayRef;
    let columns = [
        ("episode_index", numbers(&|index| index)),
        ("tasks", tasks),
        ("length", numbers(&length)),
        ("data/chunk_index", numbers(&|_| 0)),
        ("data/file_index", numbers(&|_| 0)),
        ("dataset_from_index", numbers(&first)),
        ("dataset_to_index", numbers(&|index| first(index) + length(index))),
        ("meta/episodes/chunk_index", numbers(&|_| 0)),
        ("meta/episodes/file_index", numbers(&|_| 0)),
    ];
    parquet::file(&columns, None)
}

//! Parquet files, a row for each transition.

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::arrow::{ArrowWriter, ProjectionMask};
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema};

use crate::flat::{self, Source};
use crate::hdf5::LARGEST_RATIO;
use crate::record_batch::{labels_of, tree_of};
use crate::tree::Tree;
use crate::{Dataset, End, Error, Reading};

/// A Parquet file.
pub(crate) fn load(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let batches = batches(path, None)?;
    if batches.is_empty() {
        return Err(Error::content(path, "rows", "none", "a row for each transition"));
    }
    flat::dataset(&Batches { path: path.to_owned(), batches }, "Parquet", reading)
}

/// Record batches, of one file or of several with the same columns.
pub(crate) struct Batches {
    pub(crate) path: PathBuf,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Source for Batches {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let schema = self.batches.first().map(RecordBatch::schema);
        let fields = schema.iter().flat_map(|schema| schema.fields().iter());
        Ok(fields.map(|field| field.name().clone()).collect())
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        tree_of(&self.path, name, &self.batches)
    }

    fn labels(&self, name: &str) -> Result<Vec<u64>, Error> {
        labels_of(&self.path, name, &self.batches)
    }
}

/// The record batches of a Parquet file, those columns alone that are asked for.
pub(crate) fn batches(path: &Path, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>, Error> {
    let fail = |e: &dyn std::fmt::Display| {
        let found = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let other = crate::signature::other(path).map(str::to_owned);
        let unreadable = || match found.rsplit_once("Disabled feature at compile time: ") {
            Some((_, codec)) => {
                format!("its columns are compressed with {codec}; write them with `compression='zstd'`")
            }
            None => format!("not a readable Parquet file ({found}); is the download complete?"),
        };
        Error::open(path, other.unwrap_or_else(unreadable))
    };
    let file = File::open(path).map_err(|e| fail(&e))?;
    let size = file.metadata().map_err(|e| fail(&e))?.len();
    // The library panics on some damaged files.
    let read = without_panic(|| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
        let schema = reader.schema().clone();
        let wanted: Vec<usize> = (schema.fields().iter().enumerate())
            .filter(|(_, field)| columns.is_none_or(|columns| columns.contains(&field.name().as_str())))
            .map(|(place, _)| place)
            .collect();
        let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
        let parts = reader.with_projection(mask).build().map_err(|e| e.to_string())?;
        // A run of equal values takes a few bytes, so that they could claim any number of rows.
        let most = LARGEST_RATIO * size + 65_536;
        let (mut all, mut entries) = (Vec::new(), 0);
        for part in parts {
            let batch = part.map_err(|e| e.to_string())?;
            entries += (batch.num_rows() * batch.num_columns()) as u64;
            if entries > most {
                return Err(format!("more than {most} entries in {size} bytes"));
            }
            all.push(batch);
        }
        Ok(all)
    });
    read.unwrap_or_else(|| Err("its parts contradict one another".into())).map_err(|e| fail(&e))
}

/// What `read` returns; none where it panics, of which nothing is printed: the caller says what is wrong with the file.
fn without_panic<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    thread_local!(static EXPECTED: Cell<bool> = const { Cell::new(false) });
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                usual(panic);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    EXPECTED.set(false);
    outcome.ok()
}

impl Dataset {
    /// Writes a Parquet file: `observations actions rewards terminals timeouts`, a list in each row of the first two.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_parquet(&self, path: &Path) -> Result<(), Error> {
        let [observations, actions] = vectors(self);
        let columns = [
            ("observations", observations),
            ("actions", actions),
            ("rewards", Arc::new(Float32Array::from(self.rewards.clone())) as ArrayRef),
            ("terminals", flags(self, End::Terminated)),
            ("timeouts", flags(self, End::Truncated)),
        ];
        let bytes = file(&columns, None);
        let bytes = bytes.map_err(|e| Error::write(path, e))?;
        crate::write_whole(path, &bytes).map_err(|e| Error::write(path, e))
    }
}

/// Observations and actions, a list in each row; one column of choices as plain numbers.
pub(crate) fn vectors(dataset: &Dataset) -> [ArrayRef; 2] {
    let list = |array: ArrayRef, size: usize| {
        let item = Arc::new(Field::new("item", array.data_type().clone(), false));
        Arc::new(FixedSizeListArray::new(item, size as i32, array, None)) as ArrayRef
    };
    let floats = |data: &[f32]| Arc::new(Float32Array::from(data.to_vec())) as ArrayRef;
    let choices =
        || Arc::new(dataset.actions.iter().map(|&choice| choice as i64).collect::<Int64Array>()) as ArrayRef;
    let actions = match (dataset.discrete, dataset.action_size) {
        (true, 1) => choices(),
        (true, size) => list(choices(), size),
        (false, size) => list(floats(&dataset.actions), size),
    };
    [list(floats(&dataset.observations), dataset.observation_size), actions]
}

/// Where episodes end so.
pub(crate) fn flags(dataset: &Dataset, end: End) -> ArrayRef {
    Arc::new(dataset.ends(end).into_iter().map(|flag| Some(flag != 0)).collect::<BooleanArray>())
}

/// A file of these columns, with what pandas wants to know of them.
pub(crate) fn file(columns: &[(&str, ArrayRef)], pandas: Option<String>) -> Result<Vec<u8>, ArrowError> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)).collect();
    let metadata: std::collections::HashMap<_, _> =
        pandas.map(|json| ("pandas".to_owned(), json)).into_iter().collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let batch =
        RecordBatch::try_new(schema.clone(), columns.iter().map(|(_, array)| array.clone()).collect())?;
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

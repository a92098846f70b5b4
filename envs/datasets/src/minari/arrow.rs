//! Minari's Arrow and Parquet forms.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{RecordBatchDecoder, read_footer_length};
use arrow_ipc::{Block, Footer, root_as_footer_with_opts, root_as_message_with_opts};
use arrow_schema::{ArrowError, SchemaRef};
use flatbuffers::VerifierOptions;

use super::episodes::{Episode, Episodes, KEYS, Spaces};
use crate::Error;
use crate::record_batch::{shape, tree_of};

/// `N/part-0.arrow` or `N/part-0.parquet` for each episode N: a row for each observation. The last row of the other
/// columns is padding.
pub(super) fn load(data: &Path, spaces: Spaces, episodes: &mut Episodes) -> Result<(), Error> {
    let fail = |e: std::io::Error| Error::open(data, e);
    let mut folders: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(data).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        folders.extend(number.map(|number| (number, path)));
    }
    folders.sort_unstable();
    for (_, folder) in folders {
        let parquet = folder.join("part-0.parquet");
        let (path, batches) = if parquet.is_file() {
            let batches = crate::parquet::batches(&parquet, Some(&KEYS))?;
            (parquet, batches)
        } else {
            let path = folder.join("part-0.arrow");
            let batches = read(&path)?;
            (path, batches)
        };
        episodes.push(&path, "", spaces, episode(&path, &batches)?)?;
    }
    Ok(())
}

/// The columns of [`KEYS`] without the padding.
fn episode(path: &Path, batches: &[RecordBatch]) -> Result<Episode, Error> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows == 0 {
        return Err(Error::content(path, "observations", "no rows", "one more than actions"));
    }
    let tree = |key: &str| tree_of(path, key, batches);
    let column = |key: &str| tree(key)?.truncated(rows - 1).flatten(path, key, None, None);
    Ok(Episode {
        observations: tree("observations")?,
        actions: tree("actions")?.truncated(rows - 1),
        rewards: column("rewards")?,
        terminations: column("terminations")?,
        truncations: column("truncations")?,
    })
}

/// The batches of an Arrow file, in the columns of [`KEYS`].
fn read(path: &Path) -> Result<Vec<RecordBatch>, Error> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|e| Error::open(path, format!("{e}; is the download complete?")))?;
    let broken = |e: ArrowError| {
        // Its messages run over several lines.
        let found = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::open(path, format!("not a readable Arrow file ({found}); is the download complete?"))
    };
    let file = Buffer::from_vec(bytes);
    let footer = footer(&file).map_err(broken)?;
    let schema = schema(&footer).map_err(broken)?;
    let mut places = Vec::new();
    for key in KEYS {
        let found = schema.column_with_name(key);
        let (index, field) =
            found.ok_or_else(|| Error::content(path, key, "nothing", "a column of that name"))?;
        // Before data are read as what they are not.
        shape(path, key, field.data_type(), 0)?;
        places.push(index);
    }
    batches(&file, &footer, &schema, &places).map_err(broken)
}

fn invalid(what: &str) -> ArrowError {
    ArrowError::IpcError(what.to_owned())
}

/// The footer: at the end of the file, before its own length and a magic word.
fn footer(file: &[u8]) -> Result<Footer<'_>, ArrowError> {
    let (rest, trailer) = file.split_last_chunk::<10>().ok_or_else(|| invalid("too short"))?;
    let start = rest.len().checked_sub(read_footer_length(*trailer)?);
    let footer = &rest[start.ok_or_else(|| invalid("a footer longer than the file"))?..];
    root_as_footer_with_opts(&limits(footer), footer).map_err(|e| invalid(&e.to_string()))
}

/// Parts of a flatbuffer that are named over and over would unfold to any size; no writer shares more than
/// the layouts of its tables, each of which takes four bytes of its own.
fn limits(flatbuffer: &[u8]) -> VerifierOptions {
    let size = flatbuffer.len();
    VerifierOptions { max_tables: size / 4, max_apparent_size: 16 * size, ..VerifierOptions::default() }
}

fn schema(footer: &Footer) -> Result<SchemaRef, ArrowError> {
    let schema = footer.schema().ok_or_else(|| invalid("no schema"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(invalid("big-endian data"));
    }
    Ok(Arc::new(arrow_ipc::convert::try_fb_to_schema(schema)?))
}

fn batches(
    file: &Buffer,
    footer: &Footer,
    schema: &SchemaRef,
    places: &[usize],
) -> Result<Vec<RecordBatch>, ArrowError> {
    let blocks = footer.recordBatches().ok_or_else(|| invalid("no record batches"))?;
    // Blocks that overlap could make a small file unfold to a huge one.
    let sum = blocks.iter().try_fold(0u64, |sum, block| sum.checked_add(block.bodyLength().try_into().ok()?));
    if sum.is_none_or(|sum| sum > file.len() as u64) {
        return Err(invalid("more data than the file has"));
    }
    blocks.iter().map(|block| decode(file, block, schema, places)).collect()
}

/// The columns at `places` of one batch. arrow-ipc panics on buffers outside the data (apache/arrow-rs#541)
/// and trusts lengths, so these are checked here.
fn decode(
    file: &Buffer,
    block: &Block,
    schema: &SchemaRef,
    places: &[usize],
) -> Result<RecordBatch, ArrowError> {
    let size = |x: i64| usize::try_from(x).ok().filter(|&x| x <= file.len());
    let range =
        || Some((size(block.offset())?, size(block.metaDataLength().into())?, size(block.bodyLength())?));
    let (start, head, body) = range()
        .filter(|(start, head, body)| start + head + body <= file.len())
        .ok_or_else(|| invalid("a record batch outside the file"))?;
    let message = &file[start..start + head];
    // A length of four bytes comes before the message, in files of today after a marker.
    let message = message.strip_prefix(&[0xff; 4]).unwrap_or(message).get(4..).unwrap_or_default();
    let message =
        root_as_message_with_opts(&limits(message), message).map_err(|e| invalid(&e.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| invalid("a block that is no record batch"))?;
    if batch.compression().is_some() {
        return Err(invalid("compressed data, which Minari does not write"));
    }
    let inside = |offset: i64, length: i64| {
        size(offset).zip(size(length)).is_some_and(|(offset, length)| offset + length <= body)
    };
    // The smallest value takes one bit.
    let countable = |count: i64| (0..=8 * body as i64).contains(&count);
    let sound = countable(batch.length())
        && batch.buffers().is_some_and(|all| all.iter().all(|one| inside(one.offset(), one.length())))
        && batch.nodes().is_some_and(|all| {
            all.iter().all(|one| countable(one.length()) && (0..=one.length()).contains(&one.null_count()))
        });
    if !sound {
        return Err(invalid("a record batch that claims more than its data"));
    }
    let data = file.slice_with_length(start + head, body);
    RecordBatchDecoder::try_new(&data, batch, schema.clone(), &HashMap::new(), &message.version())?
        .with_projection(Some(places))
        .read_record_batch()
}

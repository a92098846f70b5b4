//! Minari's Arrow and Parquet forms.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{RecordBatchDecoder, read_footer_length};
use arrow_ipc::{Block, Footer, root_as_footer_with_opts, root_as_message_with_opts};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use flatbuffers::VerifierOptions;

use super::episodes::{Episode, Episodes, KEYS, Spaces};
use crate::Error;
use crate::column::{Column, Numbers};
use crate::tree::{Tree, in_order};

/// `N/part-0.arrow` or `N/part-0.parquet` for each episode N: a row for each observation. The last row of the other
/// columns is padding.
pub(super) fn load(data: &Path, spaces: Spaces, episodes: &mut Episodes) -> Result<(), Error> {
    let fail = |e: std::io::Error| Error::Open { path: data.to_owned(), reason: e.to_string() };
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
    let bytes = std::fs::read(path).map_err(|e| Error::Open {
        path: path.to_owned(),
        reason: format!("{e}; is the download complete?"),
    })?;
    let broken = |e: ArrowError| {
        // Its messages run over several lines.
        let found = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = format!("not a readable Arrow file ({found}); is the download complete?");
        Error::Open { path: path.to_owned(), reason }
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

/// What a column of record batches holds: numbers, lists of them of one size, or structures of both by name.
pub(crate) fn tree_of(path: &Path, key: &str, batches: &[RecordBatch]) -> Result<Tree, Error> {
    let mut arrays = Vec::new();
    for batch in batches {
        let array = batch.column_by_name(key);
        arrays.push(
            array.ok_or_else(|| Error::content(path, key, "nothing", "a column of that name"))?.as_ref(),
        );
    }
    arrays_tree(path, key, &arrays, 0)
}

fn arrays_tree(path: &Path, key: &str, arrays: &[&dyn Array], depth: usize) -> Result<Tree, Error> {
    let Some(first) = arrays.first() else {
        return Err(Error::content(path, key, "no rows", "at least one"));
    };
    if let DataType::Struct(fields) = first.data_type() {
        let wrong = || Error::content(path, key, "missing values", "a value in each row");
        if depth > 8 || arrays.iter().any(|array| array.null_count() > 0) {
            return Err(wrong());
        }
        let names = in_order(fields.iter().map(|field| tuple_name(field.name())).collect());
        let children = names.into_iter().map(|name| {
            let part = |array: &&'_ dyn Array| {
                let own = array.as_struct();
                let place = own.column_names().iter().position(|field| tuple_name(field) == name);
                place.map(|place| own.column(place).clone())
            };
            let parts: Vec<_> = arrays.iter().map(part).collect::<Option<_>>().ok_or_else(wrong)?;
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            let tree = arrays_tree(path, &format!("{key}/{name}"), &parts, depth + 1)?;
            Ok((name, tree))
        });
        return Ok(Tree::Group(children.collect::<Result<_, Error>>()?));
    }
    if matches!(first.data_type(), DataType::List(_) | DataType::LargeList(_)) {
        return lists(path, key, arrays, depth);
    }
    let (shape, integer) = shape(path, key, first.data_type(), 0)?;
    let bytes = integer && innermost(first.data_type()) == &DataType::UInt8;
    let rows = arrays.iter().map(|array| array.len()).sum();
    let mut numbers = Numbers::filled(0, 0.0);
    for array in arrays {
        append(*array, &mut numbers).ok_or_else(|| {
            Error::content(
                path,
                key,
                "missing values or rows of several lengths",
                "numbers in each row, always as many",
            )
        })?;
    }
    let column = Column::new(path, key, rows, &shape, integer, numbers)?;
    Ok(Tree::Leaf(Column { bytes, ..column }))
}

/// Lists of any length, which must all be of one.
fn lists(path: &Path, key: &str, arrays: &[&dyn Array], depth: usize) -> Result<Tree, Error> {
    let uneven = || {
        Error::content(
            path,
            key,
            "missing values or lists of several lengths",
            "numbers in each row, always as many",
        )
    };
    let (mut edge, mut rows, mut values) = (None, 0, Vec::new());
    for array in arrays {
        let large = matches!(array.data_type(), DataType::LargeList(_));
        let (offsets, items): (Vec<usize>, _) = if large {
            let list = array.as_list::<i64>();
            (list.value_offsets().iter().map(|&at| at as usize).collect(), list.values().clone())
        } else {
            let list = array.as_list::<i32>();
            (list.value_offsets().iter().map(|&at| at as usize).collect(), list.values().clone())
        };
        let lengths = offsets.windows(2).map(|two| two[1].checked_sub(two[0]));
        for length in lengths {
            if array.null_count() > 0 || length.is_none() || length != *edge.get_or_insert(length) {
                return Err(uneven());
            }
        }
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        if last > items.len() {
            return Err(uneven());
        }
        values.push(items.slice(first, last - first));
        rows += array.len();
    }
    let edge = edge.flatten().filter(|&edge| edge > 0).ok_or_else(uneven)?;
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    match arrays_tree(path, key, &values, depth + 1)? {
        Tree::Leaf(mut column) if column.rows == rows * edge && depth < 8 => {
            column.shape.insert(0, edge);
            Ok(Tree::Leaf(Column { rows, size: column.size * edge, ..column }))
        }
        _ => Err(uneven()),
    }
}

/// A tuple's parts are called by their number alone.
fn tuple_name(name: &str) -> String {
    let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if number { format!("_index_{name}") } else { name.to_owned() }
}

fn innermost(kind: &DataType) -> &DataType {
    match kind {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            innermost(item.data_type())
        }
        kind => kind,
    }
}

/// The shape of a row, as far as its type says, and whether its entries are integers. Of lists of any length the first
/// says it.
fn shape(path: &Path, key: &str, kind: &DataType, depth: usize) -> Result<(Vec<usize>, bool), Error> {
    match kind {
        DataType::FixedSizeList(item, size @ 1..)
            if depth < 8 && !matches!(item.data_type(), DataType::Struct(_)) =>
        {
            let (mut shape, integer) = shape(path, key, item.data_type(), depth + 1)?;
            shape.insert(0, *size as usize);
            Ok((shape, integer))
        }
        DataType::List(item) | DataType::LargeList(item)
            if depth < 8 && !matches!(item.data_type(), DataType::Struct(_)) =>
        {
            shape(path, key, item.data_type(), depth + 1)
        }
        DataType::Struct(fields) if depth < 8 => {
            for field in fields {
                shape(path, &format!("{key}/{}", field.name().escape_debug()), field.data_type(), depth + 1)?;
            }
            Ok((Vec::new(), false))
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Ok((Vec::new(), false)),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Ok((Vec::new(), true)),
        // A nested type carries names from the file.
        kind => {
            let found = format!("type {kind}").escape_debug().to_string();
            Err(Error::content(path, key, found, "numbers or booleans, or lists of them of one size"))
        }
    }
}

/// Appends the entries of an array of a type that [`shape`] knows; none where values are missing.
fn append(array: &dyn Array, numbers: &mut Numbers) -> Option<()> {
    macro_rules! primitive {
        ($kind:ty, $number:expr) => {
            array.as_primitive::<$kind>().values().iter().for_each(|&x| numbers.push($number(x)))
        };
    }
    if array.null_count() > 0 {
        return None;
    }
    match array.data_type() {
        DataType::FixedSizeList(_, edge) => {
            let list = array.as_fixed_size_list();
            let entries = array.len() * *edge as usize;
            append(&list.values().slice(0, entries), numbers)?;
        }
        DataType::Boolean => {
            array.as_boolean().values().iter().for_each(|flag| numbers.push(f64::from(u8::from(flag))))
        }
        DataType::Float16 => primitive!(Float16Type, |x: half::f16| x.to_f64()),
        DataType::Float32 => primitive!(Float32Type, f64::from),
        DataType::Float64 => primitive!(Float64Type, f64::from),
        DataType::Int8 => primitive!(Int8Type, f64::from),
        DataType::Int16 => primitive!(Int16Type, f64::from),
        DataType::Int32 => primitive!(Int32Type, f64::from),
        DataType::Int64 => primitive!(Int64Type, |x| x as f64),
        DataType::UInt8 => primitive!(UInt8Type, f64::from),
        DataType::UInt16 => primitive!(UInt16Type, f64::from),
        DataType::UInt32 => primitive!(UInt32Type, f64::from),
        DataType::UInt64 => primitive!(UInt64Type, |x| x as f64),
        _ => return None,
    }
    Some(())
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

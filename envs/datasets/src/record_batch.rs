//! Columns of Arrow's record batches, as Minari's files and Parquet's hold them.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use crate::Error;
use crate::column::{Column, Numbers};
use crate::labels::Labels;
use crate::tree::{Tree, in_order};

/// What a column of record batches holds: numbers, lists of them of one size, or structures of both by name.
pub(crate) fn tree_of(path: &Path, key: &str, batches: &[RecordBatch]) -> Result<Tree, Error> {
    let arrays = batches.iter().map(|batch| Ok(column(path, key, batch)?.as_ref()));
    let arrays = arrays.collect::<Result<Vec<_>, Error>>()?;
    arrays_tree(path, key, &arrays, 0)
}

fn column<'b>(path: &Path, key: &str, batch: &'b RecordBatch) -> Result<&'b ArrayRef, Error> {
    let found = batch.column_by_name(key);
    found.ok_or_else(|| Error::content(path, key, "nothing", "a column of that name"))
}

/// What a column says in each row, as numbers that are equal where its values are: numbers, texts, times, dictionaries.
pub(crate) fn labels_of(path: &Path, key: &str, batches: &[RecordBatch]) -> Result<Vec<u64>, Error> {
    let mut known = Labels::default();
    let mut labels = Vec::new();
    for batch in batches {
        let array = column(path, key, batch)?;
        if array.logical_null_count() > 0 {
            return Err(Error::content(path, key, "missing values", "a value in each row"));
        }
        let (values, places) = match array.as_any_dictionary_opt() {
            Some(dictionary) => (dictionary.values().clone(), places_of(dictionary)),
            None => (array.clone(), (0..array.len()).collect()),
        };
        let of_values: Vec<u64> = (0..values.len())
            .map(|row| value(&values, row).map(|bytes| known.of(&bytes)))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                let found = format!("type {}", array.data_type()).escape_debug().to_string();
                Error::content(path, key, found, "numbers, texts or times, which tell episodes apart")
            })?;
        labels.extend(places.into_iter().map(|place| of_values[place]));
    }
    Ok(labels)
}

/// Where each row's value stands among a dictionary's; Arrow's own function panics where there are no values.
fn places_of(dictionary: &dyn AnyDictionaryArray) -> Vec<usize> {
    if dictionary.is_empty() { Vec::new() } else { dictionary.normalized_keys() }
}

/// The bytes of one value, for types that have one to a row.
fn value(array: &dyn Array, row: usize) -> Option<Vec<u8>> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Boolean => vec![array.as_boolean().value(row).into()],
        DataType::FixedSizeList(_, 1) => {
            let list = array.as_fixed_size_list();
            value(list.values(), list.value_offset_at(row))?
        }
        kind => {
            let width = kind.primitive_width()?;
            let data = array.to_data();
            let start = (data.offset() + row) * width;
            data.buffers().first()?.as_slice().get(start..start + width)?.into()
        }
    })
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
        append(*array, &mut numbers).ok_or_else(|| uneven(path, key, "rows"))?;
    }
    let column = Column::new(path, key, rows, &shape, integer, numbers)?;
    Ok(Tree::Leaf(Column { bytes, ..column }))
}

fn uneven(path: &Path, key: &str, what: &str) -> Error {
    let found = format!("missing values or {what} of several lengths");
    Error::content(path, key, found, "numbers in each row, always as many")
}

/// Lists of any length, which must all be of one.
fn lists(path: &Path, key: &str, arrays: &[&dyn Array], depth: usize) -> Result<Tree, Error> {
    let uneven = || uneven(path, key, "lists");
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
pub(crate) fn shape(
    path: &Path,
    key: &str,
    kind: &DataType,
    depth: usize,
) -> Result<(Vec<usize>, bool), Error> {
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
        DataType::Dictionary(_, item) if depth < 8 && item.is_primitive() => {
            shape(path, key, item, depth + 1)
        }
        DataType::Decimal128(..) => Ok((Vec::new(), false)),
        kind if kind.is_floating() => Ok((Vec::new(), false)),
        kind if kind.is_integer() || *kind == DataType::Boolean => Ok((Vec::new(), true)),
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
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let mut own = Numbers::filled(0, 0.0);
            append(dictionary.values().as_ref(), &mut own)?;
            places_of(dictionary)
                .into_iter()
                .try_for_each(|place| own.get(place).map(|number| numbers.push(number)))?;
        }
        DataType::Decimal128(_, scale) => {
            primitive!(Decimal128Type, |x: i128| x as f64 / 10f64.powi(i32::from(*scale)))
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

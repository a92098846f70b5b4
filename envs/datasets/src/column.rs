//! A column of numbers of a dataset, whatever type a file keeps it in.

use std::path::Path;

use crate::Error;

/// One key of a dataset, as finite float32 rows.
pub(crate) struct Column {
    pub(crate) rows: usize,
    pub(crate) size: usize,
    pub(crate) integer: bool,
    pub(crate) data: Vec<f32>,
}

impl Column {
    /// `data` as `key` of the file at `path` claims it to be: `rows` of `size` finite numbers.
    pub(crate) fn new(
        path: &Path,
        key: &str,
        (rows, size): (usize, usize),
        integer: bool,
        data: Vec<f32>,
    ) -> Result<Self, Error> {
        if Some(data.len()) != rows.checked_mul(size) {
            return Err(Error::content(
                path,
                key,
                format!("{} entries", data.len()),
                format!("{rows} × {size}"),
            ));
        }
        if let Some(index) = data.iter().position(|x| !x.is_finite()) {
            let found = format!("{} at transition {}", data[index], index / size);
            return Err(Error::content(path, key, found, "finite numbers"));
        }
        Ok(Self { rows, size, integer, data })
    }

    /// One flag for each row.
    pub(crate) fn flags(&self) -> impl Iterator<Item = bool> {
        self.data.iter().map(|&x| x != 0.0)
    }

    /// Checks that there are `rows` of them, and one entry to a row where it is a `scalar`.
    pub(crate) fn expect(&self, path: &Path, key: &str, rows: usize, scalar: bool) -> Result<(), Error> {
        if self.rows != rows {
            let expected = format!("{rows}, as the other keys have");
            return Err(Error::content(path, key, format!("{} rows", self.rows), expected));
        }
        if scalar && self.size != 1 {
            return Err(Error::content(path, key, format!("{} columns", self.size), "one"));
        }
        Ok(())
    }
}

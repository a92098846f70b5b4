//! A column of numbers of a dataset, whatever type a file keeps it in.

use std::path::Path;

use crate::Error;

/// Numbers on their way to float32, and the first of them that float32 does not hold.
#[derive(Clone)]
pub(crate) struct Numbers {
    data: Vec<f32>,
    beyond: Option<(usize, f64)>,
}

impl Numbers {
    /// So many, all of one value.
    pub(crate) fn filled(count: usize, value: f64) -> Self {
        let beyond = (value.is_finite() && !(value as f32).is_finite()).then_some((0, value));
        // Zeros are not written until they are needed.
        let data = if value == 0.0 { vec![0.0; count] } else { vec![value as f32; count] };
        Self { data, beyond }
    }

    pub(crate) fn put(&mut self, index: usize, value: f64) {
        self.check(index, value);
        self.data[index] = value as f32;
    }

    pub(crate) fn push(&mut self, value: f64) {
        self.check(self.data.len(), value);
        self.data.push(value as f32);
    }

    /// One of them, as float32.
    pub(crate) fn get(&self, index: usize) -> Option<f64> {
        self.data.get(index).map(|&x| x.into())
    }

    fn check(&mut self, index: usize, value: f64) {
        if !(value as f32).is_finite() && value.is_finite() && self.beyond.is_none() {
            self.beyond = Some((index, value));
        }
    }
}

impl FromIterator<f64> for Numbers {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut all = Self::filled(0, 0.0);
        numbers.into_iter().for_each(|number| all.push(number));
        all
    }
}

/// One key of a dataset, as finite float32 rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) rows: usize,
    /// The shape of a row.
    pub(crate) shape: Vec<usize>,
    /// Entries of a row.
    pub(crate) size: usize,
    pub(crate) integer: bool,
    /// Whether each entry is a byte, as those of images are.
    pub(crate) bytes: bool,
    pub(crate) data: Vec<f32>,
}

impl Column {
    /// `numbers` as `key` of the file at `path` claims it to be: `rows` of that shape, all finite.
    pub(crate) fn new(
        path: &Path,
        key: &str,
        rows: usize,
        shape: &[usize],
        integer: bool,
        numbers: Numbers,
    ) -> Result<Self, Error> {
        let size = shape.iter().try_fold(1usize, |size, &edge| size.checked_mul(edge)).unwrap_or(usize::MAX);
        let Numbers { data, beyond } = numbers;
        if Some(data.len()) != rows.checked_mul(size) {
            let found = format!("{} entries", data.len());
            return Err(Error::content(path, key, found, format!("{rows} × {size}")));
        }
        let largest = beyond.filter(|(index, _)| data.get(*index).is_some_and(|x| !x.is_finite()));
        if let Some((index, value)) = largest {
            let found = format!("{value:e} at row {}", index / size.max(1));
            return Err(Error::content(path, key, found, "numbers within float32, up to 3.4e38"));
        }
        if let Some(index) = data.iter().position(|x| !x.is_finite()) {
            let found = format!("{} at transition {}", data[index], index / size);
            return Err(Error::content(path, key, found, "finite numbers"));
        }
        Ok(Self { rows, shape: shape.to_vec(), size, integer, bytes: false, data })
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

    /// The first rows.
    pub(crate) fn truncated(mut self, rows: usize) -> Self {
        self.rows = self.rows.min(rows);
        self.data.truncate(self.rows * self.size);
        self
    }
}

/// Whether bytes of that shape are an image: of three dimensions, or of two large ones.
pub(crate) fn image(shape: &[usize]) -> bool {
    match *shape {
        [_, _, _] => true,
        [height, width] => height >= 16 && width >= 16,
        _ => false,
    }
}

/// `3 × 4`; 1 for a single number.
pub(crate) fn shown<N: ToString>(shape: &[N]) -> String {
    match shape {
        [] => "1".into(),
        _ => shape.iter().map(N::to_string).collect::<Vec<_>>().join(" × "),
    }
}

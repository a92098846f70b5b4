//! A matrix and its bias as a policy file holds them, and its rounding to bytes.

use alloc::vec::Vec;

/// `[outputs, inputs]`, row after row, and a bias for each output.
pub(crate) struct Matrix {
    pub(crate) weight: Weight,
    /// `[outputs]`.
    pub(crate) bias: Vec<f32>,
}

/// The numbers of a [`Matrix`], or of a table without a bias.
pub(crate) enum Weight {
    /// As they were trained.
    Float32(Vec<f32>),
    /// Rounded to bytes.
    Int8(Bytes),
}

/// Row r holds `scales[r] · codes[r]`.
pub(crate) struct Bytes {
    /// `[rows, columns]`, from −127 to 127.
    pub(crate) codes: Vec<i8>,
    /// `[rows]`, finite and not negative.
    pub(crate) scales: Vec<f32>,
}

impl Bytes {
    /// The largest code, and the largest number of a row in units of its scale.
    const LARGEST: f32 = 127.0;

    /// Rounds every row of so many columns to the nearest multiples of a 127th of its largest number.
    pub(crate) fn round(weight: &[f32], columns: usize) -> Bytes {
        let (mut codes, mut scales) = (Vec::with_capacity(weight.len()), Vec::new());
        for row in weight.chunks_exact(columns) {
            let largest = row.iter().fold(0.0, |largest: f32, w| largest.max(w.abs()));
            let scale = largest / Self::LARGEST;
            // A row of nothing but subnormal numbers is zero beside any other.
            let scale = if scale.is_normal() { scale } else { 0.0 };
            let inverse = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
            // At most 127, as the largest is.
            codes.extend(row.iter().map(|&w| libm::rint(f64::from(w) * inverse) as i8));
            scales.push(scale);
        }
        Bytes { codes, scales }
    }

    /// The numbers that the codes stand for.
    pub(crate) fn floats(&self) -> impl Iterator<Item = f32> {
        let columns = self.codes.len().checked_div(self.scales.len()).unwrap_or(0);
        let rows = self.codes.chunks_exact(columns.max(1)).zip(&self.scales);
        rows.flat_map(|(row, &scale)| row.iter().map(move |&code| f32::from(code) * scale))
    }

    /// The square root of the mean square of what rounding changed, over that of `weight`: the relative error of a
    /// product with inputs that are independent of it.
    pub(crate) fn error(&self, weight: &[f32]) -> f64 {
        let (mut off, mut size) = (0.0, 0.0);
        for (rounded, &w) in self.floats().zip(weight) {
            let (rounded, w) = (f64::from(rounded), f64::from(w));
            off += (rounded - w) * (rounded - w);
            size += w * w;
        }
        if size > 0.0 { libm::sqrt(off / size) } else { 0.0 }
    }
}

impl Matrix {
    /// Its outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// The same times a number.
    pub(crate) fn scaled(mut self, factor: f64) -> Matrix {
        let scale = |x: &mut f32| *x = (f64::from(*x) * factor) as f32;
        match &mut self.weight {
            Weight::Float32(weight) => weight.iter_mut().for_each(scale),
            Weight::Int8(bytes) => bytes.scales.iter_mut().for_each(scale),
        }
        self.bias.iter_mut().for_each(scale);
        self
    }

    /// `first`, then `then`, both square and float32, as one matrix and one bias, in float64; `None` where one of
    /// them is not float32.
    ///
    /// One head's output projection moves so into its values: weights sum to 1, so that the mean of projected
    /// values is the projected mean. With more heads it would multiply the values' width.
    pub(crate) fn fold(first: &Matrix, then: &Matrix) -> Option<Matrix> {
        let (Weight::Float32(from), Weight::Float32(to)) = (&first.weight, &then.weight) else { return None };
        let width = first.bias.len();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (row, &b) in to.chunks_exact(width).zip(&then.bias) {
            let mut sums = alloc::vec![0.0; width];
            let mut shift = f64::from(b);
            for ((&w, from), &b) in row.iter().zip(from.chunks_exact(width)).zip(&first.bias) {
                sums.iter_mut().zip(from).for_each(|(sum, &v)| *sum += f64::from(w) * f64::from(v));
                shift += f64::from(w) * f64::from(b);
            }
            weight.extend(sums.iter().map(|&sum: &f64| sum as f32));
            bias.push(shift as f32);
        }
        Some(Matrix { weight: Weight::Float32(weight), bias })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_row_is_within_half_a_unit_of_its_scale() {
        let rows =
            [[0.3, -1.27, 0.004_9, 1.0], [0.0; 4], [1e30, -3e38, 2.0, 1e38], [1e-42, 0.0, -1e-44, 0.0]];
        let weight = rows.as_flattened();
        let bytes = Bytes::round(weight, 4);
        for ((rounded, &w), scale) in bytes.floats().zip(weight).zip(bytes.scales.iter().flat_map(|s| [s; 4]))
        {
            assert!((rounded - w).abs() <= 0.500_01 * scale + 1e-38, "{w}: {rounded}");
        }
        assert_eq!(bytes.codes[..4], [30, -127, 0, 100]);
        assert_eq!(bytes.scales[1], 0.0);
        let weight = [0.5, 1.0, 127.0];
        let exact = 0.5 / libm::sqrt(16_130.25);
        assert!((Bytes::round(&weight, 3).error(&weight) / exact - 1.0).abs() < 1e-12);
    }
}

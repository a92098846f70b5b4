//! The scales of what a network sees of a dataset.

use crate::Dataset;

/// What an entry of the observations that never moves is divided by.
const LEFT_OUT: f32 = 1e6;

impl Dataset {
    /// Standard deviation of [`returns_to_go`](Self::returns_to_go); where they are all one, its size, or 1.
    pub fn return_spread(&self) -> f64 {
        let count = self.transitions() as f64;
        let returns = || self.returns_to_go.iter().map(|&to_go| f64::from(to_go));
        let mean = returns().sum::<f64>() / count;
        let spread = (returns().map(|to_go| (to_go - mean).powi(2)).sum::<f64>() / count).sqrt();
        let size = mean.abs();
        // What rounding leaves of equal numbers is no spread.
        if spread > 1e-6 * size {
            spread
        } else if size > 0.0 {
            size
        } else {
            1.0
        }
    }

    /// Mean and standard deviation of each entry of the observations, the latter at least 1e-6 as in
    /// the public Decision Transformer. An entry that never moved is left out: divided by a million or more, it stays
    /// near zero whatever it does later.
    pub fn observation_statistics(&self) -> (Vec<f32>, Vec<f32>) {
        let count = self.transitions() as f64;
        let columns = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; self.observation_size];
            for row in self.observations.chunks_exact(self.observation_size) {
                for (column, (sum, x)) in sums.iter_mut().zip(row).enumerate() {
                    *sum += f(column, f64::from(*x));
                }
            }
            sums.iter().map(|sum| sum / count).collect::<Vec<f64>>()
        };
        let mean = columns(&|_, x| x);
        let variance = columns(&|column, x| (x - mean[column]).powi(2));
        let std = (variance.iter().zip(&mean).zip(self.moving_entries()))
            .map(|((v, mean), moves)| match moves {
                true => (v.sqrt() as f32).max(1e-6),
                false => LEFT_OUT * (*mean as f32).abs().max(1.0),
            })
            .collect();
        (mean.iter().map(|&m| m as f32).collect(), std)
    }

    /// Whether each entry of the observations takes more than one value; a difference that rounding makes is none.
    pub(crate) fn moving_entries(&self) -> Vec<bool> {
        let size = self.observation_size;
        let (mut low, mut high) = (vec![f32::INFINITY; size], vec![f32::NEG_INFINITY; size]);
        for row in self.observations.chunks_exact(size) {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(row) {
                (*low, *high) = (low.min(x), high.max(x));
            }
        }
        low.iter()
            .zip(&high)
            .map(|(low, high)| high - low > 4.0 * f32::EPSILON * low.abs().max(high.abs()))
            .collect()
    }
}

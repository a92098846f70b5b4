//! Points on the line of returns-to-go, each with an embedding of its own.

/// Scaled returns-to-go that stand evenly from the lowest to the highest of the data. One between two of them is told by
/// its share of each, so that a linear layer on the shares interpolates between their embeddings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// How many there are; 0: none.
    pub count: usize,
    /// The first one.
    pub lowest: f32,
    /// One over the distance between two neighbours; 0 where all returns-to-go of the data are the same.
    pub density: f32,
}

impl Bins {
    /// So many from the lowest to the highest return-to-go of `range`, both of which `return_scale` divides.
    pub fn new(count: usize, range: [f64; 2], return_scale: f64) -> Self {
        let [lowest, highest] = range.map(|return_to_go| (return_to_go / return_scale) as f32);
        let distance = f64::from(highest) - f64::from(lowest);
        let density = if distance > 0.0 { count.saturating_sub(1) as f64 / distance } else { 0.0 };
        Self { count, lowest, density: density.min(f32::MAX.into()) as f32 }
    }

    /// Writes the share of each bin: 1 at the bin, falling to 0 at its neighbours. What lies outside of all is told as the
    /// bin at that end.
    pub fn tell(&self, return_to_go: f32, shares: &mut [f32]) {
        let last = self.count.saturating_sub(1) as f32;
        // The difference may be infinite.
        let place = if self.density > 0.0 { (return_to_go - self.lowest) * self.density } else { 0.0 };
        let place = place.clamp(0.0, last);
        for (bin, share) in shares.iter_mut().enumerate() {
            *share = (1.0 - (place - bin as f32).abs()).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// Linear interpolation as `numpy.interp` has it, in float64.
    fn naive(x: f64, count: usize, lowest: f64, highest: f64) -> Vec<f64> {
        let point = |bin: usize| lowest + bin as f64 * (highest - lowest) / (count - 1) as f64;
        let mut shares = vec![0.0; count];
        match (1..count).find(|&bin| x < point(bin)) {
            _ if x <= lowest => shares[0] = 1.0,
            None => shares[count - 1] = 1.0,
            Some(bin) => {
                shares[bin] = (x - point(bin - 1)) / (point(bin) - point(bin - 1));
                shares[bin - 1] = 1.0 - shares[bin];
            }
        }
        shares
    }

    #[test]
    fn a_return_is_interpolated_between_its_two_bins_and_clamped_at_the_ends() {
        for (count, range) in [(2, [0.0, 1.0]), (5, [-300.0, 500.0]), (64, [-2.0, 3987.5]), (256, [7.0, 7.5])]
        {
            let (bins, [lowest, highest]) = (Bins::new(count, range, 10.0), range);
            let mut met = vec![false; count];
            for step in -100..=1100 {
                let return_to_go = lowest + (highest - lowest) * f64::from(step) / 1000.0;
                let mut shares = vec![f32::NAN; count];
                bins.tell((return_to_go / 10.0) as f32, &mut shares);
                let expected = naive(return_to_go, count, lowest, highest);
                for ((bin, &share), expected) in shares.iter().enumerate().zip(expected) {
                    let off = (f64::from(share) - expected).abs();
                    assert!(off < 1e-3, "{count} bins, {return_to_go}, bin {bin}: {share}, not {expected}");
                    met[bin] |= share > 0.5;
                }
                let sum: f32 = shares.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{count} bins, {return_to_go}: shares add up to {sum}");
            }
            assert!(met.into_iter().all(|met| met), "{count} bins");
        }
    }

    /// However the data lie, shares are those of one place.
    #[test]
    fn one_return_and_huge_returns_are_told_too() {
        let most = f64::from(f32::MAX);
        for range in [[3.0, 3.0], [0.0, 0.0], [0.0, 1e-45], [-most, most], [most, most]] {
            let bins = Bins::new(4, range, 1.0);
            for return_to_go in [-1.0, 0.0, 3.0, 7.0, f32::MAX, -f32::MAX, range[1] as f32] {
                let mut shares = [f32::NAN; 4];
                bins.tell(return_to_go, &mut shares);
                assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{range:?}: {shares:?}");
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{range:?}: {shares:?}");
            }
        }
        // Data of a single return ask for nothing else: all is told as the first bin.
        let mut shares = [0.0; 4];
        Bins::new(4, [3.0, 3.0], 1.0).tell(8.0, &mut shares);
        assert_eq!(shares, [1.0, 0.0, 0.0, 0.0]);
    }
}

//! Dropout with masks from one pool.

use std::cell::Cell;

use tch::{Device, Kind, Tensor};

use crate::linear::Pass;

/// Inverted dropout of one pass, with masks from one pool.
///
/// The pool is drawn anew for every pass: one 64-bit draw of libtorch's generator serves four elements, and
/// each call takes the pool's elements further on, so that no token and channel meets the same draw twice.
/// The probability is rounded to 1/32768. `Tensor::dropout` makes one Bernoulli draw for each element of each
/// call, which was a sixth of a whole training update.
#[derive(Debug)]
pub struct Dropout {
    pool: Option<Tensor>,
    calls: Cell<i64>,
}

/// How much further on: a prime, so that channels do not meet their like.
const STRIDE: i64 = 1021;

impl Dropout {
    /// For `calls` calls with tensors of at most so many elements of that kind.
    pub(crate) fn new(
        elements: i64,
        (kind, device): (Kind, Device),
        probability: f64,
        calls: usize,
        pass: Pass,
    ) -> Self {
        let dropped = ((probability * 32768.0).round() as i64).min(32767);
        let draw = || {
            let elements = elements + calls as i64 * STRIDE;
            let mut draws = Tensor::empty([(elements + 3) / 4], (Kind::Int64, device));
            let kept = draws.random_().view_dtype(Kind::Int16).bitwise_and(0x7fff).ge(dropped);
            kept.to_kind(kind) * (32768.0 / (32768 - dropped) as f64)
        };
        let pool = (pass != Pass::Inference && dropped > 0).then(draw);
        Self { pool, calls: Cell::new(0) }
    }

    /// Of nothing.
    pub(crate) fn none() -> Self {
        Self { pool: None, calls: Cell::new(0) }
    }

    /// `x` with some elements zero and the others larger; `x` itself outside of training.
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        self.mask(x).map_or_else(|| x.shallow_clone(), |mask| x * mask.view_as(x))
    }

    /// What the next call multiplies the elements of `x` by, one after the other; nothing outside of training.
    pub(crate) fn mask(&self, x: &Tensor) -> Option<Tensor> {
        let pool = self.pool.as_ref()?;
        crate::fused::ablated!(Dropout, Some(x.empty_like().bernoulli_float_(0.9).view([-1]) / 0.9));
        let call = self.calls.replace(self.calls.get() + 1);
        Some(pool.narrow(0, call * STRIDE, x.numel() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inverted dropout: a share of the elements is zero, the others are larger by what keeps the mean.
    #[test]
    fn the_mean_is_kept() {
        let _alone = crate::GENERATOR.lock();
        const ELEMENTS: i64 = 1 << 16;
        let x = Tensor::ones([64, ELEMENTS / 64], (Kind::Float, Device::Cpu));
        for probability in [0.1, 0.5] {
            let pass = Pass::Training(aaren_format::Precision::Float32);
            let dropout = Dropout::new(ELEMENTS, (Kind::Float, Device::Cpu), probability, 2, pass);
            for _ in 0..2 {
                let y = dropout.apply(&x);
                let zeros = y.eq(0.0).sum(Kind::Float).double_value(&[]) / ELEMENTS as f64;
                // Five standard errors of a share.
                let error = 5.0 * (probability * (1.0 - probability) / ELEMENTS as f64).sqrt();
                assert!((zeros - probability).abs() < error, "{probability}: {zeros} are zero");
                let kept = y.max().double_value(&[]);
                assert!((kept * (1.0 - probability) - 1.0).abs() < 1e-4, "{probability}: 1 became {kept}");
                let mean = y.mean(Kind::Float).double_value(&[]);
                assert!((mean - 1.0).abs() < error / (1.0 - probability), "{probability}: a mean of {mean}");
            }
            // Next to 1 nearly nothing is left, and all of it finite.
            let most = Dropout::new(ELEMENTS, (Kind::Float, Device::Cpu), 0.99999, 1, pass);
            assert!(most.apply(&x).isfinite().all().int64_value(&[]) == 1);
            let outside = Dropout::new(ELEMENTS, (Kind::Float, Device::Cpu), probability, 2, Pass::Inference);
            assert_eq!(outside.apply(&x), x);
        }
    }
}

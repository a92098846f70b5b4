//! AdamW and the schedule of its learning rate.

use aaren_encoders::Gradients;
use aaren_format::Schedule;
use tch::{Device, Tensor};

/// Numbers that a processor updates together, so that they stay in its second-level cache meanwhile.
const PIECE: i64 = 1 << 15;

/// Factor on the learning rate at `update` (counted from 0) of `updates`: linear over the `warmup`
/// first updates, then by the schedule.
pub fn learning_rate_factor(schedule: Schedule, update: u64, warmup: u64, updates: u64) -> f64 {
    if update < warmup {
        return (update + 1) as f64 / warmup as f64;
    }
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => {
            let progress = (update - warmup) as f64 / (updates.max(warmup + 1) - warmup) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        }
    }
}

/// AdamW (Loshchilov & Hutter 2019) with clipping of the gradient's global norm, over one flat buffer.
///
/// tch's optimisers can be neither saved nor fused. Here all parameters are views into one buffer, so
/// that an update is a dozen passes over three vectors instead of a dozen small ones for each parameter,
/// and the whole state is the two moments.
#[derive(Debug)]
pub struct AdamW {
    parameters: Vec<Tensor>,
    flat: Tensor,
    first: Tensor,
    second: Tensor,
    weight_decay: f64,
    clip: f64,
}

impl AdamW {
    const BETAS: (f64, f64) = (0.9, 0.999);
    const EPSILON: f64 = 1e-8;

    /// Takes over the storage of `parameters`, which must be leaves of the graph.
    pub fn new(mut parameters: Vec<Tensor>, weight_decay: f64, clip: f64) -> Self {
        let _guard = tch::no_grad_guard();
        let flat = flatten(parameters.iter_mut());
        let (first, second) = (flat.zeros_like(), flat.zeros_like());
        Self { parameters, flat, first, second, weight_decay, clip }
    }

    /// One update down the gradients, after `update` others. Returns their norm before clipping, unread, so that a GPU
    /// is not waited for.
    pub fn update(&mut self, update: u64, gradients: &Gradients, learning_rate: f64) -> Tensor {
        let _guard = tch::no_grad_guard();
        // A parameter that the loss does not depend on (Aaren's key bias) has no gradient.
        let gradients = self
            .parameters
            .iter()
            .map(|parameter| gradients.get(parameter).map_or_else(|| row(&parameter.zeros_like()), row));
        let gradient = Tensor::cat(&gradients.collect::<Vec<_>>(), 0);
        let norm = gradient.norm();
        let clipped = (self.clip / (&norm + 1e-6)).clamp_max(1.0);

        let (beta1, beta2) = Self::BETAS;
        let correction = |beta: f64| 1.0 - beta.powf((update + 1) as f64);
        // The corrections of both moments in one factor, and ε in its units: two passes less.
        let unit = correction(beta2).sqrt();
        let step = -learning_rate * unit / correction(beta1);
        let length = self.flat.size()[0];
        let piece = if self.flat.device() == Device::Cpu { PIECE } else { length };
        for start in (0..length).step_by(piece as usize) {
            let part = |tensor: &Tensor| tensor.narrow(0, start, piece.min(length - start));
            let (mut flat, mut first, mut second) = (part(&self.flat), part(&self.first), part(&self.second));
            let mut gradient = part(&gradient) * &clipped;
            let _ = first.lerp_(&gradient, 1.0 - beta1);
            let _ = second.lerp_(&gradient.square_(), 1.0 - beta2);
            let mut denominator = second.sqrt();
            denominator += Self::EPSILON * unit;
            flat *= 1.0 - learning_rate * self.weight_decay;
            let _ = flat.addcdiv_(&(first * step), &denominator);
        }
        norm
    }

    /// All parameters, one after the other.
    pub(crate) fn weights(&self) -> &Tensor {
        &self.flat
    }

    /// First and second moments with their names, flat, in the order of the parameters.
    pub fn moments(&self) -> [(String, Tensor); 2] {
        [("first".into(), self.first.shallow_clone()), ("second".into(), self.second.shallow_clone())]
    }
}

/// One buffer of the numbers of all parameters, which become views into it.
pub(crate) fn flatten<'p>(parameters: impl Iterator<Item = &'p mut Tensor>) -> Tensor {
    let mut parameters: Vec<_> = parameters.collect();
    let flat =
        Tensor::cat(&parameters.iter().map(|parameter| row(parameter)).collect::<Vec<_>>(), 0).detach();
    let mut offset = 0;
    for parameter in &mut parameters {
        let length = parameter.numel() as i64;
        parameter.set_data(&flat.narrow(0, offset, length).view_as(parameter));
        offset += length;
    }
    flat
}

fn row(tensor: &Tensor) -> Tensor {
    tensor.detach().reshape([-1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: a ramp of four, then half a cosine over the eight updates that are left, or nothing.
    #[test]
    fn the_learning_rate_warms_up_and_comes_down() {
        let factors = |schedule, warmup| -> Vec<f64> {
            (0..12).map(|update| learning_rate_factor(schedule, update, warmup, 12)).collect()
        };
        let cosine = factors(Schedule::Cosine, 4);
        assert_eq!(cosine[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((cosine[6] - (0.5 + 0.5_f64.sqrt() / 2.0)).abs() < 1e-12, "{cosine:?}");
        assert!((cosine[8] - 0.5).abs() < 1e-12 && (cosine[10] - 0.5 + 0.5_f64.sqrt() / 2.0).abs() < 1e-12);
        // The last update is not lost: its rate is above 0.
        assert!(cosine[11] > 0.03 && cosine[11] < 0.04, "{cosine:?}");
        assert_eq!(factors(Schedule::Constant, 2)[..3], [0.5, 1.0, 1.0]);
        assert_eq!(factors(Schedule::Constant, 0), [1.0; 12]);
    }
}

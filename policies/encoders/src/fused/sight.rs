//! Which tokens a token sees, and how it weighs them by their age.

use super::element::fma;

/// Share of the largest weight that is nothing beside it, in float32 and as a factor of gradients too.
const NOTHING: f32 = 1e-30;

/// What the tokens of a piece of time see of one another.
pub(crate) struct Sight {
    /// The first token that each one sees; the last is the token itself. It never falls.
    pub first: Vec<usize>,
    /// The timestep of each.
    pub times: Vec<f32>,
    /// What the scores of each head fall by for every timestep between query and key.
    pub slopes: Vec<f32>,
}

impl Sight {
    pub(super) fn is_whole(&self) -> bool {
        self.first.iter().all(|&first| first == 0) && self.slopes.iter().all(|&slope| slope == 0.0)
    }

    /// Lets the scores of a token fall, those for the tokens from number `from` on.
    #[inline(always)]
    pub(super) fn fall<const FUSED: bool>(&self, scores: &mut [f32], from: usize, token: usize, head: usize) {
        let (slope, now) = (self.slopes[head], self.times[token]);
        if slope != 0.0 {
            for (score, time) in scores.iter_mut().zip(&self.times[from..]) {
                *score = fma::<FUSED>(slope, time - now, *score);
            }
        }
    }

    /// Forgets the weights that fell to nothing: products with them would be subnormal, which many processors are slow at.
    #[inline(always)]
    pub(super) fn forget(&self, weights: &mut [f32], head: usize) {
        if self.slopes[head] != 0.0 {
            weights.iter_mut().for_each(|weight| *weight = if *weight < NOTHING { 0.0 } else { *weight });
        }
    }
}

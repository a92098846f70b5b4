//! Rotation of pairs of channels by learned phases: how heads tell when something was.
//!
//! Pair j of head h, the channels 2j and 2j + 1, turns by ω_hj at each timestep. A sum that turns with every timestep is
//! the sum of values turned back by their own timestep, turned on by the reader's. That sum is what a state keeps: it is
//! never multiplied by a rotation, whose rounding would add up, and the phase is computed anew from the number of the
//! timestep.

use alloc::{format, vec::Vec};

use aaren_format::{Model, Settings};

use crate::Error;
use crate::file::File;

/// ω of every pair of the heads that turn.
pub(crate) struct Phases {
    /// In whole turns for each timestep, head by head.
    turns: Vec<f64>,
    heads: usize,
    pairs: usize,
    head_width: usize,
    tokens_each: u64,
}

impl Phases {
    /// Those of a layer whose timesteps have so many tokens; `None` where nothing turns.
    pub(crate) fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        tokens_each: usize,
    ) -> Result<Option<Phases>, Error> {
        let Some(turns) = Self::turns(file, block, model)? else { return Ok(None) };
        let Settings { heads, keys, .. } = model.mixer.settings();
        let head_width = if keys > 1 { keys } else { model.width / heads };
        let [heads, pairs] = Self::shape(model);
        Ok(Some(Phases { turns, heads, pairs, head_width, tokens_each: tokens_each as u64 }))
    }

    /// Whole turns for each timestep, `[heads that turn, pairs]`.
    pub(crate) fn turns(file: &File<'_>, block: &str, model: &Model) -> Result<Option<Vec<f64>>, Error> {
        let shape = Self::shape(model);
        if shape[0] == 0 {
            return Ok(None);
        }
        let phases = file.tensor(&format!("{block}.attention.phase"), &shape)?;
        Ok(Some(phases.iter().map(|&phase| f64::from(phase) / core::f64::consts::TAU).collect()))
    }

    /// Of the tensor in a file.
    pub(crate) fn shape(model: &Model) -> [usize; 2] {
        [model.rotated_heads(), model.rotated_pairs()]
    }

    /// Floats of a [`turn`](Self::at).
    pub(crate) fn floats(&self) -> usize {
        2 * self.turns.len()
    }

    /// The turn at token number `token` since the state was empty: cosine and sine of each pair.
    #[inline(always)]
    pub(crate) fn at(&self, token: u64, turn: &mut [f32]) {
        let timestep = (token / self.tokens_each) as f64;
        for (to, turns) in turn.chunks_exact_mut(2).zip(&self.turns) {
            let (cos, sin) = cos_sin_of_turns(turns * timestep);
            to.copy_from_slice(&[cos, sin]);
        }
    }

    /// Turns the channels of all heads on, or back.
    #[inline(always)]
    pub(crate) fn turn(&self, x: &mut [f32], turn: &[f32], on: bool) {
        let sign = if on { 1.0 } else { -1.0 };
        let heads = x.chunks_exact_mut(self.head_width).zip(turn.chunks_exact(2 * self.pairs));
        for (x, turn) in heads.take(self.heads) {
            for (x, turn) in x.chunks_exact_mut(2).zip(turn.chunks_exact(2)) {
                let (cos, sin) = (turn[0], sign * turn[1]);
                (x[0], x[1]) = (x[0] * cos - x[1] * sin, x[0] * sin + x[1] * cos);
            }
        }
    }
}

/// Cosine and sine of 2π·x, to 1e-7, for |x| < 2⁴⁹.
#[inline(always)]
fn cos_sin_of_turns(x: f64) -> (f32, f32) {
    // Adding it rounds to a multiple of a quarter.
    const ROUND: f64 = 1.5 * (1u64 << 50) as f64;
    let quarters = x + ROUND;
    let a = ((x - (quarters - ROUND)) * core::f64::consts::TAU) as f32;
    let quarter = quarters.to_bits() as u32;
    let z = a * a;
    // Taylor's series up to where terms vanish beside 1 for |a| ≤ π/4.
    let sin = a + a * z * (-1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z * (1.0 / 362_880.0))));
    let cos = 1.0
        + z * (-0.5 + z * (1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40_320.0 - z * (1.0 / 3_628_800.0)))));
    let (cos, sin) = if quarter & 1 == 0 { (cos, sin) } else { (-sin, cos) };
    if quarter & 2 == 0 { (cos, sin) } else { (-cos, -sin) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_those_of_the_library_for_long() {
        for n in 0..200_000u64 {
            let x = 0.123_456_789 * (n * n) as f64 - 7.0 * n as f64;
            let (cos, sin) = cos_sin_of_turns(x);
            let angle = (x - libm::floor(x)) * core::f64::consts::TAU;
            let off = |found: f32, expected: f64| (f64::from(found) - expected).abs();
            let worst = off(cos, libm::cos(angle)).max(off(sin, libm::sin(angle)));
            assert!(worst < 2e-7, "{x}: {cos}, {sin}: {worst:e}");
        }
    }
}

//! The Aaren layer: attention of a learned query over every prefix, as a recurrence.
//!
//! With x_i the i-th token, head h weighs it by e^{s_i}, s_i = x_i · r_h, where
//! r_h = W_k,hᵀ (W_q q + b_q)_h / √d_h is folded once, when the policy is loaded; the key's bias
//! shifts all scores alike and cancels. The output of a prefix is the weighted mean of the values.
//! Source: Feng et al. 2024, "Attention as an RNN", arXiv 2405.13956.
//!
//! The state of a head is (m, u, w): the largest score so far, Σ e^{s_i − m} and Σ e^{s_i − m} v_i.
//! With recency, prefix n weighs token i by e^{s_i − λ(n − i)}: m falls by λ before every merge.

use alloc::vec::Vec;

use aaren_format::Precision;

use crate::block::{Layers, State, Wanted};
use crate::linear::Linear;
use crate::simd::Lanes;
use crate::vector::{exp, for_lanes, scale_into};

/// One layer's parameters.
pub(crate) struct Aaren {
    /// Values of all heads, then one score per head: `[width + heads, width]`.
    values_and_scores: Linear,
    /// `None` where it is folded into the values.
    output: Option<Linear>,
    /// λ of every head, zero without recency.
    decay: Vec<f64>,
    width: usize,
}

/// What [`Aaren::new`] takes of a file; matrices are `[width, width]`.
pub(crate) struct Parameters<'a> {
    pub(crate) query_token: &'a [f32],
    pub(crate) query: (&'a [f32], &'a [f32]),
    pub(crate) key: &'a [f32],
    pub(crate) value: (&'a [f32], &'a [f32]),
    pub(crate) output: (&'a [f32], &'a [f32]),
    /// Raw recency; λ = softplus(raw).
    pub(crate) recency: Option<&'a [f32]>,
}

impl Aaren {
    /// Fold query and key into one score vector per head, in float64, and pack the rest.
    pub(crate) fn new(p: &Parameters<'_>, heads: usize, precision: Precision) -> Aaren {
        let width = p.query_token.len();
        let head_width = width / heads;
        let scale = 1.0 / libm::sqrt(head_width as f64);
        let query: Vec<f64> = (p.query.0.chunks_exact(width).zip(p.query.1))
            .map(|(row, &bias)| {
                row.iter()
                    .zip(p.query_token)
                    .fold(f64::from(bias), |sum, (&w, &q)| sum + f64::from(w) * f64::from(q))
            })
            .collect();

        let (mut weight, mut bias) = match heads {
            1 => Linear::fold(p.value, p.output),
            _ => (p.value.0.to_vec(), p.value.1.to_vec()),
        };
        for h in 0..heads {
            let mut score = alloc::vec![0.0; width];
            let rows = p.key.chunks_exact(width).zip(&query).skip(h * head_width);
            for (keys, &q) in rows.take(head_width) {
                for (r, &k) in score.iter_mut().zip(keys) {
                    *r += f64::from(k) * q * scale;
                }
            }
            weight.extend(score.iter().map(|&r| r as f32));
            bias.push(0.0);
        }
        let softplus = |raw: f32| {
            let raw = f64::from(raw);
            raw.max(0.0) + libm::log1p(libm::exp(-raw.abs()))
        };
        Aaren {
            values_and_scores: Linear::new(&weight, &bias, precision),
            output: (heads > 1).then(|| Linear::new(p.output.0, p.output.1, precision)),
            decay: p
                .recency
                .map_or(alloc::vec![0.0; heads], |raw| raw.iter().map(|&r| softplus(r)).collect()),
            width,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values_and_scores.bytes() + self.output.as_ref().map_or(0, Linear::bytes)
    }

    /// Floats of one layer's state: m and u of every head, then w.
    pub(crate) fn state_length(width: usize, heads: usize) -> usize {
        2 * heads + width
    }

    /// Make `state` that of an empty prefix.
    pub(crate) fn clear(state: &mut [f32], heads: usize) {
        state[..heads].fill(f32::NEG_INFINITY);
        state[heads..].fill(0.0);
    }

    /// Merge every state's incoming tokens, rows of `x` (`[tokens, width]`), into layer `n` of the
    /// state; attention's output of the tokens wanted goes to `y` (`[wanted, width]`).
    #[inline(always)]
    pub(crate) fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut AarenScratch,
        y: &mut [f32],
    ) {
        let (width, heads) = (self.width, self.decay.len());
        let (tokens, head_width, outputs) = (x.len() / width, width / heads, y.len() / width);
        let row = self.values_and_scores.outputs();
        let projected = &mut scratch.projected[..tokens * row];
        let mixed = &mut scratch.mixed[..outputs * width];
        self.values_and_scores.apply::<L>(x, tokens, projected);

        let (mut projected, mut mixed_rows) = (projected.chunks_exact(row), mixed.chunks_exact_mut(width));
        for state in states {
            let State { tokens: count, incoming, layers } = state.as_mut();
            let Layers::Aaren(floats) = layers else {
                unreachable!("states are made by the encoder they are used with")
            };
            let length = Self::state_length(width, heads);
            let (maxima, rest) = floats[n * length..(n + 1) * length].split_at_mut(heads);
            let (sums, weighted) = rest.split_at_mut(heads);
            for (t, projected) in projected.by_ref().take(*incoming).enumerate() {
                let (values, scores) = projected.split_at(width);
                let dither = dither(*count + t as u64);
                let mut mixed = if t >= wanted.from(*incoming) { mixed_rows.next() } else { None };
                for h in 0..heads {
                    let span = h * head_width..(h + 1) * head_width;
                    let w = &mut weighted[span.clone()];
                    merge::<L>(
                        &mut maxima[h],
                        &mut sums[h],
                        w,
                        self.decay[h],
                        scores[h],
                        &values[span.clone()],
                        dither,
                    );
                    if let Some(mixed) = &mut mixed {
                        scale_into::<L>(&mut mixed[span], w, 1.0 / sums[h]);
                    }
                }
            }
        }
        match &self.output {
            Some(output) => output.apply::<L>(mixed, outputs, y),
            None => y.copy_from_slice(mixed),
        }
    }
}

/// Working memory of [`Aaren::forward`].
pub(crate) struct AarenScratch {
    projected: Vec<f32>,
    mixed: Vec<f32>,
}

impl AarenScratch {
    pub(crate) fn new(width: usize, heads: usize, tokens: usize) -> AarenScratch {
        AarenScratch {
            projected: alloc::vec![0.0; tokens * (width + heads)],
            mixed: alloc::vec![0.0; tokens * width],
        }
    }
}

/// Merge a token of score `s` and value `v` into one head's (m, u, w).
#[inline(always)]
fn merge<L: Lanes>(m: &mut f32, u: &mut f32, w: &mut [f32], decay: f64, s: f32, v: &[f32], dither: f32) {
    let decayed = f64::from(*m) - decay;
    let maximum = if s > decayed as f32 { s } else { decayed as f32 };
    // What the stored sums must be multiplied by is exact however `maximum` was rounded.
    let shrink = Shrink::by(decayed - f64::from(maximum));
    // SAFETY: plain f32 arithmetic.
    let weight = unsafe { exp(s - maximum) };
    *m = maximum;
    shrink.add::<f32>(core::slice::from_mut(u), weight, &[1.0], dither);
    shrink.add::<L>(w, weight, v, dither);

    // A decay too small for float32 leaves m where it is and lets u shrink instead: move m.
    if *u < 0.5 && *u > 0.0 {
        let lower = (f64::from(maximum) + libm::log(f64::from(*u))) as f32;
        let factor = libm::exp(f64::from(maximum) - f64::from(lower)) as f32;
        *m = lower;
        *u *= factor;
        w.iter_mut().for_each(|w| *w *= factor);
    }
}

/// Multiplication by eˣ, x ≤ 0, in the form that loses least.
#[derive(Clone, Copy)]
enum Shrink {
    /// eˣ itself.
    Times(f32),
    /// eˣ − 1 near zero, where rounding eˣ would add up over many tokens.
    Less(f32),
}

impl Shrink {
    #[inline(always)]
    fn by(x: f64) -> Shrink {
        if x > -1.0 / 64.0 {
            Shrink::Less((x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0))))) as f32)
        } else {
            // SAFETY: plain f32 arithmetic.
            Shrink::Times(unsafe { exp(x as f32) })
        }
    }

    /// `to = eˣ·to + weight·v`, rounded so that errors do not add up.
    ///
    /// A float32 sum of millions of terms swallows part of every new term, always the same part
    /// where the stream repeats itself. The part lost is computed (Knuth's two-sum) and decides,
    /// together with a dither that runs evenly through ±½ unit in the last place, which of the two
    /// neighbours is stored: right on average, with no more state than the sums.
    #[inline(always)]
    fn add<L: Lanes>(self, to: &mut [f32], weight: f32, v: &[f32], dither: f32) {
        assert_eq!(to.len(), v.len());
        let (keep, less) = match self {
            Shrink::Times(keep) => (keep, 0.0),
            Shrink::Less(less) => (1.0, less),
        };
        let (to_ptr, v_ptr) = (to.as_mut_ptr(), v.as_ptr());
        // SAFETY: both pointers stay inside slices of the same length.
        unsafe {
            for_lanes!(L, i in to.len() => {
                let old = L::load(to_ptr.add(i));
                let kept = old.mul(L::splat(keep));
                let added = L::splat(weight).mul_add(L::load(v_ptr.add(i)), old.mul(L::splat(less)));
                let sum = kept.add(added);
                let shown = sum.sub(kept);
                let lost = kept.sub(sum.sub(shown)).add(added.sub(shown));
                sum.add(sum.exponent().mul_add(L::splat(dither), lost)).store(to_ptr.add(i))
            });
        }
    }
}

/// The n-th of a sequence that fills ±½ evenly (multiples of the golden ratio, modulo one), in
/// units of the last place of a float32 in [1, 2).
fn dither(n: u64) -> f32 {
    let fraction = (n as u32).wrapping_mul(0x9e37_79b9) as f32 / 4_294_967_296.0;
    (fraction - 0.5) * f32::EPSILON
}

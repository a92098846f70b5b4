//! The Aaren layer: attention of a learned query over every prefix, as a recurrence.
//!
//! With x_i the i-th token, head h weighs it by e^{s_i}, s_i = x_i · r_h, where
//! r_h = W_k,hᵀ (W_q q + b_q)_h / √d_h is folded once, when the policy is loaded; the key's bias
//! shifts all scores alike and cancels. The output of a prefix is the weighted mean of the values.
//! Source: Feng et al. 2024, "Attention as an RNN", arXiv 2405.13956.
//!
//! The state of a head is (m, u, w): the largest score so far, Σ e^{s_i − m} and Σ e^{s_i − m} v_i.
//! With keys of n entries a head has n of u and of w, and a query of the input reads them; see [`Keyed`] and [`read`].
//! With rotation w is kept as it would be at timestep 0, see [`rotation`](crate::rotation).
//! With recency, token t decays all before it: m falls by λ_t before the merge. λ_t is a number of the head, or
//! (`gated`) softplus(w_h · x_t + b_h).

use alloc::{format, vec::Vec};

use aaren_format::{Model, Precision, Recency, Settings};

use super::Mix;
use crate::Error;
use crate::cache::Cache;
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::rotation::Phases;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::{add_scaled, exp_scalar, for_lanes, scale_into};

/// One layer as its file holds it, but for what is folded.
pub(crate) struct Parts {
    /// `[width, width]`.
    pub(crate) value: Matrix,
    /// r of every head: `[heads, width]`.
    pub(crate) score: Vec<f32>,
    pub(crate) recency: Decay,
    /// `None` where it is folded into the values.
    pub(crate) output: Option<Matrix>,
    /// Weight `[2 · heads · n, width]` and bias of the keys of all heads, then of their queries, where there are such.
    /// Keys are divided by √n.
    pub(crate) addresses: Option<(Vec<f32>, Vec<f32>)>,
}

/// By how much the maximum of a head falls at every token.
pub(crate) enum Decay {
    /// By a number of each head: softplus of the file's, or zero without recency.
    Fixed(Vec<f64>),
    /// softplus of a product with the token: weight `[heads, width]` and bias `[heads]`.
    Gated(Vec<f32>, Vec<f32>),
}

impl Parts {
    /// Folds query and key into one score vector per head, in float64; a file of bytes holds them folded.
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model) -> Result<Parts, Error> {
        let (width, Settings { heads, recency, keys, .. }) = (model.width, model.mixer.settings());
        let name = |part: &str| format!("{block}.attention.{part}");
        // Values that turn must be their heads' own.
        let foldable = heads == 1 && model.rotated_heads() == 0 && keys == 1;
        let (value, score, output) = if file.is_int8() {
            let value = file.matrix(&name("value"), width, width)?;
            let output = (!foldable).then(|| file.matrix(&name("output"), width, width)).transpose()?;
            (value, file.tensor(&name("score.weight"), &[heads, width])?, output)
        } else {
            let square = |part: &str| file.float_matrix(&name(part), width, width);
            let flat = |part: &str| file.weight_and_bias(&name(part), width, width);
            let (query, key, value, output) =
                (flat("query")?, flat("key")?, square("value")?, square("output")?);
            let query_token = file.tensor(&name("query_token"), &[width])?;
            let score = scores(&query, &key.0, &query_token, heads);
            match foldable.then(|| Matrix::fold(&value, &output)).flatten() {
                Some(folded) => (folded, score, None),
                None => (value, score, Some(output)),
            }
        };
        let recency = match recency {
            Recency::None => Decay::Fixed(alloc::vec![0.0; heads]),
            Recency::Learned | Recency::Spread => {
                let raw = file.tensor(&name("recency"), &[heads])?;
                Decay::Fixed(raw.into_iter().map(softplus).collect())
            }
            Recency::Gated => {
                let (weight, bias) = file.weight_and_bias(&name("gate"), heads, width)?;
                Decay::Gated(weight, bias)
            }
        };
        let addresses = (keys > 1).then(|| -> Result<_, Error> {
            let rows = heads * keys;
            let (mut weight, mut bias) = file.weight_and_bias(&name("token_key"), rows, width)?;
            let scale = 1.0 / libm::sqrt(keys as f64) as f32;
            weight.iter_mut().chain(&mut bias).for_each(|x| *x *= scale);
            let queries = file.weight_and_bias(&name("token_query"), rows, width)?;
            weight.extend(queries.0);
            bias.extend(queries.1);
            Ok((weight, bias))
        });
        Ok(Parts { value, score, recency, output, addresses: addresses.transpose()? })
    }
}

/// r of every head, `[heads, width]`.
fn scores(query: &(Vec<f32>, Vec<f32>), key: &[f32], query_token: &[f32], heads: usize) -> Vec<f32> {
    let width = query_token.len();
    let head_width = width / heads;
    let scale = 1.0 / libm::sqrt(head_width as f64);
    let query: Vec<f64> = (query.0.chunks_exact(width).zip(&query.1))
        .map(|(row, &bias)| {
            let products = row.iter().zip(query_token);
            products.fold(f64::from(bias), |sum, (&w, &q)| sum + f64::from(w) * f64::from(q))
        })
        .collect();
    let mut scores = Vec::new();
    for h in 0..heads {
        let mut score = alloc::vec![0.0; width];
        let rows = key.chunks_exact(width).zip(&query).skip(h * head_width);
        for (keys, &q) in rows.take(head_width) {
            for (r, &k) in score.iter_mut().zip(keys) {
                *r += f64::from(k) * q * scale;
            }
        }
        scores.extend(score.iter().map(|&r| r as f32));
    }
    scores
}

/// One layer's parameters.
pub(crate) struct Aaren {
    /// Values of all heads, then one score per head, then one gate per head where they are gated, then keys and queries of
    /// all heads where there are such: `[width + heads (+ heads) (+ 2 · heads · n), width]`.
    values_and_scores: Linear,
    /// `None` where it is folded into the values.
    output: Option<Linear>,
    /// λ of every head, zero without recency; nothing where the tokens bring theirs.
    decay: Option<Vec<f64>>,
    phases: Option<Phases>,
    width: usize,
    heads: usize,
    /// Entries of a key and of a query; 1 where there are none.
    keys: usize,
}

impl Mix for Aaren {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        tokens_each: usize,
        precision: Precision,
    ) -> Result<Aaren, Error> {
        let (width, Settings { heads, keys, .. }) = (model.width, model.mixer.settings());
        let Parts { value, score: mut rows, recency, output, addresses } = Parts::read(file, block, model)?;
        let mut biases = alloc::vec![0.0; heads];
        let decay = match recency {
            Decay::Fixed(decay) => Some(decay),
            Decay::Gated(weight, bias) => {
                rows.extend(weight);
                biases.extend(bias);
                None
            }
        };
        if let Some((weight, bias)) = addresses {
            rows.extend(weight);
            biases.extend(bias);
        }
        Ok(Aaren {
            values_and_scores: Linear::stacked(&value, (&rows, &biases), precision),
            output: output.map(|output| Linear::new(&output, precision)),
            decay,
            phases: Phases::read(file, block, model, tokens_each)?,
            width,
            heads,
            keys,
        })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        core::iter::once(&self.values_and_scores).chain(&self.output)
    }

    /// m of every head, u of every head, then w; with keys of n entries, n of u and n of w, one after the other.
    fn memory(&self) -> Memory {
        let mut fixed = alloc::vec![0.0; self.heads + self.keys * (self.heads + self.width)];
        self.clear(&mut fixed);
        Memory { fixed, cache: Cache::new(0) }
    }

    fn clear(&self, fixed: &mut [f32]) {
        let (maxima, sums) = fixed.split_at_mut(self.heads);
        maxima.fill(f32::NEG_INFINITY);
        sums.fill(0.0);
    }

    fn scratch(&self) -> usize {
        // The values of a token that turns, and its turn, come once.
        let turning = self.phases.as_ref().map_or(0, |phases| self.turned() + phases.floats());
        self.values_and_scores.outputs() + self.width + turning
    }

    #[inline(always)]
    fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut [f32],
        y: &mut [f32],
    ) {
        let (width, heads) = (self.width, self.heads);
        let (tokens, head_width, outputs) = (x.len() / width, width / heads, y.len() / width);
        let row = self.values_and_scores.outputs();
        let (projected, rest) = scratch.split_at_mut(tokens * row);
        let (mixed, rest) = rest.split_at_mut(outputs * width);
        let (turned, turn) = match &self.phases {
            Some(phases) => rest[..self.turned() + phases.floats()].split_at_mut(self.turned()),
            None => (&mut [][..], &mut [][..]),
        };
        self.values_and_scores.apply::<L>(x, tokens, projected);

        let (mut projected, mut mixed_rows) = (projected.chunks_exact(row), mixed.chunks_exact_mut(width));
        for state in states {
            let State { tokens: count, incoming, layers } = state.as_mut();
            let (maxima, rest) = layers[n].fixed.split_at_mut(heads);
            let (sums, weighted) = rest.split_at_mut(self.keys * heads);
            for (t, projected) in projected.by_ref().take(*incoming).enumerate() {
                let (mut values, scores) = projected.split_at(width);
                // Of all heads: keys, then queries.
                let mut addresses = &scores[self.gates() + heads..];
                if let Some(phases) = &self.phases {
                    phases.at(*count + t as u64, turn);
                    if self.keys > 1 {
                        turned.copy_from_slice(addresses);
                        let (keys, queries) = turned.split_at_mut(heads * self.keys);
                        phases.turn(keys, turn, true);
                        phases.turn(queries, turn, true);
                        addresses = turned;
                    } else {
                        turned.copy_from_slice(values);
                        phases.turn(turned, turn, false);
                        values = turned;
                    }
                }
                let dither = dither(*count + t as u64);
                let mut mixed = if t >= wanted.from(*incoming) { mixed_rows.next() } else { None };
                let (keys, queries) = addresses.split_at(addresses.len() / 2);
                for h in 0..heads {
                    let span = h * head_width..(h + 1) * head_width;
                    let decay = match &self.decay {
                        Some(decay) => decay[h],
                        None => softplus(scores[heads + h]),
                    };
                    if self.keys > 1 {
                        let entries = h * self.keys..(h + 1) * self.keys;
                        let head = Keyed {
                            m: &mut maxima[h],
                            u: &mut sums[entries.clone()],
                            w: &mut weighted[h * self.keys * head_width..][..self.keys * head_width],
                        };
                        let (key, value) = (&keys[entries.clone()], &values[span.clone()]);
                        head.merge::<L>(decay, scores[h], key, value, dither);
                        if let Some(mixed) = &mut mixed {
                            let head = (&sums[entries.clone()], &weighted[h * self.keys * head_width..]);
                            read::<L>(maxima[h], head, &queries[entries], &mut mixed[span]);
                        }
                        continue;
                    }
                    let w = &mut weighted[span.clone()];
                    merge::<L>(
                        &mut maxima[h],
                        &mut sums[h],
                        w,
                        decay,
                        scores[h],
                        &values[span.clone()],
                        dither,
                    );
                    if let Some(mixed) = &mut mixed {
                        scale_into::<L>(&mut mixed[span], w, 1.0 / sums[h]);
                    }
                }
                if let (Some(phases), Some(mixed), 1) = (&self.phases, mixed, self.keys) {
                    phases.turn(mixed, turn, true);
                }
            }
        }
        match &self.output {
            Some(output) => output.apply::<L>(mixed, outputs, y),
            None => y.copy_from_slice(mixed),
        }
    }
}

impl Aaren {
    /// Gates that a token brings.
    fn gates(&self) -> usize {
        if self.decay.is_none() { self.heads } else { 0 }
    }

    /// Floats of a token that turn: its values, or its keys and queries.
    fn turned(&self) -> usize {
        if self.keys > 1 { 2 * self.heads * self.keys } else { self.width }
    }
}

/// The state of a head with keys of n entries: u `[n]`, w `[n, width of a head]`.
struct Keyed<'a> {
    m: &'a mut f32,
    u: &'a mut [f32],
    w: &'a mut [f32],
}

impl Keyed<'_> {
    /// Merges a token of score `s`, key `k` and value `v` into it, as [`merge`] does.
    #[inline(always)]
    fn merge<L: Lanes>(self, decay: f64, s: f32, k: &[f32], v: &[f32], dither: f32) {
        let (maximum, shrink) = lowered(*self.m, decay, s);
        let weight = exp_scalar(s - maximum);
        *self.m = maximum;
        shrink.add::<L>(self.u, weight, k, dither);
        for (w, &k) in self.w.chunks_exact_mut(v.len()).zip(k) {
            shrink.add::<L>(w, weight * k, v, dither);
        }
    }
}

/// wᵀq / max(|u·q|, e^{−m}).
#[inline(always)]
fn read<L: Lanes>(m: f32, (u, w): (&[f32], &[f32]), q: &[f32], to: &mut [f32]) {
    let sum: f32 = u.iter().zip(q).map(|(u, q)| u * q).sum();
    // Where e^{−m} is beyond all numbers, so little is held that nothing is read.
    let share = 1.0 / sum.abs().max(exp_scalar(-m));
    to.fill(0.0);
    for (w, &q) in w.chunks_exact(to.len()).zip(q) {
        add_scaled::<L>(to, q * share, w);
    }
}

/// The stabiliser after a token of score `s` whose past decays by `decay`, and what the stored sums are multiplied by.
#[inline(always)]
fn lowered(m: f32, decay: f64, s: f32) -> (f32, Shrink) {
    let decayed = f64::from(m) - decay;
    // Rounded up: rounded down, sums would grow at every token, and in the end beyond all numbers.
    let nearest = decayed as f32;
    let rounded = if f64::from(nearest) < decayed { nearest.next_up() } else { nearest };
    let maximum = if s > rounded { s } else { rounded };
    // What the stored sums must be multiplied by is exact however `maximum` was rounded.
    (maximum, Shrink::by(decayed - f64::from(maximum)))
}

fn softplus(raw: f32) -> f64 {
    let raw = f64::from(raw);
    raw.max(0.0) + libm::log1p(libm::exp(-raw.abs()))
}

/// Merge a token of score `s` and value `v` into one head's (m, u, w).
///
/// Afterwards u ≥ ½ where |m| < 2²⁴, and u ≥ e^(−½ ulp(m)) where |m| < 2²⁹, whatever came and however long,
/// so that dividing by u is safe; nor does u grow but by tokens. Where `s` sets the maximum, its own term is
/// one. Where the decayed maximum stays, it is rounded up to m, and what m should have fallen further, less
/// than ulp(m), shrinks u instead. Once u < ½, m moves to the number next to m + ln u, and u comes within
/// e^(±½ ulp(m)).
#[inline(always)]
fn merge<L: Lanes>(m: &mut f32, u: &mut f32, w: &mut [f32], decay: f64, s: f32, v: &[f32], dither: f32) {
    let (maximum, shrink) = lowered(*m, decay, s);
    let weight = exp_scalar(s - maximum);
    *m = maximum;
    shrink.add::<f32>(core::slice::from_mut(u), weight, &[1.0], dither);
    shrink.add::<L>(w, weight, v, dither);

    // A decay too small for float32 leaves m where it is: move m.
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
            Shrink::Times(exp_scalar(x as f32))
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
        // SAFETY: both slices hold `to.len()` floats, as asserted.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens that weigh nothing beside a large first one, whose weight decays by less than float32 tells
    /// from nothing at that size, by about as much, and by more.
    #[test]
    fn the_sum_of_weights_keeps_its_bound_and_decays_by_the_right_amount() {
        let mut moved = 0;
        for score in [0.3f32, -1.7, 1e4, -1e4, 2e6, -1.5e6, 3e8, -4e8] {
            let unit = f64::from(f32::from_bits(score.abs().to_bits() + 1) - score.abs());
            for decay in [unit / 50.0, unit / 2.1, unit / 1.9, 3.0 * unit] {
                let (mut m, mut u, mut w) = (f32::NEG_INFINITY, 0.0, [0.0; 5]);
                merge::<f32>(&mut m, &mut u, &mut w, decay, score, &[2.0; 5], 0.0);
                let steps = 20_000;
                for step in 1..=steps {
                    let before = m;
                    let far_below = m - 300.0 * (1.0 + unit as f32);
                    merge::<f32>(&mut m, &mut u, &mut w, decay, far_below, &[-1.0; 5], dither(step));
                    moved += usize::from(m != before);
                    let ulp = f64::from(f32::from_bits(m.abs().to_bits() + 1) - m.abs());
                    let bound = if m.abs() < 16_777_216.0 { 0.5 } else { libm::exp(-0.5 * ulp) };
                    let within = 0.999_99 * bound..1.000_01 * libm::exp(0.5 * ulp);
                    assert!(within.contains(&u.into()), "score {score:e}, decay {decay:e}, {step}: u {u:e}");
                }
                let expected = f64::from(score) - decay * steps as f64;
                let found = f64::from(m) + libm::log(f64::from(u));
                let off = (found - expected).abs();
                assert!(
                    off < 1e-3 * decay * steps as f64 + 2e-6,
                    "score {score:e}, decay {decay:e}: {found}, expected {expected}"
                );
                assert!(w.iter().all(|w| (w / u - 2.0).abs() < 1e-2), "{w:?} / {u}");
            }
        }
        assert!(moved > 1000);
    }
}

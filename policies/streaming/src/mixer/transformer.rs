//! The Transformer layer: causal multi-head attention over a growing key/value cache.

use alloc::{format, vec::Vec};

use aaren_format::{Model, Positions, Precision};

use super::Mix;
use crate::Error;
use crate::cache::{Cache, TILE};
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::rotation::Phases;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::{dot, exp_minus, exp_scalar, for_lanes, max};

/// One layer as its file holds it, but for what is folded; all `[width, width]`.
pub(crate) struct Parts {
    /// Before the division by √d_h.
    pub(crate) query: Matrix,
    pub(crate) key: Matrix,
    pub(crate) value: Matrix,
    /// `None` where it is folded into the values.
    pub(crate) output: Option<Matrix>,
}

impl Parts {
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model) -> Result<Parts, Error> {
        let (width, heads) = (model.width, model.mixer.settings().heads);
        let square = |part: &str| file.matrix(&format!("{block}.attention.{part}"), width, width);
        let (query, key, value) = (square("query")?, square("key")?, square("value")?);
        // A file of bytes holds it folded.
        if file.is_int8() && heads == 1 {
            return Ok(Parts { query, key, value, output: None });
        }
        let output = square("output")?;
        match (heads == 1).then(|| Matrix::fold(&value, &output)).flatten() {
            Some(value) => Ok(Parts { query, key, value, output: None }),
            None => Ok(Parts { query, key, value, output: Some(output) }),
        }
    }
}

/// One layer's parameters.
pub(crate) struct Transformer {
    query: Linear,
    key: Linear,
    value: Linear,
    /// `None` where it is folded into the values.
    output: Option<Linear>,
    phases: Option<Phases>,
    /// Whether scores fall with distance.
    alibi: bool,
    tokens_each: u64,
    width: usize,
    heads: usize,
}

impl Mix for Transformer {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        tokens_each: usize,
        precision: Precision,
    ) -> Result<Transformer, Error> {
        let (width, heads) = (model.width, model.mixer.settings().heads);
        let Parts { query, key, value, output } = Parts::read(file, block, model)?;
        // Scores are divided by √d_h: let the query do it.
        let query = query.scaled(1.0 / libm::sqrt((width / heads) as f64));
        let [query, key, value] = [query, key, value].map(|matrix| Linear::new(&matrix, precision));
        let output = output.map(|output| Linear::new(&output, precision));
        let phases = Phases::read(file, block, model, tokens_each)?;
        let (alibi, tokens_each) = (model.positions == Positions::Alibi, tokens_each as u64);
        Ok(Transformer { query, key, value, output, phases, alibi, tokens_each, width, heads })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        [&self.query, &self.key, &self.value].into_iter().chain(&self.output)
    }

    fn memory(&self) -> Memory {
        Memory { fixed: Vec::new(), cache: Cache::new(self.width) }
    }

    fn scratch(&self) -> usize {
        4 * self.width + self.phases.as_ref().map_or(0, Phases::floats)
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
        let width = self.width;
        let (tokens, outputs) = (x.len() / width, y.len() / width);
        let (keys, rest) = scratch.split_at_mut(tokens * width);
        let (values, rest) = rest.split_at_mut(tokens * width);
        let (queries, rest) = rest.split_at_mut(outputs * width);
        let (mixed, rest) = rest.split_at_mut(outputs * width);
        let turn = &mut rest[..self.phases.as_ref().map_or(0, Phases::floats)];
        self.key.apply::<L>(x, tokens, keys);
        self.value.apply::<L>(x, tokens, values);
        // What is mixed later lends its place to the tokens that ask.
        let mut asking = mixed.chunks_exact_mut(width);
        wanted.rows(states, |row| {
            let token = &x[row * width..(row + 1) * width];
            asking.next().expect("one for each output").copy_from_slice(token);
        });
        self.query.apply::<L>(mixed, outputs, queries);

        let head_width = width / self.heads;
        let mut rows = keys.chunks_exact(width).zip(values.chunks_exact(width));
        let mut first = 0;
        for state in states {
            let State { incoming, layers, tokens: count } = state.as_mut();
            let cache = &mut layers[n].cache;
            let from = wanted.from(*incoming);
            let position = cache.held().end + from;
            // Of the cache's token 0, since the state was empty.
            let number = count.wrapping_sub(cache.held().end as u64);
            for (t, (key, value)) in rows.by_ref().take(*incoming).enumerate() {
                let (to_key, to_value) = cache.push();
                to_key.copy_from_slice(key);
                to_value.copy_from_slice(value);
                if let Some(phases) = &self.phases {
                    phases.at(*count + t as u64, turn);
                    phases.turn(to_key, turn, true);
                    if t >= from {
                        let query = &mut queries[(first + t - from) * width..][..width];
                        phases.turn(query, turn, true);
                    }
                }
            }
            let asking = *incoming - from;
            for group in (0..asking).step_by(3) {
                for h in 0..self.heads {
                    let distance = self.alibi.then(|| Distance {
                        slope: libm::exp2(-8.0 * (h + 1) as f64 / self.heads as f64) as f32,
                        number,
                        tokens_each: self.tokens_each,
                    });
                    attend::<L>(
                        cache,
                        width,
                        h * head_width..(h + 1) * head_width,
                        distance,
                        position + group..position + asking.min(group + 3),
                        &queries[(first + group) * width..],
                        &mut mixed[(first + group) * width..],
                    );
                }
            }
            first += asking;
        }
        match &self.output {
            Some(output) => output.apply::<L>(mixed, outputs, y),
            None => y.copy_from_slice(mixed),
        }
    }
}

/// By how much the scores of a head fall with distance (ALiBi).
#[derive(Clone, Copy)]
struct Distance {
    /// For each timestep between query and key.
    slope: f32,
    /// Of the cache's token 0, since the state was empty, modulo 2⁶⁴.
    number: u64,
    tokens_each: u64,
}

impl Distance {
    /// Lowers the scores of keys from token `first` of the cache on, for a query of token `at`.
    fn lower(self, scores: &mut [f32], first: usize, at: usize) {
        let timestep = |token: usize| self.number.wrapping_add(token as u64) / self.tokens_each;
        for (token, score) in (first..).zip(scores) {
            *score -= self.slope * (timestep(at) - timestep(token)) as f32;
        }
    }
}

/// One head's attention of up to three queries, those of the tokens `asking`:
/// softmax over tiles of the cache with a running maximum, so that a tile of keys and values is
/// read from memory once for all three.
#[inline(always)]
fn attend<L: Lanes>(
    cache: &Cache,
    width: usize,
    head: core::ops::Range<usize>,
    distance: Option<Distance>,
    asking: core::ops::Range<usize>,
    queries: &[f32],
    mixed: &mut [f32],
) {
    let (position, group) = (asking.start, asking.len());
    let mut maxima = [f32::NEG_INFINITY; 3];
    let mut sums = [0.0f32; 3];
    let mut weights = [0.0; TILE];
    for g in 0..group {
        mixed[g * width..(g + 1) * width][head.clone()].fill(0.0);
    }
    let (mut first, visible) = (cache.held().start, position + group);
    while first < visible {
        let count = (TILE - first % TILE).min(visible - first);
        let (keys, values) = cache.tile(first, count);
        for g in 0..group {
            let count = count.min((position + g + 1).saturating_sub(first));
            if count == 0 {
                continue;
            }
            let weights = &mut weights[..count];
            let query = &queries[g * width..(g + 1) * width][head.clone()];
            for (weight, key) in weights.iter_mut().zip(keys.chunks_exact(width)) {
                *weight = dot::<L>(query, &key[head.clone()]);
            }
            if let Some(distance) = distance {
                distance.lower(weights, first, position + g);
            }
            let maximum = maxima[g].max(max(weights));
            let shrink = exp_scalar(maxima[g] - maximum);
            maxima[g] = maximum;
            sums[g] = sums[g] * shrink + exp_minus::<L>(weights, maximum);
            let mixed = &mut mixed[g * width..(g + 1) * width][head.clone()];
            mix::<L>(mixed, shrink, weights, &values[head.start..], width);
        }
        first += count;
    }
    for g in 0..group {
        let mixed = &mut mixed[g * width..(g + 1) * width][head.clone()];
        let total = 1.0 / sums[g];
        mixed.iter_mut().for_each(|x| *x *= total);
    }
}

/// `mixed = shrink·mixed + Σ_j weights[j]·values[j]`, rows of `values` being `stride` apart.
#[inline(always)]
fn mix<L: Lanes>(mixed: &mut [f32], shrink: f32, weights: &[f32], values: &[f32], stride: usize) {
    let n = mixed.len();
    assert!(weights.is_empty() || values.len() >= (weights.len() - 1) * stride + n);
    let (to, from) = (mixed.as_mut_ptr(), values.as_ptr());
    // SAFETY: row j holds n values from j · stride on, as asserted.
    unsafe {
        for_lanes!(L, i in n => {
            let mut sum = L::load(to.add(i)).mul(L::splat(shrink));
            for (j, &weight) in weights.iter().enumerate() {
                sum = L::splat(weight).mul_add(L::load(from.add(j * stride + i)), sum);
            }
            sum.store(to.add(i))
        });
    }
}

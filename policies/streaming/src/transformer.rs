//! The Transformer layer: causal multi-head attention over a growing key/value cache.

use alloc::{boxed::Box, vec::Vec};

use aaren_format::Precision;

use crate::block::{Layers, State, Wanted};
use crate::linear::Linear;
use crate::simd::Lanes;
use crate::vector::{dot, exp, exp_minus, for_lanes, max};

/// Tokens per block of the cache: it grows by blocks and never moves what it holds.
const BLOCK: usize = 256;
/// Tokens whose scores are computed before their values are added: keys and values of 32 tokens
/// of width 128 fit a first-level cache.
const TILE: usize = 32;

/// One layer's parameters.
pub(crate) struct Transformer {
    query: Linear,
    key: Linear,
    value: Linear,
    /// `None` where it is folded into the values.
    output: Option<Linear>,
    width: usize,
    heads: usize,
}

/// What [`Transformer::new`] takes of a file: weights `[width, width]` and biases `[width]`.
pub(crate) struct Parameters<'a> {
    pub(crate) query: (&'a [f32], &'a [f32]),
    pub(crate) key: (&'a [f32], &'a [f32]),
    pub(crate) value: (&'a [f32], &'a [f32]),
    pub(crate) output: (&'a [f32], &'a [f32]),
}

/// Keys and values of one layer.
#[derive(Default)]
pub(crate) struct Cache {
    /// Every block holds the keys of `BLOCK` tokens, then their values.
    blocks: Vec<Box<[f32]>>,
    tokens: usize,
}

impl Cache {
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Forget the tokens, keep the memory.
    pub(crate) fn clear(&mut self) {
        self.tokens = 0;
    }

    /// Space for one more token, which counts from now on: its key and its value.
    fn push(&mut self, width: usize) -> (&mut [f32], &mut [f32]) {
        let (block, slot) = (self.tokens / BLOCK, self.tokens % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(alloc::vec![0.0; 2 * BLOCK * width].into_boxed_slice());
        }
        self.tokens += 1;
        let (keys, values) = self.blocks[block].split_at_mut(BLOCK * width);
        (&mut keys[slot * width..(slot + 1) * width], &mut values[slot * width..(slot + 1) * width])
    }

    /// Keys and values of tokens `first..first + count`, which must lie in one block.
    #[inline(always)]
    fn tile(&self, first: usize, count: usize, width: usize) -> (&[f32], &[f32]) {
        let (keys, values) = self.blocks[first / BLOCK].split_at(BLOCK * width);
        let span = first % BLOCK * width..(first % BLOCK + count) * width;
        (&keys[span.clone()], &values[span])
    }

    /// The cached floats in order, for saving: per token its key, then its value.
    pub(crate) fn rows(&self, width: usize) -> impl Iterator<Item = (&[f32], &[f32])> {
        (0..self.tokens).map(move |t| self.tile(t, 1, width))
    }

    /// Append a token read back from [`rows`](Self::rows).
    pub(crate) fn restore(&mut self, width: usize, key_and_value: impl Iterator<Item = f32>) {
        let (key, value) = self.push(width);
        key.iter_mut().chain(value).zip(key_and_value).for_each(|(to, from)| *to = from);
    }
}

/// Working memory of [`Transformer::forward`].
pub(crate) struct TransformerScratch {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
}

impl TransformerScratch {
    pub(crate) fn new(width: usize, tokens: usize) -> TransformerScratch {
        let buffer = || alloc::vec![0.0; tokens * width];
        TransformerScratch { query: buffer(), key: buffer(), value: buffer(), mixed: buffer() }
    }
}

impl Transformer {
    pub(crate) fn new(p: &Parameters<'_>, heads: usize, precision: Precision) -> Transformer {
        let width = p.query.1.len();
        // Scores are divided by √d_h: let the query do it.
        let scale = 1.0 / libm::sqrt((width / heads) as f64);
        let scaled = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| (f64::from(x) * scale) as f32).collect() };
        let folded = (heads == 1).then(|| Linear::fold(p.value, p.output));
        let value = folded.as_ref().map_or(p.value, |(weight, bias)| (weight, bias));
        Transformer {
            query: Linear::new(&scaled(p.query.0), &scaled(p.query.1), precision),
            key: Linear::new(p.key.0, p.key.1, precision),
            value: Linear::new(value.0, value.1, precision),
            output: (heads > 1).then(|| Linear::new(p.output.0, p.output.1, precision)),
            width,
            heads,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let linears = [&self.query, &self.key, &self.value].into_iter().chain(&self.output);
        linears.map(Linear::bytes).sum()
    }

    /// Append every state's incoming tokens, rows of `x` (`[tokens, width]`), to its cache of layer
    /// `n`; attention's output of the tokens wanted goes to `y` (`[wanted, width]`).
    #[inline(always)]
    pub(crate) fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut TransformerScratch,
        y: &mut [f32],
    ) {
        let width = self.width;
        let (tokens, outputs) = (x.len() / width, y.len() / width);
        let (keys, values) = (&mut scratch.key[..tokens * width], &mut scratch.value[..tokens * width]);
        self.key.apply::<L>(x, tokens, keys);
        self.value.apply::<L>(x, tokens, values);
        let queries = &mut scratch.query[..outputs * width];
        let mixed = &mut scratch.mixed[..outputs * width];
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
            let State { incoming, layers, .. } = state.as_mut();
            let Layers::Transformer(caches) = layers else {
                unreachable!("states are made by the encoder they are used with")
            };
            let cache = &mut caches[n];
            let from = wanted.from(*incoming);
            let position = cache.tokens() + from;
            for (key, value) in rows.by_ref().take(*incoming) {
                let (to_key, to_value) = cache.push(width);
                to_key.copy_from_slice(key);
                to_value.copy_from_slice(value);
            }
            let asking = *incoming - from;
            for group in (0..asking).step_by(3) {
                for h in 0..self.heads {
                    attend::<L>(
                        cache,
                        width,
                        h * head_width..(h + 1) * head_width,
                        position + group,
                        3.min(asking - group),
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

/// One head's attention of up to three queries, the first of which sees `position + 1` tokens:
/// softmax over tiles of the cache with a running maximum, so that a tile of keys and values is
/// read from memory once for all three.
#[inline(always)]
fn attend<L: Lanes>(
    cache: &Cache,
    width: usize,
    head: core::ops::Range<usize>,
    position: usize,
    group: usize,
    queries: &[f32],
    mixed: &mut [f32],
) {
    let mut maxima = [f32::NEG_INFINITY; 3];
    let mut sums = [0.0f32; 3];
    let mut weights = [0.0; TILE];
    for g in 0..group {
        mixed[g * width..(g + 1) * width][head.clone()].fill(0.0);
    }
    let visible = position + group;
    for first in (0..visible).step_by(TILE) {
        let count = TILE.min(visible - first);
        let (keys, values) = cache.tile(first, count, width);
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
            let maximum = maxima[g].max(max(weights));
            // SAFETY: plain f32 arithmetic.
            let shrink = unsafe { exp(maxima[g] - maximum) };
            maxima[g] = maximum;
            sums[g] = sums[g] * shrink + exp_minus::<L>(weights, maximum);
            let mixed = &mut mixed[g * width..(g + 1) * width][head.clone()];
            mix::<L>(mixed, shrink, weights, &values[head.start..], width);
        }
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

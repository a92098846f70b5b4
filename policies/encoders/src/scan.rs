//! The prefix scan of *Attention as an RNN* (arXiv 2405.13956, §3), with optional recency.
//!
//! For every head, prefix `n` of the tokens with scores `s` and values `v` has the output
//!
//! ```text
//! o_n = Σ_{i≤n} e^{s_i − (λ_{i+1} + … + λ_n)} v_i / Σ_{i≤n} e^{s_i − (λ_{i+1} + … + λ_n)}
//! ```
//!
//! where token `j` decays everything before it by `λ_j ≥ 0` (0 is the paper). A decay is a tensor that broadcasts
//! against the scores: `[heads, 1]` where all tokens of a head decay alike, else `[batch, heads, tokens]`. A prefix
//! is summed up by a [`Prefix`] `(m, u, w)`: a stabiliser `m`, and the two sums divided by `e^m`. Three forms
//! compute it:
//! [`recurrence`] (one token), [`hillis_steele`] (the paper's parallel scan) and [`chunked`] (dense
//! lower-triangular weights inside a chunk, the scan across chunks: how prefixes are computed at once, and trained on a
//! GPU). Training on a CPU runs the recurrence forward and back, in `fused/scan.rs`.
//!
//! Gradients flow through `u` and `w`; the maxima used as stabilisers are constants, which leaves the
//! derivative of the quotient exact.

use tch::{Kind, Tensor};

use crate::linear::float;

/// Length of the chunks in which [`chunked`] uses dense weights. A window of 20 timesteps (60
/// tokens) is one chunk; measured best on long windows too among 16, 32, 64 and 128.
pub const CHUNK: i64 = 64;

/// What attention remembers of a prefix, per batch row and head: the recurrent state of one layer.
#[derive(Debug)]
pub struct Prefix {
    /// Stabiliser, `[batch, heads]`; −∞ for the empty prefix.
    pub max: Tensor,
    /// Σ e^{s_i − λ_{i+1} − … − λ_n − max}, `[batch, heads]`.
    pub weight: Tensor,
    /// Σ e^{s_i − λ_{i+1} − … − λ_n − max} v_i, `[batch, heads, width of a head]`.
    pub value: Tensor,
}

impl Prefix {
    /// The prefix of no tokens: (−∞, 0, 0).
    pub fn empty(batch: i64, heads: i64, head_width: i64, options: (Kind, tch::Device)) -> Self {
        Self {
            max: Tensor::full([batch, heads], f64::NEG_INFINITY, options),
            weight: Tensor::zeros([batch, heads], options),
            value: Tensor::zeros([batch, heads, head_width], options),
        }
    }

    /// The attention output of this prefix, `[batch, heads, width of a head]`.
    pub fn output(&self) -> Tensor {
        &self.value / self.weight.unsqueeze(-1)
    }

    /// `self ⊕ later`: this prefix followed by `later`, whose tokens decay it by `age` in all.
    ///
    /// Works on any leading shape; `age` must broadcast against `max`.
    fn merge(&self, later: &Prefix, age: Option<&Tensor>) -> Prefix {
        let aged = age.map_or_else(|| self.max.shallow_clone(), |age| &self.max - age);
        let max = aged.maximum(&later.max).detach();
        // The difference of two stabilisers is exact, that of an aged one is rounded to their size:
        // age it afterwards, or a long stream drifts.
        let since = &self.max - &max;
        let a = age.map_or_else(|| since.shallow_clone(), |age| &since - age).exp();
        let b = (&later.max - &max).exp();
        Prefix {
            weight: &self.weight * &a + &later.weight * &b,
            value: &self.value * a.unsqueeze(-1) + &later.value * b.unsqueeze(-1),
            max,
        }
    }
}

/// One more token: the recurrent form, constant time and memory.
///
/// `scores` `[batch, heads]`, `values` `[batch, heads, width of a head]`; `decay` broadcasts against `scores`.
pub fn recurrence(scores: &Tensor, values: &Tensor, decay: Option<&Tensor>, state: &Prefix) -> Prefix {
    let token =
        Prefix { max: scores.shallow_clone(), weight: scores.ones_like(), value: values.shallow_clone() };
    state.merge(&token, decay)
}

/// All prefixes by the Hillis–Steele scan over ⊕, the form of the paper, which tests and `aaren check` compare
/// the others with: log₂(tokens) sweeps over every token.
///
/// `scores` `[batch, heads, tokens]`, `values` `[batch, heads, tokens, width of a head]`; `decay` broadcasts
/// against `scores`. Returns the outputs, shaped like `values`, and the state after the last token.
pub fn hillis_steele(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: &Prefix,
) -> (Tensor, Prefix) {
    let tokens = Prefix {
        max: Tensor::cat(&[state.max.unsqueeze(-1), scores.shallow_clone()], -1),
        weight: Tensor::cat(&[state.weight.unsqueeze(-1), scores.ones_like()], -1),
        value: Tensor::cat(&[state.value.unsqueeze(-2), values.shallow_clone()], -2),
    };
    let length = scores.size()[2];
    let prefixes = inclusive_scan(tokens, decay.map(|decay| after_first(decay, length)));
    (prefixes.narrow(1, length).output(), prefixes.select(length))
}

impl Prefix {
    /// What `f` makes of its parts.
    pub(crate) fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Prefix {
        Prefix { max: f(&self.max), weight: f(&self.weight), value: f(&self.value) }
    }

    /// Entry `index` along the third axis (tokens or chunks).
    fn select(&self, index: i64) -> Prefix {
        self.map(|part| part.select(2, index))
    }

    fn narrow(&self, start: i64, length: i64) -> Prefix {
        self.map(|part| part.narrow(2, start, length))
    }

    fn cat(first: &Prefix, second: &Prefix) -> Prefix {
        Prefix {
            max: Tensor::cat(&[&first.max, &second.max], 2),
            weight: Tensor::cat(&[&first.weight, &second.weight], 2),
            value: Tensor::cat(&[&first.value, &second.value], 2),
        }
    }
}

/// What each of `count` entries decays those before it by, where nothing comes before a first one.
fn after_first(ages: &Tensor, count: i64) -> Tensor {
    let mut shape = ages.size();
    *shape.last_mut().expect("ages have an axis of entries") = count;
    ages.expand(shape, false).constant_pad_nd([1, 0])
}

/// Hillis–Steele along the third axis; `ages` is what each entry decays those before it by.
fn inclusive_scan(mut entries: Prefix, mut ages: Option<Tensor>) -> Prefix {
    let length = entries.max.size()[2];
    let mut shift = 1;
    while shift < length {
        let rest = length - shift;
        let (earlier, later) = (entries.narrow(0, rest), entries.narrow(shift, rest));
        let age = ages.as_ref().map(|ages| ages.narrow(-1, shift, rest));
        let merged = earlier.merge(&later, age.as_ref());
        entries = Prefix::cat(&entries.narrow(0, shift), &merged);
        ages = ages
            .zip(age)
            .map(|(ages, age)| Tensor::cat(&[ages.narrow(-1, 0, shift), age + ages.narrow(-1, 0, rest)], -1));
        shift *= 2;
    }
    entries
}

/// All prefixes, chunk by chunk.
///
/// Inside a chunk the weights e^{s_i − λ_{i+1} − … − λ_n} are one dense lower-triangular matrix, so that the
/// sums are a matrix product; across chunks runs the scan. Shapes as for [`hillis_steele`]; `None`
/// for the state is the empty prefix, and cheaper than [`Prefix::empty`].
pub fn chunked(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: Option<&Prefix>,
) -> (Tensor, Prefix) {
    chunked_by(CHUNK, scores, values, decay, state)
}

/// [`chunked`] with a chosen chunk length.
///
/// # Panics
/// If scores or values have another number of dimensions.
pub fn chunked_by(
    chunk: i64,
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: Option<&Prefix>,
) -> (Tensor, Prefix) {
    let chunks = Chunks::new(chunk, scores, values, decay);
    let (outputs, after) = match state {
        None if chunks.count == 1 => chunks.alone(),
        state => chunks.after(&chunks.before_each(state)),
    };
    let (batch, heads, tokens) = scores.size3().expect("scores are [batch, heads, tokens]");
    (outputs.reshape([batch, heads, -1, values.size()[3]]).narrow(2, 0, tokens), after)
}

/// Tokens cut into chunks of equal length, the last one padded.
struct Chunks {
    count: i64,
    length: i64,
    padding: i64,
    /// Scores less their chunk's largest, `[batch, heads, chunks, chunk]`; −∞ for padding.
    relative: Tensor,
    /// Each chunk's largest score, `[batch, heads, chunks, 1]`.
    top: Tensor,
    /// `[batch, heads, chunks, chunk, width of a head]`.
    values: Tensor,
    /// Of each token, λ summed up from its chunk's first: `[batch, heads, chunks, chunk]`, or `[heads, 1, chunk]`
    /// where all tokens decay alike.
    age: Option<Tensor>,
    /// −(λ_{i+1} + … + λ_n), −∞ where i > n: shaped as `age` with `[n, i]` for its tokens, `[n, i]` without decay.
    log_decay: Tensor,
}

impl Chunks {
    fn new(length: i64, scores: &Tensor, values: &Tensor, decay: Option<&Tensor>) -> Self {
        let (batch, heads, tokens) = scores.size3().expect("scores are [batch, heads, tokens]");
        let length = length.min(tokens);
        let count = (tokens + length - 1) / length;
        let padding = count * length - tokens;
        // Padded tokens weigh nothing, and stand after all real ones.
        let (scores, values) = if padding > 0 {
            let scores = scores.pad([0, padding], "constant", f64::NEG_INFINITY);
            (scores, values.constant_pad_nd([0, 0, 0, padding]))
        } else {
            (scores.shallow_clone(), values.shallow_clone())
        };
        let scores = scores.view([batch, heads, count, length]);
        let values = values.reshape([batch, heads, count, length, -1]);

        // Scores relative to the chunk's largest: the difference is exact, so a decay of a few
        // hundredths is not lost beside a score of ten thousand.
        let top = scores.amax(-1, true).detach();
        let relative = &scores - &top;
        // Sums of decays may be large where their differences are small: float64 until those are taken.
        let (kind, options) = (scores.kind(), (Kind::Double, scores.device()));
        let age = decay.map(|decay| match decay.dim() {
            2 => decay.view([heads, 1, 1]) * Tensor::arange_start(1, length + 1, options),
            _ => decay
                .constant_pad_nd([0, padding])
                .view([batch, heads, count, length])
                .cumsum(-1, Kind::Double),
        });
        let place = Tensor::arange(length, options);
        let future = place.unsqueeze(1).lt_tensor(&place);
        let log_decay = match &age {
            Some(age) => (age.unsqueeze(-2) - age.unsqueeze(-1)).to_kind(kind),
            None => Tensor::zeros([length, length], (kind, scores.device())),
        }
        .masked_fill(&future, f64::NEG_INFINITY);
        let age = age.map(|age| age.to_kind(kind));
        Self { count, length, padding, relative, top, values, age, log_decay }
    }

    /// `[batch, heads, chunks, n, i]`: what token i weighs for token n of its chunk, less the chunk's largest
    /// score; a logarithm.
    fn logits(&self) -> Tensor {
        self.relative.unsqueeze(-2) + &self.log_decay
    }

    /// Of `x` `[batch, heads, chunks, chunk, …]` what belongs to the last token.
    fn at_last(&self, x: &Tensor) -> Tensor {
        x.select(2, self.count - 1).select(2, self.length - self.padding - 1)
    }

    /// One chunk with nothing before it: an ordinary softmax.
    fn alone(&self) -> (Tensor, Prefix) {
        let logits = self.logits();
        let outputs = logits.softmax(-1, None::<Kind>).to_kind(self.values.kind()).matmul(&self.values);
        let logits = self.at_last(&logits);
        let max = logits.amax(-1, false).detach();
        let weight = (logits - max.unsqueeze(-1)).exp().sum_dim_intlist(-1, false, None::<Kind>);
        let value = float(&self.at_last(&outputs)) * weight.unsqueeze(-1);
        let max = max + self.top.select(2, 0).squeeze_dim(-1);
        (outputs, Prefix { max, weight, value })
    }

    /// Every chunk after what came `before` it, `[batch, heads, chunks]`.
    fn after(&self, before: &Prefix) -> (Tensor, Prefix) {
        let (batch, heads, _, _) = self.relative.size4().expect("scores are [batch, heads, chunks, chunk]");
        let logits = self.logits();
        let max = logits.amax(-1, false).detach();
        let aged = before.max.unsqueeze(-1) - &self.top;
        let carried = match &self.age {
            Some(age) => aged - age,
            None => aged.expand([batch, heads, self.count, self.length], false),
        };
        let max = max.maximum(&carried.detach());
        let weights = (logits - max.unsqueeze(-1)).exp();
        let mut weight = weights.sum_dim_intlist(-1, false, None::<Kind>);
        let share = (carried - &max).exp();
        weight += &share * before.weight.unsqueeze(-1);
        // Divided before the product: a chunk's weights are fewer than its values.
        let mut outputs = (weights / weight.unsqueeze(-1)).to_kind(self.values.kind()).matmul(&self.values);
        outputs += (share / &weight).unsqueeze(-1) * before.value.unsqueeze(-2);
        let weight = self.at_last(&weight);
        let last = Prefix {
            max: self.at_last(&(max + &self.top)),
            value: float(&self.at_last(&outputs)) * weight.unsqueeze(-1),
            weight,
        };
        (outputs, last)
    }

    /// What comes before each chunk, `[batch, heads, chunks]`, where `state` comes before the first.
    fn before_each(&self, state: Option<&Prefix>) -> Prefix {
        let (batch, heads, _, _) = self.relative.size4().expect("scores are [batch, heads, chunks, chunk]");
        let options = (self.relative.kind(), self.relative.device());
        let unsqueezed = |state: &Prefix| state.map(|part| part.unsqueeze(2));
        let empty = || unsqueezed(&Prefix::empty(batch, heads, self.values.size()[4], options));
        let first = || state.map_or_else(empty, unsqueezed);
        // Each chunk but the last, seen from its own last token.
        let full = self.count - 1;
        if full == 0 {
            return first();
        }
        let of_full = |x: Tensor| if x.size()[x.dim() - 2] == self.count { x.narrow(-2, 0, full) } else { x };
        let relative = self.relative.narrow(2, 0, full);
        let (logits, ages) = match &self.age {
            Some(age) => {
                let spans = of_full(age.narrow(-1, self.length - 1, 1)).squeeze_dim(-1);
                let to_last = of_full(self.log_decay.select(-2, self.length - 1));
                (relative + to_last, Some(after_first(&spans, full)))
            }
            None => (relative, None),
        };
        let max = logits.amax(-1, true).detach();
        let weights = (logits - &max).exp();
        let values = &self.values.narrow(2, 0, full);
        let chunks = Prefix {
            max: (max + self.top.narrow(2, 0, full)).squeeze_dim(-1),
            weight: weights.sum_dim_intlist(-1, false, None::<Kind>),
            value: float(&weights.unsqueeze(-2).to_kind(values.kind()).matmul(values)).squeeze_dim(-2),
        };
        inclusive_scan(Prefix::cat(&first(), &chunks), ages)
    }
}

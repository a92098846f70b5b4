//! The prefix scan of *Attention as an RNN* (arXiv 2405.13956, §3), with optional recency.
//!
//! For every head, prefix `n` of the tokens with scores `s` and values `v` has the output
//!
//! ```text
//! o_n = Σ_{i≤n} e^{s_i − λ(n−i)} v_i / Σ_{i≤n} e^{s_i − λ(n−i)}
//! ```
//!
//! with decay `λ ≥ 0` per token (0 is the paper). A prefix is summed up by a [`Prefix`]
//! `(m, u, w)`: a stabiliser `m`, and the two sums divided by `e^m`. Three forms compute it:
//! [`recurrence`] (one token), [`hillis_steele`] (the paper's parallel scan) and [`chunked`] (the
//! training form: dense lower-triangular weights inside a chunk, the scan across chunks).
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
    /// Σ e^{s_i − λ(n−i) − max}, `[batch, heads]`.
    pub weight: Tensor,
    /// Σ e^{s_i − λ(n−i) − max} v_i, `[batch, heads, width of a head]`.
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

    /// `self ⊕ later`: this prefix followed by `later`, which spans `tokens` tokens.
    ///
    /// Works on any leading shape; `decay` must broadcast against `max`.
    fn merge(&self, later: &Prefix, decay: Option<&Tensor>, tokens: f64) -> Prefix {
        let age = decay.map(|decay| decay * tokens);
        let aged = age.as_ref().map_or_else(|| self.max.shallow_clone(), |age| &self.max - age);
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
/// `scores` `[batch, heads]`, `values` `[batch, heads, width of a head]`, `decay` `[heads]`.
pub fn recurrence(scores: &Tensor, values: &Tensor, decay: Option<&Tensor>, state: &Prefix) -> Prefix {
    let token =
        Prefix { max: scores.shallow_clone(), weight: scores.ones_like(), value: values.shallow_clone() };
    state.merge(&token, decay, 1.0)
}

/// All prefixes by the paper's Hillis–Steele scan over ⊕: log₂(tokens) sweeps over every token.
///
/// `scores` `[batch, heads, tokens]`, `values` `[batch, heads, tokens, width of a head]`, `decay`
/// `[heads]`. Returns the outputs, shaped like `values`, and the state after the last token.
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
    let prefixes = inclusive_scan(tokens, decay, 1);
    let length = scores.size()[2];
    (prefixes.narrow(1, length).output(), prefixes.select(length))
}

impl Prefix {
    /// Entry `index` along the third axis (tokens or chunks).
    fn select(&self, index: i64) -> Prefix {
        Prefix {
            max: self.max.select(2, index),
            weight: self.weight.select(2, index),
            value: self.value.select(2, index),
        }
    }

    fn narrow(&self, start: i64, length: i64) -> Prefix {
        Prefix {
            max: self.max.narrow(2, start, length),
            weight: self.weight.narrow(2, start, length),
            value: self.value.narrow(2, start, length),
        }
    }

    fn cat(first: &Prefix, second: &Prefix) -> Prefix {
        Prefix {
            max: Tensor::cat(&[&first.max, &second.max], 2),
            weight: Tensor::cat(&[&first.weight, &second.weight], 2),
            value: Tensor::cat(&[&first.value, &second.value], 2),
        }
    }
}

/// Hillis–Steele along the third axis; each entry but the first spans `span` tokens.
fn inclusive_scan(mut entries: Prefix, decay: Option<&Tensor>, span: i64) -> Prefix {
    let length = entries.max.size()[2];
    let decay = decay.map(|decay| decay.unsqueeze(-1));
    let mut shift = 1;
    while shift < length {
        let earlier = entries.narrow(0, length - shift);
        let later = entries.narrow(shift, length - shift);
        let merged = earlier.merge(&later, decay.as_ref(), (shift * span) as f64);
        entries = Prefix::cat(&entries.narrow(0, shift), &merged);
        shift *= 2;
    }
    entries
}

/// All prefixes, chunk by chunk: the training form.
///
/// Inside a chunk the weights e^{s_i − λ(n−i)} are one dense lower-triangular matrix, so that the
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
struct Chunks<'a> {
    count: i64,
    length: i64,
    padding: i64,
    /// Scores less their chunk's largest, `[batch, heads, chunks, chunk]`; −∞ for padding.
    relative: Tensor,
    /// Each chunk's largest score, `[batch, heads, chunks, 1]`.
    top: Tensor,
    /// `[batch, heads, chunks, chunk, width of a head]`.
    values: Tensor,
    decay: Option<&'a Tensor>,
    /// −λ(n−i), −∞ where i > n: `[heads, 1, n, i]`, or `[n, i]` without decay.
    log_decay: Tensor,
}

impl<'a> Chunks<'a> {
    fn new(length: i64, scores: &Tensor, values: &Tensor, decay: Option<&'a Tensor>) -> Self {
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
        let options = (scores.kind(), scores.device());
        let age = Tensor::arange(length, options);
        let age = age.unsqueeze(1) - age; // [n, i]: n − i
        let future = age.lt(0.0);
        let log_decay = match decay {
            Some(decay) => age.clamp_min(0.0) * -decay.view([heads, 1, 1, 1]),
            None => Tensor::zeros([length, length], options),
        }
        .masked_fill(&future, f64::NEG_INFINITY);
        Self { count, length, padding, relative, top, values, decay, log_decay }
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
        let carried = match self.decay {
            Some(decay) => {
                let options = (self.relative.kind(), self.relative.device());
                let ages = Tensor::arange_start(1, self.length + 1, options);
                aged - decay.view([heads, 1, 1]) * ages
            }
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
        let unsqueezed = |state: &Prefix| Prefix {
            max: state.max.unsqueeze(2),
            weight: state.weight.unsqueeze(2),
            value: state.value.unsqueeze(2),
        };
        let first = || match state {
            Some(state) => unsqueezed(state),
            None => unsqueezed(&Prefix::empty(batch, heads, self.values.size()[4], options)),
        };
        // Each chunk but the last, seen from its own last token.
        let full = self.count - 1;
        if full == 0 {
            return first();
        }
        let logits = self.relative.narrow(2, 0, full);
        let logits = match self.decay {
            Some(decay) => {
                logits - decay.view([heads, 1, 1]) * Tensor::arange(self.length, options).flip([0])
            }
            None => logits,
        };
        let max = logits.amax(-1, true).detach();
        let weights = (logits - &max).exp();
        let values = &self.values.narrow(2, 0, full);
        let chunks = Prefix {
            max: (max + self.top.narrow(2, 0, full)).squeeze_dim(-1),
            weight: weights.sum_dim_intlist(-1, false, None::<Kind>),
            value: float(&weights.unsqueeze(-2).to_kind(values.kind()).matmul(values)).squeeze_dim(-2),
        };
        inclusive_scan(Prefix::cat(&first(), &chunks), self.decay, self.length)
    }
}

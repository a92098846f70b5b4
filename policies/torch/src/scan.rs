//! The prefix scan of *Attention as an RNN* (arXiv 2405.13956, §3), with optional recency.
//!
//! For every head, prefix `n` of the tokens with scores `s` and values `v` has the output
//!
//! ```text
//! o_n = Σ_{i≤n} e^{s_i − λ(n−i)} v_i / Σ_{i≤n} e^{s_i − λ(n−i)}
//! ```
//!
//! with decay `λ ≥ 0` per token (0 is the paper). A prefix is summed up by a [`Summary`]
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
pub struct Summary {
    /// Stabiliser, `[batch, heads]`; −∞ for the empty prefix.
    pub max: Tensor,
    /// Σ e^{s_i − λ(n−i) − max}, `[batch, heads]`.
    pub weight: Tensor,
    /// Σ e^{s_i − λ(n−i) − max} v_i, `[batch, heads, width of a head]`.
    pub value: Tensor,
}

impl Summary {
    /// The summary of no tokens: (−∞, 0, 0).
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

    /// `self ⊕ later`: the summary of this prefix followed by `later`, which spans `tokens` tokens.
    ///
    /// Works on any leading shape; `decay` must broadcast against `max`.
    fn merge(&self, later: &Summary, decay: Option<&Tensor>, tokens: f64) -> Summary {
        let age = decay.map(|decay| decay * tokens);
        let aged = age.as_ref().map_or_else(|| self.max.shallow_clone(), |age| &self.max - age);
        let max = aged.maximum(&later.max).detach();
        // The difference of two stabilisers is exact, that of an aged one is rounded to their size:
        // age it afterwards, or a long stream drifts.
        let since = &self.max - &max;
        let a = age.map_or_else(|| since.shallow_clone(), |age| &since - age).exp();
        let b = (&later.max - &max).exp();
        Summary {
            weight: &self.weight * &a + &later.weight * &b,
            value: &self.value * a.unsqueeze(-1) + &later.value * b.unsqueeze(-1),
            max,
        }
    }
}

/// One more token: the recurrent form, constant time and memory.
///
/// `scores` `[batch, heads]`, `values` `[batch, heads, width of a head]`, `decay` `[heads]`.
pub fn recurrence(scores: &Tensor, values: &Tensor, decay: Option<&Tensor>, state: &Summary) -> Summary {
    let token =
        Summary { max: scores.shallow_clone(), weight: scores.ones_like(), value: values.shallow_clone() };
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
    state: &Summary,
) -> (Tensor, Summary) {
    let tokens = Summary {
        max: Tensor::cat(&[state.max.unsqueeze(-1), scores.shallow_clone()], -1),
        weight: Tensor::cat(&[state.weight.unsqueeze(-1), scores.ones_like()], -1),
        value: Tensor::cat(&[state.value.unsqueeze(-2), values.shallow_clone()], -2),
    };
    let prefixes = inclusive_scan(tokens, decay, 1);
    let length = scores.size()[2];
    (prefixes.narrow(1, length).output(), prefixes.select(length))
}

impl Summary {
    /// Entry `index` along the third axis (tokens or chunks).
    fn select(&self, index: i64) -> Summary {
        Summary {
            max: self.max.select(2, index),
            weight: self.weight.select(2, index),
            value: self.value.select(2, index),
        }
    }

    fn narrow(&self, start: i64, length: i64) -> Summary {
        Summary {
            max: self.max.narrow(2, start, length),
            weight: self.weight.narrow(2, start, length),
            value: self.value.narrow(2, start, length),
        }
    }

    fn cat(first: &Summary, second: &Summary) -> Summary {
        Summary {
            max: Tensor::cat(&[&first.max, &second.max], 2),
            weight: Tensor::cat(&[&first.weight, &second.weight], 2),
            value: Tensor::cat(&[&first.value, &second.value], 2),
        }
    }
}

/// Hillis–Steele along the third axis; each entry but the first spans `span` tokens.
fn inclusive_scan(mut entries: Summary, decay: Option<&Tensor>, span: i64) -> Summary {
    let length = entries.max.size()[2];
    let decay = decay.map(|decay| decay.unsqueeze(-1));
    let mut shift = 1;
    while shift < length {
        let earlier = entries.narrow(0, length - shift);
        let later = entries.narrow(shift, length - shift);
        let merged = earlier.merge(&later, decay.as_ref(), (shift * span) as f64);
        entries = Summary::cat(&entries.narrow(0, shift), &merged);
        shift *= 2;
    }
    entries
}

/// All prefixes, chunk by chunk: the training form.
///
/// Inside a chunk the weights e^{s_i − λ(n−i)} are one dense lower-triangular matrix, so that the
/// sums are a matrix product; across chunks runs the scan. Shapes as for [`hillis_steele`]; `None`
/// for the state is the empty prefix, and cheaper than [`Summary::empty`].
pub fn chunked(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: Option<&Summary>,
) -> (Tensor, Summary) {
    chunked_by(CHUNK, scores, values, decay, state)
}

/// [`chunked`] with a chosen chunk length.
pub fn chunked_by(
    chunk: i64,
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: Option<&Summary>,
) -> (Tensor, Summary) {
    let (batch, heads, tokens) = scores.size3().expect("scores are [batch, heads, tokens]");
    let head_width = values.size()[3];
    let chunk = chunk.min(tokens);
    let chunks = (tokens + chunk - 1) / chunk;
    let padding = chunks * chunk - tokens;
    // Padded tokens weigh nothing, and stand after all real ones.
    let scores = if padding > 0 {
        scores.pad([0, padding], "constant", f64::NEG_INFINITY)
    } else {
        scores.shallow_clone()
    }
    .view([batch, heads, chunks, chunk]);
    let values =
        if padding > 0 { values.constant_pad_nd([0, 0, 0, padding]) } else { values.shallow_clone() }
            .reshape([batch, heads, chunks, chunk, head_width]);

    // Scores relative to the chunk's largest: the difference is exact, so a decay of a few
    // hundredths is not lost beside a score of ten thousand.
    let top = scores.amax(-1, true).detach();
    let relative = &scores - &top;
    let options = (scores.kind(), scores.device());
    let age = Tensor::arange(chunk, options);
    let age = age.unsqueeze(1) - age; // [n, i]: n − i
    let future = age.lt(0.0);
    // [heads, 1, n, i] or [n, i]: −λ(n−i), −∞ where i > n.
    let log_decay = match decay {
        Some(decay) => {
            (age.clamp_min(0.0) * -decay.view([heads, 1, 1, 1])).masked_fill(&future, f64::NEG_INFINITY)
        }
        None => Tensor::zeros([chunk, chunk], options).masked_fill(&future, f64::NEG_INFINITY),
    };

    let before = chunk_states(&relative, &top, &values, decay, state);
    let logits = relative.unsqueeze(-2) + log_decay; // [batch, heads, chunks, n, i]
    let last = chunk - padding - 1;
    let at_last = |x: &Tensor| x.select(2, chunks - 1).select(2, last);
    let whole =
        |outputs: Tensor| outputs.reshape([batch, heads, chunks * chunk, head_width]).narrow(2, 0, tokens);
    if before.is_none() {
        let outputs = logits.softmax(-1, None::<Kind>).to_kind(values.kind()).matmul(&values);
        let logits = at_last(&logits);
        let max = logits.amax(-1, false).detach();
        let weight = (logits - max.unsqueeze(-1)).exp().sum_dim_intlist(-1, false, None::<Kind>);
        let value = float(&at_last(&outputs)) * weight.unsqueeze(-1);
        let max = max + top.select(2, 0).squeeze_dim(-1);
        return (whole(outputs), Summary { max, weight, value });
    }
    let mut max = logits.amax(-1, false).detach();
    let carried = before.as_ref().map(|before| {
        let aged = before.max.unsqueeze(-1) - &top;
        match decay {
            Some(decay) => {
                let ages = Tensor::arange_start(1, chunk + 1, options);
                aged - decay.view([heads, 1, 1]) * ages
            }
            None => aged.expand([batch, heads, chunks, chunk], false),
        }
    });
    if let Some(carried) = &carried {
        max = max.maximum(&carried.detach());
    }
    let weights = (logits - max.unsqueeze(-1)).exp();
    let mut weight = weights.sum_dim_intlist(-1, false, None::<Kind>);
    let share = carried.map(|carried| (carried - &max).exp());
    if let (Some(before), Some(share)) = (&before, &share) {
        weight += share * before.weight.unsqueeze(-1);
    }
    // Divided before the product: a chunk's weights are fewer than its values.
    let mut outputs = (weights / weight.unsqueeze(-1)).to_kind(values.kind()).matmul(&values);
    if let (Some(before), Some(share)) = (&before, &share) {
        outputs += (share / &weight).unsqueeze(-1) * before.value.unsqueeze(-2);
    }
    let weight = at_last(&weight);
    let final_state = Summary {
        max: at_last(&(max + top)),
        value: float(&at_last(&outputs)) * weight.unsqueeze(-1),
        weight,
    };
    (whole(outputs), final_state)
}

/// The state before each chunk, `[batch, heads, chunks]`; `None` where there is nothing before.
fn chunk_states(
    relative: &Tensor,
    top: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    state: Option<&Summary>,
) -> Option<Summary> {
    let (batch, heads, chunks, chunk) = relative.size4().expect("scores are [batch, heads, chunks, chunk]");
    let options = (relative.kind(), relative.device());
    let head_width = values.size()[4];
    if chunks == 1 {
        return state.map(|state| Summary {
            max: state.max.unsqueeze(2),
            weight: state.weight.unsqueeze(2),
            value: state.value.unsqueeze(2),
        });
    }
    // Each chunk but the last, seen from its own last token.
    let full = chunks - 1;
    let logits = relative.narrow(2, 0, full);
    let logits = match decay {
        Some(decay) => logits - decay.view([heads, 1, 1]) * Tensor::arange(chunk, options).flip([0]),
        None => logits,
    };
    let max = logits.amax(-1, true).detach();
    let weights = (logits - &max).exp();
    let summaries = Summary {
        max: (max + top.narrow(2, 0, full)).squeeze_dim(-1),
        weight: weights.sum_dim_intlist(-1, false, None::<Kind>),
        value: float(&weights.unsqueeze(-2).to_kind(values.kind()).matmul(&values.narrow(2, 0, full)))
            .squeeze_dim(-2),
    };
    let empty;
    let state = match state {
        Some(state) => state,
        None => {
            empty = Summary::empty(batch, heads, head_width, options);
            &empty
        }
    };
    let first = Summary {
        max: state.max.unsqueeze(2),
        weight: state.weight.unsqueeze(2),
        value: state.value.unsqueeze(2),
    };
    Some(inclusive_scan(Summary::cat(&first, &summaries), decay, chunk))
}

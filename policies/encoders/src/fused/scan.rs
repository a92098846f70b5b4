//! Aaren's attention as the recurrence that it is, forward and backward.

use tch::{Device, Kind, Tensor};

use super::ablated;
use super::back::{BackThroughScan, ScanFlow};
use super::element::{Buffer, Element, Kernel, add_scaled, dot, exp, for_kind, run, slice};
use crate::scan::Prefix;
use crate::wanted::Wanted;

/// The outputs `[batch, wanted tokens, width]` of scores `[batch, tokens, heads]` and values `[batch, tokens, width]`,
/// the values of one head after those of another, as in [`crate::scan`]; and what is remembered after the last token.
/// `decay` broadcasts against the scores.
pub(crate) fn scan(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    before: Option<&Prefix>,
    wanted: Wanted,
) -> (Tensor, Prefix, BackThroughScan) {
    ablated!(Scan, super::plain::scan(scores, values, decay, before, wanted));
    let (batch, tokens, heads) = scores.size3().expect("scores are [batch, tokens, heads]");
    let (width, kind) = (values.size()[2], values.kind());
    let empty = Prefix::empty(batch, heads, width / heads, (Kind::Float, Device::Cpu));
    let Prefix { max, weight, value } = before.unwrap_or(&empty);
    let [mut max, mut weight, mut value] = [max, weight, value].map(Buffer::copy);
    let decay = match decay {
        Some(decay) => decay.expand([batch, tokens, heads], false).contiguous(),
        None => scores.zeros_like(),
    };
    let seen = wanted.count(tokens);
    let [rows, length, count, head_width, read] =
        [batch, tokens, heads, width / heads, seen].map(|n| n as usize);
    let shape = Shape { batch: rows, tokens: length, heads: count, head_width, seen: read, wanted };
    let mut outputs = Buffer::new(&[batch, seen, width], kind);
    // Of each token and head: what is left of the past, what the token adds, and one over the weight of all.
    let mut factors = Buffer::new(&[batch, tokens, heads, 3], Kind::Float);
    let mut exact = Buffer::new(&[batch, seen, width], Kind::Float);
    for_kind!(kind, E => run(Forward::<E> {
        shape,
        // SAFETY: kernels write to buffers of their own only, and nobody writes to these tensors meanwhile.
        scores: unsafe { slice(scores) },
        values: unsafe { slice(values) },
        decay: unsafe { slice(&decay) },
        state: (max.slice_mut(), weight.slice_mut(), value.slice_mut()),
        outputs: outputs.slice_mut(),
        exact: exact.slice_mut(),
        factors: factors.slice_mut(),
    }));
    let values = values.shallow_clone();
    let back = move |dy: Tensor| {
        let mut dscores = Buffer::new(&[batch, tokens, heads], Kind::Float);
        let mut dvalues = Buffer::new(&[batch, tokens, width], kind);
        let mut ddecay = Buffer::new(&[batch, tokens, heads], Kind::Float);
        for_kind!(kind, E => run(Backward::<E> {
            shape,
            // SAFETY: as in the forward pass; the values are those of a layer, which nobody changes.
            dy: unsafe { slice(&dy) },
            values: unsafe { slice(&values) },
            exact: exact.slice(),
            factors: factors.slice(),
            dscores: dscores.slice_mut(),
            dvalues: dvalues.slice_mut(),
            ddecay: ddecay.slice_mut(),
        }));
        ScanFlow { scores: dscores.into_tensor(), values: dvalues.into_tensor(), decay: ddecay.into_tensor() }
    };
    let state = Prefix { max: max.into_tensor(), weight: weight.into_tensor(), value: value.into_tensor() };
    (outputs.into_tensor(), state, Box::new(back))
}

/// Lengths along the axes, and which tokens are wanted.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    tokens: usize,
    heads: usize,
    head_width: usize,
    seen: usize,
    wanted: Wanted,
}

impl Shape {
    /// Where the channels of a head begin at token `token` of `tokens`.
    fn channels(&self, row: usize, token: usize, tokens: usize, head: usize) -> usize {
        ((row * tokens + token) * self.heads + head) * self.head_width
    }
}

/// `state` is that of [`Prefix`], before and after; `exact` the outputs before they are rounded.
struct Forward<'a, E> {
    shape: Shape,
    scores: &'a [f32],
    values: &'a [E],
    decay: &'a [f32],
    state: (&'a mut [f32], &'a mut [f32], &'a mut [f32]),
    outputs: &'a mut [E],
    exact: &'a mut [f32],
    factors: &'a mut [f32],
}

impl<E: Element> Kernel for Forward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, scores, values, decay, state, outputs, exact, factors } = self;
        let Shape { batch, tokens, heads, head_width, seen, wanted } = shape;
        for row in 0..batch {
            for head in 0..heads {
                let place = row * heads + head;
                let (mut max, mut weight) = (state.0[place], state.1[place]);
                let value = &mut state.2[place * head_width..][..head_width];
                let mut output = 0;
                for token in 0..tokens {
                    let at = (row * tokens + token) * heads + head;
                    let (score, decay) = (scores[at], decay[at]);
                    let top = (max - decay).max(score);
                    // The difference of two stabilisers is exact, that of an aged one is rounded to their size.
                    let (left, added) = (exp::<FUSED>((max - top) - decay), exp::<FUSED>(score - top));
                    max = top;
                    weight = weight * left + added;
                    let over = 1.0 / weight;
                    factors[3 * at..][..3].copy_from_slice(&[left, added, over]);
                    let token_value = &values[shape.channels(row, token, tokens, head)..][..head_width];
                    for (value, own) in value.iter_mut().zip(token_value) {
                        *value = *value * left + added * own.get();
                    }
                    if wanted.has(token) {
                        let at = shape.channels(row, output, seen, head);
                        let (outputs, exact) =
                            (&mut outputs[at..][..head_width], &mut exact[at..][..head_width]);
                        for ((output, exact), value) in outputs.iter_mut().zip(exact).zip(&*value) {
                            *exact = value * over;
                            *output = E::of(*exact);
                        }
                        output += 1;
                    }
                }
                (state.0[place], state.1[place]) = (max, weight);
            }
        }
    }
}

/// With p_t = Σ_{n≥t} e^{m_t − λ_{t+1} − … − λ_n − m_n} do_n / u_n and q_t likewise of do_n · o_n, which are
/// recurrences from the last token back with the factors of the forward pass, dv_t = e^{s_t − m_t} p_t and ds_t =
/// e^{s_t − m_t} (p_t · v_t − q_t). λ_t lowers the logits of all tokens before t for all prefixes from t on; the
/// gradients of a prefix's logits sum up to zero, so that dλ_t = Σ_{i≥t} ds_i.
struct Backward<'a, E> {
    shape: Shape,
    dy: &'a [E],
    values: &'a [E],
    exact: &'a [f32],
    factors: &'a [f32],
    dscores: &'a mut [f32],
    dvalues: &'a mut [E],
    ddecay: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, dy, values, exact, factors, dscores, dvalues, ddecay } = self;
        let Shape { batch, tokens, heads, head_width, seen, wanted } = shape;
        let mut flow = vec![0.0; head_width];
        for row in 0..batch {
            for head in 0..heads {
                flow.fill(0.0);
                let (mut level, mut later, mut left, mut output) = (0.0, 0.0, 0.0, seen);
                for token in (0..tokens).rev() {
                    let at = (row * tokens + token) * heads + head;
                    level *= left;
                    for flow in &mut flow {
                        *flow *= left;
                    }
                    let added = factors[3 * at + 1];
                    left = factors[3 * at];
                    if wanted.has(token) {
                        output -= 1;
                        let over = factors[3 * at + 2];
                        let at = shape.channels(row, output, seen, head);
                        let dy = &dy[at..][..head_width];
                        level += over * dot::<E, FUSED>(dy, &exact[at..][..head_width]);
                        add_scaled::<E, FUSED>(&mut flow, over, dy);
                    }
                    let channels = shape.channels(row, token, tokens, head);
                    let (own, dv) =
                        (&values[channels..][..head_width], &mut dvalues[channels..][..head_width]);
                    for (dv, flow) in dv.iter_mut().zip(&flow) {
                        *dv = E::of(added * flow);
                    }
                    dscores[at] = added * (dot::<E, FUSED>(own, &flow) - level);
                    later += dscores[at];
                    ddecay[at] = later;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::scan::chunked;

    /// Outputs, state and gradients of scores that differ by ten thousands, against the dense form in float64.
    #[test]
    fn extreme_scores_are_scanned_as_in_float64() {
        let _alone = crate::GENERATOR.lock();
        tch::manual_seed(5);
        let (batch, tokens, heads, head_width) = (2, 37, 3, 5);
        let options = (Kind::Float, Device::Cpu);
        // Where attention is all on one token its gradient vanishes, but for the rounding of numbers of about 1.
        let off = |found: &Tensor, expected: &Tensor| {
            let largest = |x: Tensor| x.abs().max().double_value(&[]);
            largest(found.to_kind(Kind::Double) - expected) / largest(expected.shallow_clone()).max(0.1)
        };
        let each = Tensor::rand([batch, tokens, heads], options) * 3.0;
        for (size, decay) in [1.0, 30.0, 1e4].into_iter().flat_map(|size| {
            [None, Some(Tensor::rand([heads], options)), Some(each.shallow_clone())]
                .map(|decay| (size, decay))
        }) {
            let scores = Tensor::randn([batch, tokens, heads], options) * size;
            let values = Tensor::randn([batch, tokens, heads * head_width], options);
            let before = Prefix {
                max: Tensor::randn([batch, heads], options) * size,
                weight: Tensor::rand([batch, heads], options) + 0.5,
                value: Tensor::randn([batch, heads, head_width], options),
            };
            let wanted = Wanted::Every { stride: 3, offset: 1 };
            let (found, after, back) = scan(&scores, &values, decay.as_ref(), Some(&before), wanted);
            let dy = found.randn_like();
            let flow = back(dy.shallow_clone());

            let leaf = |x: &Tensor| x.to_kind(Kind::Double).set_requires_grad(true);
            let (s, v) = (leaf(&scores), leaf(&values));
            let whole = decay.as_ref().map(|decay| decay.expand([batch, tokens, heads], false).contiguous());
            let d = leaf(&whole.unwrap_or_else(|| scores.zeros_like()));
            let double = |x: &Tensor| x.to_kind(Kind::Double);
            let state = before.map(double);
            let split = v.view([batch, tokens, heads, head_width]).transpose(1, 2);
            let (outputs, expected_after) =
                chunked(&s.transpose(1, 2), &split, Some(&d.transpose(1, 2)), Some(&state));
            let outputs = outputs.transpose(1, 2).reshape([batch, tokens, -1]);
            let expected = wanted.of(&outputs, 1);
            let gradients =
                Tensor::run_backward(&[(&expected * &dy).sum(Kind::Double)], &[s, v, d], false, false);
            // What flows to a score or a decay is a difference, which may be small, of what flows to outputs.
            for (what, found, expected, tolerance) in [
                ("outputs", &found, &expected.detach(), 1e-5),
                ("the state", &after.output(), &expected_after.output().detach(), 1e-5),
                ("the scores' gradient", &flow.scores, &gradients[0], 2e-4),
                ("the values' gradient", &flow.values, &gradients[1], 1e-5),
                ("the decays' gradient", &flow.decay, &gradients[2], 2e-4),
            ] {
                let off = off(found, expected);
                assert!(off < tolerance, "scores of {size}, {decay:?}: {what}: off by {off:e}");
            }
        }
    }
}

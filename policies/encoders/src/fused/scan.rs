//! Aaren's attention as the recurrence that it is, forward and backward.

use tch::{Kind, Tensor};

use super::ablated;
use super::element::{Element, add_scaled, dot, exp, for_kind, slice, slice_mut, widest};
use crate::scan::Prefix;
use crate::wanted::Wanted;

/// Gradients of what [`scan`] takes.
pub(crate) struct ScanFlow {
    /// Of the scores, `[batch, tokens, heads]`.
    pub scores: Tensor,
    /// Of the values, shaped as they are.
    pub values: Tensor,
    /// Of each token's decay, shaped as the scores.
    pub decay: Tensor,
}

/// How gradients flow back through [`scan`].
pub(crate) type BackThroughScan = Box<dyn FnOnce(Tensor) -> ScanFlow>;

/// Products `[batch, tokens, heads]` of the tokens of `x` `[batch, tokens, width]` and the float32 rows of `weight`
/// `[heads, width]`, in float32.
pub(crate) fn narrow(x: &Tensor, weight: &Tensor) -> Tensor {
    ablated!(Scores, crate::linear::float(x).matmul(&weight.tr()));
    let (batch, tokens, _) = x.size3().expect("x is [batch, tokens, width]");
    let mut y = Tensor::empty([batch, tokens, weight.size()[0]], (Kind::Float, x.device()));
    for_kind!(x.kind(), products(x, weight, &mut y));
    y
}

/// Adds to `dx` what flows back through [`narrow`], and returns what flows into its weight.
pub(crate) fn narrow_back(dy: &Tensor, x: &Tensor, weight: &Tensor, dx: &mut Tensor) -> Tensor {
    ablated!(Scores, super::plain::narrow_back(dy, x, weight, dx));
    let mut flow = weight.zeros_like();
    for_kind!(x.kind(), products_back(dy, x, weight, dx, &mut flow));
    flow
}

/// The outputs `[batch, wanted tokens, width]` of scores `[batch, tokens, heads]` and values `[batch, tokens, width]`,
/// the values of one head after those of another, as in [`crate::scan`]; and what is remembered after the last token.
/// `decay` is `[heads]` or shaped as the scores.
pub(crate) fn scan(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    before: Option<&Prefix>,
    wanted: Wanted,
) -> (Tensor, Prefix, BackThroughScan) {
    ablated!(Scan, super::plain::scan(scores, values, decay, before, wanted));
    let (batch, tokens, heads) = scores.size3().expect("scores are [batch, tokens, heads]");
    let width = values.size()[2];
    let options = (Kind::Float, scores.device());
    let mut state = match before {
        Some(Prefix { max, weight, value }) => {
            Prefix { max: max.copy(), weight: weight.copy(), value: value.copy() }
        }
        None => Prefix::empty(batch, heads, width / heads, options),
    };
    let decay = match decay {
        Some(decay) => decay.expand([batch, tokens, heads], false).contiguous(),
        None => scores.zeros_like(),
    };
    let seen = wanted.count(tokens);
    let mut outputs = Tensor::empty([batch, seen, width], (values.kind(), values.device()));
    // Of each token and head: what is left of the past, what the token adds, and one over the weight of all.
    let mut factors = Tensor::empty([batch, tokens, heads, 3], options);
    let mut exact = Tensor::empty([batch, seen, width], options);
    for_kind!(
        values.kind(),
        forward(scores, values, &decay, &mut state, wanted, &mut outputs, &mut exact, &mut factors)
    );
    let values = values.shallow_clone();
    let back = move |dy: Tensor| {
        let mut flow = ScanFlow {
            scores: Tensor::empty([batch, tokens, heads], options),
            values: values.empty_like(),
            decay: Tensor::empty([batch, tokens, heads], options),
        };
        for_kind!(values.kind(), backward(&dy, &values, wanted, &exact, &factors, &mut flow));
        flow
    };
    (outputs, state, Box::new(back))
}

fn products<E: Element>(x: &Tensor, weight: &Tensor, y: &mut Tensor) {
    products_kernel::<E>(slice(x), slice(weight), weight.size()[0] as usize, slice_mut(y));
}

fn products_back<E: Element>(dy: &Tensor, x: &Tensor, weight: &Tensor, dx: &mut Tensor, flow: &mut Tensor) {
    let heads = weight.size()[0] as usize;
    products_back_kernel::<E>(slice(dy), slice(x), slice(weight), heads, slice_mut(dx), slice_mut(flow));
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
    fn of(factors: &Tensor, values: &Tensor, wanted: Wanted) -> Self {
        let [batch, tokens, heads] = [0, 1, 2].map(|axis: usize| factors.size()[axis] as usize);
        let head_width = values.size()[2] as usize / heads;
        Self { batch, tokens, heads, head_width, seen: wanted.count(tokens as i64) as usize, wanted }
    }

    /// Where the channels of a head begin at token `token` of `tokens`.
    fn channels(&self, row: usize, token: usize, tokens: usize, head: usize) -> usize {
        ((row * tokens + token) * self.heads + head) * self.head_width
    }
}
fn forward<E: Element>(
    scores: &Tensor,
    values: &Tensor,
    decay: &Tensor,
    state: &mut Prefix,
    wanted: Wanted,
    outputs: &mut Tensor,
    exact: &mut Tensor,
    factors: &mut Tensor,
) {
    let shape = Shape::of(factors, values, wanted);
    let Prefix { max, weight, value } = state;
    let state = (slice_mut(max), slice_mut(weight), slice_mut(value));
    let (outputs, exact, factors) = (slice_mut(outputs), slice_mut(exact), slice_mut(factors));
    forward_kernel::<E>(shape, slice(scores), slice(values), slice(decay), state, outputs, exact, factors);
}

fn backward<E: Element>(
    dy: &Tensor,
    values: &Tensor,
    wanted: Wanted,
    exact: &Tensor,
    factors: &Tensor,
    flow: &mut ScanFlow,
) {
    let shape = Shape::of(factors, values, wanted);
    let ScanFlow { scores, values: dv, decay } = flow;
    let (scores, dv, decay) = (slice_mut(scores), slice_mut(dv), slice_mut(decay));
    backward_kernel::<E>(shape, slice(dy), slice(values), slice(exact), slice(factors), scores, dv, decay);
}

widest! {
    fn products_kernel<E>(x: &[E], weight: &[f32], heads: usize, y: &mut [f32]) {
        let width = weight.len() / heads;
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(heads)) {
            for (y, weight) in y.iter_mut().zip(weight.chunks_exact(width)) {
                *y = dot::<E, FUSED>(x, weight);
            }
        }
    }

    fn products_back_kernel<E>(
        dy: &[f32],
        x: &[E],
        weight: &[f32],
        heads: usize,
        dx: &mut [E],
        flow: &mut [f32],
    ) {
        let width = weight.len() / heads;
        let mut sum = vec![0.0; width];
        for ((dy, x), dx) in dy.chunks_exact(heads).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
            for (sum, dx) in sum.iter_mut().zip(&*dx) {
                *sum = dx.get();
            }
            for (head, &dy) in dy.iter().enumerate() {
                let at = head * width..(head + 1) * width;
                add_scaled::<f32, FUSED>(&mut sum, dy, &weight[at.clone()]);
                add_scaled::<E, FUSED>(&mut flow[at], dy, x);
            }
            for (sum, dx) in sum.iter().zip(dx) {
                *dx = E::of(*sum);
            }
        }
    }

    /// `state` is that of [`Prefix`], before and after; `exact` the outputs before they are rounded.
    fn forward_kernel<E>(
        shape: Shape,
        scores: &[f32],
        values: &[E],
        decay: &[f32],
        state: (&mut [f32], &mut [f32], &mut [f32]),
        outputs: &mut [E],
        exact: &mut [f32],
        factors: &mut [f32],
    ) {
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
                        let (outputs, exact) = (&mut outputs[at..][..head_width], &mut exact[at..][..head_width]);
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

    /// With p_t = Σ_{n≥t} e^{m_t − λ_{t+1} − … − λ_n − m_n} do_n / u_n and q_t likewise of do_n · o_n, which are
    /// recurrences from the last token back with the factors of the forward pass, dv_t = e^{s_t − m_t} p_t and ds_t =
    /// e^{s_t − m_t} (p_t · v_t − q_t). λ_t lowers the logits of all tokens before t for all prefixes from t on; the
    /// gradients of a prefix's logits sum up to zero, so that dλ_t = Σ_{i≥t} ds_i.
    fn backward_kernel<E>(
        shape: Shape,
        dy: &[E],
        values: &[E],
        exact: &[f32],
        factors: &[f32],
        dscores: &mut [f32],
        dvalues: &mut [E],
        ddecay: &mut [f32],
    ) {
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
                    let (own, dv) = (&values[channels..][..head_width], &mut dvalues[channels..][..head_width]);
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
            let state = Prefix {
                max: double(&before.max),
                weight: double(&before.weight),
                value: double(&before.value),
            };
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

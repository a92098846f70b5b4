//! A gated recurrent unit, forward and backward.

use tch::{Kind, Tensor};

use super::element::{Buffer, Element, Kernel, LANES, exp, fma, for_kind, run, slice};
use super::{Back, Gradients};
use crate::wanted::Wanted;

/// Of a token in memory: r, z, n, W_hn h + b_hn, and h before it.
const KEPT: usize = 5;
/// Sums that are under way at a time: three vectors, since an addition takes several cycles.
const BLOCK: usize = 3 * LANES;

/// Hidden states `[batch, wanted tokens, units]` for `inputs` `[batch, tokens, 3 · units]` (W_ih x + b_ih, of the gates
/// r, z, n), from `state` `[batch, units]` in float32, and that after the last token. Before tokens that
/// begin an episode it is zero. Weights as of PyTorch's `nn.GRU`.
pub(crate) fn gru<'a>(
    inputs: &Tensor,
    [weight, bias]: [&'a Tensor; 2],
    state: &Tensor,
    begins: Option<&Tensor>,
    wanted: Wanted,
) -> (Tensor, Tensor, Back<'a>) {
    let (batch, tokens, _) = inputs.size3().expect("inputs are [batch, tokens, 3 · units]");
    let units = state.size()[1];
    let kind = inputs.kind();
    let begins = begins.map(|begins| {
        Vec::<bool>::try_from(begins.contiguous().view([-1])).expect("tokens begin an episode or not")
    });
    let [length, count, seen] = [tokens, units, wanted.count(tokens)].map(|n| n as usize);
    let shape = Shape { tokens: length, seen, units: count, padded: padded(count), wanted };
    let mut after = Buffer::copy(state);
    let mut outputs = Buffer::new(&[batch, seen as i64, units], kind);
    let mut kept = Buffer::new(&[batch, tokens, KEPT as i64, shape.padded as i64], Kind::Float);
    // SAFETY: kernels write to buffers of their own only, and nobody writes to inputs and weights meanwhile.
    let (rows, biases) = unsafe { (slice::<f32>(weight), slice::<f32>(bias)) };
    let mut gates = vec![0.0; 3 * shape.padded];
    for (to, from) in gates.chunks_exact_mut(shape.padded).zip(biases.chunks_exact(count)) {
        to[..count].copy_from_slice(from);
    }
    for_kind!(kind, E => run(Forward::<E> {
        shape,
        // SAFETY: as above.
        inputs: unsafe { slice(inputs) },
        weight: &shape.padded(rows, true),
        bias: &gates,
        state: after.slice_mut(),
        begins: begins.as_deref(),
        outputs: outputs.slice_mut(),
        kept: kept.slice_mut(),
    }));
    let back = move |dy: Tensor, gradients: &mut Gradients| {
        let mut to_inputs = Buffer::new(&[batch, tokens, 3 * units], kind);
        let mut to_hidden = Buffer::new(&[batch * tokens, 3 * units], kind);
        let mut before = Buffer::new(&[batch * tokens, units], kind);
        let mut sums = Buffer::zeros(&[3 * units], Kind::Float);
        for_kind!(kind, E => run(Backward::<E> {
            shape,
            // SAFETY: as in the forward pass; weights change between updates only.
            dy: unsafe { slice(&dy) },
            weight: &shape.padded(unsafe { slice(weight) }, false),
            kept: kept.slice(),
            begins: begins.as_deref(),
            to_inputs: to_inputs.slice_mut(),
            to_hidden: to_hidden.slice_mut(),
            before: before.slice_mut(),
            sums: sums.slice_mut(),
        }));
        let to_weight = to_hidden.into_tensor().tr().mm(&before.into_tensor());
        gradients.add(weight, to_weight.to_kind(Kind::Float));
        gradients.add(bias, sums.into_tensor());
        to_inputs.into_tensor()
    };
    (outputs.into_tensor(), after.into_tensor(), Box::new(back))
}

/// Units of a gate, padded to blocks.
fn padded(units: usize) -> usize {
    units.next_multiple_of(BLOCK)
}

/// Lengths along the axes, and which tokens are wanted.
#[derive(Clone, Copy)]
struct Shape {
    tokens: usize,
    seen: usize,
    units: usize,
    /// Units padded to blocks.
    padded: usize,
    wanted: Wanted,
}

impl Shape {
    /// The weights with each gate's units padded: `[3 · padded, units]`, or that transposed.
    fn padded(&self, weight: &[f32], transposed: bool) -> Vec<f32> {
        let Shape { units, padded, .. } = *self;
        let mut to = vec![0.0; 3 * padded * if transposed { units } else { padded }];
        for (line, row) in weight.chunks_exact(units).enumerate() {
            let line = line / units * padded + line % units;
            for (column, &value) in row.iter().enumerate() {
                to[if transposed { column * 3 * padded + line } else { line * padded + column }] = value;
            }
        }
        to
    }
}

#[inline(always)]
fn lanes(x: &[f32]) -> &[[f32; LANES]] {
    x.as_chunks().0
}

#[inline(always)]
fn lanes_mut(x: &mut [f32]) -> &mut [[f32; LANES]] {
    x.as_chunks_mut().0
}

#[inline(always)]
fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

#[inline(always)]
fn tanh<const FUSED: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp::<FUSED>(2.0 * x))
}

/// `to += Σ by[k] · rows[k]`.
#[inline(always)]
fn add_rows<const FUSED: bool>(to: &mut [f32], by: &[f32], rows: &[f32]) {
    let width = to.len();
    for (block, to) in to.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        let mut lanes = *to;
        for (by, row) in by.iter().zip(rows.chunks_exact(width)) {
            let row: &[f32; BLOCK] = row[block * BLOCK..].first_chunk().expect("padded");
            for i in 0..BLOCK {
                lanes[i] = fma::<FUSED>(*by, row[i], lanes[i]);
            }
        }
        *to = lanes;
    }
}

struct Forward<'a, E> {
    shape: Shape,
    inputs: &'a [E],
    weight: &'a [f32],
    bias: &'a [f32],
    state: &'a mut [f32],
    begins: Option<&'a [bool]>,
    outputs: &'a mut [E],
    kept: &'a mut [f32],
}

impl<E: Element> Kernel for Forward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, inputs, weight, bias, state, begins, outputs, kept } = self;
        let Shape { tokens, seen, units, padded, wanted } = shape;
        let (mut gates, mut own) = (vec![0.0; 3 * padded], vec![0.0; 3 * padded]);
        let mut hidden = vec![0.0; padded];
        for (row, state) in state.chunks_exact_mut(units).enumerate() {
            hidden[..units].copy_from_slice(state);
            let mut output = row * seen;
            for token in 0..tokens {
                let at = row * tokens + token;
                if begins.is_some_and(|begins| begins[at]) {
                    hidden.fill(0.0);
                }
                for (own, inputs) in
                    own.chunks_exact_mut(padded).zip(inputs[at * 3 * units..].chunks_exact(units))
                {
                    for (own, input) in own.iter_mut().zip(inputs) {
                        *own = input.get();
                    }
                }
                gates.copy_from_slice(bias);
                add_rows::<FUSED>(&mut gates, &hidden[..units], weight);
                let kept = lanes_mut(&mut kept[at * KEPT * padded..][..KEPT * padded]);
                let (own, gates, states) = (lanes(&own), lanes(&gates), lanes_mut(&mut hidden));
                let count = states.len();
                for (block, hidden) in states.iter_mut().enumerate() {
                    let part = |part: usize| part * count + block;
                    let (own_r, own_z, own_n) = (&own[part(0)], &own[part(1)], &own[part(2)]);
                    let (gate_r, gate_z, gate_n) = (&gates[part(0)], &gates[part(1)], &gates[part(2)]);
                    let (mut r, mut z, mut n, before) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], *hidden);
                    for i in 0..LANES {
                        r[i] = sigmoid::<FUSED>(own_r[i] + gate_r[i]);
                        z[i] = sigmoid::<FUSED>(own_z[i] + gate_z[i]);
                        n[i] = tanh::<FUSED>(fma::<FUSED>(r[i], gate_n[i], own_n[i]));
                        hidden[i] = fma::<FUSED>(z[i], before[i] - n[i], n[i]);
                    }
                    for (index, lanes) in [r, z, n, *gate_n, before].into_iter().enumerate() {
                        kept[part(index)] = lanes;
                    }
                }
                if wanted.has(token) {
                    for (to, from) in outputs[output * units..][..units].iter_mut().zip(&hidden) {
                        *to = E::of(*from);
                    }
                    output += 1;
                }
            }
            state.copy_from_slice(&hidden[..units]);
        }
    }
}

/// `sums` are those of `to_hidden` over all tokens.
struct Backward<'a, E> {
    shape: Shape,
    dy: &'a [E],
    weight: &'a [f32],
    kept: &'a [f32],
    begins: Option<&'a [bool]>,
    to_inputs: &'a mut [E],
    to_hidden: &'a mut [E],
    before: &'a mut [E],
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, dy, weight, kept, begins, to_inputs, to_hidden, before, sums } = self;
        let Shape { tokens, seen, units, padded, wanted } = shape;
        // What flows into the gates, and into the hidden state.
        let (mut gates, mut flow) = (vec![0.0; 3 * padded], vec![0.0; padded]);
        for row in 0..kept.len() / (tokens * KEPT * padded) {
            flow.fill(0.0);
            let mut output = (row + 1) * seen;
            for token in (0..tokens).rev() {
                let at = row * tokens + token;
                if wanted.has(token) {
                    output -= 1;
                    for (flow, dy) in flow.iter_mut().zip(&dy[output * units..][..units]) {
                        *flow += dy.get();
                    }
                }
                let kept = &kept[at * KEPT * padded..][..KEPT * padded];
                let hidden = &kept[4 * padded..][..units];
                let kept = lanes(kept);
                {
                    let (gates, flow) = (lanes_mut(&mut gates), lanes_mut(&mut flow));
                    let count = flow.len();
                    for (block, flow) in flow.iter_mut().enumerate() {
                        let part = |part: usize| part * count + block;
                        let [r, z, n] = [0, 1, 2].map(|index: usize| &kept[part(index)]);
                        let (candidate, hidden) = (&kept[part(3)], &kept[part(4)]);
                        let (mut to_r, mut to_z, mut to_n) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                        for i in 0..LANES {
                            let inner = flow[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i]);
                            to_r[i] = inner * candidate[i] * r[i] * (1.0 - r[i]);
                            to_z[i] = flow[i] * (hidden[i] - n[i]) * z[i] * (1.0 - z[i]);
                            to_n[i] = inner;
                            flow[i] *= z[i];
                        }
                        for (index, lanes) in [to_r, to_z, to_n].into_iter().enumerate() {
                            gates[part(index)] = lanes;
                        }
                    }
                }
                let places = to_inputs[at * 3 * units..][..3 * units].chunks_exact_mut(units);
                for (to, gate) in places.zip(gates.chunks_exact(padded)) {
                    for (to, from) in to.iter_mut().zip(gate) {
                        *to = E::of(*from);
                    }
                }
                for (to_n, r) in gates[2 * padded..].iter_mut().zip(kept.as_flattened()) {
                    *to_n *= r;
                }
                let places = to_hidden[at * 3 * units..][..3 * units].chunks_exact_mut(units);
                for ((to, sums), gate) in
                    places.zip(sums.chunks_exact_mut(units)).zip(gates.chunks_exact(padded))
                {
                    for ((to, sum), from) in to.iter_mut().zip(sums).zip(gate) {
                        *to = E::of(*from);
                        *sum += from;
                    }
                }
                for (to, from) in before[at * units..][..units].iter_mut().zip(hidden) {
                    *to = E::of(*from);
                }
                add_rows::<FUSED>(&mut flow, &gates, weight);
                if begins.is_some_and(|begins| begins[at]) {
                    flow.fill(0.0);
                }
            }
        }
    }
}

//! Causal attention with softmax, forward and backward: of short windows here, of long ones by libtorch's kernel, which goes
//! block by block and neither forgets keys nor lets scores fall with time.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::ablated;
use super::back::BackThroughAttention;
use super::element::{Buffer, Element, Kernel, LANES, dot, exp, fma, for_kind, load, run, slice, total};
use super::sight::Sight;
use crate::wanted::Wanted;

/// Queries that are answered at a time, so that what they look at is read once for all.
const QUERIES: usize = 4;

/// From how many tokens on libtorch's kernel is the faster one: a third and more with AVX-512, little with AVX2. At 60 tokens
/// it makes a whole update a tenth slower, and in bfloat16 half as fast.
const LONG: i64 = 1024;

/// What queries `[batch, wanted tokens, width]` find among keys and values `[batch, tokens, width]` that they see, the
/// channels of one head after those of another.
pub(crate) fn attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    sight: Sight,
    wanted: Wanted,
) -> (Tensor, BackThroughAttention) {
    ablated!(Attention, super::plain::attention([queries, keys, values], &sight, wanted));
    let inputs = [queries, keys, values];
    if wanted == Wanted::All && inputs[0].size()[1] >= LONG && sight.is_whole() {
        by_blocks(inputs, sight.slopes.len() as i64)
    } else {
        at_once(inputs, sight, wanted)
    }
}

/// All tokens, by FlashAttention (Dao et al. 2022) as libtorch has it for processors.
fn by_blocks(inputs: [Tensor; 3], heads: i64) -> (Tensor, BackThroughAttention) {
    let by_head = move |x: &Tensor| x.unflatten(2, [heads, -1]).transpose(1, 2);
    let whole = |x: Tensor| x.transpose(1, 2).flatten(2, 3).contiguous();
    let inputs = inputs.each_ref().map(by_head);
    let [q, k, v] = &inputs;
    let none = || None::<Tensor>;
    let (y, logs) =
        Tensor::internal_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, true, none(), None);
    let outputs = whole(y.shallow_clone());
    let back = move |dy: Tensor| {
        let ([q, k, v], dy) = (&inputs, by_head(&dy));
        let (dq, dk, dv) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
            &dy,
            q,
            k,
            v,
            &y,
            &logs,
            0.0,
            true,
            none(),
            None,
        );
        [dq, dk, dv].map(whole)
    };
    (outputs, Box::new(back))
}

/// A query's products with all that it looks at in one piece of memory.
fn at_once(inputs: [Tensor; 3], sight: Sight, wanted: Wanted) -> (Tensor, BackThroughAttention) {
    let (kind, size) = (inputs[0].kind(), inputs[0].size());
    let shape = Shape::of(&inputs, sight.slopes.len(), wanted);
    let mut outputs = Buffer::new(&size, kind);
    // Logarithms of the sums that softmax divides by.
    let mut logs = Buffer::new(&[size[0] * size[1], shape.heads as i64], Kind::Float);
    for_kind!(kind, E => {
        // SAFETY: kernels write to buffers of their own only, and nobody writes to these tensors meanwhile.
        let [queries, keys, values] = inputs.each_ref().map(|input| unsafe { slice(input) });
        run(Forward::<E> {
            shape,
            sight: &sight,
            queries,
            keys,
            values,
            outputs: outputs.slice_mut(),
            logs: logs.slice_mut(),
        });
    });
    let back = move |dy: Tensor| {
        let mut flows = inputs.each_ref().map(|input| Buffer::new(&input.size(), kind));
        for_kind!(kind, E => {
            // SAFETY: as in the forward pass; the inputs are outputs of layers, which nobody changes.
            let [queries, keys, values] = inputs.each_ref().map(|input| unsafe { slice(input) });
            let [dq, dk, dv] = &mut flows;
            run(Backward::<E> {
                shape,
                sight: &sight,
                // SAFETY: as above.
                dy: unsafe { slice(&dy) },
                queries,
                keys,
                values,
                logs: logs.slice(),
                dq: dq.slice_mut(),
                dk: dk.slice_mut(),
                dv: dv.slice_mut(),
            });
        });
        flows.map(Buffer::into_tensor)
    };
    (outputs.into_tensor(), Box::new(back))
}

/// Lengths along the axes, and which tokens are wanted.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    tokens: usize,
    seen: usize,
    heads: usize,
    head_width: usize,
    wanted: Wanted,
}

impl Shape {
    fn of([queries, keys, _]: &[Tensor; 3], heads: usize, wanted: Wanted) -> Self {
        let (batch, tokens, width) = keys.size3().expect("keys are [batch, tokens, width]");
        let [batch, tokens, seen] = [batch, tokens, queries.size()[1]].map(|n| n as usize);
        Self { batch, tokens, seen, heads, head_width: width as usize / heads, wanted }
    }

    fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Of the wanted tokens number `first` to `last`: the blocks in which what they see lies, the token with which these
    /// begin, and the tokens from there to the last one.
    fn reach(&self, sight: &Sight, first: usize, last: usize) -> (Range<usize>, usize, Range<usize>) {
        let most = self.wanted.token(last) + 1;
        let block = sight.first[self.wanted.token(first)] / LANES;
        (block..most.div_ceil(LANES), block * LANES, block * LANES..most)
    }
}

/// The channels of one head of one row: token after token, padded to whole vectors, and channel after channel likewise.
struct Head {
    by_token: Vec<f32>,
    by_channel: Vec<f32>,
    channels: usize,
    tokens: usize,
}

impl Head {
    fn new(shape: Shape) -> Self {
        let (channels, tokens) =
            (shape.head_width.next_multiple_of(LANES), shape.tokens.next_multiple_of(LANES));
        Self {
            by_token: vec![0.0; tokens * channels],
            by_channel: vec![0.0; shape.head_width * tokens],
            channels,
            tokens,
        }
    }

    /// Takes up that of a head in `from` `[tokens, width]`.
    #[inline(always)]
    fn load<E: Element>(&mut self, from: &[E], width: usize, start: usize, head_width: usize) {
        for (token, from) in from.chunks_exact(width).enumerate() {
            let to = &mut self.by_token[token * self.channels..][..head_width];
            for (channel, (to, from)) in to.iter_mut().zip(&from[start..]).enumerate() {
                *to = from.get();
                self.by_channel[channel * self.tokens + token] = *to;
            }
        }
    }

    /// Products `[queries, tokens]` of some vectors `[queries, channels]` and the channels of each token of some blocks.
    #[inline(always)]
    fn products<const FUSED: bool>(&self, by: &[f32], to: &mut [f32], blocks: Range<usize>) {
        let by: [&[f32]; QUERIES] =
            std::array::from_fn(|query| &by[query * self.channels..][..self.channels]);
        for block in blocks {
            let mut lanes = [[0.0; LANES]; QUERIES];
            for (place, channel) in self.by_channel.chunks_exact(self.tokens).enumerate() {
                let channel: &[f32; LANES] = channel[block * LANES..].first_chunk().expect("padded");
                for query in 0..QUERIES {
                    let by = by[query][place];
                    for i in 0..LANES {
                        lanes[query][i] = fma::<FUSED>(by, channel[i], lanes[query][i]);
                    }
                }
            }
            for (query, lanes) in lanes.iter().enumerate() {
                to[query * self.tokens + block * LANES..][..LANES].copy_from_slice(lanes);
            }
        }
    }

    /// Sums `[queries, channels]` of some tokens' channels, weighed by `[queries, tokens]`.
    #[inline(always)]
    fn weighed<const FUSED: bool>(&self, weights: &[f32], to: &mut [f32], known: Range<usize>) {
        let weights: [&[f32]; QUERIES] =
            std::array::from_fn(|query| &weights[query * self.tokens..][known.clone()]);
        let tokens = &self.by_token[known.start * self.channels..known.end * self.channels];
        for block in 0..self.channels / LANES {
            let mut lanes = [[0.0; LANES]; QUERIES];
            for (place, token) in tokens.chunks_exact(self.channels).enumerate() {
                let token: &[f32; LANES] = token[block * LANES..].first_chunk().expect("padded");
                for query in 0..QUERIES {
                    let weight = weights[query][place];
                    for i in 0..LANES {
                        lanes[query][i] = fma::<FUSED>(weight, token[i], lanes[query][i]);
                    }
                }
            }
            for (query, lanes) in lanes.iter().enumerate() {
                to[query * self.channels + block * LANES..][..LANES].copy_from_slice(lanes);
            }
        }
    }

    /// Adds to each of some tokens the vectors `[queries, channels]`, weighed.
    #[inline(always)]
    fn spread<const FUSED: bool>(
        &self,
        to: &mut [f32],
        weights: &[f32],
        vectors: &[f32],
        known: Range<usize>,
    ) {
        let weights: [&[f32]; QUERIES] =
            std::array::from_fn(|query| &weights[query * self.tokens..][known.clone()]);
        let to = &mut to[known.start * self.channels..known.end * self.channels];
        for block in 0..self.channels / LANES {
            let vectors: [[f32; LANES]; QUERIES] = std::array::from_fn(|query| {
                *vectors[query * self.channels + block * LANES..].first_chunk().expect("padded")
            });
            for (place, to) in to.chunks_exact_mut(self.channels).enumerate() {
                let to: &mut [f32; LANES] = to[block * LANES..].first_chunk_mut().expect("padded");
                let mut lanes = *to;
                for query in 0..QUERIES {
                    let weight = weights[query][place];
                    for i in 0..LANES {
                        lanes[i] = fma::<FUSED>(weight, vectors[query][i], lanes[i]);
                    }
                }
                *to = lanes;
            }
        }
    }
}

/// Of one query's products with the tokens: those with the `known`, −∞ for the others; and the largest.
#[inline(always)]
fn masked(products: &mut [f32], known: Range<usize>) -> f32 {
    products[..known.start].fill(f32::NEG_INFINITY);
    products[known.end..].fill(f32::NEG_INFINITY);
    let mut tops = [f32::NEG_INFINITY; LANES];
    for products in products.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            tops[i] = if products[i] > tops[i] { products[i] } else { tops[i] };
        }
    }
    tops.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Writes the channels of a head, padded, to their place in `to` `[tokens, width]`.
#[inline(always)]
fn store<E: Element>(
    from: &[f32],
    channels: usize,
    to: &mut [E],
    width: usize,
    start: usize,
    head_width: usize,
) {
    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(width)) {
        for (from, to) in from[..head_width].iter().zip(&mut to[start..]) {
            *to = E::of(*from);
        }
    }
}

struct Forward<'a, E> {
    shape: Shape,
    sight: &'a Sight,
    queries: &'a [E],
    keys: &'a [E],
    values: &'a [E],
    outputs: &'a mut [E],
    logs: &'a mut [f32],
}

impl<E: Element> Kernel for Forward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, sight, queries, keys, values, outputs, logs } = self;
        let Shape { batch, tokens, seen, heads, head_width, wanted } = shape;
        let (width, scale) = (shape.width(), 1.0 / (head_width as f32).sqrt());
        let (mut key, mut value) = (Head::new(shape), Head::new(shape));
        let (padded, channels) = (key.tokens, key.channels);
        let mut weights = vec![0.0; QUERIES * padded];
        let (mut query, mut found) = (vec![0.0; QUERIES * channels], vec![0.0; QUERIES * channels]);
        for row in 0..batch {
            for head in 0..heads {
                let start = head * head_width;
                key.load(&keys[row * tokens * width..][..tokens * width], width, start, head_width);
                value.load(&values[row * tokens * width..][..tokens * width], width, start, head_width);
                for first in (0..seen).step_by(QUERIES) {
                    let last = seen.min(first + QUERIES) - 1;
                    for n in first..=last {
                        let from = &queries[(row * seen + n) * width + start..][..head_width];
                        for (to, from) in query[(n - first) * channels..].iter_mut().zip(from) {
                            *to = from.get() * scale;
                        }
                    }
                    let (blocks, from, any) = shape.reach(sight, first, last);
                    key.products::<FUSED>(&query, &mut weights, blocks.clone());
                    for n in first..=last {
                        let token = wanted.token(n);
                        let known = sight.first[token] - from..token + 1 - from;
                        let weights = &mut weights[(n - first) * padded..][from..blocks.end * LANES];
                        sight.fall::<FUSED>(weights, from, token, head);
                        let top = masked(weights, known.clone());
                        weights.iter_mut().for_each(|weight| *weight = exp::<FUSED>(*weight - top));
                        weights[..known.start].fill(0.0);
                        weights[known.end..].fill(0.0);
                        sight.forget(weights, head);
                        let all = total(weights);
                        weights.iter_mut().for_each(|weight| *weight /= all);
                        logs[(row * seen + n) * heads + head] = top + all.ln();
                    }
                    value.weighed::<FUSED>(&weights, &mut found, any);
                    for n in first..=last {
                        let to = &mut outputs[(row * seen + n) * width + start..][..head_width];
                        for (to, found) in to.iter_mut().zip(&found[(n - first) * channels..]) {
                            *to = E::of(*found);
                        }
                    }
                }
            }
        }
    }
}

struct Backward<'a, E> {
    shape: Shape,
    sight: &'a Sight,
    dy: &'a [E],
    queries: &'a [E],
    keys: &'a [E],
    values: &'a [E],
    logs: &'a [f32],
    dq: &'a mut [E],
    dk: &'a mut [E],
    dv: &'a mut [E],
}

impl<E: Element> Kernel for Backward<'_, E> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, sight, dy, queries, keys, values, logs, dq, dk, dv } = self;
        let Shape { batch, tokens, seen, heads, head_width, wanted } = shape;
        let (width, scale) = (shape.width(), 1.0 / (head_width as f32).sqrt());
        let (mut key, mut value) = (Head::new(shape), Head::new(shape));
        let (padded, channels) = (key.tokens, key.channels);
        let (mut weights, mut flow) = (vec![0.0; QUERIES * padded], vec![0.0; QUERIES * padded]);
        let (mut query, mut found) = (vec![0.0; QUERIES * channels], vec![0.0; QUERIES * channels]);
        let mut own = query.clone();
        let (mut to_key, mut to_value) = (key.by_token.clone(), key.by_token.clone());
        for row in 0..batch {
            for head in 0..heads {
                let start = head * head_width;
                let rows = row * tokens * width..(row + 1) * tokens * width;
                key.load(&keys[rows.clone()], width, start, head_width);
                value.load(&values[rows.clone()], width, start, head_width);
                to_key.fill(0.0);
                to_value.fill(0.0);
                for first in (0..seen).step_by(QUERIES) {
                    let last = seen.min(first + QUERIES) - 1;
                    for n in first..=last {
                        let at = (row * seen + n) * width + start;
                        for (to, from) in
                            query[(n - first) * channels..].iter_mut().zip(&queries[at..][..head_width])
                        {
                            *to = from.get() * scale;
                        }
                        load(&mut own[(n - first) * channels..], &dy[at..][..head_width]);
                    }
                    let (blocks, from, any) = shape.reach(sight, first, last);
                    key.products::<FUSED>(&query, &mut weights, blocks.clone());
                    value.products::<FUSED>(&own, &mut flow, blocks.clone());
                    // Where there are fewer queries than room for them, the others weigh nothing.
                    weights[(last + 1 - first) * padded..].fill(0.0);
                    flow[(last + 1 - first) * padded..].fill(0.0);
                    for n in first..=last {
                        let token = wanted.token(n);
                        let known = sight.first[token] - from..token + 1 - from;
                        let (at, all) = ((n - first) * padded, from..blocks.end * LANES);
                        let (weights, flow) = (&mut weights[at..][all.clone()], &mut flow[at..][all]);
                        let log = logs[(row * seen + n) * heads + head];
                        sight.fall::<FUSED>(weights, from, token, head);
                        weights.iter_mut().for_each(|weight| *weight = exp::<FUSED>(*weight - log));
                        weights[..known.start].fill(0.0);
                        weights[known.end..].fill(0.0);
                        sight.forget(weights, head);
                        let level = dot::<f32, FUSED>(weights, flow);
                        for (flow, weight) in flow.iter_mut().zip(&*weights) {
                            *flow = weight * (*flow - level);
                        }
                    }
                    key.weighed::<FUSED>(&flow, &mut found, any.clone());
                    for n in first..=last {
                        let to = &mut dq[(row * seen + n) * width + start..][..head_width];
                        for (to, found) in to.iter_mut().zip(&found[(n - first) * channels..]) {
                            *to = E::of(found * scale);
                        }
                    }
                    key.spread::<FUSED>(&mut to_key, &flow, &query, any.clone());
                    key.spread::<FUSED>(&mut to_value, &weights, &own, any);
                }
                store(&to_key, channels, &mut dk[rows.clone()], width, start, head_width);
                store(&to_value, channels, &mut dv[rows], width, start, head_width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Of as many tokens as libtorch's kernel takes where all is seen.
    #[test]
    fn what_is_seen_in_part_goes_nowhere_else() {
        const TOKENS: usize = LONG as usize + 16;
        let _alone = crate::GENERATOR.lock();
        tch::set_num_threads(1);
        let x = || Tensor::randn([1, TOKENS as i64, 4], (Kind::Float, Device::Cpu));
        let (inputs, dy) = ([x(), x(), x()], x());
        let times =
            Tensor::arange(TOKENS as i64, (Kind::Float, Device::Cpu)).divide_scalar_mode(3.0, "floor");
        for (band, slope) in [(None, 0.0), (Some(30), 0.0), (None, 0.5), (Some(30), 0.01)] {
            let first = (0..TOKENS).map(|token| band.map_or(0, |band| token.saturating_sub(band))).collect();
            let sight = Sight { first, times: Vec::try_from(&times).unwrap(), slopes: vec![slope] };
            let leaves = inputs.each_ref().map(|x| x.detach().set_requires_grad(true));
            let fall = (times.unsqueeze(1) - &times) * f64::from(slope);
            let unseen = Tensor::ones([TOKENS as i64; 2], (Kind::Bool, Device::Cpu));
            let unseen = unseen.triu(1).logical_or(&match band {
                Some(band) => unseen.tril(-(band as i64) - 1),
                None => unseen.zeros_like(),
            });
            let scores = leaves[0].matmul(&leaves[1].transpose(1, 2)) / 2.0 - fall;
            let expected =
                scores.masked_fill(&unseen, f64::NEG_INFINITY).softmax(-1, None).matmul(&leaves[2]);
            let flows = Tensor::run_backward(&[(&expected * &dy).sum(None)], &leaves, false, false);
            let [q, k, v] = inputs.each_ref().map(Tensor::shallow_clone);
            let (y, back) = attention(q, k, v, sight, Wanted::All);
            for (found, expected) in
                [y].iter().chain(&back(dy.shallow_clone())).zip([expected].iter().chain(&flows))
            {
                let off = ((found - expected).norm() / expected.norm()).double_value(&[]);
                assert!(off < 1e-5, "a band of {band:?}, a slope of {slope}: off by {off:e}");
            }
        }
    }

    /// Tokens that fill no whole block.
    #[test]
    fn what_goes_block_by_block_is_what_goes_at_once() {
        let _alone = crate::GENERATOR.lock();
        tch::set_num_threads(1);
        for (heads, width, kind, tolerance) in
            [(1, 24, Kind::Float, 1e-5), (3, 30, Kind::Float, 1e-5), (2, 32, Kind::BFloat16, 0.02)]
        {
            let x = || Tensor::randn([2, 333, width], (Kind::Float, Device::Cpu)).to_kind(kind);
            let (inputs, dy) = ([x(), x(), x()], x());
            let sight =
                Sight { first: vec![0; 333], times: vec![0.0; 333], slopes: vec![0.0; heads as usize] };
            let copies = || inputs.each_ref().map(Tensor::shallow_clone);
            let computed = |(y, back): (Tensor, BackThroughAttention)| {
                let [dq, dk, dv] = back(dy.shallow_clone());
                [y, dq, dk, dv].map(|x| x.to_kind(Kind::Float))
            };
            let blocks = computed(by_blocks(copies(), heads));
            for (found, expected) in blocks.iter().zip(computed(at_once(copies(), sight, Wanted::All))) {
                let off = ((found - &expected).norm() / expected.norm()).double_value(&[]);
                assert!(off < tolerance, "{heads} heads, {kind:?}: off by {off:e}");
            }
        }
    }
}

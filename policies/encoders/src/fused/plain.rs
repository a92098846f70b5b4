//! The same operations as libtorch has them, for the ablation.

use tch::{Kind, Tensor, nn};

use super::Gradients;
use super::back::{BackThroughAttention, BackThroughScan, BackToBoth, ScanFlow, norm_weights, summed};
use super::sight::Sight;
use crate::linear::float;
use crate::scan::{Prefix, chunked};
use crate::wanted::Wanted;

fn leaf(x: &Tensor) -> Tensor {
    x.detach().set_requires_grad(true)
}

/// Gradients of `leaves` where `dy` flows into `y`.
fn flow<const N: usize>(y: &Tensor, dy: &Tensor, leaves: [&Tensor; N]) -> [Tensor; N] {
    let end = tch::with_grad(|| (y * dy).sum(None::<Kind>));
    let flows = Tensor::run_backward(&[end], &leaves, false, false);
    let flows: Vec<Tensor> = flows.iter().map(Tensor::contiguous).collect();
    flows.try_into().expect("one for each leaf")
}

pub(super) fn attention(
    inputs: [Tensor; 3],
    sight: &Sight,
    wanted: Wanted,
) -> (Tensor, BackThroughAttention) {
    let heads = sight.slopes.len() as i64;
    let inputs = inputs.map(|x| leaf(&x));
    let (batch, tokens, width) = inputs[1].size3().expect("keys are [batch, tokens, width]");
    let y = tch::with_grad(|| {
        let [query, key, value] = [0, 1, 2]
            .map(|input: usize| inputs[input].view([batch, -1, heads, width / heads]).transpose(1, 2));
        let scores = query.matmul(&key.transpose(2, 3)) / ((width / heads) as f64).sqrt();
        let options = (Kind::Int64, scores.device());
        let of = Tensor::arange(tokens, options);
        let first: Vec<i64> = sight.first.iter().map(|&first| first as i64).collect();
        let [at, first] = [&of, &Tensor::from_slice(&first)].map(|x| wanted.of(x, 0).unsqueeze(1));
        let unseen = of.gt_tensor(&at).logical_or(&of.lt_tensor(&first));
        let mut scores = float(&scores.masked_fill(&unseen, f64::NEG_INFINITY));
        if sight.slopes.iter().any(|&slope| slope != 0.0) {
            let times = Tensor::from_slice(&sight.times);
            let since = &times - wanted.of(&times, 0).unsqueeze(1);
            scores += since * Tensor::from_slice(&sight.slopes).view([-1, 1, 1]);
        }
        let weights = scores.softmax(-1, None::<Kind>).to_kind(value.kind());
        weights.matmul(&value).transpose(1, 2).reshape([batch, -1, width])
    });
    let outputs = y.detach().contiguous();
    (outputs, Box::new(move |dy| flow(&y, &dy, [&inputs[0], &inputs[1], &inputs[2]])))
}

pub(super) fn scan(
    scores: &Tensor,
    values: &Tensor,
    decay: Option<&Tensor>,
    before: Option<&Prefix>,
    wanted: Wanted,
) -> (Tensor, Prefix, BackThroughScan) {
    let (batch, tokens, heads) = scores.size3().expect("scores are [batch, tokens, heads]");
    let (s, v) = (leaf(scores), leaf(values));
    let d = decay.map(|decay| leaf(&decay.expand([batch, tokens, heads], false).contiguous()));
    let (y, after) = tch::with_grad(|| {
        let split = v.view([batch, tokens, heads, -1]).transpose(1, 2);
        let decay = d.as_ref().map(|d| d.transpose(1, 2));
        let (y, after) = chunked(&s.transpose(1, 2), &split, decay.as_ref(), before);
        (wanted.of(&y, 2).transpose(1, 2).reshape([batch, -1, values.size()[2]]), after)
    });
    let after = after.map(Tensor::detach);
    let outputs = y.detach().contiguous();
    let back = move |dy: Tensor| match &d {
        Some(d) => {
            let [scores, values, decay] = flow(&y, &dy, [&s, &v, d]);
            ScanFlow { scores, values, decay }
        }
        None => {
            let [scores, values] = flow(&y, &dy, [&s, &v]);
            ScanFlow { decay: scores.shallow_clone(), scores, values }
        }
    };
    (outputs, after, Box::new(back))
}

pub(super) fn sum(x: &Tensor, branch: &Tensor, keep: Option<&Tensor>) -> Tensor {
    match keep {
        Some(keep) => x + branch * keep.view_as(branch),
        None => x + branch,
    }
}

pub(super) fn normal<'a>(
    x: &Tensor,
    keep: Option<Tensor>,
    norm: &'a nn::LayerNorm,
) -> (Tensor, BackToBoth<'a>) {
    let (weight, bias) = norm_weights(norm);
    let (x, w, b) = (leaf(x), leaf(weight), leaf(bias));
    let kind = x.kind();
    let y = tch::with_grad(|| {
        x.layer_norm(weight.size(), Some(&w.to_kind(kind)), Some(&b.to_kind(kind)), 1e-5, false)
    });
    let outputs = y.detach().contiguous();
    let back = move |dy: &[&Tensor], gradients: &mut Gradients| {
        let [dx, dw, db] = flow(&y, &summed(dy), [&x, &w, &b]);
        gradients.add(weight, dw);
        gradients.add(bias, db);
        let branch = keep.map_or_else(|| dx.shallow_clone(), |keep| &dx * keep.view_as(&dx));
        (dx, branch)
    };
    (outputs, Box::new(back))
}

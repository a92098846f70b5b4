//! Every form of the scan against a naive float64 oracle: values and gradients.

use aaren_encoders::scan::{Prefix, chunked_by, hillis_steele, recurrence};
use tch::{Device, Kind, Tensor};

const F64: (Kind, Device) = (Kind::Double, Device::Cpu);

/// What the tokens of a case decay the past by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Decay {
    None,
    /// Each head by its own.
    Learned,
    /// Each token by its own, now and then so much that nothing is left.
    Gated,
}

/// One batch of hard inputs in float64; the forms under test see the same numbers in float32.
struct Case {
    scores: Tensor,
    values: Tensor,
    decay: Option<Tensor>,
    state: Option<[Tensor; 3]>,
}

impl Case {
    fn new(seed: i64, heads: i64, tokens: i64, score_scale: f64, decay: Decay, state: bool) -> Case {
        tch::manual_seed(seed);
        let (batch, head_width) = (2, 3);
        // Drawn in float32, so that both precisions start from equal numbers.
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_kind(Kind::Double);
        let max = (draw(&[batch, heads]) * score_scale).to_kind(Kind::Float).to_kind(Kind::Double);
        let mut weight = draw(&[batch, heads]).abs() + 0.5;
        let mut value = draw(&[batch, heads, head_width]);
        // The first row of the batch was just reset.
        let mut max = max.contiguous();
        let _ = max.get(0).fill_(f64::NEG_INFINITY);
        let _ = (weight.get(0).zero_(), value.get(0).zero_());
        (max, weight, value) = (max.detach(), weight.detach(), value.detach());
        let scores = (draw(&[batch, heads, tokens]) * score_scale).to_kind(Kind::Float).to_kind(Kind::Double);
        let values = draw(&[batch, heads, tokens, head_width]);
        let decay = match decay {
            Decay::None => None,
            Decay::Learned => Some((Tensor::arange(heads, F64).exp2() * 0.05).unsqueeze(-1)),
            Decay::Gated => Some((draw(&[batch, heads, tokens]) * 4.0 - 5.0).exp()),
        };
        Case {
            scores,
            values,
            decay: decay.map(|decay| decay.to_kind(Kind::Float).to_kind(Kind::Double)),
            state: state.then_some([max, weight, value]),
        }
    }

    fn leaves(&self, kind: Kind) -> Case {
        let leaf = |t: &Tensor| t.detach().copy().to_kind(kind).set_requires_grad(true);
        Case {
            scores: leaf(&self.scores),
            values: leaf(&self.values),
            decay: self.decay.as_ref().map(leaf),
            state: self.state.as_ref().map(|[m, u, w]| [m.to_kind(kind), leaf(u), leaf(w)]),
        }
    }

    fn before(&self) -> Option<Prefix> {
        self.state.as_ref().map(|[m, u, w]| Prefix {
            max: m.shallow_clone(),
            weight: u.shallow_clone(),
            value: w.shallow_clone(),
        })
    }

    fn inputs(&self) -> Vec<&Tensor> {
        let mut all = vec![&self.scores, &self.values];
        all.extend(&self.decay);
        all.extend(self.state.iter().flat_map(|[_, u, w]| [u, w]));
        all
    }

    /// Softmax over each prefix, one prefix at a time.
    fn oracle(&self) -> Tensor {
        let (_, heads, tokens) = self.scores.size3().unwrap();
        let zero = Tensor::zeros([heads, 1], F64);
        let decay = self.decay.as_ref().unwrap_or(&zero).expand([2, heads, tokens], false);
        let outputs = (0..tokens).map(|n| {
            // λ_{i+1} + … + λ_n, summed up one by one.
            let ages =
                (0..=n).map(|i| decay.narrow(2, i + 1, n - i).sum_dim_intlist(-1, false, None::<Kind>));
            let logits = self.scores.narrow(2, 0, n + 1) - Tensor::stack(&ages.collect::<Vec<_>>(), 2);
            let mut max = logits.amax(-1, true).detach();
            let mut old = None;
            if let Some([m, u, w]) = &self.state {
                let logit =
                    (m - decay.narrow(2, 0, n + 1).sum_dim_intlist(-1, false, None::<Kind>)).unsqueeze(-1);
                max = max.maximum(&logit.detach());
                let share = (logit - &max).exp();
                old = Some((&share * u.unsqueeze(-1), share * w));
            }
            let weights = (logits - &max).exp();
            let mut denominator = weights.sum_dim_intlist(-1, true, None::<Kind>);
            let mut numerator = weights.unsqueeze(2).matmul(&self.values.narrow(2, 0, n + 1)).squeeze_dim(2);
            if let Some((u, w)) = old {
                (denominator, numerator) = (denominator + u, numerator + w);
            }
            numerator / denominator
        });
        Tensor::stack(&outputs.collect::<Vec<_>>(), 2)
    }
}

/// Largest difference relative to the largest expected entry, or to `terms`, the size of what is summed
/// up, where that is larger (the gradient of a saturated softmax is a sum that cancels).
fn difference(found: &Tensor, expected: &Tensor, terms: f64) -> f64 {
    let scale = expected.abs().max().double_value(&[]).max(terms);
    (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) / scale
}

/// Outputs, and gradients of a fixed weighting of them.
fn with_gradients(outputs: Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    let weighting = Tensor::arange(outputs.numel() as i64, (outputs.kind(), Device::Cpu)).sin();
    let loss = (&outputs * weighting.view_as(&outputs)).sum(None::<Kind>);
    let mut all = vec![outputs];
    all.extend(Tensor::run_backward(&[loss], inputs, false, false));
    all
}

#[test]
fn every_form_agrees_with_the_oracle_in_values_and_gradients() {
    let mut worst: f64 = 0.0;
    for tokens in [1, 2, 15, 16, 17, 60, 65, 131] {
        for (heads, score_scale, decay, state) in [
            (1, 1.0, Decay::None, false),
            (1, 1.0, Decay::None, true),
            (4, 1.0, Decay::Learned, false),
            (4, 1.0, Decay::Learned, true),
            (4, 1.0, Decay::Gated, false),
            (4, 1.0, Decay::Gated, true),
            (2, 1e4, Decay::None, true),
            (2, 1e4, Decay::Learned, true),
            (2, 1e4, Decay::Gated, true),
        ] {
            let what_decays = decay;
            let case = Case::new(tokens, heads, tokens, score_scale, decay, state);
            let exact = case.leaves(Kind::Double);
            let expected = with_gradients(exact.oracle(), &exact.inputs());
            for form in ["hillis-steele", "chunked 16", "chunked 64", "recurrence"] {
                let single = case.leaves(Kind::Float);
                let before = single.before();
                let (decay, scores, values) = (single.decay.as_ref(), &single.scores, &single.values);
                let empty = Prefix::empty(2, heads, 3, (Kind::Float, Device::Cpu));
                let start = before.as_ref().unwrap_or(&empty);
                let outputs = match form {
                    "hillis-steele" => hillis_steele(scores, values, decay, start).0,
                    "chunked 16" => chunked_by(16, scores, values, decay, before.as_ref()).0,
                    "chunked 64" => chunked_by(64, scores, values, decay, before.as_ref()).0,
                    _ => {
                        let mut outputs = Vec::new();
                        let mut state = None;
                        for n in 0..tokens {
                            let decay =
                                decay.map(|decay| decay.select(-1, n.min(decay.size()[decay.dim() - 1] - 1)));
                            let before = state.as_ref().unwrap_or(start);
                            let after = recurrence(
                                &scores.select(2, n),
                                &values.select(2, n),
                                decay.as_ref(),
                                before,
                            );
                            outputs.push(after.output());
                            state = Some(after);
                        }
                        Tensor::stack(&outputs, 2)
                    }
                };
                let found = with_gradients(outputs, &single.inputs());
                for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    // A head's decay multiplies ages of up to `tokens`; everything else is of order one.
                    let terms = if what_decays == Decay::Learned && what == 3 { tokens as f64 } else { 1.0 };
                    let difference = difference(found, expected, terms);
                    worst = worst.max(difference);
                    assert!(
                        difference < 1e-5,
                        "{form}, {tokens} tokens, {heads} heads, scores × {score_scale}, decay {what_decays:?}, \
                         state {state}: output or gradient {what} is off by {difference:e}"
                    );
                }
            }
        }
    }
    println!("largest relative difference {worst:e}");
}

#[test]
fn a_sequence_cut_anywhere_continues_from_its_state() {
    for decay in [Decay::Learned, Decay::Gated] {
        let case = Case::new(7, 4, 100, 1.0, decay, true).leaves(Kind::Float);
        let start = case.before();
        let whole = chunked_by(16, &case.scores, &case.values, case.decay.as_ref(), start.as_ref());
        for cut in [1, 16, 37, 99] {
            let part = |from: i64, length: i64, state: Option<&Prefix>| {
                let (scores, values) =
                    (case.scores.narrow(2, from, length), case.values.narrow(2, from, length));
                let decay = case.decay.as_ref();
                let decay =
                    decay.map(|d| if d.dim() == 3 { d.narrow(2, from, length) } else { d.shallow_clone() });
                chunked_by(16, &scores, &values, decay.as_ref(), state)
            };
            let first = part(0, cut, start.as_ref());
            let second = part(cut, 100 - cut, Some(&first.1));
            let joined = Tensor::cat(&[first.0, second.0], 2);
            assert!(
                difference(&joined, &whole.0.to_kind(Kind::Double), 1.0) < 1e-5,
                "{decay:?}, cut at {cut}"
            );
            let (found, expected) = (second.1.output(), whole.1.output().to_kind(Kind::Double));
            assert!(difference(&found, &expected, 1.0) < 1e-5, "{decay:?}, state after a cut at {cut}");
        }
    }
}

#[test]
fn early_scores_far_below_the_maximum_do_not_underflow() {
    // Cumulative sums under one global maximum give 0/0 here.
    let scores =
        Tensor::cat(&[Tensor::full([1, 1, 100], -500.0, F64), Tensor::full([1, 1, 100], 500.0, F64)], 2)
            .to_kind(Kind::Float);
    let values = Tensor::arange(200, (Kind::Float, Device::Cpu)).view([1, 1, 200, 1]);
    let (outputs, _) = chunked_by(64, &scores, &values, None, None);
    assert!((outputs.double_value(&[0, 0, 99, 0]) - 49.5).abs() < 1e-4);
    assert!((outputs.double_value(&[0, 0, 199, 0]) - 149.5).abs() < 1e-4);
}

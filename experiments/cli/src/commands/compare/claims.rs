//! The paper's claims, and what was found here.

use aaren_format::{EncoderKind, Regime};
use serde::Serialize;

use super::Compared;
use super::training::TrainingCost;
use aaren_reports::Verdict;
use aaren_spec::Cost;
use aaren_statistics::{ONE_SEED, Unit};

/// A statement of the paper, and what was found here.
#[derive(Debug, Serialize)]
pub struct Claim {
    /// The statement.
    pub statement: String,
    /// Whether it holds here; `None` where nothing was there to tell, or not enough.
    pub holds: Option<bool>,
    /// The measured numbers.
    pub measured: String,
}

/// The claims of arXiv 2405.13956 that a comparison of costs can check.
pub fn check(compared: &Compared, costs: &[Cost], training: &[TrainingCost]) -> Vec<Claim> {
    let of = |kind: EncoderKind| compared.with(kind);
    let (Some(aaren), Some(transformer)) = (of(EncoderKind::Aaren), of(EncoderKind::Transformer)) else {
        return Vec::new();
    };
    let (aaren, transformer) = (aaren.header.policy.as_str(), transformer.header.policy.as_str());
    let unbounded =
        |policy: &str| costs.iter().find(|cost| cost.policy == policy && cost.regime == Regime::Unbounded);
    let mut claims = vec![parameters(compared)];
    if let (Some(ours), Some(theirs)) = (unbounded(aaren), unbounded(transformer)) {
        claims.push(growth(
            "memory of a roll-out is constant for Aaren, linear for the Transformer's cache",
            (ours.memory_exponent, 0.0),
            (theirs.memory_exponent, 1.0),
        ));
        claims.push(growth(
            "time of an episode is linear for Aaren, quadratic in the limit for the Transformer's cache",
            (ours.time_exponent, 1.0),
            (theirs.time_exponent, 2.0),
        ));
    }
    let is_window = |cost: &&Cost| matches!(cost.regime, Regime::Window(_));
    let is_sliding = |cost: &&Cost| matches!(cost.regime, Regime::Sliding(_));
    let theirs = || costs.iter().filter(|cost| cost.policy == transformer);
    for theirs in theirs().filter(is_window).chain(theirs().filter(is_sliding)) {
        let Some(ours) = unbounded(aaren) else { continue };
        let faster = theirs.step_us_p50 / ours.step_us_p50;
        claims.push(Claim {
            statement: format!("a step of Aaren costs less than the Transformer's, {}", theirs.regime),
            holds: Some(faster > 1.0),
            measured: format!(
                "{:.1} µs against {:.1} µs, {faster:.1} ×",
                ours.step_us_p50, theirs.step_us_p50
            ),
        });
        let (ours, kept) = (ours.state_bytes, theirs.state_bytes);
        claims.push(Claim {
            statement: format!("Aaren's state is smaller than the Transformer's, {}", theirs.regime),
            holds: Some(ours < kept),
            measured: format!("{ours} bytes against {kept}"),
        });
    }
    let longest = |policy: &str| training.iter().filter(|c| c.policy == policy).max_by_key(|c| c.context);
    if let (Some(ours), Some(theirs)) = (longest(aaren), longest(transformer)) {
        claims.push(Claim {
            statement: format!("training on windows of {} timesteps is cheaper", ours.context),
            holds: Some(ours.update_ms < theirs.update_ms),
            measured: format!("{:.0} ms an update against {:.0} ms", ours.update_ms, theirs.update_ms),
        });
    }
    claims.push(scores(compared, aaren, transformer));
    claims
}

fn parameters(compared: &Compared) -> Claim {
    let counted = |kind: EncoderKind| {
        let file = compared.with(kind).expect("checked");
        (file.parameters(), file.header.decision().expect("it has an encoder").model)
    };
    let ((ours, model), (theirs, _)) = (counted(EncoderKind::Aaren), counted(EncoderKind::Transformer));
    let more = ours as i64 - theirs as i64;
    let expected = (model.width * model.layers) as i64;
    Claim {
        statement: "parameters differ by one width per layer (0.016 % at the paper's width of 512)".into(),
        holds: Some(more == expected),
        measured: format!(
            "{ours} against {theirs}: {more} more ({} layers × {}), {:.3} %",
            model.layers,
            model.width,
            100.0 * more as f64 / theirs as f64
        ),
    }
}

fn growth(statement: &str, ours: (Option<f64>, f64), theirs: (Option<f64>, f64)) -> Claim {
    // A fit over a finite range lies between the powers that a sum of them is made of.
    let near = |(found, expected): (Option<f64>, f64)| found.map(|found| (found - expected).abs() <= 0.25);
    let show = |exponent: Option<f64>| exponent.map_or("–".into(), |e| format!("{e:.2}"));
    Claim {
        statement: statement.into(),
        holds: near(ours).zip(near(theirs)).map(|(a, b)| a && b),
        measured: format!(
            "fitted exponents {} and {} (expected {} and {})",
            show(ours.0),
            show(theirs.0),
            ours.1,
            theirs.1
        ),
    }
}

fn scores(compared: &Compared, aaren: &str, transformer: &str) -> Claim {
    let comparison = compared.summary.as_ref().and_then(|summary| summary.comparison.as_ref());
    let comparison = comparison.filter(|comparison| comparison.with == transformer);
    let margin = comparison.and_then(|comparison| comparison.margin);
    let by = margin.map_or(String::new(), |margin| format!(" by {margin}"));
    let statement = format!("scores are comparable: Aaren is non-inferior to the Transformer{by}");
    let Some((comparison, paired)) = comparison.and_then(|all| Some((all, all.policies.get(aaren)?))) else {
        let measured = "no scores of both: train the experiment with `aaren run` first".into();
        return Claim { statement, holds: None, measured };
    };
    let holds = paired.verdict.and_then(|verdict| match verdict {
        Verdict::Better | Verdict::NonInferior => Some(true),
        Verdict::Inferior => Some(false),
        Verdict::Undecided => None,
    });
    let over = match (paired.difference.over, paired.per_seed.len()) {
        (Unit::Episodes, _) => ONE_SEED.to_owned(),
        (Unit::Seeds | Unit::Datasets, seeds) => format!("{seeds} seeds"),
    };
    let verdict = match (paired.verdict, margin) {
        (Some(verdict), _) => verdict.to_string(),
        (None, Some(_)) if paired.difference.over == Unit::Episodes => "no verdict".into(),
        (None, Some(_)) => "no interval".into(),
        (None, None) => "no margin was fixed (`compare.margin`)".into(),
    };
    let measured = format!("{} differs by {} ({over}): {verdict}", comparison.metric, paired.difference);
    Claim { statement, holds, measured }
}

//! `evaluate:` roll-outs during and after training.

use serde::Serialize;

use super::error::Error;
use super::field::{Field, Fields};

/// Roll-outs of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluateSpec {
    /// Updates between two evaluations; a quarter of all unless given. The last update is always followed by one.
    pub every: u64,
    /// Episodes per evaluation and target return.
    pub episodes: usize,
    /// Returns to ask for, unique; from the environment's reference scores when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_returns: Option<Vec<f64>>,
    /// What returns-to-go are divided by before they are embedded.
    pub return_scale: f64,
}

pub(super) const KEYS: &[&str] = &["every", "episodes", "target_returns", "return_scale"];

impl EvaluateSpec {
    /// `updates` sets the default of `every`.
    pub(super) fn read(fields: &Fields, updates: u64) -> Result<EvaluateSpec, Error> {
        Ok(EvaluateSpec {
            every: fields
                .get("every")
                .map_or(Ok((updates / 4).max(1)), |field| field.integer(1, u64::MAX))?,
            episodes: fields.get("episodes").map_or(Ok(20), |field| field.size(1, 100_000))?,
            target_returns: fields.get("target_returns").map(|field| target_returns(&field)).transpose()?,
            return_scale: fields
                .get("return_scale")
                .map_or(Ok(1000.0), |field| field.number("a number above 0", |scale| scale > 0.0))?,
        })
    }
}

fn target_returns(field: &Field) -> Result<Vec<f64>, Error> {
    let mut targets = Vec::new();
    for item in field.list("a list of returns such as `[3600, 1800]`")? {
        let target = item.number("a return, a finite number", |_| true)?;
        if targets.contains(&target) {
            return Err(item.invalid("each target return once", Some("remove the repetition")));
        }
        targets.push(target);
    }
    Ok(targets)
}

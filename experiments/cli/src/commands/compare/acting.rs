//! Time and memory of acting.

use aaren_format::{ContextLength, Header, Regime};
use aaren_runs::cost::{self, Subject};
use aaren_spec::Cost;
use aaren_streaming::Policy;
use anyhow::Result;
use indicatif::ProgressBar;

use super::Compared;

/// Time and memory of every policy; the Transformer with its window, a sliding and a growing cache.
pub fn measure(compared: &Compared, bar: &ProgressBar) -> Result<Vec<Cost>> {
    bar.set_message("acting");
    let mut subjects = Vec::new();
    for file in &compared.policies {
        let policy = Policy::from_bytes(&file.to_bytes())?;
        for regime in regimes(&file.header) {
            subjects.push(Subject::new(&file.header.policy, &policy, regime)?);
        }
    }
    Ok(cost::measure(&mut subjects, &cost::LONG, &cost::TIMESTEPS)?)
}

/// A policy's own memory, and what it is compared with: all of the episode, and where that grows a window and a
/// sliding cache.
fn regimes(header: &Header) -> Vec<Regime> {
    let mut all = vec![header.regime()];
    let Some(decision) = header.decision() else { return all };
    let mut others = Vec::new();
    if let (false, ContextLength::Timesteps(timesteps)) =
        (decision.model.encoder().constant_state(), decision.context.context_length)
    {
        others.extend([Regime::Window(timesteps), Regime::Sliding(timesteps)]);
    }
    others.push(Regime::Unbounded);
    all.extend(others.into_iter().filter(|other| *other != header.regime()));
    all
}

//! Time and memory of acting.

use aaren_agents::Network;
use aaren_format::{ContextLength, Header, Regime};
use aaren_streaming::Policy;
use anyhow::Result;
use indicatif::ProgressBar;
use std::path::Path;
use tch::Device;

use super::Compared;
use crate::cost::{self, Cost, Subject};

/// Time and memory of every policy on both backends; the Transformer with its window, a sliding and a growing cache.
pub fn measure(compared: &Compared, device: Device, bar: &ProgressBar) -> Result<Vec<Cost>> {
    let path = Path::new("the policy");
    let networks: Vec<Box<dyn Network>> =
        compared.policies.iter().map(|file| file.network(path, device)).collect::<Result<_, _>>()?;
    let streaming: Vec<Policy> = compared
        .policies
        .iter()
        .map(|file| Policy::from_bytes(&file.to_bytes()))
        .collect::<Result<_, _>>()?;
    let mut costs = Vec::new();
    for backend in ["streaming", "libtorch"] {
        bar.set_message(format!("acting, {backend}"));
        let mut subjects = Vec::new();
        for ((file, network), policy) in compared.policies.iter().zip(&networks).zip(&streaming) {
            for regime in regimes(&file.header) {
                let name = &file.header.policy;
                subjects.push(match backend {
                    "streaming" => Subject::streaming(name, policy, regime)?,
                    _ => Subject::libtorch(name, &**network, regime)?,
                });
            }
        }
        costs.extend(cost::measure(&mut subjects, &cost::LONG, &cost::TIMESTEPS)?);
    }
    Ok(costs)
}

/// A policy's own memory, and what it is compared with: all of the episode, and where that grows a window and a
/// sliding cache.
fn regimes(header: &Header) -> Vec<Regime> {
    let mut all = vec![header.regime()];
    let Some(decision) = header.decision() else { return all };
    let mut others = Vec::new();
    if let (false, ContextLength::Timesteps(timesteps)) =
        (decision.model.encoder.constant_state(), decision.context.context_length)
    {
        others.extend([Regime::Window(timesteps), Regime::Sliding(timesteps)]);
    }
    others.push(Regime::Unbounded);
    all.extend(others.into_iter().filter(|other| *other != header.regime()));
    all
}

use aaren_agents::decision::{Model, Rollout};
use aaren_policies::EncoderKind;
use aaren_streaming::Policy;
use anyhow::Result;
use indicatif::ProgressBar;
use std::path::Path;
use tch::Device;

use super::Compared;
use crate::cost::{self, Cost, Subject};

/// Time and memory of every policy on both backends; the Transformer with a growing cache and with its window.
pub fn measure(compared: &Compared, device: Device, bar: &ProgressBar) -> Result<Vec<Cost>> {
    let path = Path::new("the policy");
    let models: Vec<Model> =
        compared.policies.iter().map(|file| file.model(path, device)).collect::<Result<_, _>>()?;
    let streaming: Vec<Policy> = compared
        .policies
        .iter()
        .map(|file| Policy::from_bytes(&file.to_bytes()))
        .collect::<Result<_, _>>()?;
    let mut costs = Vec::new();
    for backend in ["streaming", "libtorch"] {
        bar.set_message(format!("acting, {backend}"));
        let mut subjects = Vec::new();
        for ((file, model), policy) in compared.policies.iter().zip(&models).zip(&streaming) {
            for rollout in
                rollouts(file.header.model.encoder, file.header.context.train, file.header.context.rollout)
            {
                let name = &file.header.policy;
                subjects.push(match backend {
                    "streaming" => Subject::streaming(name, policy, rollout)?,
                    _ => Subject::libtorch(name, model, rollout),
                });
            }
        }
        costs.extend(cost::measure(&mut subjects, &cost::LONG, &cost::TIMESTEPS)?);
    }
    Ok(costs)
}

/// A policy's own memory, and what it is compared with.
fn rollouts(encoder: EncoderKind, train: usize, own: Rollout) -> Vec<Rollout> {
    let mut all = vec![own];
    let others = match encoder {
        EncoderKind::Aaren => vec![Rollout::Unbounded],
        EncoderKind::Transformer => vec![Rollout::Window(train), Rollout::Unbounded],
    };
    all.extend(others.into_iter().filter(|other| *other != own));
    all
}

//! Time and memory of a training update.

use std::time::Duration;

use aaren_agents::{AgentConfig, DecisionConfig};
use aaren_format::{ContextLength, Precision};
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::Path;
use tch::Device;

use super::Compared;
use aaren_runs::cost::{grown, peak_reset, release_freed_memory};
use aaren_runs::measure;
use aaren_runs::stand_in::{dataset, trainer};
use aaren_statistics::percentile;

/// Timesteps of a training window.
const CONTEXTS: [usize; 4] = [20, 100, 300, 1000];
/// Windows in a batch, small enough for the Transformer's longest.
pub const BATCH: usize = 4;
const UPDATES: usize = 3;

/// Cost of a training update.
#[derive(Debug, Serialize)]
pub struct TrainingCost {
    /// The policy.
    pub policy: String,
    /// Timesteps of a window.
    pub context: usize,
    /// Median time of an update, in ms.
    pub update_ms: f64,
    /// Peak of resident memory above what was resident before the first update; `None` where the system
    /// does not tell.
    pub peak_bytes: Option<usize>,
}

/// Updates of every policy with an encoder at growing contexts, in float32.
pub fn measure(compared: &Compared, device: Device, bar: &ProgressBar) -> Result<Vec<TrainingCost>> {
    let mut costs = Vec::new();
    for context in CONTEXTS {
        for file in &compared.policies {
            let Some(network) = file.header.decision() else { continue };
            let policy = file.header.policy.clone();
            bar.set_message(format!("training, {policy}, windows of {context}"));
            let mut agent = DecisionConfig::of_network(network, 0.1);
            agent.context.context_length = ContextLength::Timesteps(context);
            let agent = AgentConfig::new(&agent);
            let task = file.task(Path::new("the policy"))?;
            let dataset = dataset(&task, 8);
            let mut trainer = trainer(&agent, &task, &dataset, BATCH, Precision::Float32, device)?;
            release_freed_memory();
            let before = peak_reset();
            let times = measure::updates(&mut trainer, UPDATES, Duration::MAX)?;
            let peak_bytes = before.and_then(grown);
            costs.push(TrainingCost {
                policy,
                context,
                update_ms: 1e3 * percentile(&times, 50.0),
                peak_bytes,
            });
        }
    }
    Ok(costs)
}

//! What one experiment brings to a primary endpoint.

use aaren_spec::{ExperimentResult, PrimarySpec, RunResult};
use aaren_statistics::{Sample, mean};
use serde::{Deserialize, Serialize};

/// The scores of both policies of the endpoint, from one experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrimaryScores {
    /// The endpoint, as the YAML has it now.
    pub endpoint: PrimarySpec,
    /// Mean score of each run of the policy that is judged, in the order of the endpoint's seeds.
    pub policy: Vec<f64>,
    /// The same of the policy that it is compared with.
    pub against: Vec<f64>,
    /// Those of its runs that are not done.
    pub missing: Vec<String>,
    /// Those of its runs that began with another endpoint, or with none, each with what differs.
    pub changed: Vec<String>,
}

impl PrimaryScores {
    /// Of the runs that are done; `None` where no endpoint is fixed, or the experiment does not belong to it.
    pub(super) fn new(
        experiment: &ExperimentResult,
        sample: impl Fn(&RunResult) -> Sample,
    ) -> Option<PrimaryScores> {
        let endpoint = experiment.primary.clone()?;
        if !endpoint.datasets.contains(&experiment.name) {
            return None;
        }
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        let mut scores = |policy: &str| -> Vec<f64> {
            let of_seed = |&seed: &u64| {
                let run = experiment.runs.iter().find(|run| run.policy == policy && run.seed == seed);
                let Some(run) = run else {
                    missing.push(format!("{policy} seed {seed}"));
                    return None;
                };
                let differences = endpoint.differences(run.primary.as_ref());
                if !differences.is_empty() {
                    changed.push(format!("{policy} seed {seed} began with {}", differences.join("; ")));
                }
                Some(mean(&sample(run).per_seed()))
            };
            endpoint.seeds.iter().filter_map(of_seed).collect()
        };
        let (policy, against) = (scores(&endpoint.policy), scores(&endpoint.against));
        Some(PrimaryScores { policy, against, missing, changed, endpoint })
    }
}

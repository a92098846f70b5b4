//! What the runs of an experiment left, read together: all that a report needs.

use std::collections::BTreeMap;

use aaren_format::EncoderKind;
use serde::Deserialize;

use crate::{
    Cost, Costs, Error, ExperimentFolder, FixedPrimary, PrimarySpec, RunFolder, RunResult, RunState, Spec,
};

/// All that a report needs of an experiment.
#[derive(Clone, Debug)]
pub struct ExperimentResult {
    /// Name of the experiment.
    pub name: String,
    /// Its policies, in order.
    pub policies: Vec<String>,
    /// The first of them that is a Transformer: with it the others are compared, finished or not.
    pub transformer: Option<String>,
    /// Its training seeds.
    pub seeds: Vec<u64>,
    /// Windows per update, where a policy does not have its own.
    pub batch: usize,
    /// By how much a policy may fall short and still count as non-inferior.
    pub margin: Option<f64>,
    /// The comparison that decides, where one is fixed.
    pub primary: Option<PrimarySpec>,
    /// The runs that are done, in the order of policies and seeds.
    pub runs: Vec<RunResult>,
    /// Those that are not, each with what is known of it.
    pub unfinished: Vec<String>,
    /// The endpoints that all runs in its folder began with, also those that its YAML names no more.
    pub began: Vec<Began>,
    /// What it costs to act with the policies.
    pub costs: Vec<Cost>,
}

/// The endpoint that a run began with.
#[derive(Clone, Debug)]
pub struct Began {
    /// Name of the run's policy.
    pub policy: String,
    /// Its training seed.
    pub seed: u64,
    /// The endpoint.
    pub primary: FixedPrimary,
}

impl ExperimentResult {
    /// Of an experiment in this folder whose runs left these results.
    pub fn new(spec: &Spec, folder: &ExperimentFolder, runs: Vec<RunResult>, costs: Vec<Cost>) -> Self {
        let is_done =
            |policy: &str, seed: u64| runs.iter().any(|run| run.policy == policy && run.seed == seed);
        let all =
            spec.policies.iter().flat_map(|policy| spec.seeds.iter().map(move |&seed| (&*policy.name, seed)));
        let unfinished = all.filter(|&(policy, seed)| !is_done(policy, seed)).map(|(policy, seed)| {
            let state = folder.run(policy, seed).state_as_it_stands();
            format!("{policy} seed {seed}: {state}")
        });
        let unfinished = unfinished.collect();
        Self {
            name: spec.name.clone(),
            policies: spec.policies.iter().map(|policy| policy.name.clone()).collect(),
            transformer: (spec.policies.iter())
                .find(|policy| policy.agent.encoder() == Some(EncoderKind::Transformer))
                .map(|policy| policy.name.clone()),
            seeds: spec.seeds.clone(),
            batch: spec.train.batch,
            margin: spec.compare.margin,
            primary: spec.primary.clone(),
            began: began(folder, &runs),
            runs,
            unfinished,
            costs,
        }
    }

    /// Of a results folder, or a copy of one, on a machine without the data: `spec.yaml`, `costs.json`, and the
    /// `result.json` of each run that is done.
    ///
    /// # Errors
    /// Where one of these files is damaged.
    pub fn read(folder: &ExperimentFolder) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Outline {
            name: String,
            policies: Vec<BTreeMap<String, serde_yaml::Value>>,
            seeds: Vec<u64>,
            train: Train,
            compare: Compare,
            primary: Option<PrimarySpec>,
        }
        #[derive(Deserialize)]
        struct Train {
            batch: usize,
        }
        #[derive(Deserialize)]
        struct Compare {
            margin: Option<f64>,
        }
        let path = folder.spec();
        let wrong = |found: String| Error::Result {
            path: path.clone(),
            found,
            cure: "expected the spec.yaml that `aaren run` wrote: run it again".into(),
        };
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let Outline { name, policies, seeds, train, compare, primary } =
            serde_yaml::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let transformer = (policies.iter().flatten())
            .find(|(_, settings)| {
                settings.get("encoder").is_some_and(|it| *it == *EncoderKind::Transformer.name())
            })
            .map(|(name, _)| name.clone());
        let policies: Vec<String> = policies.into_iter().flat_map(BTreeMap::into_keys).collect();
        let (mut runs, mut unfinished) = (Vec::new(), Vec::new());
        for policy in &policies {
            for &seed in &seeds {
                let run = folder.run(policy, seed);
                match run.state_as_it_stands() {
                    RunState::Done => runs.push(RunResult::read(&run.result())?),
                    state => unfinished.push(format!("{policy} seed {seed}: {state}")),
                }
            }
        }
        let costs = Costs::read(&folder.costs())?.map_or_else(Vec::new, |costs| costs.costs);
        Ok(Self {
            name,
            policies,
            transformer,
            seeds,
            batch: train.batch,
            margin: compare.margin,
            primary,
            began: began(folder, &runs),
            runs,
            unfinished,
            costs,
        })
    }

    /// Of one run alone that is done, in the folder of its experiment.
    ///
    /// # Errors
    /// As [`ExperimentResult::read`].
    pub fn read_run(run: &RunFolder) -> Result<Self, Error> {
        let mut all = Self::read(&run.experiment())?;
        let run = RunResult { primary: None, ..RunResult::read(&run.result())? };
        all.policies = vec![run.policy.clone()];
        all.costs.retain(|cost| cost.policy == run.policy);
        all.seeds = vec![run.seed];
        // A single run decides nothing.
        all.primary = None;
        all.began.clear();
        all.unfinished.clear();
        all.runs = vec![run];
        Ok(all)
    }
}

/// The endpoints that the runs in an experiment's folder began with.
fn began(folder: &ExperimentFolder, runs: &[RunResult]) -> Vec<Began> {
    let found = folder.runs_there().into_iter().filter_map(|(policy, seed)| {
        let primary = match runs.iter().find(|run| run.policy == policy && run.seed == seed) {
            Some(done) => done.primary.clone()?,
            None => folder.run(&policy, seed).primary()??,
        };
        Some(Began { policy, seed, primary })
    });
    found.collect()
}

//! An experiment with its data, ready to be trained or reported.

use std::cell::OnceCell;
use std::path::Path;

use aaren_agents::Task;
use aaren_envs::dataset::Difficulty;
use aaren_envs::{Dataset, make};
use aaren_policies::open_device;
use anyhow::{Context, Result};
use tch::Device;

use super::run::{Finished, Run};
use super::{measure, targets};
use crate::experiment::{Document, Spec};
use crate::results::{Standing, Summary};
use crate::{ExperimentFolder, dataset, lock, output};

/// What all runs of an experiment share.
pub struct Ready<'e> {
    document: &'e Document,
    pub spec: &'e Spec,
    pub dataset: Dataset,
    /// Checksum of its content.
    data: u32,
    task: Task,
    targets: Vec<f64>,
    device: Device,
    pub folder: ExperimentFolder,
    difficulty: OnceCell<Difficulty>,
}

impl<'e> Ready<'e> {
    /// Loads the dataset, or has it made below `results`, and looks whether the experiment fits it.
    pub fn new(
        document: &'e Document,
        spec: &'e Spec,
        results: &Path,
        folder: ExperimentFolder,
    ) -> Result<Self> {
        let at = |key: &str| document.place(key).to_string();
        let environment = make(&spec.env).with_context(|| at("env"))?;
        let device = open_device(&spec.train.device.to_string())?;
        let dataset = dataset::of_experiment(spec, results).with_context(|| at("dataset"))?;
        output::note(dataset.summary());
        let task = Task::new(&environment, spec.evaluate.return_scale)
            .with_dataset(&dataset)
            .with_context(|| at("dataset"))?;
        let targets = targets(spec, &dataset);
        let data = dataset::checksum(&dataset);
        Ok(Self { document, spec, dataset, data, task, targets, device, folder, difficulty: OnceCell::new() })
    }

    /// How hard the data are to imitate.
    pub fn difficulty(&self) -> Result<Difficulty> {
        if let Some(known) = self.difficulty.get() {
            return Ok(known.clone());
        }
        let difficulty = Difficulty::of(&self.dataset, Some(&self.spec.env));
        let difficulty = difficulty.with_context(|| self.document.place("env").to_string())?;
        Ok(self.difficulty.get_or_init(|| difficulty).clone())
    }

    /// Every policy × seed, in the order of the spec.
    pub fn runs(&self) -> Vec<Run<'_>> {
        let (policies, seeds) = (&self.spec.policies, &self.spec.seeds);
        let learns: Vec<_> = policies.iter().map(|policy| self.spec.fingerprint(policy, 0)).collect();
        let of_policy = |(place, policy): (usize, _)| {
            let same = learns[..place].iter().position(|before| *before == learns[place]);
            seeds.iter().enumerate().map(move |(index, &seed)| Run {
                spec: self.spec,
                policy,
                seed,
                task: &self.task,
                targets: &self.targets,
                dataset: &self.dataset,
                data: self.data,
                device: self.device,
                folder: self.folder.run(&policy.name, seed),
                source: same.map(|same| same * seeds.len() + index),
            })
        };
        policies.iter().enumerate().flat_map(of_policy).collect()
    }

    /// Reports the runs that finished, unless `anew` is not asked for and the report that is there is already theirs.
    pub fn summarise(&self, finished: &[Finished], anew: bool) -> Result<Summary> {
        let _claim = claim(&self.folder)?;
        if !anew && let Some(summary) = Standing::of(self.spec, &self.folder).summary(self.spec, &self.folder)
        {
            return Ok(summary);
        }
        let costs = measure(&self.spec.policies, finished)?;
        let difficulty = self.difficulty()?;
        let (summary, pictures) =
            Summary::new(self.spec, &self.dataset, difficulty, &self.targets, finished, &costs)?;
        summary.write(&self.folder, &pictures)?;
        Ok(summary)
    }
}

/// Waits until nobody else writes to what the runs of an experiment share.
pub fn claim(folder: &ExperimentFolder) -> Result<lock::Claim> {
    let shown = folder.path().display();
    lock::wait_for(&folder.lock(), |holder| {
        output::note(format_args!("{shown} is being written to by {holder}: waiting for it"));
    })
}

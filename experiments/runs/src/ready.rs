//! An experiment with what its runs share; the data are loaded when the first run has to be trained.

use std::cell::{Cell, OnceCell};
use std::path::Path;

use aaren_agents::Task;
use aaren_datasets::{Dataset, Difficulty};
use aaren_encoders::open_device;
use aaren_envs::describe;
use aaren_spec::{DatasetSource, Document, ExperimentFolder, Fingerprint, PolicySpec, RunFolder, Spec};
use tch::Device;

use crate::protocol::targets;
use crate::run::Run;
use crate::trainer::Data;
use crate::{Error, Result, dataset, lock, output};

/// Choices that a policy has an output for, at most, where the data alone say them.
const MOST_CHOICES: usize = 100_000;

/// What all runs of an experiment share.
pub struct Ready<'e> {
    document: &'e Document,
    spec: &'e Spec,
    results: &'e Path,
    pub folder: ExperimentFolder,
    data: OnceCell<Data>,
    /// Whether it was said that the dataset has another name now.
    renamed: Cell<bool>,
}

impl<'e> Ready<'e> {
    /// Of an experiment whose recipes are kept below `results`.
    pub fn new(document: &'e Document, spec: &'e Spec, results: &'e Path, folder: ExperimentFolder) -> Self {
        Self { document, spec, results, folder, data: OnceCell::new(), renamed: Cell::new(false) }
    }

    /// Where it computes.
    pub fn device(&self) -> Result<Device> {
        Ok(open_device(self.spec.train.device)?)
    }

    /// The data, loaded, or made below the results, at the first call, and checked against the environment.
    pub fn data(&self) -> Result<&Data> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let spec = self.spec;
        let at = |key: &str| self.document.place(key).to_string();
        let environment = spec.played_in().map(describe).transpose().map_err(Error::at(at("env")))?;
        if environment.as_ref().is_some_and(|its| !its.repeats) {
            output::note(format_args!(
                "{}: `reset(seed=0)` did not start the same episode twice: the same seeds will not give the same scores",
                spec.env.id
            ));
        }
        let loaded = dataset::of_experiment(spec, self.results).map_err(Error::at(at("dataset")))?;
        let summary = loaded.summary();
        output::note(&summary);
        // What the network is shown of a return is float32.
        let largest = summary.return_max.abs().max(summary.return_min.abs());
        let scale = spec.evaluate.return_scale.unwrap_or_else(|| loaded.return_spread());
        if !((largest / scale) as f32).is_finite() || !(largest as f32).is_finite() {
            let found = format!("found an episode's return of {largest:.1e} in size");
            let expected =
                "expected at most 3.4e38 (float32), before and after evaluate.return_scale divides it";
            let cure = "scale the rewards in the data";
            return Err(Error::at(at("dataset"))(Error::Refused(format!("{found}, {expected}; {cure}"))));
        }
        let task = environment
            .map_or_else(|| Task::of_data(&loaded, spec.env.clone(), scale), |its| Task::new(&its, scale));
        if let Some(&most) = task.action.choices().iter().max().filter(|&&most| most > MOST_CHOICES) {
            let expected = format!("expected at most {MOST_CHOICES} of them; number the choices from 0 on");
            return Err(Error::at(at("dataset"))(Error::Refused(format!(
                "found choices up to {}, {expected}",
                most - 1
            ))));
        }
        loaded.findings(Some(&task.action)).iter().for_each(output::note);
        let difficulty = Difficulty::of(&loaded, spec.played_in()).map_err(Error::at(at("env")))?;
        warn(spec, &summary, &difficulty);
        let checksum = dataset::checksum(&loaded);
        let (loaded, held_out) = loaded.set_aside(spec.evaluate.hold_out.unwrap_or(0.0));
        // The scales are those of what is learned from.
        let task = task.with_dataset(&loaded).map_err(Error::at(at("dataset")))?;
        self.say_held_out(held_out.as_ref())?;
        Ok(self.data.get_or_init(|| Data { dataset: loaded, held_out, summary, difficulty, checksum, task }))
    }

    /// Says how many episodes policies do not learn from.
    fn say_held_out(&self, held_out: Option<&Dataset>) -> Result<()> {
        let played = self.spec.played_in().is_some();
        match held_out {
            None if played => Ok(()),
            None => Err(Error::Refused(format!(
                "{}: found no episodes to hold out, expected at least two episodes and `evaluate.hold_out` above 0; \
                 without an environment the error of the actions on held-out episodes is all that can be told of a policy",
                self.document.place("evaluate")
            ))),
            Some(held_out) => {
                let alone = if played { "" } else { "; there is no environment: nothing is played" };
                output::note(format_args!("{} episodes are held out{alone}", held_out.episodes().len()));
                Ok(())
            }
        }
    }

    /// Every policy × seed, in the order of the spec.
    pub fn runs(&self) -> Vec<Run<'_>> {
        let (policies, seeds) = (&self.spec.policies, &self.spec.seeds);
        let learns: Vec<_> = policies.iter().map(|policy| self.spec.fingerprint(policy, 0)).collect();
        let of_policy = |(place, policy): (usize, &'e PolicySpec)| {
            let same = learns[..place].iter().position(|before| *before == learns[place]);
            seeds.iter().enumerate().map(move |(index, &seed)| {
                let folder = self.folder.run(&policy.name, seed);
                let (fingerprint, dataset) = self.made_with(&folder, self.spec.fingerprint(policy, seed));
                // What is held out is at hand in a training alone.
                let same = same.filter(|_| self.spec.played_in().is_some());
                let source = same.map(|same| same * seeds.len() + index);
                Run { spec: self.spec, policy, seed, fingerprint, dataset, folder, source }
            })
        };
        policies.iter().enumerate().flat_map(of_policy).collect()
    }

    /// The settings and the dataset of a run; those that it was begun with, where since then the file of the dataset
    /// got another name and kept its content.
    fn made_with(&self, folder: &RunFolder, now: Fingerprint) -> (Fingerprint, DatasetSource) {
        let dataset = &self.spec.dataset;
        let renamed = match (folder.state(&now), dataset) {
            (Err(aaren_spec::Error::OtherSettings { .. }), DatasetSource::Path(_)) => folder.renamed(&now),
            _ => None,
        };
        let same = |checksum| self.data().is_ok_and(|data| data.checksum == checksum);
        match renamed {
            Some((then, before)) if folder.data().is_some_and(same) => {
                if !self.renamed.replace(true) {
                    output::note(format_args!(
                        "{dataset}: holds the same data as {before}, which {} was trained on; the experiment continues",
                        folder.path().display()
                    ));
                }
                (then, before)
            }
            _ => (now, dataset.clone()),
        }
    }
}

/// Says where the data are nearly one trajectory, so that scores on them tell little of a policy, and where they never
/// reach what is asked for.
fn warn(spec: &Spec, summary: &aaren_datasets::DatasetSummary, difficulty: &Difficulty) {
    if let Some(left) = difficulty.left_given_timestep.filter(|left| *left < 0.1) {
        output::note(format_args!(
            "{} is nearly one trajectory: the timestep alone explains all but {:.0} % of the actions' variance",
            summary.name,
            100.0 * left
        ));
    }
    // `auto` follows the data.
    let scale = spec.evaluate.return_scale.unwrap_or(f64::NAN);
    let scaled = summary.return_max.abs().max(summary.return_min.abs()) / scale;
    let shown = spec.policies.iter().any(|policy| policy.agent.encoder().is_some());
    if shown && scaled > 0.0 && scaled.is_finite() && !(1e-3..=100.0).contains(&scaled) {
        output::note(format_args!(
            "evaluate.return_scale: returns of the data are {:.1e} in size, divided by {scale} they are {scaled:.1e}: a policy \
             hardly sees what is asked of it; set it near the largest return",
            scaled * scale
        ));
    }
    let best = summary.return_max;
    let above = |target: &f64| target.is_finite() && *target > best;
    if let Some(above) = targets(spec, summary).into_iter().find(above) {
        output::note(format_args!(
            "evaluate.target_returns: {above} is above every return in the data, whose best is {best:.1}: no policy has \
             seen what it asks for"
        ));
    }
}

/// Waits until no other process writes to what the runs of an experiment share.
pub fn claim(folder: &ExperimentFolder) -> Result<lock::Claim> {
    let shown = folder.path().display();
    lock::wait_for(&folder.lock(), |holder| {
        output::note(format_args!("{shown} is being written to by {holder}: waiting for it"));
    })
}

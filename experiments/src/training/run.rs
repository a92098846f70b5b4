//! One policy, one seed: training with evaluations on the way, continued where a checkpoint stands.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use aaren_agents::{Checkpoint, Origin, PolicyFile, Task, TrainConfig, Trainer, file};
use aaren_envs::{Dataset, ReferenceScores, reference_scores, seeds};
use aaren_streaming::Policy;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::metrics::{self, Metrics};
use super::record::Record;
use super::threads;
use crate::evaluation::{EpisodeResult, Evaluation};
use crate::experiment::{Keep, PolicySpec, Spec};
use crate::interrupt::{self, Interrupted};
use crate::lock::{self, Claim};
use crate::statistics::mean;
use crate::{Refusal, RunFolder, folder, output};

/// Updates between two lines of `metrics.jsonl`.
const LOG_EVERY: u64 = 20;
/// Updates between two checkpoints, at most; there is one after every evaluation.
const CHECKPOINT_EVERY: u64 = 500;

/// What a run remembers beside the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Every evaluation so far.
    pub evaluations: Vec<Evaluated>,
    /// libtorch's threads: the run goes on with as many, as their sums are rounded differently.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Seconds spent in updates.
    pub training_seconds: f64,
    /// Records of `metrics.jsonl` that belong to it; none in the oldest checkpoints.
    #[serde(default)]
    pub records: Option<usize>,
    /// Checksum of the dataset; none in the oldest checkpoints.
    #[serde(default)]
    pub data: Option<u32>,
}

/// All episodes of one evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evaluated {
    /// Updates done before it.
    pub update: u64,
    /// Its episodes.
    pub episodes: Vec<EpisodeResult>,
}

impl Evaluated {
    /// The episodes of one target return.
    pub fn of_target(&self, target: f64) -> impl Iterator<Item = &EpisodeResult> {
        self.episodes.iter().filter(move |episode| episode.target_return == target)
    }

    /// Their mean return.
    pub fn mean_return(&self, target: f64) -> f64 {
        mean(&self.of_target(target).map(|episode| episode.total_return).collect::<Vec<_>>())
    }
}

/// A finished run.
pub struct Finished {
    /// Its policy's place in the spec.
    pub policy: PolicySpec,
    /// Trainable parameters.
    pub parameters: usize,
    /// Everything it measured.
    pub progress: Progress,
    /// Its loss at every logged update.
    pub losses: Vec<(u64, f64)>,
    /// What it learned, ready to act.
    pub streaming: Policy,
}

/// Everything that one run needs.
pub struct Run<'r> {
    /// The experiment.
    pub spec: &'r Spec,
    /// The policy.
    pub policy: &'r PolicySpec,
    /// The seed.
    pub seed: u64,
    /// What it is to learn.
    pub task: &'r Task,
    /// Target returns of the evaluations.
    pub targets: &'r [f64],
    /// What it learns from.
    pub dataset: &'r Dataset,
    /// Checksum of its content.
    pub data: u32,
    /// Where it computes.
    pub device: Device,
    /// Its folder.
    pub folder: RunFolder,
    /// The place among the experiment's runs of an earlier one that learns the same, if there is one.
    pub source: Option<usize>,
}

impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} seed {}", self.policy.name, self.seed)
    }
}

impl Run<'_> {
    /// Makes its folder, and claims it.
    pub fn claim(&self) -> Result<Claim> {
        lock::claim(&self.lock()?)
    }

    /// The path of its lock, in a folder that exists.
    pub fn lock(&self) -> Result<PathBuf> {
        let folder = self.folder.path();
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        Ok(self.folder.lock())
    }

    /// What is there of a run that is done, whoever did it; none where anything is left to do.
    ///
    /// Its lock is not needed: the policy is the last thing that a run writes, and the checkpoint says that it is
    /// the right one.
    pub fn finished(&self) -> Result<Option<Finished>> {
        let (policy, checkpoint) = (self.folder.policy(), self.folder.checkpoint());
        // As where a lock is claimed: what another machine wrote is only seen for sure once the folder was opened.
        let _ = self.folder.path().read_dir();
        if !policy.exists() || !checkpoint.exists() {
            return Ok(None);
        }
        let mut trainer = self.trainer()?;
        let progress = self.resume(&mut trainer)?;
        let evaluated = progress.evaluations.last().map(|evaluated| evaluated.update);
        let updates = self.spec.train.updates;
        let bytes = self.policy_file(&trainer).to_bytes();
        let there = std::fs::read(&policy).with_context(|| policy.display().to_string())?;
        if trainer.done() < updates || evaluated != Some(updates) || there != bytes {
            return Ok(None);
        }
        Ok(Some(Finished {
            policy: self.policy.clone(),
            parameters: trainer.network().parameters(),
            progress,
            losses: metrics::values(&self.folder, "train/loss")?,
            streaming: Policy::from_bytes(&bytes)?,
        }))
    }

    /// When it was last given up.
    pub fn failed_at(&self) -> Option<SystemTime> {
        std::fs::metadata(self.folder.failure()).and_then(|file| file.modified()).ok()
    }

    /// Writes down why it is given up.
    pub fn remember_failure(&self, error: &anyhow::Error) -> Result<()> {
        Ok(file::write(&self.folder.failure(), format!("{error:#}\n").as_bytes())?)
    }

    /// From here on it is not given up any more.
    pub fn forget_failure(&self) -> Result<()> {
        let path = self.folder.failure();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Writes its part of the spec into its folder.
    pub fn write_spec(&self) -> Result<()> {
        let text = self.spec.single(self.policy, self.seed).to_yaml();
        folder::write_if_new(&self.folder.spec(), &text)
    }

    /// Trains to the end, with so many threads of libtorch where neither the spec nor a checkpoint says.
    pub fn execute(&self, threads: Option<usize>) -> Result<Finished> {
        let mut progressing = Progressing::begin(self, threads)?;
        loop {
            progressing.evaluate_or_save()?;
            progressing.stop_if_asked()?;
            if progressing.trainer.done() == self.spec.train.updates {
                return progressing.finish();
            }
            progressing.update()?;
        }
    }

    /// Acts with what `source` learned, which finished; evaluated once, at the end.
    pub fn take_over(&self, source: &Run) -> Result<Finished> {
        let mut progressing = Progressing::at_the_end_of(self, source)?;
        progressing.evaluate_or_save()?;
        progressing.stop_if_asked()?;
        progressing.finish()
    }

    /// As many threads as the spec says, else as in the checkpoint, else those asked for, else the fastest number.
    fn threads(&self, before: Option<usize>, asked: Option<usize>) -> Result<usize> {
        if let Some(threads) = self.spec.train.threads {
            return Ok(threads);
        }
        if let Some(threads) = before {
            output::note(format_args!("{self}: libtorch goes on with its threads: {threads}"));
            return Ok(threads);
        }
        if let Some(threads) = asked {
            return Ok(threads);
        }
        let rates = threads::measure(self.trainer()?, &threads::candidates());
        let threads = threads::fastest(&rates);
        let rates: Vec<_> = rates.iter().map(|(count, rate)| format!("{rate:.1} with {count}")).collect();
        output::note(format_args!(
            "{self}: libtorch's threads: {threads} (updates/s now: {})",
            rates.join(", ")
        ));
        Ok(threads)
    }

    fn trainer(&self) -> Result<Trainer<'_>> {
        let config = train_config(self.spec, self.policy, self.seed);
        Ok(Trainer::new(&*self.policy.agent, self.task, config, self.dataset, self.device)?)
    }

    /// Takes up a checkpoint where there is one.
    fn resume(&self, trainer: &mut Trainer) -> Result<Progress> {
        let path = self.folder.checkpoint();
        if !path.exists() {
            return Ok(Progress { data: Some(self.data), ..Progress::default() });
        }
        let hash = self.spec.fingerprint(self.policy, self.seed).hash();
        let checkpoint = Checkpoint::load(&path, &hash).map_err(|error| self.name_difference(error))?;
        let shown = path.display();
        let progress: Progress = serde_json::from_value(checkpoint.progress.clone()).with_context(|| {
            format!("{shown}: its progress is not readable; remove the file to start that policy afresh")
        })?;
        if let Some(data) = progress.data.filter(|&data| data != self.data) {
            bail!(Refusal(format!(
                "dataset {}: found content of checksum {:08x}, expected {data:08x}, which {shown} was trained \
                 on; restore the dataset, or choose another --results folder",
                self.dataset.name(),
                self.data,
            )));
        }
        trainer.restore(&checkpoint)?;
        Ok(progress)
    }

    /// Writes a checkpoint in the place of that after `saved` updates; the updates it stands at.
    fn save(&self, trainer: &Trainer, progress: &mut Progress, metrics: &Metrics, saved: u64) -> Result<u64> {
        metrics.sync()?;
        progress.records = Some(metrics.records());
        let hash = self.spec.fingerprint(self.policy, self.seed).hash();
        let checkpoint = trainer.checkpoint(&hash, serde_json::to_value(&*progress)?);
        checkpoint.map_err(|error| self.name_checkpoint(error, saved))?.save(&self.folder.checkpoint())?;
        Ok(trainer.done())
    }

    /// Adds to an error of training what is left of it.
    fn name_checkpoint(&self, error: aaren_agents::Error, saved: u64) -> anyhow::Error {
        let path = self.folder.checkpoint();
        let left = match saved {
            0 => "there is no checkpoint yet".into(),
            _ => format!("the last good checkpoint is {}, after update {saved}", path.display()),
        };
        anyhow::Error::from(error).context(left)
    }

    /// Says which settings a checkpoint of another spec was made with.
    fn name_difference(&self, error: aaren_agents::Error) -> anyhow::Error {
        let before = Spec::load(&self.folder.spec(), &[]);
        let (aaren_agents::Error::OtherSpec { .. }, Ok(before)) = (&error, before) else {
            return error.into();
        };
        let there = before.fingerprint(&before.policies[0], self.seed);
        let differences = self.spec.fingerprint(self.policy, self.seed).differences(&there).join("; ");
        anyhow::Error::from(error).context(format!("the checkpoint differs in {differences}"))
    }

    fn bar(&self, done: u64) -> ProgressBar {
        let style = "{prefix} {wide_bar} {human_pos}/{human_len} updates, {msg}, {per_sec}, {eta} left";
        ProgressBar::new(self.spec.train.updates)
            .with_style(ProgressStyle::with_template(style).expect("a valid template"))
            .with_prefix(self.to_string())
            .with_position(done)
            .with_message("loss –")
    }

    fn policy_file(&self, trainer: &Trainer) -> PolicyFile {
        let origin = Origin {
            policy: self.policy.name.clone(),
            seed: self.seed,
            updates: trainer.done(),
            dataset: self.dataset.name().to_owned(),
            target_returns: self.targets.to_vec(),
        };
        PolicyFile::new(trainer.network(), self.task.header(&*self.policy.agent, origin))
    }

    fn evaluate(&self, file: &PolicyFile, trainer: &Trainer) -> Result<Vec<EpisodeResult>> {
        let evaluation = Evaluation {
            env: &self.spec.env,
            regime: file.header.regime(),
            targets: self.targets,
            episodes: self.spec.evaluate.episodes as u64,
            seed: self.seed,
        };
        let bar = ProgressBar::hidden();
        if self.device == Device::Cpu {
            evaluation.stream(&Policy::from_bytes(&file.to_bytes())?, &bar)
        } else {
            evaluation.batch(trainer.network(), &bar)
        }
    }

    fn announce(&self, evaluated: &Evaluated, metrics: &mut Metrics, bar: &ProgressBar) -> Result<()> {
        let scores = reference_scores(&self.spec.env.id);
        let mut values = Vec::new();
        let mut text = format!("{self}, update {}:", evaluated.update);
        for &target in self.targets {
            let mean = evaluated.mean_return(target);
            values.push((format!("evaluation/return/target {target}"), mean));
            text += &format!(" return {mean:.1}");
            if let Some(scores) = scores {
                let score = scores.normalised(mean);
                values.push((format!("evaluation/normalised_score/target {target}"), score));
                text += &format!(" (score {score:.1})");
            }
            text += &format!(" for target {target};");
        }
        metrics.add(&Record { update: evaluated.update, values })?;
        bar.suspend(|| eprintln!("{}", text.trim_end_matches(';')));
        Ok(())
    }

    fn write_evaluations(&self, progress: &Progress) -> Result<()> {
        let text = evaluations_csv(progress, self.seed, reference_scores(&self.spec.env.id))?;
        Ok(file::write(&self.folder.evaluations(), text.as_bytes())?)
    }
}

/// How a policy is trained with a seed.
pub fn train_config(spec: &Spec, policy: &PolicySpec, seed: u64) -> TrainConfig {
    let train = &spec.train;
    TrainConfig {
        updates: train.updates,
        batch: policy.batch,
        learning_rate: policy.learning_rate,
        weight_decay: train.weight_decay,
        warmup: train.warmup,
        schedule: train.schedule,
        clip: train.clip,
        precision: policy.precision,
        seed,
    }
}

/// A run under way.
struct Progressing<'r> {
    run: &'r Run<'r>,
    trainer: Trainer<'r>,
    progress: Progress,
    metrics: Metrics,
    bar: ProgressBar,
    /// Updates before the last checkpoint.
    saved: u64,
    /// Updates, and seconds of them, before the last line of the metrics.
    logged: (u64, f64),
}

impl<'r> Progressing<'r> {
    /// Begins, or goes on from the checkpoint.
    fn begin(run: &'r Run<'r>, threads: Option<usize>) -> Result<Self> {
        let mut trainer = run.trainer()?;
        let mut progress = run.resume(&mut trainer)?;
        let threads = run.threads(progress.threads, threads)?;
        tch::set_num_threads(threads as i32);
        progress.threads = Some(threads);
        run.write_spec()?;
        let saved = trainer.done();
        let metrics = Metrics::open(&run.folder, saved, progress.records)?;
        run.folder.forget_kept(saved)?;
        let logged = (saved, progress.training_seconds);
        Ok(Self { run, trainer, progress, metrics, bar: run.bar(saved), saved, logged })
    }

    /// At the last update of a run that learned the same.
    fn at_the_end_of(run: &'r Run<'r>, source: &Run) -> Result<Self> {
        let mut trainer = run.trainer()?;
        let learned = source.resume(&mut trainer)?;
        run.write_spec()?;
        let saved = trainer.done();
        let mut metrics = Metrics::open(&run.folder, saved, Some(0))?;
        for record in metrics::records(&source.folder)? {
            if record.values.iter().all(|(tag, _)| tag.starts_with("train/")) {
                metrics.add(&record)?;
            }
        }
        output::note(format_args!(
            "{run} acts with the weights of {source}: they differ in their roll-out only"
        ));
        let progress = Progress { evaluations: Vec::new(), ..learned };
        let logged = (saved, progress.training_seconds);
        Ok(Self { run, trainer, progress, metrics, bar: run.bar(saved), saved, logged })
    }

    /// Evaluates where that is due, and saves afterwards, or where the last checkpoint is old.
    fn evaluate_or_save(&mut self) -> Result<()> {
        let (run, done) = (self.run, self.trainer.done());
        let last = done == run.spec.train.updates;
        let due = done > 0 && (done.is_multiple_of(run.spec.evaluate.every) || last);
        let evaluated = self.progress.evaluations.last().map(|evaluated| evaluated.update);
        if due && evaluated != Some(done) {
            let file = run.policy_file(&self.trainer);
            if run.spec.evaluate.keep == Keep::All {
                let path = run.folder.kept(done);
                std::fs::create_dir_all(run.folder.policies()).with_context(|| path.display().to_string())?;
                file.save(&path)?;
            }
            let evaluated = Evaluated { update: done, episodes: run.evaluate(&file, &self.trainer)? };
            // After a signal the episodes were cut short: the evaluation is left to the next run.
            if interrupt::signal().is_none() {
                run.announce(&evaluated, &mut self.metrics, &self.bar)?;
                self.progress.evaluations.push(evaluated);
                run.write_evaluations(&self.progress)?;
                self.save()?;
            }
        } else if done >= self.saved + CHECKPOINT_EVERY {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.saved = self.run.save(&self.trainer, &mut self.progress, &self.metrics, self.saved)?;
        Ok(())
    }

    fn stop_if_asked(&mut self) -> Result<()> {
        let Some(signal) = interrupt::signal() else { return Ok(()) };
        self.save()?;
        self.bar.finish_and_clear();
        let (update, updates) = (self.trainer.done(), self.run.spec.train.updates);
        let checkpoint = self.run.folder.checkpoint();
        let done = format!(
            "after update {update} of {updates} of {}; {} holds everything so far",
            self.run,
            checkpoint.display()
        );
        Err(Interrupted { signal, done }.into())
    }

    /// The next update, and its line of the metrics where one is due.
    fn update(&mut self) -> Result<()> {
        let started = Instant::now();
        let update = self.trainer.update().map_err(|error| self.run.name_checkpoint(error, self.saved))?;
        let done = self.trainer.done();
        self.bar.inc(1);
        let log = done.is_multiple_of(LOG_EVERY) || done == self.run.spec.train.updates;
        // Reading the loss waits for a GPU to have computed it.
        let loss = log.then(|| update.loss.double_value(&[]));
        self.progress.training_seconds += started.elapsed().as_secs_f64();
        let Some(loss) = loss else { return Ok(()) };
        let rate = (done - self.logged.0) as f64 / (self.progress.training_seconds - self.logged.1);
        self.bar.set_message(format!("loss {loss:.4}"));
        let values = [
            ("train/loss", loss),
            ("train/learning_rate", update.learning_rate),
            ("train/gradient_norm", update.gradient_norm.double_value(&[])),
            ("train/updates_per_second", rate),
        ];
        let values = values.map(|(tag, value)| (tag.to_owned(), value)).to_vec();
        self.metrics.add(&Record { update: done, values })?;
        self.logged = (done, self.progress.training_seconds);
        Ok(())
    }

    fn finish(self) -> Result<Finished> {
        self.bar.finish_and_clear();
        let file = self.run.policy_file(&self.trainer);
        file.save(&self.run.folder.policy())?;
        Ok(Finished {
            policy: self.run.policy.clone(),
            parameters: self.trainer.network().parameters(),
            progress: self.progress,
            losses: metrics::values(&self.run.folder, "train/loss")?,
            streaming: Policy::from_bytes(&file.to_bytes())?,
        })
    }
}

fn evaluations_csv(progress: &Progress, seed: u64, scores: Option<ReferenceScores>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns =
        "update,target_return,episode,seed,return,normalised_score,length,terminated,unstable,checksum";
    writer.write_record(columns.split(','))?;
    for Evaluated { update, episodes } in &progress.evaluations {
        for episode in episodes {
            let score = scores.map(|scores| scores.normalised(episode.total_return));
            let EpisodeResult {
                target_return,
                episode,
                total_return,
                length,
                terminated,
                unstable,
                checksum,
            } = episode;
            let score = score.map_or(String::new(), |score| score.to_string());
            let seed = seeds::evaluation(seed, *episode).to_string();
            let numbers = [update.to_string(), target_return.to_string(), episode.to_string(), seed];
            let checksum = checksum.map_or(String::new(), |checksum| format!("{checksum:08x}"));
            let ends = [length.to_string(), terminated.to_string(), unstable.to_string(), checksum];
            writer.write_record(numbers.into_iter().chain([total_return.to_string(), score]).chain(ends))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::experiment::Document;

    #[test]
    fn a_policy_is_trained_with_what_its_entry_says() {
        let config = |overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
            let text = "env: Hopper-v4\ndataset: hopper-medium\n";
            let spec = Document::parse(Path::new("x.yaml"), text, &overrides).unwrap().spec().unwrap();
            train_config(&spec, &spec.policies[0], 0)
        };
        let own = config(&["policies=[{aaren: {batch: 3, learning_rate: 0.5, precision: bfloat16}}]"]);
        let shared = ["train.batch=3", "train.learning_rate=0.5", "train.precision=bfloat16"];
        assert_eq!(own, config(&shared));
        assert_ne!(own, config(&shared[1..]));
        assert_ne!(own, config(&shared[..2]));
        assert_ne!(own, config(&[shared[0], shared[2]]));
    }
}

//! One policy, one seed: training with evaluations on the way, continued where a checkpoint stands.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aaren_agents::{Checkpoint, Origin, PolicyFile, Task, TrainConfig, Trainer};
use aaren_datasets::{Dataset, DatasetSummary, Difficulty};
use aaren_envs::{ReferenceScores, reference_scores, return_range, seeds};
use aaren_format::{Network, Target};
use aaren_spec::{
    DatasetSource, EpisodeResult, Evaluated, Fingerprint, Keep, PolicySpec, PrimarySpec, Protocol,
    Provenance, RunFolder, RunResult, RunState, Spec, make_folder, write, write_if_new,
};
use aaren_streaming::Policy;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::evaluation::Evaluation;
use crate::held_out;
use crate::interrupt::{self, Interrupted};
use crate::lock::{self, Claim};
use crate::metrics::{self, Metrics};
use crate::record::Record;
use crate::{Error, Result, output, provenance, threads};

/// Updates between two lines of `metrics.jsonl`.
const LOG_EVERY: u64 = 20;
/// Updates between two checkpoints, at most; there is one after every evaluation.
const CHECKPOINT_EVERY: u64 = 500;

/// What a run remembers beside the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// Every evaluation so far.
    evaluations: Vec<Evaluated>,
    /// libtorch's threads: the run goes on with as many, as their sums are rounded differently.
    threads: Option<usize>,
    /// Seconds spent in updates.
    training_seconds: f64,
    /// Records of `metrics.jsonl` that belong to it.
    records: usize,
    /// Checksum of the dataset.
    data: u32,
    /// The primary endpoint that was fixed when it began.
    #[serde(default)]
    primary: Option<PrimarySpec>,
}

/// What the runs of an experiment learn from, once it is loaded.
pub struct Data {
    /// The dataset as the environment shows the world, without the episodes that are held out.
    pub dataset: Dataset,
    /// The episodes that are held out.
    pub held_out: Option<Dataset>,
    /// What it holds.
    pub summary: DatasetSummary,
    /// How hard it is to imitate.
    pub difficulty: Difficulty,
    /// Checksum of its content.
    pub checksum: u32,
    /// What is to be learned from it.
    pub task: Task,
}

/// One policy and seed of an experiment.
pub struct Run<'r> {
    /// The experiment.
    pub spec: &'r Spec,
    /// The policy.
    pub policy: &'r PolicySpec,
    /// The seed.
    pub seed: u64,
    /// The settings that decide its training.
    pub fingerprint: Fingerprint,
    /// The dataset, under the name that it had when the run began.
    pub dataset: DatasetSource,
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
        make_folder(folder)?;
        Ok(self.folder.lock())
    }

    /// How far it is.
    pub fn state(&self) -> Result<RunState> {
        Ok(self.folder.state(&self.fingerprint)?)
    }

    /// What it left, where it is done and was played as the spec says.
    pub fn result(&self) -> Result<Option<RunResult>> {
        Ok(self.left()?.filter(|result| self.is_played(result)))
    }

    /// Whether what it left was played as the spec says.
    pub fn is_played(&self, left: &RunResult) -> bool {
        left.protocol() == Some(&self.protocol(&left.dataset))
    }

    /// What it left, where it is done.
    pub fn left(&self) -> Result<Option<RunResult>> {
        match self.state()? {
            RunState::Done => Ok(Some(RunResult::read(&self.folder.result())?)),
            _ => Ok(None),
        }
    }

    /// How its policy is to be played.
    fn protocol(&self, dataset: &DatasetSummary) -> Protocol {
        let (mut target_returns, mut episodes) = (targets(self.spec, dataset), self.spec.evaluate.episodes);
        if self.spec.played_in().is_none() {
            // Each held-out episode once, asked for its own return.
            target_returns.truncate(1);
            episodes = 1;
        }
        Protocol {
            rollout: self.policy.rollout(),
            target_returns,
            episodes,
            // What cannot be free acts as asked.
            guidance: if self.policy.agent.can_be_free() { self.spec.evaluate.guidance } else { 1.0 },
        }
    }

    /// What was written down when it was last given up.
    pub fn failure(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.failure()).ok()
    }

    /// Writes down why it is given up, and who did: no two attempts write the same.
    pub fn remember_failure(&self, error: &Error) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let text = format!("{error}\n{}{now:.6} s since 1970\n", lock::holder());
        Ok(write(&self.folder.failure(), text.as_bytes())?)
    }

    /// Removes the note of an earlier failure: the run is tried again.
    pub fn forget_failure(&self) -> Result<()> {
        let path = self.folder.failure();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::at(path.display())(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes its part of the spec into its folder.
    pub fn write_spec(&self) -> Result<()> {
        let spec = Spec { dataset: self.dataset.clone(), ..self.spec.single(self.policy, self.seed) };
        let text = spec.to_yaml();
        Ok(write_if_new(&self.folder.spec(), &text)?)
    }

    /// Trains to the end, with so many threads of libtorch where neither the spec nor a checkpoint says.
    pub fn execute(&self, data: &Data, device: Device, threads: Option<usize>) -> Result<RunResult> {
        let mut training = Training::begin(self, data, device, threads)?;
        loop {
            training.evaluate_or_save()?;
            training.stop_if_asked()?;
            if training.trainer.done() == self.policy.updates {
                return training.finish();
            }
            training.update()?;
        }
    }

    /// Acts with what `source` learned, which is done: they differ in their roll-out only.
    pub fn take_over(&self, source: &Run) -> Result<RunResult> {
        let learned = source.left()?.ok_or_else(|| Error::Refused(format!("{source} is not done")))?;
        output::note(format_args!(
            "{self} acts with the weights of {source}: they differ in their roll-out only"
        ));
        self.write_spec()?;
        let mut metrics = Metrics::open(&self.folder, learned.updates, Some(0))?;
        for record in metrics::records(&source.folder)? {
            if record.values.iter().all(|(tag, _)| tag.starts_with("train/")) {
                metrics.add(&record)?;
            }
        }
        let file = PolicyFile::load(&source.folder.policy())?;
        let result = RunResult {
            policy: self.policy.name.clone(),
            agent: self.policy.agent.clone(),
            evaluations: Vec::new(),
            ..learned
        };
        self.play(file, result, metrics)
    }

    /// Plays the policy of a run that is done as the spec says now. What had been played in another way is dropped.
    pub fn play_anew(&self, left: RunResult) -> Result<RunResult> {
        if self.spec.played_in().is_none() {
            return Err(Error::Refused(format!(
                "{self}: trained from data alone under another protocol; choose another --results folder"
            )));
        }
        let (now, then) = (self.protocol(&left.dataset), left.protocol());
        let differences = then.map_or("nothing".into(), |then| differences(then, &now));
        output::note(format_args!("{self}: trained already, evaluated again: {differences}"));
        self.write_spec()?;
        let metrics = Metrics::open(&self.folder, left.updates, None)?;
        let result = RunResult { agent: self.policy.agent.clone(), evaluations: Vec::new(), ..left };
        self.play(PolicyFile::load(&self.folder.policy())?, result, metrics)
    }

    /// Plays a trained policy, and those of its earlier evaluations that are kept, and writes what they came to.
    fn play(&self, mut file: PolicyFile, mut result: RunResult, mut metrics: Metrics) -> Result<RunResult> {
        let protocol = self.protocol(&result.dataset);
        file.header.policy.clone_from(&self.policy.name);
        file.header.target_returns.clone_from(&protocol.target_returns);
        if let Network::Decision(decision) = &mut file.header.network {
            decision.context.regime = protocol.rollout;
            decision.guidance = protocol.guidance;
        }
        let bar = ProgressBar::hidden();
        let earlier = self.folder.kept_updates().into_iter().filter(|&update| update < result.updates);
        if self.spec.evaluate.keep == Keep::All {
            self.keep(&file, result.updates)?;
        }
        result.provenance.python = provenance::of_python(self.spec)?;
        for update in earlier.chain([result.updates]) {
            let bytes = match update == result.updates {
                true => file.to_bytes(),
                false => {
                    let path = self.folder.kept(update);
                    std::fs::read(&path).map_err(Error::at(path.display()))?
                }
            };
            let evaluated =
                self.evaluate(update, &bytes, &protocol, None).map_err(|source| Error::Evaluation {
                    update,
                    kept: "the training is kept, and the same command evaluates it again".into(),
                    source: source.into(),
                })?;
            if let Some(signal) = interrupt::signal() {
                let done = format!("while {self} was played; it is trained, and nothing is lost");
                return Err(Interrupted { signal, done }.into());
            }
            self.announce(&evaluated, &mut metrics, &bar)?;
            result.evaluations.push(evaluated);
        }
        self.leave(&file, result)
    }

    /// Keeps the policy of the evaluation after so many updates.
    fn keep(&self, file: &PolicyFile, update: u64) -> Result<()> {
        let folder = self.folder.policies();
        make_folder(&folder)?;
        Ok(file.save(&self.folder.kept(update))?)
    }

    /// Writes what a run leaves: the policy comes last, which says that all is there.
    fn leave(&self, file: &PolicyFile, result: RunResult) -> Result<RunResult> {
        self.write_evaluations(&result.evaluations)?;
        result.write(&self.folder.result())?;
        file.save(&self.folder.policy())?;
        Ok(result)
    }

    /// As many threads as the spec says, else as in the checkpoint, else those asked for, else the fastest number.
    fn threads(
        &self,
        data: &Data,
        device: Device,
        before: Option<usize>,
        asked: Option<usize>,
    ) -> Result<usize> {
        if let Some(threads) = self.spec.train.threads {
            return Ok(threads);
        }
        if let Some(threads) = before {
            output::note(format_args!("{self}: continues with {threads} libtorch threads, as it began"));
            return Ok(threads);
        }
        if let Some(threads) = asked {
            return Ok(threads);
        }
        let rates = threads::rates(self.trainer(data, device)?, &threads::candidates());
        let threads = threads::fastest(&rates);
        let rates: Vec<_> = rates.iter().map(|(count, rate)| format!("{rate:.1} with {count}")).collect();
        output::note(format_args!(
            "{self}: {threads} libtorch threads (updates/s measured: {})",
            rates.join(", ")
        ));
        Ok(threads)
    }

    fn trainer<'d>(&self, data: &'d Data, device: Device) -> Result<Trainer<'d>> {
        let config = train_config(self.spec, self.policy, self.seed);
        Ok(Trainer::new(&self.policy.agent, &data.task, config, &data.dataset, device)?)
    }

    /// Takes up a checkpoint where there is one.
    fn resume(&self, trainer: &mut Trainer, data: &Data) -> Result<Progress> {
        let path = self.folder.checkpoint();
        if !path.exists() {
            let primary = self.spec.primary.clone();
            return Ok(Progress { data: data.checksum, primary, ..Progress::default() });
        }
        let checkpoint = Checkpoint::load(&path, &self.fingerprint.hash())?;
        let shown = path.display();
        let progress: Progress = serde_json::from_value(checkpoint.progress.clone()).map_err(|error| {
            Error::Refused(format!(
                "{shown}: its progress is not readable ({error}); remove the file to start that policy afresh"
            ))
        })?;
        if progress.data != data.checksum {
            return Err(Error::Refused(format!(
                "dataset {}: found content of checksum {:08x}, expected {:08x}, which {shown} was trained \
                 on; restore the dataset, or choose another --results folder",
                data.dataset.name(),
                data.checksum,
                progress.data,
            )));
        }
        trainer.restore(&checkpoint)?;
        Ok(progress)
    }

    /// Writes a checkpoint in the place of that after `saved` updates; the updates it stands at.
    fn save(&self, trainer: &Trainer, progress: &mut Progress, metrics: &Metrics, saved: u64) -> Result<u64> {
        metrics.sync()?;
        progress.records = metrics.records();
        let said = serde_json::to_value(&*progress).expect("progress is plain JSON");
        let checkpoint = trainer.checkpoint(&self.fingerprint.hash(), said);
        checkpoint.map_err(|error| self.name_checkpoint(error, saved))?.save(&self.folder.checkpoint())?;
        Ok(trainer.done())
    }

    /// Adds to an error of training what is left of it.
    fn name_checkpoint(&self, error: aaren_agents::Error, saved: u64) -> Error {
        let path = self.folder.checkpoint();
        let left = match saved {
            0 => "there is no checkpoint yet".into(),
            _ => format!("the last good checkpoint is {}, after update {saved}", path.display()),
        };
        Error::at(left)(error)
    }

    fn bar(&self, done: u64) -> ProgressBar {
        let style = "{prefix} {wide_bar} {human_pos}/{human_len} updates, {msg}, {per_sec}, {eta} left";
        ProgressBar::new(self.policy.updates)
            .with_style(ProgressStyle::with_template(style).expect("a valid template"))
            .with_prefix(self.to_string())
            .with_position(done)
            .with_message("loss –")
    }

    /// Plays the policy with these bytes, and measures it on what is held out.
    fn evaluate(
        &self,
        update: u64,
        bytes: &[u8],
        protocol: &Protocol,
        held_out: Option<&Dataset>,
    ) -> Result<Evaluated> {
        let policy = Policy::from_bytes(bytes)?;
        let target = protocol.target_returns[0];
        let errors = held_out.map(|data| held_out::action_errors(&policy, data, protocol.rollout, target));
        let errors = errors.transpose()?;
        let held_out = errors.as_deref().map(held_out::mean);
        let protocol = protocol.clone();
        if self.spec.played_in().is_none() {
            return Ok(Evaluated { update, protocol, episodes: errors.unwrap_or_default(), held_out });
        }
        let evaluation = Evaluation {
            env: &self.spec.env,
            regime: protocol.rollout,
            targets: &protocol.target_returns,
            episodes: protocol.episodes as u64,
            seed: self.seed,
            guidance: Some(protocol.guidance),
        };
        let episodes = evaluation.stream(&policy, &ProgressBar::hidden())?;
        Ok(Evaluated { update, protocol, episodes, held_out })
    }

    fn announce(&self, evaluated: &Evaluated, metrics: &mut Metrics, bar: &ProgressBar) -> Result<()> {
        let scores = reference_scores(&self.spec.env.id);
        let mut values = Vec::new();
        let mut text = format!("{self}, update {}:", evaluated.update);
        if let Some(error) = evaluated.held_out {
            values.push(("evaluation/held_out_action_error".into(), error));
            text += &format!(" held-out action error {error:.4};");
        }
        let played = self.spec.played_in().map(|_| evaluated.protocol.target_returns.as_slice());
        for &target in played.unwrap_or_default() {
            let mean = evaluated.mean_return(target);
            values.push((format!("evaluation/return/target {}", Target(target)), mean));
            text += &format!(" return {mean:.1}");
            if let Some(scores) = scores {
                let score = scores.normalised(mean);
                values.push((format!("evaluation/normalised_score/target {}", Target(target)), score));
                text += &format!(" (score {score:.1})");
            }
            text += &format!(" for target {};", Target(target));
        }
        metrics.add(&Record { update: evaluated.update, values })?;
        bar.suspend(|| output::evaluated(text.trim_end_matches(';')));
        Ok(())
    }

    fn write_evaluations(&self, evaluations: &[Evaluated]) -> Result<()> {
        let text = evaluations_csv(evaluations, self.seed, reference_scores(&self.spec.env.id));
        Ok(write(&self.folder.evaluations(), text.as_bytes())?)
    }
}

/// The returns that evaluations ask for: those of the spec, else the best in the data and its half.
pub fn targets(spec: &Spec, dataset: &DatasetSummary) -> Vec<f64> {
    let best = dataset.return_max;
    // Cut to what can be read, and stays within the data.
    let cut = |target: f64| {
        let parts = if target.abs() < 10.0 { 1e4 } else { 10.0 };
        (target * parts).floor() / parts
    };
    // Half of a negative return would be a better one.
    let from_data = || if best > 0.0 { vec![cut(best), cut(best / 2.0)] } else { vec![cut(best)] };
    spec.evaluate.target_returns.clone().unwrap_or_else(from_data)
}

/// What differs between two protocols, in words.
fn differences(then: &Protocol, now: &Protocol) -> String {
    let shown = |&target: &f64| Target(target).to_string();
    let list = |targets: &[f64]| targets.iter().map(shown).collect::<Vec<_>>().join(", ");
    let sides = [
        ("roll-out", then.rollout.to_string(), now.rollout.to_string()),
        ("target returns", list(&then.target_returns), list(&now.target_returns)),
        ("episodes", then.episodes.to_string(), now.episodes.to_string()),
        ("guidance", then.guidance.to_string(), now.guidance.to_string()),
    ];
    let differ = sides.into_iter().filter(|(_, then, now)| then != now);
    let said: Vec<_> = differ.map(|(what, then, now)| format!("{what} {now} instead of {then}")).collect();
    said.join(", ")
}

/// How a policy is trained with a seed.
pub fn train_config(spec: &Spec, policy: &PolicySpec, seed: u64) -> TrainConfig {
    let train = &spec.train;
    TrainConfig {
        updates: policy.updates,
        batch: policy.batch,
        learning_rate: policy.learning_rate,
        weight_decay: train.weight_decay,
        warmup: spec.warmup(policy),
        schedule: train.schedule,
        clip: train.clip,
        ema: train.ema,
        precision: policy.precision,
        seed,
    }
}

/// A training under way.
struct Training<'r> {
    run: &'r Run<'r>,
    data: &'r Data,
    trainer: Trainer<'r>,
    protocol: Protocol,
    progress: Progress,
    metrics: Metrics,
    bar: ProgressBar,
    /// Updates before the last checkpoint.
    saved: u64,
    /// Updates, and seconds of them, before the last line of the metrics.
    logged: (u64, f64),
}

impl<'r> Training<'r> {
    /// Begins, or goes on from the checkpoint.
    fn begin(run: &'r Run<'r>, data: &'r Data, device: Device, threads: Option<usize>) -> Result<Self> {
        let mut trainer = run.trainer(data, device)?;
        let mut progress = run.resume(&mut trainer, data)?;
        let threads = run.threads(data, device, progress.threads, threads)?;
        tch::set_num_threads(threads as i32);
        progress.threads = Some(threads);
        run.write_spec()?;
        let saved = trainer.done();
        let metrics = Metrics::open(&run.folder, saved, Some(progress.records))?;
        forget_kept(&run.folder, saved)?;
        let logged = (saved, progress.training_seconds);
        let protocol = run.protocol(&data.summary);
        Ok(Self { run, data, trainer, protocol, progress, metrics, bar: run.bar(saved), saved, logged })
    }

    fn policy_file(&self) -> PolicyFile {
        let origin = Origin {
            policy: self.run.policy.name.clone(),
            agent: self.run.policy.agent.name.clone(),
            seed: self.run.seed,
            updates: self.trainer.done(),
            fingerprint: Some(self.run.fingerprint.hash()),
            dataset: self.data.dataset.name().to_owned(),
            target_returns: targets(self.run.spec, &self.data.summary),
        };
        let mut file = PolicyFile::new(self.trainer.network(), origin);
        if let Network::Decision(decision) = &mut file.header.network {
            decision.guidance = self.protocol.guidance;
        }
        file
    }

    /// Evaluates where that is due, and saves afterwards, or where the last checkpoint is old.
    fn evaluate_or_save(&mut self) -> Result<()> {
        let (run, done) = (self.run, self.trainer.done());
        let last = done == run.policy.updates;
        let due = done > 0 && (done.is_multiple_of(run.spec.evaluate_every(run.policy)) || last);
        let evaluated = self.progress.evaluations.last();
        let is_there = |it: &Evaluated| it.update == done && it.protocol == self.protocol;
        if due && !evaluated.is_some_and(is_there) {
            let file = self.policy_file();
            if run.spec.evaluate.keep == Keep::All {
                run.keep(&file, done)?;
            }
            let evaluated =
                match run.evaluate(done, &file.to_bytes(), &self.protocol, self.data.held_out.as_ref()) {
                    Ok(evaluated) => evaluated,
                    // No training is lost by its evaluation.
                    Err(source) => {
                        self.save()?;
                        let path = run.folder.checkpoint();
                        let kept = format!(
                            "the training is kept in {}, and the same command evaluates it again",
                            path.display()
                        );
                        return Err(Error::Evaluation { update: done, kept, source: source.into() });
                    }
                };
            // After a signal the episodes were cut short: the evaluation is left to the next run.
            if interrupt::signal().is_none() {
                run.announce(&evaluated, &mut self.metrics, &self.bar)?;
                self.progress.evaluations.retain(|it| it.update != done);
                self.progress.evaluations.push(evaluated);
                run.write_evaluations(&self.progress.evaluations)?;
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
        let (update, updates) = (self.trainer.done(), self.run.policy.updates);
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
        let log = done.is_multiple_of(LOG_EVERY) || done == self.run.policy.updates;
        // Reading the loss waits for a GPU to have computed it.
        let loss = log.then(|| update.loss.double_value(&[]));
        self.progress.training_seconds += started.elapsed().as_secs_f64();
        let Some(loss) = loss else { return Ok(()) };
        output::updates(done);
        let rate = (done - self.logged.0) as f64 / (self.progress.training_seconds - self.logged.1);
        self.bar.set_message(format!("loss {loss:.4}"));
        let mut values = vec![("loss", loss), ("learning_rate", update.learning_rate)];
        values.extend(update.others.iter().map(|(name, number)| (*name, number.double_value(&[]))));
        values.push(("updates_per_second", rate));
        let values = values.into_iter().map(|(name, value)| (format!("train/{name}"), value)).collect();
        self.metrics.add(&Record { update: done, values })?;
        self.logged = (done, self.progress.training_seconds);
        Ok(())
    }

    fn finish(self) -> Result<RunResult> {
        self.bar.finish_and_clear();
        let file = self.policy_file();
        let Self { run, data, trainer, progress, .. } = self;
        // Where nothing is played, errors stand in the place of returns.
        let (least, most) = run.spec.played_in().map_or(Ok((0.0, f64::INFINITY)), return_range)?;
        let result = RunResult {
            policy: run.policy.name.clone(),
            seed: run.seed,
            fingerprint: run.fingerprint.hash(),
            agent: run.policy.agent.clone(),
            batch: run.policy.batch,
            learning_rate: run.policy.learning_rate,
            precision: run.policy.precision,
            updates: trainer.done(),
            parameters: trainer.network().parameters(),
            training_seconds: progress.training_seconds,
            threads: progress.threads,
            env: run.spec.env.clone(),
            reference_scores: reference_scores(&run.spec.env.id),
            return_range: Some((least, most)).filter(|(least, most)| least.is_finite() && most.is_finite()),
            dataset: data.summary.clone(),
            difficulty: data.difficulty.clone(),
            data: data.checksum,
            evaluations: progress.evaluations,
            losses: metrics::values(&run.folder, "train/loss")?,
            primary: progress.primary,
            provenance: Provenance { python: provenance::of_python(run.spec)?, ..provenance::here() },
        };
        run.leave(&file, result)
    }
}

/// Removes the kept policies of later updates, which a run that goes on from here makes anew.
fn forget_kept(folder: &RunFolder, update: u64) -> Result<()> {
    for later in folder.kept_updates().into_iter().filter(|kept| *kept > update) {
        let path = folder.kept(later);
        std::fs::remove_file(&path).map_err(Error::at(path.display()))?;
    }
    Ok(())
}

/// An episode's row of `evaluations.csv`: every score beside how it was played.
#[derive(Serialize)]
struct Row {
    update: u64,
    target_return: String,
    episode: u64,
    seed: u64,
    #[serde(rename = "return")]
    total_return: String,
    normalised_score: Option<String>,
    length: usize,
    terminated: bool,
    unstable: bool,
    checksum: String,
    rollout: String,
}

fn evaluations_csv(evaluations: &[Evaluated], seed: u64, scores: Option<ReferenceScores>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for Evaluated { update, protocol, episodes, .. } in evaluations {
        for episode in episodes {
            let EpisodeResult { target_return, total_return, length, terminated, unstable, .. } = *episode;
            let row = Row {
                update: *update,
                target_return: target_return.to_string(),
                episode: episode.episode,
                seed: seeds::evaluation(seed, episode.episode),
                total_return: total_return.to_string(),
                normalised_score: scores.map(|scores| scores.normalised(total_return).to_string()),
                length,
                terminated,
                unstable,
                checksum: format!("{:08x}", episode.checksum),
                rollout: protocol.rollout.to_string(),
            };
            writer.serialize(row).expect("a row of plain values");
        }
    }
    String::from_utf8(writer.into_inner().expect("it is in memory")).expect("numbers and words")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aaren_format::{Precision, Schedule};
    use aaren_spec::Document;

    use super::*;

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
        // Updates of its own: the warm-up is a tenth of them too.
        assert_eq!(config(&["policies=[{aaren: {updates: 50}}]"]), config(&["train.updates=50"]));
    }

    /// No key of `train` is left at a value of the program's.
    #[test]
    fn training_is_what_the_yaml_says() {
        let text = "env: Hopper-v4\ndataset: hopper-medium\npolicies: [aaren]\ntrain: {updates: 70, batch: 6, \
            learning_rate: 0.25, weight_decay: 0.125, warmup: 9, schedule: constant, clip: 3.5, ema: 0.5, precision: bfloat16}\n";
        let spec = Document::parse(Path::new("x.yaml"), text, &[]).unwrap().spec().unwrap();
        let expected = TrainConfig {
            updates: 70,
            batch: 6,
            learning_rate: 0.25,
            weight_decay: 0.125,
            warmup: 9,
            schedule: Schedule::Constant,
            clip: 3.5,
            ema: 0.5,
            precision: Precision::Bfloat16,
            seed: 11,
        };
        assert_eq!(train_config(&spec, &spec.policies[0], 11), expected);
    }
}

//! Training with evaluations on the way, continued where a checkpoint stands.

use std::time::Instant;

use aaren_agents::{Origin, PolicyFile, Trainer};
use aaren_envs::{reference_scores, return_range};
use aaren_format::Network;
use aaren_spec::{Evaluated, Keep, Protocol, Provenance, RunFolder, RunResult};
use indicatif::ProgressBar;
use tch::Device;

use crate::checkpoint::Progress;
use crate::interrupt::{self, Interrupted};
use crate::metrics::{self, Metrics};
use crate::protocol::targets;
use crate::record::Record;
use crate::run::Run;
use crate::trainer::Data;
use crate::{Error, Result, output, provenance};

/// Updates between two lines of `metrics.jsonl`.
const LOG_EVERY: u64 = 20;
/// Updates between two checkpoints, at most; there is one after every evaluation.
const CHECKPOINT_EVERY: u64 = 500;

impl Run<'_> {
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

    fn bar(&self, done: u64) -> ProgressBar {
        let style = "{prefix} {wide_bar} {human_pos}/{human_len} updates, {msg}, {per_sec}, {eta} left";
        output::bar(self.policy.updates, style)
            .with_prefix(self.to_string())
            .with_position(done)
            .with_message("loss –")
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
        let fresh = progress.threads.is_none();
        let threads = run.threads(data, device, progress.threads, threads)?;
        if fresh {
            run.say_slow_precision(data, device, threads)?;
        }
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

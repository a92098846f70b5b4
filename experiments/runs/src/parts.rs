//! The runs of an experiment as several processes share them: each is done by the process that holds its lock. A
//! locked run is skipped; the process moves on to the next.

use aaren_spec::{ExperimentFolder, RunResult, RunState};

use crate::ready::Ready;
use crate::run::Run;
use crate::{Error, Result, lock, output};

/// How far a run is, as far as this process knows.
enum Standing {
    /// This process was not asked for it.
    Open,
    /// It is done.
    Done(Box<RunResult>),
    /// Its loss became NaN or infinite, or its environment failed in an evaluation.
    Failed,
    /// Another process is at work on it: which.
    Elsewhere(String),
}

/// What running an experiment left.
#[derive(Debug)]
pub struct Outcome {
    /// Its folder.
    pub folder: ExperimentFolder,
    /// What the runs that are done left, in the order of the experiment.
    pub results: Vec<RunResult>,
    /// Whether all runs have ended, in this process or another.
    pub complete: bool,
    /// The runs that were asked for and cannot finish: their loss became NaN or infinite, or their environment failed.
    pub failed: Vec<String>,
    /// The runs that other processes are at work on, each with who that is.
    pub elsewhere: Vec<String>,
    /// The runs that are not finished, and were not asked for.
    pub left: Vec<String>,
}

/// The runs of an experiment, and how far each is.
pub struct Parts<'r> {
    ready: &'r Ready<'r>,
    runs: &'r [Run<'r>],
    standings: Vec<Standing>,
    /// Which this process was asked for.
    asked: Vec<bool>,
    /// What was written down of each when it last failed, before this process began.
    failures: Vec<Option<String>>,
}

impl<'r> Parts<'r> {
    /// All of them open, some of them asked for.
    pub fn of(ready: &'r Ready<'r>, runs: &'r [Run<'r>], asked: impl Fn(&Run) -> bool) -> Self {
        let standings = runs.iter().map(|_| Standing::Open).collect();
        let failures = runs.iter().map(Run::failure).collect();
        Self { ready, runs, standings, asked: runs.iter().map(asked).collect(), failures }
    }

    /// Does the runs that are asked for and that no other process holds, with so many threads of libtorch where neither the
    /// spec nor a checkpoint says.
    pub fn work(&mut self, threads: Option<usize>) -> Result<()> {
        let mut waiting: Vec<usize> = (0..self.runs.len()).filter(|&index| self.asked[index]).collect();
        loop {
            let (mut elsewhere, mut trained) = (Vec::new(), false);
            for index in waiting {
                let (standing, did) = self.attempt(index, threads)?;
                trained |= did;
                if matches!(standing, Standing::Elsewhere(_)) {
                    elsewhere.push(index);
                }
                self.standings[index] = standing;
            }
            // While one was trained, the process that held another may have ended without finishing it.
            if elsewhere.is_empty() || !trained {
                return Ok(());
            }
            waiting = elsewhere;
        }
    }

    /// Brings a run to its end unless it is there or being done; whether there was anything to do.
    fn attempt(&self, index: usize, threads: Option<usize>) -> Result<(Standing, bool)> {
        let run = &self.runs[index];
        // What is done needs no lock: the result is the last thing that a run writes.
        if let Some(result) = run.result()? {
            // What decides nothing may have changed, such as a margin. Of several processes one writes it.
            if !run.has_spec() {
                let claim = run.claim()?;
                if let lock::Claim::Ours(_) = claim {
                    run.write_spec()?;
                }
            }
            return Ok((Standing::Done(Box::new(result)), false));
        }
        let _claim = match run.claim()? {
            lock::Claim::Others(holder) => return Ok((Standing::Elsewhere(holder), false)),
            ours => ours,
        };
        let done = match run.left()? {
            Some(left) if run.is_played(&left) => return Ok((Standing::Done(Box::new(left)), false)),
            Some(left) => {
                run.forget_failure()?;
                run.play_anew(left)
            }
            // What failed before may be tried again, but not what another process has just tried.
            None if self.just_failed(index) => return Ok((Standing::Failed, false)),
            None => {
                run.forget_failure()?;
                match run.source {
                    None => self.train(run, threads),
                    Some(source) => match self.learn(source, threads) {
                        Ok(true) => run.take_over(&self.runs[source]),
                        Ok(false) => {
                            let source = &self.runs[source];
                            let reason = format!("{source} cannot be trained, whose weights it acts with");
                            run.remember_failure(&Error::Refused(reason))?;
                            return Ok((Standing::Failed, false));
                        }
                        Err(error) => Err(error),
                    },
                }
            }
        };
        // A run that diverges, or whose environment fails, must not take the others with it.
        match done {
            Ok(result) => Ok((Standing::Done(Box::new(result)), true)),
            Err(error) if error.diverged() || error.played() => {
                output::note(format_args!("{run}: {error}"));
                run.remember_failure(&error)?;
                Ok((Standing::Failed, true))
            }
            Err(error) => Err(error),
        }
    }

    fn train(&self, run: &Run, threads: Option<usize>) -> Result<RunResult> {
        let data = self.ready.data()?;
        let done = |other: &&Run| matches!(other.state(), Ok(RunState::Done));
        if let Some(other) = self.runs.iter().find(done)
            && other.folder.data().is_some_and(|then| then != data.checksum)
        {
            return Err(Error::Refused(format!(
                "dataset {}: found other content than {other} was trained on, which is done; restore the dataset, or the \
                 version of aaren that trained it, or choose another --results folder",
                data.dataset.name(),
            )));
        }
        run.execute(data, self.ready.device()?, threads)
    }

    /// Whether a run failed since this process began.
    fn just_failed(&self, index: usize) -> bool {
        let failure = self.runs[index].failure();
        failure.is_some() && failure != self.failures[index]
    }

    /// Trains the run whose weights another one acts with, or waits for the process that does; whether it is done.
    fn learn(&self, index: usize, threads: Option<usize>) -> Result<bool> {
        let source = &self.runs[index];
        let _claim = lock::wait_for(&source.lock()?, |holder| {
            output::note(format_args!("{source} is being trained by {holder}: waiting for it"));
        })?;
        if source.state()? != RunState::Done {
            if self.just_failed(index) {
                return Ok(false);
            }
            source.forget_failure()?;
            let trained = self.train(source, threads);
            if let Err(error) = &trained
                && (error.diverged() || error.played())
            {
                source.remember_failure(error)?;
            }
            trained?;
        }
        Ok(true)
    }

    /// Gathers what other processes finished.
    pub fn close(mut self) -> Result<Outcome> {
        for (run, standing) in self.runs.iter().zip(&mut self.standings) {
            if let Standing::Open | Standing::Elsewhere(_) = standing {
                match run.result() {
                    Ok(Some(result)) => *standing = Standing::Done(Box::new(result)),
                    Ok(None) if matches!(standing, Standing::Open) && run.failure().is_some() => {
                        *standing = Standing::Failed;
                    }
                    Ok(None) => {}
                    Err(error) => output::note(format_args!("{run}: {error}")),
                }
            }
        }
        let [mut failed, mut elsewhere, mut left] = [Vec::new(), Vec::new(), Vec::new()];
        let mut results = Vec::new();
        let open = |standing: &Standing| matches!(standing, Standing::Open | Standing::Elsewhere(_));
        let complete = !self.standings.iter().any(open);
        for ((run, standing), asked) in self.runs.iter().zip(self.standings).zip(self.asked) {
            match standing {
                Standing::Done(result) => results.push(*result),
                Standing::Failed if asked => failed.push(run.to_string()),
                Standing::Failed => {
                    left.push(format!("{run} (given up: {})", run.folder.failure().display()))
                }
                Standing::Elsewhere(holder) => elsewhere.push(format!("{run} ({holder})")),
                Standing::Open => left.push(run.to_string()),
            }
        }
        let folder = self.ready.folder.clone();
        Ok(Outcome { folder, results, complete, failed, elsewhere, left })
    }
}

//! The runs of an experiment as several processes share them: each is done by the process that holds its lock, and
//! whoever comes to a locked one goes on with the next.

use std::time::SystemTime;

use anyhow::Result;

use super::Outcome;
use super::ready::Ready;
use super::run::{Finished, Run};
use crate::{lock, output};

/// How far a run is, as far as this process knows.
enum State {
    /// Nobody was asked for it here.
    Open,
    /// It is done.
    Finished(Box<Finished>),
    /// Its numbers are none any more.
    Failed,
    /// Another process is at work on it: which.
    Elsewhere(String),
}

/// When a report is written.
pub enum Reporting {
    /// Not now.
    No,
    /// Where the one that is there is not of these runs.
    IfOld,
    /// Whatever is there.
    Anew,
}

/// The runs of an experiment, and how far each is.
pub struct Parts<'r> {
    runs: &'r [Run<'r>],
    states: Vec<State>,
    /// Which this process was asked for.
    asked: Vec<bool>,
    /// When each of them last failed before this process began.
    failures: Vec<Option<SystemTime>>,
}

impl<'r> Parts<'r> {
    /// All of them open, some of them asked for.
    pub fn of(runs: &'r [Run<'r>], asked: impl Fn(&Run) -> bool) -> Self {
        let states = runs.iter().map(|_| State::Open).collect();
        let failures = runs.iter().map(Run::failed_at).collect();
        Self { runs, states, asked: runs.iter().map(asked).collect(), failures }
    }

    /// Does the runs that are asked for and in nobody else's hands, with so many threads of libtorch where neither the
    /// spec nor a checkpoint says; whether there was anything to do.
    pub fn work(&mut self, threads: Option<usize>) -> Result<bool> {
        let mut waiting: Vec<usize> = (0..self.runs.len()).filter(|&index| self.asked[index]).collect();
        let mut worked = false;
        loop {
            let (mut elsewhere, mut trained) = (Vec::new(), false);
            for index in waiting {
                let (state, did) = self.attempt(index, threads)?;
                trained |= did;
                if matches!(state, State::Elsewhere(_)) {
                    elsewhere.push(index);
                }
                self.states[index] = state;
            }
            worked |= trained;
            // While one was trained, whoever had another may have ended without finishing it.
            if elsewhere.is_empty() || !trained {
                return Ok(worked);
            }
            waiting = elsewhere;
        }
    }

    /// Trains a run to its end unless that is done or being done; whether it was trained here.
    fn attempt(&self, index: usize, threads: Option<usize>) -> Result<(State, bool)> {
        let run = &self.runs[index];
        let _claim = match run.claim()? {
            lock::Claim::Others(holder) => return Ok((State::Elsewhere(holder), false)),
            ours => ours,
        };
        let trained = match run.finished() {
            Ok(Some(finished)) => {
                run.write_spec()?;
                return Ok((State::Finished(Box::new(finished)), false));
            }
            // What failed before may be tried again, but not what another process has just tried.
            Ok(None) if self.just_failed(index) => return Ok((State::Failed, false)),
            Ok(None) => {
                run.forget_failure()?;
                match run.source {
                    None => run.execute(threads),
                    Some(source) => match self.learn(source, threads) {
                        Ok(true) => run.take_over(&self.runs[source]),
                        Ok(false) => return Ok((State::Failed, false)),
                        Err(error) => Err(error),
                    },
                }
            }
            Err(error) => Err(error),
        };
        // A run that diverges must not take the others with it.
        match trained {
            Ok(finished) => Ok((State::Finished(Box::new(finished)), true)),
            Err(error) if super::diverged(&error) => {
                output::note(format_args!("{run}: {error:#}"));
                run.remember_failure(&error)?;
                Ok((State::Failed, true))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a run failed since this process began.
    fn just_failed(&self, index: usize) -> bool {
        self.runs[index].failed_at() > self.failures[index]
    }

    /// Has a run done that another one acts with, whoever does it; whether it is, or has just failed.
    fn learn(&self, index: usize, threads: Option<usize>) -> Result<bool> {
        let source = &self.runs[index];
        let _claim = lock::wait_for(&source.lock()?, |holder| {
            output::note(format_args!("{source} is being trained by {holder}: waiting for it"));
        })?;
        if source.finished()?.is_none() {
            if self.just_failed(index) {
                return Ok(false);
            }
            source.forget_failure()?;
            let trained = source.execute(threads);
            if let Err(error) = &trained
                && super::diverged(error)
            {
                source.remember_failure(error)?;
            }
            trained?;
        }
        Ok(true)
    }

    /// Gathers what other processes finished, and reports where `reporting` says so, given whether anything is open.
    pub fn close(mut self, ready: &Ready, reporting: impl FnOnce(bool) -> Reporting) -> Result<Outcome> {
        for (run, state) in self.runs.iter().zip(&mut self.states) {
            if let State::Open | State::Elsewhere(_) = state {
                match run.finished() {
                    Ok(Some(finished)) => *state = State::Finished(Box::new(finished)),
                    Ok(None) if matches!(state, State::Open) && run.failed_at().is_some() => {
                        *state = State::Failed;
                    }
                    Ok(None) => {}
                    Err(error) => output::note(format_args!("{run}: {error:#}")),
                }
            }
        }
        let [mut failed, mut elsewhere, mut left] = [Vec::new(), Vec::new(), Vec::new()];
        let mut finished = Vec::new();
        let open = self.states.iter().any(|state| matches!(state, State::Open | State::Elsewhere(_)));
        for ((run, state), asked) in self.runs.iter().zip(self.states).zip(self.asked) {
            match state {
                State::Finished(done) => finished.push(*done),
                State::Failed if asked => failed.push(run.to_string()),
                State::Failed => left.push(format!("{run} (given up: {})", run.folder.failure().display())),
                State::Elsewhere(holder) => elsewhere.push(format!("{run} ({holder})")),
                State::Open => left.push(run.to_string()),
            }
        }
        let anew = match reporting(open) {
            _ if finished.is_empty() => None,
            Reporting::No => None,
            Reporting::IfOld => Some(false),
            Reporting::Anew => Some(true),
        };
        let summary = anew.map(|anew| ready.summarise(&finished, anew)).transpose()?;
        Ok(Outcome { folder: ready.folder.clone(), summary, failed, elsewhere, left })
    }
}

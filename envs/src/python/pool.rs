//! Python processes that wait for work: starting one takes seconds, and an evaluation has many batches.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use aaren_format::PythonEnv;

use super::worker::Worker;
use crate::{Description, EnvSpec, Error};

/// Processes that are kept waiting, at most.
const WAITING: usize = 32;

static POOL: Mutex<Vec<Worker>> = Mutex::new(Vec::new());

/// A process of somebody who uses it; it goes back where it is whole.
pub(super) struct Lease {
    worker: Option<Worker>,
    pub broken: bool,
}

impl Lease {
    /// One that waits, else a new one.
    pub fn new(spec: &EnvSpec, python: &PythonEnv, film: bool) -> Result<Self, Error> {
        let waiting = {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            let place = pool.iter().position(|worker| worker.spec == *spec && worker.film == film);
            place.map(|place| pool.swap_remove(place))
        };
        let worker = match waiting {
            Some(worker) => worker,
            None => Worker::start(spec, python, film, false)?.0,
        };
        Ok(Self { worker: Some(worker), broken: false })
    }
}

/// What a new process says of its environment; it waits for work then.
pub(super) fn checked(spec: &EnvSpec, python: &PythonEnv) -> Result<Description, Error> {
    let (worker, description) = Worker::start(spec, python, false, true)?;
    drop(Lease { worker: Some(worker), broken: false });
    Ok(description)
}

impl Deref for Lease {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        self.worker.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take().filter(|_| !self.broken) else { return };
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(worker);
        if pool.len() > WAITING {
            drop(pool.remove(0));
        }
    }
}

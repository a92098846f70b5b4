//! Python processes that wait for work: starting one takes seconds, and an evaluation has many batches.

use std::sync::{Mutex, PoisonError};

use aaren_format::PythonEnv;

use super::worker::Worker;
use crate::{EnvSpec, Error};

/// Processes that are kept waiting, at most.
const WAITING: usize = 32;

static POOL: Mutex<Vec<Worker>> = Mutex::new(Vec::new());

/// One that waits, else a new one.
pub(super) fn take(spec: &EnvSpec, python: &PythonEnv, film: bool) -> Result<Worker, Error> {
    let waiting = {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let place = pool.iter().position(|worker| worker.spec == *spec && worker.film == film);
        place.map(|place| pool.swap_remove(place))
    };
    match waiting {
        Some(worker) => Ok(worker),
        None => Ok(Worker::start(spec, python, film, false)?.0),
    }
}

/// Lets a process wait, where it is whole.
pub(super) fn give_back(worker: Worker) {
    if worker.broken {
        return;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.push(worker);
    if pool.len() > WAITING {
        drop(pool.remove(0));
    }
}

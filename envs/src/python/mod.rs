//! Environments of Python, stepped by processes of an interpreter of the user's.
//!
//! A process makes and steps any number of environments; a message asks for a step of several of them, so that one
//! exchange serves a batch. Processes that nobody uses wait for the next batch of the same environment.

mod pool;
mod worker;

use std::sync::{Mutex, PoisonError};

use aaren_format::PythonEnv;

use crate::{ActionSpace, Description, EnvSpec, Error, Step};
use worker::{Ask, Complaint, Trouble, Worker};

pub use worker::stop_waiting_when;

/// What is known of an environment; asked once in a process.
pub(crate) fn describe(spec: &EnvSpec, python: &PythonEnv) -> Result<Description, Error> {
    static KNOWN: Mutex<Vec<Description>> = Mutex::new(Vec::new());
    // Held while Python starts: whoever else asks wants the same.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(description) = known.iter().find(|other| other.spec == *spec) {
        return Ok(description.clone());
    }
    let (worker, description) = Worker::start(spec, python, false, true)?;
    pool::give_back(worker);
    known.push(description.clone());
    Ok(description)
}

/// Environments of one kind in a few processes, each with as many of them as the next.
pub(crate) struct Group {
    workers: Vec<Worker>,
    rows: Vec<Row>,
    pub description: Description,
}

/// One environment, and the episode that it is in.
#[derive(Clone, Copy, Debug)]
struct Row {
    worker: usize,
    /// Its number there.
    row: u32,
    seed: u64,
    elapsed: usize,
}

impl Group {
    /// `count` environments in at most `workers` processes. With `film`, such that pictures can be taken.
    pub fn new(
        spec: &EnvSpec,
        python: &PythonEnv,
        count: usize,
        workers: usize,
        film: bool,
    ) -> Result<Self, Error> {
        let description = describe(spec, python)?;
        let each = count.div_ceil(workers.clamp(1, count));
        let rows = (0..count).map(|index| Row {
            worker: index / each,
            row: (index % each) as u32,
            seed: 0,
            elapsed: 0,
        });
        // Where one cannot be started, those before it go back.
        let mut group = Self { workers: Vec::new(), rows: rows.collect(), description };
        for _ in 0..count.div_ceil(each) {
            group.workers.push(pool::take(spec, python, film)?);
        }
        Ok(group)
    }

    /// Starts an episode in several environments, from the seed of each index.
    pub fn reset(
        &mut self,
        indices: std::ops::Range<usize>,
        seed: impl Fn(usize) -> u64,
        observations: &mut [f64],
    ) -> Result<(), Error> {
        for index in indices.clone() {
            (self.rows[index].seed, self.rows[index].elapsed) = (seed(index), 0);
        }
        self.ask(Ask::Reset, indices.clone(), |index, to| to.extend(seed(index).to_le_bytes()))?;
        self.gather(Ask::Reset, indices, |place, observation, _| {
            observations[place * observation.len()..][..observation.len()].copy_from_slice(observation);
        })
    }

    /// One step of every environment.
    pub fn step(
        &mut self,
        actions: &[f32],
        observations: &mut [f64],
        steps: &mut [Step],
    ) -> Result<(), Error> {
        let width = self.description.action.entries();
        let mut actions = actions.to_vec();
        if let ActionSpace::Continuous { low, high } = &self.description.action {
            // Rounding may lead out of the bounds, which some environments refuse.
            for row in actions.chunks_exact_mut(width) {
                for (action, (low, high)) in row.iter_mut().zip(low.iter().zip(high)) {
                    *action = action.clamp(*low, *high);
                }
            }
        }
        let all = 0..self.rows.len();
        self.ask(Ask::Step, all.clone(), |index, to| {
            to.extend(actions[index * width..][..width].iter().flat_map(|action| action.to_le_bytes()));
        })?;
        self.rows.iter_mut().for_each(|row| row.elapsed += 1);
        self.gather(Ask::Step, all, |place, observation, [reward, flags]| {
            observations[place * observation.len()..][..observation.len()].copy_from_slice(observation);
            let flags = flags as u8;
            steps[place] =
                Step { reward, terminated: flags & 1 != 0, truncated: flags & 2 != 0, unstable: false };
        })
    }

    /// The picture that `render` gives of one environment: height, width and rows of red, green and blue.
    pub fn picture(&mut self, index: usize) -> Result<(usize, usize, Vec<u8>), Error> {
        self.ask(Ask::Render, index..index + 1, |_, _| ())?;
        let worker = self.rows[index].worker;
        self.answer(Ask::Render, worker)?;
        let buffer = &self.workers[worker].buffer;
        let side = |at: usize| {
            let bytes = buffer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
        };
        let (height, width) = (side(0), side(4));
        Ok((height, width, buffer.get(8..).unwrap_or_default().to_vec()))
    }

    /// Goes on with those of these indices.
    pub fn keep(&mut self, indices: &[usize]) {
        self.rows = indices.iter().map(|&index| self.rows[index]).collect();
    }

    /// Sends every process its part of a message: `each` appends what there is for an index.
    fn ask(
        &mut self,
        ask: Ask,
        indices: std::ops::Range<usize>,
        each: impl Fn(usize, &mut Vec<u8>),
    ) -> Result<(), Error> {
        for worker in 0..self.workers.len() {
            let mine: Vec<usize> =
                indices.clone().filter(|&index| self.rows[index].worker == worker).collect();
            if mine.is_empty() {
                continue;
            }
            let process = &mut self.workers[worker];
            process.begin(ask, mine.iter().map(|&index| self.rows[index].row));
            mine.iter().for_each(|&index| each(index, &mut process.buffer));
            if let Err(trouble) = process.write() {
                return Err(self.failed(ask, worker, trouble));
            }
        }
        Ok(())
    }

    /// Waits for the answers, and hands on each index's: its place among these, its observation, and reward and flags.
    fn gather(
        &mut self,
        ask: Ask,
        indices: std::ops::Range<usize>,
        mut take: impl FnMut(usize, &[f64], [f64; 2]),
    ) -> Result<(), Error> {
        let size = self.description.observation_size;
        let mut line = vec![0.0; size + 2];
        for worker in 0..self.workers.len() {
            let first = indices.start;
            let mine: Vec<usize> =
                indices.clone().filter(|&index| self.rows[index].worker == worker).collect();
            if mine.is_empty() {
                continue;
            }
            self.answer(ask, worker)?;
            let (found, expected) = (self.workers[worker].buffer.len(), mine.len() * line.len() * 8);
            if found != expected {
                let reason = format!("{found} bytes were answered, where {expected} are expected");
                return Err(self.failed(ask, worker, Trouble::Other(reason)));
            }
            let mut numbers = self.workers[worker].buffer.as_chunks::<8>().0.iter();
            for index in mine {
                for (entry, bytes) in line.iter_mut().zip(numbers.by_ref()) {
                    *entry = f64::from_le_bytes(*bytes);
                }
                take(index - first, &line[..size], [line[size], line[size + 1]]);
            }
        }
        Ok(())
    }

    fn answer(&mut self, ask: Ask, worker: usize) -> Result<(), Error> {
        self.workers[worker].read().map_err(|trouble| self.failed(ask, worker, trouble))
    }

    /// The error of a process that did not answer. None is used any more: others may have answered what nobody reads.
    fn failed(&mut self, ask: Ask, worker: usize, trouble: Trouble) -> Error {
        self.workers.iter_mut().for_each(|worker| worker.broken = true);
        let id = self.workers[worker].spec.id.clone();
        let call = match ask {
            Ask::Reset => "reset",
            Ask::Step => "step",
            Ask::Render => "render",
        };
        let reason = match trouble {
            Trouble::Stopped => return Error::Stopped { id },
            Trouble::Said(complaint) if complaint.kind == "render" => {
                return Error::Picture { id, reason: complaint.with_cure() };
            }
            Trouble::Said(Complaint { row: Some(row), call, reason, .. }) => {
                let at = self.rows.iter().find(|it| it.worker == worker && it.row == row);
                let when = at.map_or(String::new(), |row| when(row.seed, row.elapsed));
                format!("`{call}` {reason}{when}; mend it, and run the command again")
            }
            Trouble::Said(complaint) => complaint.with_cure(),
            Trouble::Other(reason) => {
                let mut mine = self.rows.iter().filter(|row| row.worker == worker);
                let when = mine.next().map_or(String::new(), |row| when(row.seed, row.elapsed));
                let others = match mine.count() {
                    0 => String::new(),
                    others => format!(", or of one of {others} beside it"),
                };
                format!("`{call}` did not come back: {reason}{when}{others}")
            }
        };
        Error::Python { id, reason, refused: false }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.workers.drain(..).for_each(pool::give_back);
    }
}

/// Where in which episode.
fn when(seed: u64, elapsed: usize) -> String {
    match elapsed {
        0 => format!(", at the start of the episode with seed {seed}"),
        step => format!(", at timestep {step} of the episode with seed {seed}"),
    }
}

//! Flat datasets: columns with a row for each transition, of whatever file, by D4RL's names, by names near to them, or
//! by those that a user gives.

use std::collections::HashSet;
use std::path::Path;

use crate::actions::EXACT;
use crate::column::Column;
use crate::hdf5::shown;
use crate::reading::Columns;
use crate::space::Space;
use crate::tree::Tree;
use crate::{Dataset, Error, Reading, Transitions};

/// Columns by name.
pub(crate) trait Source {
    fn path(&self) -> &Path;

    fn names(&self) -> Result<Vec<String>, Error>;

    /// What is there under one of these names.
    fn tree(&self, name: &str) -> Result<Tree, Error>;

    /// What a column says in each row, as numbers that are equal where the column's values are: to tell episodes apart.
    fn labels(&self, name: &str) -> Result<Vec<u64>, Error> {
        let column = self.tree(name)?.flatten(self.path(), name, None, None)?;
        column.expect(self.path(), name, column.rows, true)?;
        match column.data.iter().find(|x| x.abs() >= EXACT) {
            Some(large) => Err(Error::content(
                self.path(),
                name,
                format!("{large:.0}, which float32 does not tell from its neighbours"),
                format!("numbers below {EXACT:.0}; number the episodes from 0 on"),
            )),
            None => Ok(column.data.iter().map(|x| u64::from((x + 0.0).to_bits())).collect()),
        }
    }
}

/// Names of one column in different projects, the first of them D4RL's; LeRobot's come last.
pub(crate) const OBSERVATIONS: &[&str] =
    &["observations", "obs", "states", "observation", "observation.state"];
pub(crate) const ACTIONS: &[&str] = &["actions", "action"];
const REWARDS: &[&str] = &["rewards", "reward", "next.reward"];
const TERMINALS: &[&str] = &["terminals", "terminations", "terminated", "dones", "done", "next.done"];
const TIMEOUTS: &[&str] = &["timeouts", "truncations", "truncateds", "truncated", "next.truncated"];
/// d3rlpy's ends of episodes, for whatever reason.
const ENDS: &[&str] = &["episode_terminals"];
const NEXT: &[&str] = &["next_observations", "next_obs", "next_states"];
const EPISODES: &[&str] = &["episode_index", "episode_id", "episode"];

/// The names of the columns that a flat dataset has at least.
pub(crate) fn holds_all(names: &[String]) -> bool {
    [OBSERVATIONS, ACTIONS, REWARDS].iter().all(|all| names.iter().any(|name| all.contains(&name.as_str())))
}

/// A dataset of these columns. Episodes end at terminals and timeouts, and where an episode's number changes; without
/// both at d3rlpy's `episode_terminals`, or where `next_observations` are not the next row's observations.
pub(crate) fn dataset(
    source: &dyn Source,
    format: &'static str,
    reading: &Reading,
) -> Result<Dataset, Error> {
    let names = source.names()?;
    let flat = Flat { source, names };
    let mut notes = Vec::new();
    let said = match &reading.columns {
        Some(columns) => flat.named(columns, reading)?,
        None => flat.usual(reading, &mut notes)?,
    };
    let path = source.path();
    let Found { observations, actions, rewards, terminals, timeouts } = said;
    if actions.rows == 0 {
        return Err(Error::content(path, "rewards", "no transitions", "at least one"));
    }
    let (sizes, integer) = ((observations.size, actions.size), actions.integer);
    let transitions = Transitions {
        observations: observations.data,
        actions: actions.data,
        rewards: rewards.data,
        terminals,
        timeouts,
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut dataset = Dataset::new(&name, transitions, sizes.0, sizes.1, integer);
    (dataset.format, dataset.said.notes) = (format, notes);
    Ok(dataset)
}

struct Flat<'s> {
    source: &'s dyn Source,
    names: Vec<String>,
}

struct Found {
    observations: Column,
    actions: Column,
    rewards: Column,
    terminals: Vec<bool>,
    timeouts: Vec<bool>,
}

impl Flat<'_> {
    fn missing(&self, key: &str, expected: &str) -> Error {
        Error::content(self.source.path(), key, format!("only {}", shown(&self.names)), expected)
    }

    fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.names.iter().any(|there| there == name))
    }

    /// One that must be there.
    fn column(&self, name: &str) -> Result<Column, Error> {
        self.check(name)?;
        self.source.tree(name)?.flatten(self.source.path(), name, None, None)
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        let there = self.names.iter().any(|there| there == name);
        there.then_some(()).ok_or_else(|| self.missing(name, "a column of that name"))
    }

    fn scalar(&self, name: &str, rows: usize) -> Result<Column, Error> {
        let column = self.column(name)?;
        column.expect(self.source.path(), name, rows, true)?;
        Ok(column)
    }

    fn flags(&self, names: &[&str], rows: usize) -> Result<Option<Vec<bool>>, Error> {
        self.first(names).map(|name| Ok(self.scalar(name, rows)?.flags().collect())).transpose()
    }

    /// The columns under their usual names.
    fn usual(&self, reading: &Reading, notes: &mut Vec<String>) -> Result<Found, Error> {
        let path = self.source.path();
        let need = |names: &[&'static str]| {
            let cure = "an array or a column of that name; `columns: {observation: […], action: […], reward: …, episode: …}` in a \
                        YAML, or `--columns` with that map, names others";
            self.first(names).ok_or_else(|| self.missing(names[0], cure))
        };
        let (observed, acted) = (need(OBSERVATIONS)?, need(ACTIONS)?);
        let rewarded = match self.first(REWARDS) {
            Some(name) => Some(name),
            // OGBench's, LeRobot's and other demonstrations have none.
            None if self.first(TERMINALS).is_some() || self.first(EPISODES).is_some() => None,
            None => Some(need(REWARDS)?),
        };
        let observe = reading.observe.as_deref();
        let mut observations =
            self.source.tree(observed)?.flatten(path, observed, reading.spaces.0.as_ref(), observe)?;
        let mut actions = self.column(acted)?;
        let rows = observations.rows;
        actions.expect(path, acted, rows, false)?;
        let rewards = match rewarded {
            Some(name) => self.scalar(name, rows)?,
            None => {
                notes.push("there are no rewards: all are taken as 0, so that every return is 0".into());
                zeros(rows)
            }
        };
        let (terminals, timeouts) = (self.flags(TERMINALS, rows)?, self.flags(TIMEOUTS, rows)?);
        let done = self.first(TERMINALS).filter(|name| name.contains("done") && timeouts.is_none());
        if let Some(name) = done {
            notes.push(format!("`{name}` are read as ends by the task, not by a time limit"));
        }
        let episodes = self.first(EPISODES);
        let ended = match (&timeouts, episodes) {
            // A recording that was stopped has no flag; labels that cannot be read say nothing more than the flags.
            (Some(timeouts), Some(name)) => {
                let terminals = terminals.as_deref().unwrap_or_default();
                let mut known = timeouts.clone();
                known.iter_mut().zip(terminals).for_each(|(known, terminal)| *known |= terminal);
                // The last episode may be unfinished.
                known.last_mut().into_iter().for_each(|last| *last = true);
                match self.labels(name, rows) {
                    Ok(labels) => Some(self.changes(name, &labels, &known)?),
                    Err(error) => {
                        notes.push(format!(
                            "episodes end at their flags alone, as `{name}` cannot be read: {error}"
                        ));
                        None
                    }
                }
            }
            (Some(_), None) => None,
            (None, Some(name)) => Some(self.changes(name, &self.labels(name, rows)?, &vec![false; rows])?),
            (None, None) => match self.flags(ENDS, rows)? {
                Some(ends) => Some(ends),
                None => self.jumps(&observations, notes)?,
            },
        };
        let any_terminal = terminals.as_ref().is_some_and(|flags| flags.contains(&true));
        if timeouts.is_none() && ended.is_none() && !any_terminal {
            let expected = "`timeouts`, `episode_terminals`, `next_observations` or a column `episode`, which tell \
                            where episodes end";
            return Err(self.missing("timeouts", expected));
        }
        let mut terminals = terminals.unwrap_or_else(|| vec![false; rows]);
        let mut timeouts = timeouts.unwrap_or_else(|| vec![false; rows]);
        let all = timeouts.iter_mut().zip(ended.into_iter().flatten()).zip(&terminals);
        all.for_each(|((timeout, end), terminal)| *timeout |= end && !terminal);
        // OGBench's files have no other column that tells of ends.
        let told = [TIMEOUTS, ENDS, NEXT, EPISODES].iter().any(|names| self.first(names).is_some());
        let ogbench = rewarded.is_none() && any_terminal && !told;
        let mut rewards = rewards;
        if ogbench {
            notes.push(
                "the last row of each trajectory is its final state and was left out, as OGBench's are"
                    .into(),
            );
            let kept = |column: Column| {
                let rows = column.data.chunks_exact(column.size).zip(&terminals).filter(|(_, last)| !**last);
                let data: Vec<f32> = rows.flat_map(|(row, _)| row.iter().copied()).collect();
                Column { rows: data.len() / column.size, data, ..column }
            };
            (observations, actions, rewards) = (kept(observations), kept(actions), kept(rewards));
            let last = terminals.windows(2).filter(|two| !two[0]).map(|two| two[1]);
            timeouts = last.collect();
            timeouts.resize(actions.rows, false);
            terminals = vec![false; actions.rows];
        } else if any_terminal
            && !timeouts.contains(&true)
            && self.first(TIMEOUTS).is_none()
            && episodes.is_none()
        {
            notes.push("there are no `timeouts`: episodes end at `terminals` alone".into());
        }
        Ok(Found { observations, actions, rewards, terminals, timeouts })
    }

    /// The columns that a user names.
    fn named(&self, columns: &Columns, reading: &Reading) -> Result<Found, Error> {
        let beside = |what: &str, names: &[String], space: Option<&Space>| {
            let parts = names.iter().map(|name| Ok((name.clone(), Tree::Leaf(self.column(name)?))));
            let parts = Tree::Group(parts.collect::<Result<_, Error>>()?);
            parts.flatten(self.source.path(), what, space, None)
        };
        let observations = beside("columns.observation", &columns.observation, reading.spaces.0.as_ref())?;
        let actions = beside("columns.action", &columns.action, None)?;
        let (path, rows) = (self.source.path(), observations.rows);
        actions.expect(path, "columns.action", rows, false)?;
        let one = |name: &String| self.scalar(name, rows);
        let flags = |name: &Option<String>| {
            let column = name.as_ref().map(one).transpose()?;
            Ok::<_, Error>(column.map_or_else(|| vec![false; rows], |column| column.flags().collect()))
        };
        let rewards = columns.reward.as_ref().map(one).transpose()?.unwrap_or_else(|| zeros(rows));
        let (terminals, mut timeouts) = (flags(&columns.terminal)?, flags(&columns.timeout)?);
        match &columns.episode {
            Some(name) => {
                self.check(name)?;
                let ends = self.changes(name, &self.labels(name, rows)?, &vec![false; rows])?;
                let all = timeouts.iter_mut().zip(ends).zip(&terminals);
                all.for_each(|((timeout, end), terminal)| *timeout |= end && !terminal);
            }
            None if columns.terminal.is_none() && columns.timeout.is_none() => {
                let expected = "`columns.episode`, `columns.terminal` or `columns.timeout`, which tell where episodes end";
                return Err(Error::content(path, "columns", "none of them", expected));
            }
            None => {}
        }
        Ok(Found { observations, actions, rewards, terminals, timeouts })
    }

    /// What a column says in each row.
    fn labels(&self, name: &str, rows: usize) -> Result<Vec<u64>, Error> {
        let labels = self.source.labels(name)?;
        if labels.len() != rows {
            let expected = format!("{rows}, as the other keys have");
            return Err(Error::content(self.source.path(), name, format!("{} rows", labels.len()), expected));
        }
        Ok(labels)
    }

    /// Where the labels of a column change, and the last row; not where an end is `known`.
    fn changes(&self, name: &str, labels: &[u64], known: &[bool]) -> Result<Vec<bool>, Error> {
        let mut seen = HashSet::new();
        let mut ends = vec![false; labels.len()];
        for (row, label) in labels.iter().enumerate() {
            if labels.get(row + 1) == Some(label) {
                continue;
            }
            ends[row] = !known[row];
            if !seen.insert(label) && ends[row] {
                let found = format!("an episode again at row {row}, after others");
                return Err(Error::content(
                    self.source.path(),
                    name,
                    found,
                    "the rows of an episode one after another; sort the table",
                ));
            }
        }
        Ok(ends)
    }

    /// Where the next observation is not that of the next row.
    fn jumps(&self, observations: &Column, notes: &mut Vec<String>) -> Result<Option<Vec<bool>>, Error> {
        let Some(name) = self.first(NEXT) else { return Ok(None) };
        let next = self.column(name)?;
        next.expect(self.source.path(), name, observations.rows, false)?;
        if next.size != observations.size {
            return Ok(None);
        }
        notes.push(format!(
            "there are no `timeouts`: episodes end where `{name}` are not the next row's observations"
        ));
        let size = observations.size;
        let after = observations.data.chunks_exact(size).skip(1);
        let mut jumps: Vec<bool> =
            next.data.chunks_exact(size).zip(after).map(|(next, after)| next != after).collect();
        jumps.push(true);
        Ok(Some(jumps))
    }
}

fn zeros(rows: usize) -> Column {
    Column { rows, shape: Vec::new(), size: 1, integer: false, bytes: false, data: vec![0.0; rows] }
}

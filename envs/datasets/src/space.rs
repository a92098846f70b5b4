//! Gymnasium's spaces, and how what they hold becomes a vector: as `gymnasium.spaces.flatten` does it.

use std::path::Path;

use aaren_envs::ActionSpace;
use serde_json::Value;

use crate::Error;
use crate::column::Column;

/// A space of Gymnasium.
#[derive(Clone, Debug, PartialEq)]
pub enum Space {
    /// Numbers of any shape; bounds where all are finite.
    Box {
        /// Entries.
        size: usize,
        /// Lower and upper bounds.
        bounds: Option<(Vec<f32>, Vec<f32>)>,
    },
    /// One of `n` choices, counted from `start`. Flattened it is one-hot.
    Discrete {
        /// How many.
        n: usize,
        /// The first.
        start: i64,
    },
    /// Several choices. Flattened they are one-hot, one behind another.
    MultiDiscrete {
        /// Choices of each.
        nvec: Vec<usize>,
    },
    /// Several flags.
    MultiBinary {
        /// How many.
        n: usize,
    },
    /// Spaces by name, in the order of the names, as `gymnasium.spaces.Dict` keeps them; those of a tuple are called
    /// `_index_0`, ….
    Dict(Vec<(String, Space)>),
    /// One that is no vector of numbers: text, graphs, sequences.
    Other(String),
}

impl Space {
    /// Of the JSON that Minari writes; none for what is no space.
    pub fn of_json(json: &Value) -> Option<Self> {
        let size = |key: &str| json[key].as_u64().and_then(|size| usize::try_from(size).ok());
        let product = |shape: &Value| {
            let edge = |edge: &Value| usize::try_from(edge.as_u64()?).ok();
            shape.as_array()?.iter().try_fold(1usize, |size, next| size.checked_mul(edge(next)?))
        };
        Some(match json["type"].as_str()? {
            "Box" => {
                let size = product(&json["shape"])?;
                let bound = |key: &str| {
                    let mut numbers = Vec::new();
                    flat(&json[key], &mut numbers);
                    if numbers.len() == 1 && size > 1 {
                        numbers.resize(size, numbers[0]);
                    }
                    (numbers.len() == size && numbers.iter().all(|x| x.is_finite())).then_some(numbers)
                };
                Space::Box { size, bounds: bound("low").zip(bound("high")) }
            }
            "Discrete" => Space::Discrete { n: size("n")?, start: json["start"].as_i64().unwrap_or(0) },
            "MultiDiscrete" => {
                let mut nvec = Vec::new();
                flat(&json["nvec"], &mut nvec);
                Space::MultiDiscrete { nvec: nvec.iter().map(|&n| n as usize).collect() }
            }
            "MultiBinary" => Space::MultiBinary { n: size("n").or_else(|| product(&json["n"]))? },
            "Dict" => {
                let all = json["subspaces"].as_object()?.iter();
                // The map is in the order of the names.
                Space::Dict(
                    all.map(|(name, space)| Some((name.clone(), Self::of_json(space)?)))
                        .collect::<Option<_>>()?,
                )
            }
            "Tuple" => {
                let all = json["subspaces"].as_array()?.iter().enumerate();
                let all = all.map(|(index, space)| Some((format!("_index_{index}"), Self::of_json(space)?)));
                Space::Dict(all.collect::<Option<_>>()?)
            }
            other => Space::Other(other.to_owned()),
        })
    }

    /// As the action space of a policy; none where a policy has no such head.
    pub fn actions(&self) -> Option<ActionSpace> {
        match self {
            Space::Box { bounds: Some((low, high)), .. } => {
                Some(ActionSpace::Continuous { low: low.clone(), high: high.clone() })
            }
            Space::Discrete { n, .. } => Some(ActionSpace::Discrete { choices: *n }),
            Space::MultiDiscrete { nvec } => Some(ActionSpace::MultiDiscrete { choices: nvec.clone() }),
            Space::MultiBinary { n } => Some(ActionSpace::MultiDiscrete { choices: vec![2; *n] }),
            _ => None,
        }
    }

    fn child(&self, name: &str) -> Option<&Space> {
        match self {
            Space::Dict(children) => children.iter().find(|(child, _)| child == name).map(|(_, space)| space),
            _ => None,
        }
    }
}

/// The numbers of nested lists; Python's JSON has an `Infinity`, which is read as text before.
fn flat(json: &Value, numbers: &mut Vec<f32>) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| flat(item, numbers)),
        Value::Number(number) => numbers.extend(number.as_f64().map(|x| x as f32)),
        Value::Bool(flag) => numbers.push(f32::from(*flag)),
        _ => numbers.push(f32::INFINITY),
    }
}

/// Python's `json.dumps` writes infinities and NaN as words that JSON does not have: as text they can be read.
pub(crate) fn python_json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut words = String::with_capacity(text.len());
    let mut inside = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word =
            ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !inside && rest.starts_with(word));
        if let Some(word) = word {
            words += &format!("\"{word}\"");
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            '\\' if inside => {
                words.push(c);
                rest = &rest[1..];
                if let Some(next) = rest.chars().next() {
                    words.push(next);
                    rest = &rest[next.len_utf8()..];
                }
                continue;
            }
            '"' => inside = !inside,
            _ => {}
        }
        words.push(c);
        rest = &rest[c.len_utf8()..];
    }
    serde_json::from_str(&words).ok()
}

/// What a file holds at a key: one column, or several by name.
#[derive(Debug)]
pub(crate) enum Tree {
    Leaf(Column),
    Group(Vec<(String, Tree)>),
}

/// Which of a dictionary's keys are observed, in this order; all in the order of their names unless given. A key within
/// a key is `a.b`.
pub(crate) type Observe<'o> = Option<&'o [String]>;

impl Tree {
    /// The vector that `gymnasium.spaces.flatten` makes of it, for each row.
    pub(crate) fn flatten(
        self,
        path: &Path,
        key: &str,
        space: Option<&Space>,
        observe: Observe,
    ) -> Result<Column, Error> {
        let mut parts = Vec::new();
        match observe {
            None => match self {
                Tree::Leaf(column) => return vector(path, key, column, space),
                group => group.leaves(path, key, space, &mut parts)?,
            },
            Some(wanted) => {
                for name in wanted {
                    let (mut tree, mut at) = (&self, space);
                    for part in name.split(['.', '/']) {
                        let Tree::Group(children) = tree else {
                            let found = "one vector of observations, without keys";
                            return Err(Error::content(
                                path,
                                key,
                                found,
                                "a dictionary of them; remove `observe`",
                            ));
                        };
                        let Some((_, child)) = children.iter().find(|(child, _)| child == part) else {
                            let names: Vec<String> = children.iter().map(|(name, _)| name.clone()).collect();
                            let found = format!("the keys {}", crate::hdf5::shown(&names));
                            return Err(Error::content(
                                path,
                                key,
                                found,
                                format!("one of them where `observe` has `{name}`"),
                            ));
                        };
                        (tree, at) = (child, at.and_then(|space| space.child(part)));
                    }
                    tree.leaves(path, &format!("{key}/{name}"), at, &mut parts)?;
                }
            }
        }
        join(path, key, parts)
    }

    /// The first rows of all columns.
    pub(crate) fn truncated(self, rows: usize) -> Self {
        match self {
            Tree::Leaf(column) => Tree::Leaf(column.truncated(rows)),
            Tree::Group(children) => {
                let children = children.into_iter().map(|(name, tree)| (name, tree.truncated(rows)));
                Tree::Group(children.collect())
            }
        }
    }

    fn leaves(
        &self,
        path: &Path,
        key: &str,
        space: Option<&Space>,
        parts: &mut Vec<(String, Column)>,
    ) -> Result<(), Error> {
        match self {
            Tree::Leaf(column) => parts.push((key.to_owned(), vector(path, key, column.clone(), space)?)),
            Tree::Group(children) => {
                for (name, child) in children {
                    child.leaves(
                        path,
                        &format!("{key}/{name}"),
                        space.and_then(|space| space.child(name)),
                        parts,
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// The names of a dictionary's parts in the order in which they are flattened: by name, a tuple's by number.
pub(crate) fn in_order(mut names: Vec<String>) -> Vec<String> {
    let number = |name: &str| name.strip_prefix("_index_").and_then(|number| number.parse::<usize>().ok());
    names.sort_by_key(|name| (number(name), name.clone()));
    names
}

/// One part as a vector.
fn vector(path: &Path, key: &str, column: Column, space: Option<&Space>) -> Result<Column, Error> {
    let image = column.bytes
        && match column.shape[..] {
            [_, _, _] => true,
            [height, width] => height >= 16 && width >= 16,
            _ => false,
        };
    if image {
        let found = format!("images, {} bytes a row", column.shown());
        let expected = "vectors of numbers, which these encoders read; choose other keys with `observe`, or store \
                        features of the images";
        return Err(Error::content(path, key, found, expected));
    }
    let nvec = match space {
        Some(Space::Discrete { n, .. }) => vec![*n],
        Some(Space::MultiDiscrete { nvec }) => nvec.clone(),
        _ => return Ok(Column { shape: vec![column.size], ..column }),
    };
    let start = if let Some(Space::Discrete { start, .. }) = space { *start as f32 } else { 0.0 };
    if nvec.len() != column.size {
        return Err(Error::content(
            path,
            key,
            format!("{} entries", column.size),
            format!("{}, as its space has", nvec.len()),
        ));
    }
    let size = nvec.iter().sum::<usize>();
    let mut data = vec![0.0; column.rows * size];
    for (row, choices) in data.chunks_exact_mut(size.max(1)).zip(column.data.chunks_exact(column.size)) {
        let mut first = 0;
        for (&choice, &n) in choices.iter().zip(&nvec) {
            let index = choice - start;
            if index.fract() != 0.0 || !(0.0..n as f32).contains(&index) {
                let expected = format!("choices from {start} to {}", start + n as f32 - 1.0);
                return Err(Error::content(path, key, format!("{choice}"), expected));
            }
            row[first + index as usize] = 1.0;
            first += n;
        }
    }
    Ok(Column { rows: column.rows, shape: vec![size], size, integer: true, bytes: false, data })
}

/// Columns beside one another.
fn join(path: &Path, key: &str, mut parts: Vec<(String, Column)>) -> Result<Column, Error> {
    if parts.len() == 1 {
        return Ok(parts.remove(0).1);
    }
    let Some((_, first)) = parts.first() else {
        return Err(Error::content(path, key, "no keys", "at least one"));
    };
    let rows = first.rows;
    for (name, part) in &parts {
        part.expect(path, name, rows, false)?;
    }
    let size = parts.iter().map(|(_, part)| part.size).sum();
    let mut data = Vec::with_capacity(rows * size);
    for row in 0..rows {
        for (_, part) in &parts {
            data.extend_from_slice(&part.data[row * part.size..][..part.size]);
        }
    }
    let integer = parts.iter().all(|(_, part)| part.integer);
    Ok(Column { rows, shape: vec![size], size, integer, bytes: false, data })
}

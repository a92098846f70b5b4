//! Gymnasium's spaces.

use aaren_envs::ActionSpace;
use serde_json::Value;

use crate::column::image;

/// Entries of the vector of a space, at most: a line of JSON could claim any number.
const MOST: usize = 1 << 22;

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
        /// The first of each; none where all are counted from 0.
        start: Vec<i64>,
    },
    /// Several flags.
    MultiBinary {
        /// How many.
        n: usize,
    },
    /// Spaces by name, in the order in which they are flattened; those of a tuple are called `_index_0`, ….
    Dict(Vec<(String, Space)>),
    /// Boxes of bytes that are images.
    Images {
        /// Height, width and channels, in the order of the file.
        shape: Vec<usize>,
    },
    /// One that is no vector of numbers: text, graphs, sequences.
    Other(String),
}

impl Space {
    /// Of the JSON that Minari writes; none for what is no space, or one of more entries than any vector has.
    pub fn of_json(json: &Value) -> Option<Self> {
        let size = |key: &str| json[key].as_u64().and_then(|size| few(usize::try_from(size).ok()?));
        let edges = |shape: &Value| {
            let edge = |edge: &Value| usize::try_from(edge.as_u64()?).ok();
            shape.as_array()?.iter().map(edge).collect::<Option<Vec<usize>>>()
        };
        let product =
            |shape: &Value| edges(shape)?.into_iter().try_fold(1usize, |size, edge| size.checked_mul(edge));
        Some(match json["type"].as_str()? {
            "Box" if json["dtype"] == "uint8" && edges(&json["shape"]).is_some_and(|it| image(&it)) => {
                // Its entries are counted, though nothing is made of them.
                product(&json["shape"]).filter(|&size| size <= u32::MAX as usize)?;
                Space::Images { shape: edges(&json["shape"])? }
            }
            "Box" => {
                let listed = |key: &str| json[key].as_array().map(Vec::len);
                let shape = match json["shape"].is_array() {
                    true => product(&json["shape"]),
                    false => listed("low").or_else(|| listed("high")),
                };
                let size = few(shape?)?;
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
                let (mut nvec, mut start) = (Vec::new(), Vec::new());
                flat(&json["nvec"], &mut nvec);
                if json["start"].is_array() {
                    flat(&json["start"], &mut start);
                }
                let start: Vec<i64> = start.iter().map(|&first| first as i64).collect();
                let start = if start.len() == nvec.len() { start } else { vec![0; nvec.len()] };
                let nvec: Vec<usize> = nvec.iter().map(|&n| n as usize).collect();
                few(nvec.iter().fold(0, |sum: usize, &n| sum.saturating_add(n)))?;
                Space::MultiDiscrete { nvec, start }
            }
            "MultiBinary" => Space::MultiBinary { n: few(size("n").or_else(|| product(&json["n"]))?)? },
            "Dict" => {
                let named = |(name, space): (&str, &Value)| Some((name.to_owned(), Self::of_json(space)?));
                // A map is in the order of the names, as `gymnasium.spaces.Dict` sorts them.
                match &json["subspaces"] {
                    Value::Array(pairs) => {
                        Self::together(pairs.iter().map(|pair| named((pair[0].as_str()?, &pair[1]))))?
                    }
                    map => {
                        let map = map.as_object()?.iter();
                        Self::together(map.map(|(name, space)| named((name, space))))?
                    }
                }
            }
            "Tuple" => {
                let all = json["subspaces"].as_array()?.iter().enumerate();
                let all = all.map(|(index, space)| Some((format!("_index_{index}"), Self::of_json(space)?)));
                Self::together(all)?
            }
            other => Space::Other(other.to_owned()),
        })
    }

    /// Spaces beside one another, of few entries in all but for images.
    fn together(children: impl Iterator<Item = Option<(String, Self)>>) -> Option<Self> {
        let (mut all, mut entries) = (Vec::new(), 0);
        for child in children {
            let (name, space) = child?;
            if !matches!(space, Space::Images { .. }) {
                entries = few(entries + space.flat_size())?;
            }
            all.push((name, space));
        }
        Some(Space::Dict(all))
    }

    /// As the action space of a policy; none where a policy has no such head.
    pub fn actions(&self) -> Option<ActionSpace> {
        match self {
            Space::Box { bounds: Some((low, high)), .. } => {
                Some(ActionSpace::Continuous { low: low.clone(), high: high.clone() })
            }
            Space::Discrete { n, .. } => Some(ActionSpace::Discrete { choices: *n }),
            Space::MultiDiscrete { nvec, .. } => Some(ActionSpace::MultiDiscrete { choices: nvec.clone() }),
            Space::MultiBinary { n } => Some(ActionSpace::MultiDiscrete { choices: vec![2; *n] }),
            _ => None,
        }
    }

    /// Whether it is a dictionary or a tuple with choices in it, which are no vector and no choices beside one another.
    pub(crate) fn mixes_choices(&self) -> bool {
        let Space::Dict(children) = self else { return false };
        children.iter().any(|(_, child)| match child {
            Space::Box { .. } => false,
            Space::Dict(_) => child.mixes_choices(),
            _ => true,
        })
    }

    /// Entries of the vector.
    pub fn flat_size(&self) -> usize {
        match self {
            Space::Box { size, .. } => *size,
            Space::Discrete { n, .. } | Space::MultiBinary { n } => *n,
            Space::MultiDiscrete { nvec, .. } => nvec.iter().sum(),
            Space::Dict(children) => children.iter().map(|(_, space)| space.flat_size()).sum(),
            Space::Images { shape } => shape.iter().product(),
            Space::Other(_) => 0,
        }
    }

    /// Where in the vector a key stands, `a.b` a key within a key, and how many entries it has.
    pub(crate) fn place(&self, key: &str) -> Option<(usize, usize)> {
        let (first, rest) =
            key.split_once(['.', '/']).map_or((key, None), |(first, rest)| (first, Some(rest)));
        let Space::Dict(children) = self else { return None };
        let index = children.iter().position(|(name, _)| name == first)?;
        let before: usize = children[..index].iter().map(|(_, space)| space.flat_size()).sum();
        let child = &children[index].1;
        match rest {
            None => Some((before, child.flat_size())),
            Some(rest) => child.place(rest).map(|(place, size)| (before + place, size)),
        }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Space> {
        match self {
            Space::Dict(children) => children.iter().find(|(child, _)| child == name).map(|(_, space)| space),
            _ => None,
        }
    }
}

fn few(entries: usize) -> Option<usize> {
    (entries <= MOST).then_some(entries)
}

/// The numbers of nested lists; Python's JSON has an `Infinity`, which is read as `null` before.
fn flat(json: &Value, numbers: &mut Vec<f32>) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| flat(item, numbers)),
        Value::Number(number) => numbers.extend(number.as_f64().map(|x| x as f32)),
        Value::Bool(flag) => numbers.push(f32::from(*flag)),
        _ => numbers.push(f32::INFINITY),
    }
}

/// Python's `json.dumps` writes infinities and NaN as words that JSON does not have: they are read as `null`.
pub(crate) fn python_json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut text = text.to_owned();
    for word in ["-Infinity", "Infinity", "NaN"] {
        for before in ['[', ',', ':', ' '] {
            text = text.replace(&format!("{before}{word}"), &format!("{before}null"));
        }
    }
    serde_json::from_str(&text).ok()
}

//! Reading the fields of a map: types, ranges, unknown keys.

use super::SECTIONS;
use super::error::{Error, Place, brief};
use super::nearest::nearest;
use super::node::{Entry, Node, Value};

pub(super) const FOLDER_NAME: &str = "a name that is safe as a folder's: letters, digits, `-`, `_` and `.`, at most 64, a letter or digit first";

/// The entries of one map, all of them known keys.
pub(super) struct Fields<'a> {
    path: String,
    place: &'a Place,
    entries: &'a [Entry],
    keys: &'static [&'static str],
}

/// One value with its key path.
#[derive(Clone)]
pub(super) struct Field<'a> {
    path: String,
    node: &'a Node,
}

impl<'a> Fields<'a> {
    /// The fields of `node`, which must be a map (or nothing) with keys among `keys`.
    pub fn open(node: &'a Node, path: &str, keys: &'static [&'static str]) -> Result<Fields<'a>, Error> {
        let field = Field { path: path.into(), node };
        let Some(entries) = node.entries() else {
            return Err(field.invalid(&format!("a map with keys among {}", list(keys)), None));
        };
        let fields = Fields { path: path.into(), place: &node.place, entries, keys };
        match entries.iter().find(|entry| !keys.contains(&entry.key.as_str())) {
            Some(entry) => Err(fields.unknown(entry)),
            None => Ok(fields),
        }
    }

    /// The map at `key`; an empty one if absent.
    pub fn section(&self, key: &'static str, keys: &'static [&'static str]) -> Result<Fields<'a>, Error> {
        match self.get(key) {
            Some(field) => field.fields(keys),
            None => Ok(Fields { path: key.into(), place: self.place, entries: &[], keys }),
        }
    }

    pub fn get(&self, key: &'static str) -> Option<Field<'a>> {
        debug_assert!(self.keys.contains(&key), "{key} is read, so it has to be in the list of keys");
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field { path: join(&self.path, key), node: &entry.node })
    }

    pub fn required(&self, key: &'static str, expected: &str) -> Result<Field<'a>, Error> {
        self.get(key).ok_or_else(|| self.missing(key, expected))
    }

    pub fn missing(&self, key: &str, expected: &str) -> Error {
        Error::MissingKey { place: self.place.clone(), key: join(&self.path, key), expected: expected.into() }
    }

    fn unknown(&self, entry: &Entry) -> Error {
        let elsewhere = SECTIONS.iter().find(|(_, keys)| keys.contains(&entry.key.as_str()));
        let cure = match (nearest(&entry.key, self.keys.iter().copied()), elsewhere) {
            (_, Some((section, _))) if self.path != *section => {
                format!("it belongs under `{section}`: `{section}: {{{}: …}}`", entry.key)
            }
            (Some(key), _) => format!("did you mean `{key}`?"),
            (None, _) => format!("expected one of {}", list(self.keys)),
        };
        Error::UnknownKey { place: entry.place.clone(), key: join(&self.path, &brief(&entry.key)), cure }
    }
}

impl<'a> Field<'a> {
    pub fn invalid(&self, expected: &str, cure: Option<&str>) -> Error {
        self.invalid_as(self.node.shown(), expected, cure)
    }

    pub fn invalid_as(&self, found: String, expected: &str, cure: Option<&str>) -> Error {
        Error::Invalid {
            place: self.node.place.clone(),
            key: self.path.clone(),
            found,
            expected: expected.into(),
            cure: cure.map(Into::into),
        }
    }

    pub fn place(&self) -> &'a Place {
        &self.node.place
    }

    pub fn fields(&self, keys: &'static [&'static str]) -> Result<Fields<'a>, Error> {
        Fields::open(self.node, &self.path, keys)
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// The only entry of a map of one.
    pub fn only_entry(&self) -> Option<(&'a str, Field<'a>)> {
        match &self.node.value {
            Value::Map(entries) => match entries.as_slice() {
                [entry] => Some((
                    &entry.key,
                    Field { path: join(&self.path, &brief(&entry.key)), node: &entry.node },
                )),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number in `least..=most`.
    pub fn integer(&self, least: u64, most: u64) -> Result<u64, Error> {
        let expected = match (least, most) {
            (0, u64::MAX) => "a whole number, 0 or more".into(),
            (least, u64::MAX) => format!("a whole number of at least {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        let Value::Scalar(scalar) = &self.node.value else {
            return Err(self.invalid(&expected, None));
        };
        match scalar.integer().map(u64::try_from) {
            Some(Ok(integer)) if (least..=most).contains(&integer) => Ok(integer),
            Some(_) => Err(self.invalid(&expected, None)),
            None => {
                let cure = as_integer(&scalar.text).map(|integer| format!("write `{integer}`"));
                Err(self.invalid(&expected, cure.as_deref()))
            }
        }
    }

    pub fn size(&self, least: usize, most: usize) -> Result<usize, Error> {
        let size = self.integer(least as u64, most as u64)?;
        Ok(usize::try_from(size).expect("at most a usize by the range"))
    }

    /// A finite number for which `valid` holds; `expected` says when.
    pub fn number(&self, expected: &str, valid: impl Fn(f64) -> bool) -> Result<f64, Error> {
        match &self.node.value {
            Value::Scalar(scalar) => scalar.number().filter(|&number| number.is_finite() && valid(number)),
            _ => None,
        }
        .ok_or_else(|| self.invalid(expected, None))
    }

    pub fn boolean(&self) -> Result<bool, Error> {
        match &self.node.value {
            Value::Scalar(scalar) => scalar.resolve().and_then(|value| value.as_bool()),
            _ => None,
        }
        .ok_or_else(|| self.invalid("`true` or `false`", None))
    }

    /// Text; a plain number is taken as it is written.
    pub fn text(&self, expected: &str) -> Result<&'a str, Error> {
        match &self.node.value {
            Value::Scalar(scalar) if !scalar.is_null() && !scalar.text.is_empty() => Ok(&scalar.text),
            _ => Err(self.invalid(expected, None)),
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Error> {
        let names: Vec<&'static str> = words.iter().map(|&(name, _)| name).collect();
        let expected = format!("one of {}", list(&names));
        let text = self.text(&expected)?;
        match words.iter().find(|(name, _)| *name == text) {
            Some(&(_, value)) => Ok(value),
            None => {
                let cure = nearest(text, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
                Err(self.invalid(&expected, cure.as_deref()))
            }
        }
    }

    /// A list of at least one item.
    pub fn list(&self, expected: &str) -> Result<Vec<Field<'a>>, Error> {
        match &self.node.value {
            Value::List(items) if !items.is_empty() => Ok(items
                .iter()
                .enumerate()
                .map(|(index, node)| Field { path: format!("{}[{index}]", self.path), node })
                .collect()),
            Value::Scalar(scalar) if !scalar.is_null() => {
                let cure = format!("write `[{}]`", brief(&scalar.text));
                Err(self.invalid(expected, Some(&cure)))
            }
            _ => Err(self.invalid(expected, None)),
        }
    }

    /// A name that a results folder can have.
    pub fn folder_name(&self) -> Result<String, Error> {
        let name = self.text(FOLDER_NAME)?;
        if is_folder_name(name) {
            Ok(name.to_owned())
        } else {
            let safe = name.replace(|c: char| !is_folder_char(c), "-");
            let cure = is_folder_name(&safe).then(|| format!("`{safe}` would do"));
            Err(self.invalid(FOLDER_NAME, cure.as_deref()))
        }
    }

    /// Any value, as JSON has it.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        match &self.node.value {
            Value::Scalar(scalar) => scalar.resolve().ok_or_else(|| self.invalid("a finite number", None)),
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Field { path: format!("{}[{index}]", self.path), node }.json())
                .collect(),
            Value::Map(_) => Ok(serde_json::Value::Object(self.json_map()?)),
        }
    }

    /// A map of any values, as JSON has it.
    pub fn json_map(&self) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
        let Some(entries) = self.node.entries() else {
            return Err(self.invalid("a map", None));
        };
        entries
            .iter()
            .map(|entry| {
                let field = Field { path: join(&self.path, &brief(&entry.key)), node: &entry.node };
                Ok((entry.key.clone(), field.json()?))
            })
            .collect()
    }
}

/// Whether `name` can name a folder anywhere and is no hidden or relative path.
pub(super) fn is_folder_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_folder_char)
}

fn is_folder_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `10_000`, `1e4` and `10000.0` as the whole number that was probably meant.
fn as_integer(text: &str) -> Option<u64> {
    let number: f64 = text.replace(['_', ',', '\''], "").parse().ok()?;
    (number >= 0.0 && number <= 2f64.powi(53) && number.fract() == 0.0).then_some(number as u64)
}

/// `path` is empty for the top level.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

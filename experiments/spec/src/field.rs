//! Values and maps with their key paths: what is read of the YAML tree, and what is said about it.

use serde::Deserialize;

use super::error::{Error, Place, brief, list};
use super::fault::Fault;
use super::keys::{join, required, unknown};
use super::node::{Entry, Node, Value};

/// One value with its key path.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub path: String,
    pub node: &'a Node,
}

/// The entries of a map, each with a key path and a place of its own: those of a policy come from its own
/// entry and from the sections that all policies share.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    pub path: String,
    pub place: &'a Place,
    pub entries: Vec<(&'a Entry, Field<'a>)>,
}

impl<'a> Field<'a> {
    /// A value of this type.
    ///
    /// # Errors
    /// With place, key, and what is valid.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        T::deserialize(self.clone()).map_err(|fault| self.locate(fault))
    }

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

    /// The error of a fault that this value caused.
    pub fn locate(&self, fault: Fault) -> Error {
        match fault {
            Fault::Placed(error) => error,
            Fault::Value { found, expected, cure } => {
                self.invalid_as(found.unwrap_or_else(|| self.node.shown()), &expected, cure.as_deref())
            }
            fault @ (Fault::UnknownKey(_) | Fault::MissingKey(_)) => self.invalid(&fault.to_string(), None),
        }
    }

    /// The entries of a map; none for a key without a value.
    pub fn fields(&self) -> Option<Fields<'a>> {
        let entries = self.node.entries()?.iter().map(|entry| {
            let path = join(&self.path, &brief(&entry.key));
            (entry, Field { path, node: &entry.node })
        });
        Some(Fields { path: self.path.clone(), place: &self.node.place, entries: entries.collect() })
    }

    /// The entries of a map that has these keys and no others.
    pub fn fields_among(&self, keys: &[&str]) -> Result<Fields<'a>, Error> {
        let Some(fields) = self.fields() else {
            return Err(self.invalid(&format!("a map with keys among {}", list(keys)), None));
        };
        fields.check_keys(keys)?;
        Ok(fields)
    }

    /// The entries of what is a map as written.
    pub fn map(&self) -> Option<Fields<'a>> {
        self.fields().filter(|_| matches!(self.node.value, Value::Map(_)))
    }

    /// The items of a list of at least one.
    pub fn items(&self, expected: &str) -> Result<Vec<Field<'a>>, Error> {
        match &self.node.value {
            Value::List(items) if !items.is_empty() => Ok(self.each(items).collect()),
            Value::Scalar(scalar) if !scalar.is_null() => {
                Err(self.invalid(expected, Some(&format!("write `[{}]`", brief(&scalar.text)))))
            }
            _ => Err(self.invalid(expected, None)),
        }
    }

    pub fn each(&self, items: &'a [Node]) -> impl Iterator<Item = Field<'a>> {
        let fields = items.iter().enumerate();
        fields.map(|(index, node)| Field { path: format!("{}[{index}]", self.path), node })
    }

    /// Text; a plain number is taken as it is written.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) if !scalar.is_null() && !scalar.text.is_empty() => Some(&scalar.text),
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    /// No entries, at a place.
    pub fn none(path: &str, place: &'a Place) -> Fields<'a> {
        Fields { path: path.into(), place, entries: Vec::new() }
    }

    /// A struct of these entries, as [`Field::read`].
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        T::deserialize(self.clone()).map_err(|fault| match fault {
            Fault::Placed(error) => error,
            fault => self.invalid("a map".into(), &fault.to_string(), None),
        })
    }

    pub fn get(&self, key: &str) -> Option<&Field<'a>> {
        self.entries.iter().find(|(entry, _)| entry.key == key).map(|(_, field)| field)
    }

    /// The map at `key`; an empty one if there is none.
    pub fn section(&self, key: &str) -> Fields<'a> {
        self.get(key).and_then(Field::fields).unwrap_or_else(|| Fields::none(key, self.place))
    }

    /// The entries that are `kept`.
    pub fn only(&self, kept: impl Fn(&str) -> bool) -> Fields<'a> {
        let entries = self.entries.iter().filter(|(entry, _)| kept(&entry.key)).cloned().collect();
        Fields { entries, path: self.path.clone(), place: self.place }
    }

    /// These entries, and those of `shared` whose keys they lack.
    pub fn over(mut self, shared: &Fields<'a>) -> Fields<'a> {
        let lacking = shared.only(|key| self.get(key).is_none());
        self.entries.extend(lacking.entries);
        self
    }

    pub fn check_keys(&self, keys: &[&str]) -> Result<(), Error> {
        let stranger = self.entries.iter().find(|(entry, _)| !keys.contains(&entry.key.as_str()));
        stranger.map_or(Ok(()), |(entry, _)| Err(unknown(&self.path, entry, keys)))
    }

    pub fn missing(&self, key: &str, expected: &str) -> Error {
        Error::MissingKey { place: self.place.clone(), key: join(&self.path, key), expected: expected.into() }
    }

    /// Says where a key is missing.
    pub fn locate(&self, fault: Fault) -> Fault {
        match fault {
            Fault::MissingKey(key) => Fault::Placed(self.missing(key, required(key))),
            fault => fault,
        }
    }

    /// An error of the first of some keys that is there; of all entries together where none is.
    pub fn refuse(&self, keys: &[&str], found: String, expected: &str, cure: Option<String>) -> Error {
        match keys.iter().find_map(|key| self.get(key)) {
            Some(field) => field.invalid_as(found, expected, cure.as_deref()),
            None => self.invalid(found, expected, cure),
        }
    }

    /// An error of several entries together.
    pub fn invalid(&self, found: String, expected: &str, cure: Option<String>) -> Error {
        Error::Invalid {
            place: self.place.clone(),
            key: self.path.clone(),
            found,
            expected: expected.into(),
            cure,
        }
    }
}

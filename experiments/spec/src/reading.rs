//! `observe`, `actions` and `columns`: how the file of a dataset is read.

use std::fmt;

use aaren_datasets::{Actions, Columns};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Place;
use super::field::Field;
use super::node::Node;
use super::values::{text, words};
use crate::Error;

/// Keys of observations, at least one.
pub(super) fn observe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    names(deserializer).map(Some)
}

/// What the numbers of actions mean.
pub(super) fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Actions>, D::Error> {
    let expected = "`continuous`, `discrete`, `one-hot` or `multi-discrete`";
    let parse = |word: &str| {
        let near = aaren_envs::nearest(word, Actions::NAMES).map(|name| format!("did you mean `{name}`?"));
        word.parse().map(Some).map_err(|()| near)
    };
    text(deserializer, expected, parse)
}

/// Which columns of a table are what.
pub(super) fn columns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Columns>, D::Error> {
    struct Map;

    #[derive(Deserialize)]
    #[serde(remote = "Columns", deny_unknown_fields)]
    struct Written {
        #[serde(deserialize_with = "names")]
        observation: Vec<String>,
        #[serde(deserialize_with = "names")]
        action: Vec<String>,
        #[serde(default, deserialize_with = "name")]
        reward: Option<String>,
        #[serde(default, deserialize_with = "name")]
        episode: Option<String>,
        #[serde(default, deserialize_with = "name")]
        terminal: Option<String>,
        #[serde(default, deserialize_with = "name")]
        timeout: Option<String>,
    }

    impl<'de> Visitor<'de> for Map {
        type Value = Columns;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a map such as `{observation: [a, b], action: u, reward: r, episode: id}`")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Columns, A::Error> {
            Written::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_str(Map).map(Some)
}

/// Columns as `--columns` gives them: the map of an experiment's YAML.
///
/// # Errors
/// [`Error::Invalid`] and its like, with what is expected.
pub fn table_columns(text: &str) -> Result<Option<Columns>, Error> {
    #[derive(Deserialize)]
    struct Only(#[serde(deserialize_with = "columns")] Option<Columns>);
    let place = Place::Override(format!("--columns {text}").into());
    let node = Node::parse(text, &|_| place.clone())?;
    let Only(columns) = Field { path: "columns".into(), node: &node }.read()?;
    Ok(columns)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "the name of a column", |name| Ok(Some(name.to_owned())))
}

/// A name, or several.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    words(deserializer, "a list of names such as `[observation, desired_goal]`")
}

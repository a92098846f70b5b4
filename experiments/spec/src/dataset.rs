//! `dataset:` a file or a folder, the id of a Minari dataset on this machine, or a recipe's name.

use std::fmt;
use std::path::{Path, PathBuf};

use aaren_datasets::{Missing, locate, recipe};
use serde::{Deserializer, Serialize, Serializer};

use super::document::{Document, nearest_file};
use super::error::{Error, Place};
use super::field::Field;
use super::folder::dangling;
use super::values;

/// What the policies learn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// A file or a folder that exists, as an absolute path.
    Path(PathBuf),
    /// A recipe such as `hopper-medium-expert`, made here when first used.
    Recipe(String),
}

/// The mixtures of behaviour that a recipe's name ends in, after the task and a `-`.
pub const QUALITIES: &[&str] =
    &["random", "mixed", "medium-replay", "full-replay", "medium-expert", "medium", "expert"];

impl fmt::Display for DatasetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatasetSource::Path(path) => path.display().fmt(f),
            DatasetSource::Recipe(name) => f.write_str(name),
        }
    }
}

impl Serialize for DatasetSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text that names a dataset.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    values::text(deserializer, "a path or a recipe's name", |text| Ok(text.into()))
}

/// The dataset that `text` at `field` names: a word `TASK-QUALITY`, `t-maze-L` or
/// `rate-t-maze-T` is a recipe, everything else a path (`./hopper-medium` names the folder).
pub(super) fn find(text: &str, field: &Field, document: &Document) -> Result<DatasetSource, Error> {
    if is_recipe(text) {
        return Ok(DatasetSource::Recipe(text.into()));
    }
    let folder = match &field.node.place {
        Place::Line(..) => document.folder(),
        Place::Override(_) => Path::new(""),
    };
    let path = folder.join(text);
    match locate(text, folder) {
        Ok(path) if path.to_str().is_some() => Ok(DatasetSource::Path(path)),
        Ok(_) => Err(field.invalid("a path that is UTF-8 text, the folder's own included", None)),
        Err(_) if document.without_data() => Ok(DatasetSource::Path(path)),
        Err(Missing { found, cure }) => {
            let (found, cure) = match dangling(&path) {
                // Whole, as a place to look at, but on one line.
                Some(link) => (
                    format!("`{}`, which {link}", path.display().to_string().replace(char::is_control, "?")),
                    None,
                ),
                None => (
                    found,
                    cure.or_else(|| nearest_file(&path)).or_else(|| {
                        recipe::nearest(text).map(|recipe| format!("did you mean the recipe `{recipe}`?"))
                    }),
                ),
            };
            Err(field.invalid_as(
                found,
                "a D4RL file, a Minari folder or id, or a recipe such as `hopper-medium`",
                cure.as_deref(),
            ))
        }
    }
}

fn is_recipe(text: &str) -> bool {
    if let Some(lengths) = text.strip_prefix("rate-").unwrap_or(text).strip_prefix("t-maze-") {
        return lengths.chars().all(|c| c.is_ascii_digit() || c == '-');
    }
    let is_task = |task: &str| {
        task.starts_with(|c: char| c.is_ascii_lowercase())
            && task.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    QUALITIES.iter().any(|quality| {
        text.strip_suffix(quality).and_then(|rest| rest.strip_suffix('-')).is_some_and(is_task)
    })
}

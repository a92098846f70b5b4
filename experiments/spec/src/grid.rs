//! `dataset:` and `env:` as lists, and `grid:`: one document that describes several experiments.
//!
//! A list of datasets, each alone or as a map with what else differs for it, and a list of environments are one axis:
//! two lists are taken in pairs. Each key of `grid` is another axis, in the order written. An experiment is a cell of
//! their product; in its document the varied keys have the cell's values, each with the place where that was written.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::document::{Blocked, Document, put};
use super::error::{Error, Place, brief};
use super::field::{Field, Fields};
use super::nearest;
use super::node::{Entry, Node, Scalar, Value};
use super::values::{self, is_folder_name};

/// More are a slip.
const MOST: usize = 1000;

/// The keys that no grid varies: policies and seeds are lists already.
const FIXED: &[&str] = &["name", "policies", "seeds", "grid", "primary"];

/// One experiment of a document.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The experiment alone; its `name` says what varies.
    pub document: Document,
    /// What `grid` varies: key and value.
    pub varied: Vec<(String, String)>,
}

/// A value of an axis: what it sets, and its part of the name.
struct Choice<'a> {
    sets: Vec<(String, &'a Place, &'a Node)>,
    label: String,
    varied: Option<(String, String)>,
}

impl Document {
    /// The experiments of a grid with the name of its folder; none where the document is one experiment.
    ///
    /// # Errors
    /// [`Error::Invalid`] where lists do not fit together, or two cells would have one folder.
    pub fn cells(&self) -> Result<Option<(String, Vec<Cell>)>, Error> {
        let root = Field { path: String::new(), node: self.root() };
        let Some(fields) = root.fields() else { return Ok(None) };
        let axes: Vec<Vec<Choice>> = pairs(&fields)?.into_iter().chain(grid(&fields)?).collect();
        if axes.is_empty() {
            return Ok(None);
        }
        let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.len()));
        let keys = ["grid", "dataset", "env"];
        let invalid = |found, expected: &str| fields.refuse(&keys, found, expected, None);
        let Some(count) = count.filter(|&count| count <= MOST) else {
            let found =
                count.map_or("more experiments than can be counted".into(), |n| format!("{n} experiments"));
            return Err(invalid(found, &format!("at most {MOST}")));
        };
        let mut named = Vec::with_capacity(count);
        for index in 0..count {
            // The last axis is the fastest.
            let (mut rest, mut chosen) = (index, Vec::new());
            for axis in axes.iter().rev() {
                chosen.push(&axis[rest % axis.len()]);
                rest /= axis.len();
            }
            chosen.reverse();
            let name = chosen.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join("_");
            if !is_folder_name(&name) {
                return Err(invalid(
                    format!("values that make the name `{}`", brief(&name)),
                    values::FOLDER_NAME,
                ));
            }
            named.push((name, chosen));
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let primary = primary_datasets(&fields, &names)?;
        let cells = named.iter().map(|(name, chosen)| self.cell(name, chosen, primary.as_ref()));
        Ok(Some((self.folder_name()?, cells.collect::<Result<_, _>>()?)))
    }

    /// One experiment, in which everything is said that `chosen` says, and over which datasets the primary endpoint is.
    fn cell(&self, name: &str, chosen: &[&Choice], primary: Option<&Node>) -> Result<Cell, Error> {
        let place = self.root().place.clone();
        let entries = self.root().entries().unwrap_or_default();
        let kept = entries.iter().filter(|entry| {
            let list =
                matches!(entry.node.value, Value::List(_)) && ["dataset", "env"].contains(&&*entry.key);
            !list && entry.key != "grid"
        });
        let mut root = Node { place: place.clone(), value: Value::Map(kept.cloned().collect()) };
        let name = Value::Scalar(Scalar { text: name.into(), plain: false });
        let name = Node { place: place.clone(), value: name };
        let name = ("name".to_owned(), &place, &name);
        let primary = primary.map(|datasets| ("primary.datasets".to_owned(), &datasets.place, datasets));
        let sets = chosen.iter().flat_map(|choice| &choice.sets).chain([&name]).chain(&primary);
        for (key, place, node) in sets {
            put(&mut root, key, place, (*node).clone()).map_err(|Blocked { at, found }| Error::Invalid {
                place: (*place).clone(),
                key: key.clone(),
                found: format!("{found} at `{at}`"),
                expected: "a map to set a key of".into(),
                cure: Some(format!("vary `{at}` as a whole")),
            })?;
        }
        let varied = chosen.iter().filter_map(|choice| choice.varied.clone()).collect();
        Ok(Cell { document: self.with(root), varied })
    }

    fn folder_name(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Named(#[serde(deserialize_with = "values::some_folder_name")] Option<String>);

        let root = Field { path: String::new(), node: self.root() };
        let fields = root.fields().unwrap_or_else(|| Fields::none("", &self.root().place));
        let name = fields.get("name").map(|field| field.read::<Named>()).transpose()?;
        self.name(name.and_then(|Named(name)| name), &fields)
    }
}

/// The datasets of a primary endpoint that does not name them: all experiments, where they differ in their data alone. Those
/// that it names have to be among them.
fn primary_datasets(root: &Fields, names: &[&str]) -> Result<Option<Node>, Error> {
    let Some(primary) = root.get("primary").and_then(Field::map) else { return Ok(None) };
    if let Some(given) = primary.get("datasets") {
        for item in given.items("a list of names of the grid's experiments")? {
            let name = item.text().unwrap_or_default();
            if !names.contains(&name) {
                let cure = nearest(name, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
                let expected = format!("one of the grid's {} experiments", names.len());
                return Err(item.invalid(&expected, cure.as_deref()));
            }
        }
        return Ok(None);
    }
    if let (Some(field), Some(_)) = (root.get("primary"), root.get("grid")) {
        return Err(field.invalid_as(
            "no `datasets`, beside the settings of `grid`".into(),
            "the experiments of one setting: no setting counts as a dataset",
            Some("name them: `primary: {datasets: [...], ...}`; `--dry-run` lists their names"),
        ));
    }
    let place = primary.place;
    let scalar = |name: &&str| {
        let value = Value::Scalar(Scalar { text: (*name).to_owned(), plain: false });
        Node { place: place.clone(), value }
    };
    Ok(Some(Node { place: place.clone(), value: Value::List(names.iter().map(scalar).collect()) }))
}

/// Refuses a grid where one experiment is asked for.
pub(super) fn check_none(root: &Field) -> Result<(), Error> {
    let Some(fields) = root.fields() else { return Ok(()) };
    let list = |key: &&str| {
        fields.get(key).filter(|field| matches!(&field.node.value, Value::List(items) if !items.is_empty()))
    };
    match fields.get("grid").or_else(|| ["dataset", "env"].iter().find_map(list)) {
        Some(field) => Err(field.invalid_as(
            "several experiments".into(),
            "one experiment here",
            Some("give the results folder of one of them, or its `spec.yaml`"),
        )),
        None => Ok(()),
    }
}

/// The axis of datasets and environments.
fn pairs<'a>(root: &Fields<'a>) -> Result<Option<Vec<Choice<'a>>>, Error> {
    let list = |key: &'static str| -> Result<Option<Vec<Field<'a>>>, Error> {
        let field = root.get(key).filter(|field| matches!(field.node.value, Value::List(_)));
        field.map(|field| field.items("a list of at least one")).transpose()
    };
    let (datasets, envs) = (list("dataset")?, list("env")?);
    if let (Some(datasets), Some(envs), Some(field)) = (&datasets, &envs, root.get("env"))
        && datasets.len() != envs.len()
    {
        let expected = format!("as many as datasets, {}, in pairs with them", datasets.len());
        return Err(field.invalid_as(format!("a list of {}", envs.len()), &expected, None));
    }
    let Some(count) = datasets.as_ref().or(envs.as_ref()).map(Vec::len) else { return Ok(None) };
    let mut choices = Vec::with_capacity(count);
    let mut fields = Vec::with_capacity(count);
    for index in 0..count {
        let mut sets = Vec::new();
        if let Some(dataset) = datasets.as_ref().map(|list| &list[index]) {
            match dataset.map() {
                Some(map) => {
                    leaves(&map, "", &mut sets);
                    let map_of_env = map.get("env").and_then(Field::map);
                    // An environment is one value, however many keys it has.
                    if map_of_env.is_some() {
                        sets.retain(|(key, ..)| !key.starts_with("env."));
                        sets.extend(map.entries.iter().filter(|(entry, _)| entry.key == "env").map(set_of));
                    }
                    if !sets.iter().any(|(key, ..)| key == "dataset") {
                        return Err(map.missing("dataset", super::keys::required("dataset")));
                    }
                }
                None => sets.push(("dataset".into(), &dataset.node.place, dataset.node)),
            }
        }
        if let Some(env) = envs.as_ref().map(|list| &list[index]) {
            if sets.iter().any(|(key, ..)| key == "env") {
                return Err(
                    env.invalid("no environment here, as the dataset names one", Some("keep one of them"))
                );
            }
            sets.push(("env".into(), &env.node.place, env.node));
        }
        refuse_fixed(&sets)?;
        let field = datasets.as_ref().or(envs.as_ref()).map(|list| list[index].clone());
        fields.extend(field);
        choices.push(Choice { sets, label: String::new(), varied: None });
    }
    label(&mut choices, &fields)?;
    Ok(Some(choices))
}

/// Names each pair by its dataset, and by its environment where that does not tell them apart.
fn label(choices: &mut [Choice], fields: &[Field]) -> Result<(), Error> {
    let value = |choice: &Choice, key: &str| {
        choice.sets.iter().find(|(set, ..)| set == key).map(|(_, _, node)| slug(node, key == "dataset"))
    };
    let short: Vec<String> = choices
        .iter()
        .map(|choice| value(choice, "dataset").or_else(|| value(choice, "env")).unwrap_or_default())
        .collect();
    let mut seen = HashSet::new();
    for (index, choice) in choices.iter_mut().enumerate() {
        let alone = short.iter().filter(|other| other.eq_ignore_ascii_case(&short[index])).count() == 1;
        choice.label = match value(choice, "env").filter(|env| !alone && *env != short[index]) {
            Some(env) => format!("{}-{env}", short[index]),
            None => short[index].clone(),
        };
        if !seen.insert(choice.label.to_lowercase()) {
            let found = format!("`{}` again", brief(&choice.label));
            return Err(fields[index].invalid_as(found, "each pair of dataset and environment once", None));
        }
    }
    Ok(())
}

/// An axis for each key of `grid`.
fn grid<'a>(root: &Fields<'a>) -> Result<Vec<Vec<Choice<'a>>>, Error> {
    let Some(field) = root.get("grid") else { return Ok(Vec::new()) };
    let Some(map) = field.map().filter(|map| !map.entries.is_empty()) else {
        let expected = "keys with lists of values such as `{train.learning_rate: [1e-3, 3e-4]}`";
        return Err(field.invalid(expected, None));
    };
    let mut keys = Vec::new();
    leaves(&map, "", &mut keys);
    refuse_fixed(&keys)?;
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let mut axes: Vec<Vec<Choice>> = Vec::new();
    for (index, (key, place, node)) in keys.iter().enumerate() {
        let values = Field { path: format!("grid.{key}"), node };
        if keys[..index].iter().any(|(other, ..)| other == key) {
            return Err(values.invalid_as("the key again".into(), "each key once", None));
        }
        // A value that was set for all of them would be lost.
        if let Some(said) = at(root, key).filter(|said| matches!(said.place, Place::Override(_))) {
            return Err(Error::Invalid {
                place: said.place.clone(),
                key: key.clone(),
                found: said.shown(),
                expected: format!("nothing, as `grid` at {place} varies it"),
                cure: Some(format!("--set 'grid={{{key}: [{}]}}'", slug(said, false))),
            });
        }
        let alone = keys.iter().filter(|(other, ..)| last(other) == last(key)).count() == 1;
        let name = if alone { last(key) } else { key.clone() };
        let (mut seen, mut meant) = (HashSet::new(), HashMap::new());
        let choices = values.items("a list of values")?.into_iter().map(|value| {
            let shown = slug(value.node, key == "dataset");
            let repetition = Some("remove the repetition");
            if let Some(first) = meant.insert(meaning(value.node), shown.clone()).filter(|it| *it != shown) {
                let found = format!("`{}`, the same value as `{}`", brief(&shown), brief(&first));
                return Err(value.invalid_as(found, "each value once", repetition));
            }
            if !seen.insert(shown.to_lowercase()) {
                return Err(value.invalid("each value once", repetition));
            }
            Ok(Choice {
                sets: vec![(key.clone(), &value.node.place, value.node)],
                label: format!("{name}-{shown}"),
                varied: Some((key.clone(), shown)),
            })
        });
        axes.push(choices.collect::<Result<_, Error>>()?);
    }
    Ok(axes)
}

/// The values of a map that are none themselves, by their key paths; keys may hold dots.
fn leaves<'a>(map: &Fields<'a>, above: &str, found: &mut Vec<(String, &'a Place, &'a Node)>) {
    for (entry, field) in &map.entries {
        let key = super::keys::join(above, &entry.key);
        match field.map() {
            Some(inner) => leaves(&inner, &key, found),
            None => found.push((key, &entry.place, &entry.node)),
        }
    }
}

fn set_of<'a>((entry, _): &(&'a Entry, Field<'a>)) -> (String, &'a Place, &'a Node) {
    (entry.key.clone(), &entry.place, &entry.node)
}

/// Refuses unknown keys, and those of lists that an experiment has anyway.
fn refuse_fixed(sets: &[(String, &Place, &Node)]) -> Result<(), Error> {
    for (key, place, _) in sets {
        let invalid = |expected: &str, cure: Option<&str>| Error::Invalid {
            place: (*place).clone(),
            key: brief(key),
            found: "a key of a grid".into(),
            expected: expected.into(),
            cure: cure.map(Into::into),
        };
        if key.split('.').any(|part| part.trim().is_empty()) {
            return Err(invalid("a key such as `train.updates`", None));
        }
        let first = key.split('.').next().unwrap_or_default();
        if FIXED.contains(&first) {
            let cure = match first {
                "primary" => "give one `primary` beside `grid`, over all that it varies",
                _ => "give all policies and seeds in their own lists",
            };
            return Err(invalid("a key of `env`, `model`, `context`, `train` or `evaluate`", Some(cure)));
        }
    }
    Ok(())
}

/// What is at a key path.
fn at<'a>(root: &Fields<'a>, key: &str) -> Option<&'a Node> {
    let mut parts = key.split('.').map(str::trim);
    let mut node = root.get(parts.next()?)?.node;
    for part in parts {
        node = &node.entries()?.iter().find(|entry| entry.key == part)?.node;
    }
    Some(node)
}

/// A value, however it is written: equal values are one text.
fn meaning(node: &Node) -> String {
    match &node.value {
        // −0 is 0.
        Value::Scalar(scalar) => match scalar.number() {
            Some(number) => format!("{:e}", number + 0.0),
            None => format!("{:?}", scalar.resolve()),
        },
        Value::List(items) => format!("[{}]", items.iter().map(meaning).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|Entry { key, node, .. }| format!("{key:?}:{}", meaning(node))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
    }
}

/// A value as a part of a folder's name: text as it is written, of a path the last part without its extension.
fn slug(node: &Node, path: bool) -> String {
    let text = match &node.value {
        Value::Scalar(scalar) if path => {
            let stem = Path::new(&scalar.text).file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        }
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::List(items) => items.iter().map(|item| slug(item, false)).collect::<Vec<_>>().join("-"),
        Value::Map(entries) => entries
            .iter()
            .filter(|entry| !["import", "interpreter", "path", "timeout"].contains(&entry.key.as_str()))
            .map(|Entry { key, node, .. }| match (key.as_str(), slug(node, false)) {
                // `{id: …, kwargs: {…}}` says enough without these words.
                ("id" | "gymnasium" | "python" | "kwargs", value) => value,
                (key, value) => format!("{key}-{value}"),
            })
            .collect::<Vec<_>>()
            .join("-"),
    };
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(safe).collect()
}

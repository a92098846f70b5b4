//! Values beyond numbers with their ranges, for `#[serde(deserialize_with = "…")]`: each says what it expects.

use std::collections::HashSet;
use std::fmt;

pub(super) use aaren_format::values::*;
use serde::de::{DeserializeSeed, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::{brief, character, is_invisible};

/// Stands for a whole number that follows from others, until these are read.
pub(super) const UNSAID: u64 = u64::MAX;

pub(super) const FOLDER_NAME: &str = "a name that is safe as a folder's: letters, digits, `-`, `_` and `.`, at most 128, a letter or digit first";

/// Text that `parse` takes; what it gives for other text is the cure, if there is one.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Result<T, Option<String>>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Text { expected, parse })
}

struct Text<T> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, Option<String>>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        visible(text, self.expected)?;
        (self.parse)(text).map_err(|cure| wrong_text(text, self.expected, cure.as_deref()))
    }
}

/// A name, or a list of them.
pub(super) fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_str(Words(expected))
}

struct Words(&'static str);

impl<'de> Visitor<'de> for Words {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Vec<String>, E> {
        visible(word, self.0)?;
        Ok(vec![word.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        #[derive(Deserialize)]
        struct Word(#[serde(deserialize_with = "word")] String);

        fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
            text(deserializer, "a name", |word| Ok(word.to_owned()))
        }

        let mut words = Vec::new();
        while let Some(Word(word)) = items.next_element()? {
            words.push(word);
        }
        Ok(words)
    }
}

/// Refuses text with an invisible character, and names it.
pub(super) fn visible<E: Error>(text: &str, expected: &str) -> Result<(), E> {
    let Some(hidden) = text.chars().find(|&c| c.is_control() || is_invisible(c)) else { return Ok(()) };
    let cure = match hidden {
        '\n' if text.trim_end() == text.trim_end_matches('\n') => {
            format!("write `{}` on the line of its key", brief(text.trim_end()))
        }
        _ => "remove it".into(),
    };
    let found = format!("the text `{}` with {}", brief(text), character(hidden));
    Err(E::invalid_value(Unexpected::Other(&found), &format!("{expected}; {cure}").as_str()))
}

/// The error of a visitor that knows what to write instead of `text`.
pub(super) fn wrong_text<E: Error>(text: &str, expected: &str, cure: Option<&str>) -> E {
    let expected = cure.map_or_else(|| expected.to_owned(), |cure| format!("{expected}; {cure}"));
    E::invalid_value(Unexpected::Str(text), &expected.as_str())
}

/// A name that a results folder can have.
pub(super) fn some_folder_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let parse = |name: &str| {
        if is_folder_name(name) {
            return Ok(Some(name.to_owned()));
        }
        let safe = name.replace(|c: char| !is_folder_char(c), "-");
        Err(is_folder_name(&safe).then(|| format!("`{safe}` would do")))
    };
    text(deserializer, FOLDER_NAME, parse)
}

/// Whether `name` can name a folder anywhere and is no hidden or relative path.
pub(super) fn is_folder_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_folder_char)
}

fn is_folder_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// What a list of different items is called, what each of them is to be, and by what they are told apart.
pub(super) struct Distinct<T> {
    pub list: &'static str,
    pub item: &'static str,
    pub key: fn(&T) -> u64,
}

/// A list of at least one item, each of them once.
pub(super) fn distinct<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    distinct: Distinct<T>,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(distinct)
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Distinct<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.list)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(New { seen: &mut seen, of: &self })? {
            list.push(item);
        }
        Ok(list)
    }
}

/// An item that was not seen before.
struct New<'s, T> {
    seen: &'s mut HashSet<u64>,
    of: &'s Distinct<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for New<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let item = T::deserialize(deserializer)?;
        if self.seen.insert((self.of.key)(&item)) {
            return Ok(item);
        }
        Err(wrong_text("", self.of.item, Some("remove the repetition")))
    }
}

/// Training seeds, each once.
pub(super) fn seeds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    const LARGEST: u64 = u64::MAX;

    #[derive(Deserialize)]
    struct Seed(#[serde(deserialize_with = "whole::<_, _, 0, LARGEST>")] u64);

    let seeds = Distinct {
        list: "a list of seeds such as `[0, 1, 2]`",
        item: "each seed once",
        key: |seed: &Seed| seed.0,
    };
    Ok(distinct(deserializer, seeds)?.into_iter().map(|seed| seed.0).collect())
}

//! The YAML tree: each node knows where it was written.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::error::{Error, Place, brief, character, is_invisible};

/// A spec nests five levels; the reader is recursive and must not be led deeper than this.
const DEEPEST: usize = 32;

/// A value and the place it was written at.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// `key: value`, with the place of the key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

/// Scalar text; only a plain (unquoted) one can be anything else than text.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub text: String,
    pub plain: bool,
}

impl Scalar {
    /// The value by YAML 1.2's core schema; `None` for `.inf`, `.nan` and what no float64 holds.
    pub fn resolve(&self) -> Option<serde_json::Value> {
        let text = self.text.as_str();
        if !self.plain {
            return Some(text.into());
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Some(serde_json::Value::Null),
            "true" | "True" | "TRUE" => return Some(true.into()),
            "false" | "False" | "FALSE" => return Some(false.into()),
            _ => {}
        }
        if let Some(integer) = self.integer() {
            return i64::try_from(integer)
                .map(Into::into)
                .or_else(|_| u64::try_from(integer).map(Into::into))
                .ok()
                .or_else(|| serde_json::Number::from_f64(integer as f64).map(Into::into));
        }
        match self.number() {
            Some(number) => serde_json::Number::from_f64(number).map(Into::into),
            None => Some(text.into()),
        }
    }

    /// The integer a plain scalar denotes: decimal, `0x…` or `0o…`.
    pub fn integer(&self) -> Option<i128> {
        if !self.plain {
            return None;
        }
        let text = self.text.as_str();
        if let Some(digits) = text.strip_prefix("0x") {
            return i128::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
        }
        if let Some(digits) = text.strip_prefix("0o") {
            return i128::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with(['+', '-']));
        }
        text.parse().ok()
    }

    /// The float a plain scalar denotes, `.inf` and `.nan` included.
    pub fn number(&self) -> Option<f64> {
        if !self.plain {
            return None;
        }
        let text = self.text.as_str();
        match text.trim_start_matches(['+', '-']) {
            ".inf" | ".Inf" | ".INF" => {
                return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
            }
            ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
            _ => {}
        }
        // Rust also parses `inf`, `nan` and `infinity`, which YAML takes for text.
        if !text.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.integer().map(|integer| integer as f64).or_else(|| text.parse().ok())
    }

    pub fn is_null(&self) -> bool {
        self.resolve() == Some(serde_json::Value::Null)
    }
}

impl Node {
    /// What a message calls this value.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::List(items) if items.is_empty() => "an empty list".into(),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(_) => "a map".into(),
            Value::Scalar(scalar) => match scalar.resolve() {
                Some(serde_json::Value::Null) => "nothing".into(),
                Some(serde_json::Value::String(text)) => format!("the text `{}`", brief(&text)),
                _ => format!("`{}`", brief(&scalar.text)),
            },
        }
    }

    /// The entries of a map; none for a key without a value.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(scalar) if scalar.is_null() => Some(&[]),
            _ => None,
        }
    }

    /// The same to add to: a key without a value becomes an empty map.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        if matches!(&self.value, Value::Scalar(scalar) if scalar.is_null()) {
            self.value = Value::Map(Vec::new());
        }
        match &mut self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Parses one YAML document without anchors, aliases and tags.
    ///
    /// `place` gives the place of a line, counted from 1.
    pub fn parse(text: &str, place: &dyn Fn(usize) -> Place) -> Result<Node, Error> {
        if let Some((line, column, c)) = locate(text, |c| c.is_control() && !"\t\n\r\u{85}".contains(c)) {
            let found = format!("{}, column {column}", character(c));
            return Err(Error::Syntax {
                place: place(line),
                found,
                expected: "text without it: remove that character".into(),
            });
        }
        let mut reader = Reader { parser: Parser::new_from_str(text), text, place };
        let node = loop {
            let (event, line) = reader.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return Ok(null(place(1))),
                event => break reader.node(event, line, 0)?,
            }
        };
        loop {
            let (event, line) = reader.next()?;
            match event {
                Event::StreamEnd => return Ok(node),
                Event::DocumentStart(_) => {
                    return Err(reader.syntax(line, "a second document", "one document: remove this `---`"));
                }
                _ => {}
            }
        }
    }
}

/// A key without a value.
pub(super) fn null(place: Place) -> Node {
    Node { place, value: Value::Scalar(Scalar { text: String::new(), plain: true }) }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    place: &'a dyn Fn(usize) -> Place,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Error> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => {
                // A character that looks like a space without being one is what the parser stumbles over later.
                let until = error.marker().line();
                let hidden = locate(self.text.strip_prefix('\u{feff}').unwrap_or(self.text), is_invisible);
                if let Some((line, column, c)) = hidden.filter(|(line, ..)| *line <= until) {
                    let found = format!("not YAML: {}, column {column}", character(c));
                    return Err(self.syntax(line, &found, "a plain space: replace that character"));
                }
                let found = format!("not YAML: {}, column {}", error.info(), error.marker().col() + 1);
                Err(self.syntax(error.marker().line(), &found, syntax_cure(error.info())))
            }
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn syntax(&self, line: usize, found: &str, expected: &str) -> Error {
        Error::Syntax { place: (self.place)(line), found: found.into(), expected: expected.into() }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Error> {
        if depth > DEEPEST {
            let found = format!("more than {DEEPEST} levels of nesting");
            return Err(self.syntax(line, &found, "the few levels of an experiment"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(line, anchor, tag.is_some())?;
                // Line breaks to YAML 1.1 and none to 1.2: they would not survive being written and read.
                if let Some(c) = text.chars().find(|c| "\u{85}\u{2028}\u{2029}".contains(*c)) {
                    let found = format!("text with {}", character(c));
                    return Err(self.syntax(line, &found, "text without it"));
                }
                Value::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(line, anchor, tag.is_some())?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, line) => items.push(self.node(event, line, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(line, anchor, tag.is_some())?;
                self.map(depth)?
            }
            Event::Alias(_) => {
                return Err(self.syntax(line, "an alias (`*name`)", "the value itself, written out"));
            }
            _ => return Err(self.syntax(line, "not YAML: a value is missing", "`key: value`")),
        };
        Ok(Node { place: (self.place)(line), value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let Value::Scalar(Scalar { text: key, .. }) = self.node(event, line, depth + 1)?.value else {
                return Err(self.syntax(line, "a list or map as a key", "a word as a key, `key: value`"));
            };
            let place = (self.place)(line);
            if let Some(&first) = seen.get(&key) {
                let first = entries[first].place.clone();
                return Err(Error::DuplicateKey { place, key: brief(&key), first });
            }
            let (event, line) = self.next()?;
            let node = self.node(event, line, depth + 1)?;
            seen.insert(key.clone(), entries.len());
            entries.push(Entry { key, place, node });
        }
    }

    /// Anchors and tags are refused: a spec is written out, and nothing in it expands.
    fn plain_node(&self, line: usize, anchor: usize, tagged: bool) -> Result<(), Error> {
        if anchor != 0 {
            return Err(self.syntax(line, "an anchor (`&name`)", "values written out where they are used"));
        }
        if tagged {
            return Err(self.syntax(line, "a tag (`!name`)", "the value without its tag"));
        }
        Ok(())
    }
}

/// Line and column, counted from 1, of the first such character.
fn locate(text: &str, is: impl Fn(char) -> bool) -> Option<(usize, usize, char)> {
    text.split('\n').enumerate().find_map(|(line, text)| {
        let (column, c) = text.chars().enumerate().find(|&(_, c)| is(c))?;
        Some((line + 1, column + 1, c))
    })
}

/// What to write, for the mistakes that people make in YAML.
fn syntax_cure(info: &str) -> &'static str {
    const CURES: &[(&str, &str)] = &[
        ("mapping values are not allowed", "one `key: value` a line, or `{key: value}` inside another value"),
        ("tab", "spaces for indentation"),
        ("unknown anchor", "the value itself, written out"),
        ("quoted scalar", "text between matching quotes"),
        ("did not find expected node content", "a value, or the bracket that closes the list or map"),
    ];
    let cure = CURES.iter().find(|(symptom, _)| info.contains(symptom));
    cure.map_or("`key: value` lines, indented with spaces", |&(_, cure)| cure)
}

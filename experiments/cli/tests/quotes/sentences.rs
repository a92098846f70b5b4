//! Numbers of sentences stand in a table of their page, or a comment says where.

use serde_json::Value;

use crate::tables::comment;
use crate::{pages_of_results, read};

/// Whether a number, as it is written, stands in a file: at `place` in a JSON, keys with dots between them, below which any
/// number counts that is rounded to it.
fn stands(number: &str, place: Option<&str>, file: &str) -> bool {
    fn any(value: &Value, is_it: &dyn Fn(f64) -> bool) -> bool {
        match value {
            Value::Number(number) => number.as_f64().is_some_and(is_it),
            Value::Array(values) => values.iter().any(|value| any(value, is_it)),
            _ => false,
        }
    }
    fn below<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
        match (value, keys) {
            (_, []) => vec![value],
            (Value::Array(values), _) => values.iter().flat_map(|value| below(value, keys)).collect(),
            (_, [key, rest @ ..]) => value.get(*key).map_or_else(Vec::new, |value| below(value, rest)),
        }
    }
    let text = read(file);
    let Some(place) = place else { return numbers(&text).iter().any(|other| other == number) };
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value: Value = serde_json::from_str(&text).unwrap();
    let found = below(&value, &place.split('.').collect::<Vec<_>>());
    found.iter().any(|value| any(value, &|x| format!("{x:.decimals$}") == number))
}

/// A text whose `12,345` are `12345`.
fn without_separators(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let digits = |places: &[char]| places.iter().all(char::is_ascii_digit);
    let separates = |at: usize| {
        at > 0
            && chars[at] == ','
            && digits(&chars[at - 1..at])
            && chars.len() > at + 3
            && digits(&chars[at + 1..at + 4])
    };
    (0..chars.len()).filter(|&at| !separates(at)).map(|at| chars[at]).collect()
}

/// The numbers of a text, each with the minus that stands before it.
fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = without_separators(&text.replace('−', "-"));
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len()
            && (chars[at].is_ascii_digit()
                || (chars[at] == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)))
        {
            at += 1;
        }
        // Not that of a range or of a word.
        let before = |n: usize| start.checked_sub(n).map(|place| chars[place]);
        let minus = before(1) == Some('-') && !before(2).is_some_and(char::is_alphanumeric);
        let sign = if minus { "-" } else { "" };
        found.push(format!("{sign}{}", chars[start..at].iter().collect::<String>()));
    }
    found
}

/// Whether a number of a sentence may be one that was measured: it has decimals, or three digits and more of which not the
/// last two are 0.
fn may_be_measured(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    digits.contains('.') || (digits.len() >= 3 && !digits.ends_with("00"))
}

/// Every number in a sentence of the README and of the pages of results that [may be measured](may_be_measured) stands in a
/// table of that page or in an experiment that it names, or a comment of the page says where it is from:
/// `<!-- 0.71, 0.57 in FILE -->`, in a JSON `<!-- 62.2 of KEY.KEY in FILE -->`. A number with a minus stands there with one.
#[test]
fn numbers_in_sentences_are_those_of_the_page() {
    let mut unknown = Vec::new();
    for (document, text) in pages_of_results() {
        let named =
            text.split('`').filter(|name| name.starts_with("experiments/") && name.ends_with(".yaml"));
        let mut known: Vec<String> = named.flat_map(|yaml| numbers(&read(yaml))).collect();
        let (mut paragraphs, mut code) = (vec![String::new()], false);
        for line in text.lines() {
            if line.starts_with("```") {
                code = !code;
            } else if line.starts_with('|') || code {
                known.extend(numbers(line));
            } else if let Some(told) = comment(line) {
                let Some((told, file)) = told.rsplit_once(" in ") else { continue };
                if !told.starts_with("cells of ") {
                    let (told, place) = told.split_once(" of ").map_or((told, None), |(a, b)| (a, Some(b)));
                    for number in told.split(", ") {
                        assert!(stands(number, place, file), "{document}: {number} is not in {file}");
                        known.push(number.into());
                    }
                }
            } else if line.is_empty() {
                paragraphs.push(String::new());
            } else {
                let paragraph = paragraphs.last_mut().expect("one at least");
                *paragraph += line;
                paragraph.push(' ');
            }
        }
        let is_known = |number: &String| {
            known.contains(number) || (!number.starts_with('-') && known.contains(&format!("-{number}")))
        };
        let missing = |paragraph: &String| {
            let numbers = numbers(&plain(paragraph)).into_iter();
            numbers.filter(|number| may_be_measured(number) && !is_known(number)).collect::<Vec<_>>()
        };
        let missing: Vec<String> = paragraphs.iter().flat_map(missing).collect();
        if !missing.is_empty() {
            unknown.push(format!("{document}: where are these from? {missing:?}"));
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// A paragraph without code, links' targets, versions and papers' numbers.
fn plain(paragraph: &str) -> String {
    let prose: String = paragraph.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    let mut rest = prose.as_str();
    while let Some(begin) = rest.find("](") {
        text += &rest[..begin];
        let end = rest[begin..].find(')').map_or(rest.len(), |end| begin + end);
        rest = &rest[end..];
    }
    text += rest;
    let word = |word: &&str| {
        let number = word.trim_matches(|c: char| !c.is_ascii_digit());
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = number.split('.').collect();
        // MuJoCo 3.17.0, arXiv 2306.09459, Rust ≥ 1.95, Apache-2.0.
        let version = parts.len() > 2 && parts.iter().all(|part| digits(part));
        let paper = parts.len() == 2 && parts[0].len() == 4 && parts[1].len() == 5;
        let name = ["Apache-", "AVX-"].iter().any(|name| word.trim_start_matches('(').starts_with(name));
        !version && !paper && !word.starts_with(">=") && !name
    };
    text.replace("≥ ", ">=").split_whitespace().filter(word).collect::<Vec<_>>().join(" ")
}

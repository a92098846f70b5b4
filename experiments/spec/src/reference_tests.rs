//! The book's page of keys, and the JSON schema from which editors complete them: made of what the program says of each
//! key (its refusal of a wrong value, its default, the comment on its field), and held equal to the committed files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use aaren_format::EncoderKind;
use serde_json::{Map, Value, json};

use super::tests::{MINIMAL, load};
use super::*;

const COMMAND: &str = "AAREN_WRITE_DOCS=1 cargo test -p aaren-spec --lib reference";

/// What there is to say of one key.
struct Key {
    name: String,
    about: String,
    /// What the program expects, in the words of its refusal.
    expected: String,
    default: Option<Value>,
    /// The encoders for which it means something, where that is not all of them.
    encoders: Option<String>,
}

/// The comments on the fields of a struct, by the key that a field is.
fn comments(source: &str, name: &str) -> BTreeMap<String, String> {
    let head = format!("struct {name} {{");
    let lines = source.lines().skip_while(|line| !line.ends_with(&head)).skip(1);
    let (mut found, mut comment, mut renamed) = (BTreeMap::new(), Vec::new(), None);
    for line in lines.take_while(|line| *line != "}").map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim());
        } else if let Some((_, rest)) = line.split_once("rename = \"") {
            renamed = rest.split('"').next();
        } else if let Some((field, _)) = line.split_once(": ").filter(|_| !line.starts_with('#')) {
            let key = renamed.take().unwrap_or(field.trim_start_matches("pub "));
            let text = std::mem::take(&mut comment).join(" ");
            found.insert(key.to_owned(), text.replace("[`", "`").replace("`]", "`"));
        }
    }
    assert!(!found.is_empty(), "no fields of {name}");
    found
}

/// What is expected where `"?"` stands.
fn expected(yaml: &str) -> String {
    match load(yaml, &[]) {
        Err(Error::Invalid { expected, .. }) => expected.split(';').next().unwrap().to_owned(),
        other => panic!("{yaml}\n{other:?}"),
    }
}

/// A value as `expected` says it, and not the default.
fn sample(expected: &str, default: Option<&Value>) -> String {
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if expected.starts_with("one of") {
        let other = words.iter().rev().find(|word| default.is_none_or(|it| it != *word));
        return (*other.unwrap()).to_owned();
    }
    let whole = ["a whole", "0, or a whole"].iter().any(|start| expected.starts_with(start));
    let number = if whole { "2" } else { "0.5" };
    if expected.starts_with("`true`") { "true" } else { number }.to_owned()
}

/// The keys of a section.
fn section(name: &str, source: &str, of: &str, written: &Value) -> Vec<Key> {
    let comments = comments(source, of);
    let keys = keys_in(&format!("{MINIMAL}{name}: {{\"?\": 1}}\n"));
    let key = |key: String| {
        let expected = expected(&format!("{MINIMAL}{name}: {{{key}: \"?\"}}\n"));
        let default = written.get(&key).cloned().or_else(|| left_out(name, &key, &expected));
        let about = comments.get(&key).cloned().unwrap_or_default();
        assert!(!about.is_empty(), "{of}.{key} has no comment: it is the key's description");
        let decision = matches!(name, "model" | "context");
        let encoders = if decision { encoders(&key, &expected, default.as_ref()) } else { None };
        Key { name: key, about, expected, default, encoders }
    };
    keys.into_iter().map(key).collect()
}

/// The keys of `primary`, four of which it has to have.
fn primary() -> Vec<Key> {
    let comments = comments(include_str!("primary.rs"), "PrimarySpec");
    let required = [("policy", "aaren"), ("against", "transformer"), ("endpoint", "mean"), ("margin", "2")];
    let key = |key: String| {
        let others = required.iter().filter(|(other, _)| *other != key);
        let others: String = others.map(|(other, value)| format!("{other}: {value}, ")).collect();
        let expected = expected(&format!("{MINIMAL}primary: {{{others}{key}: []}}\n"));
        let about = comments[&key].clone();
        Key { name: key, about, expected, default: None, encoders: None }
    };
    keys_in(&format!("{MINIMAL}primary: {{\"?\": 1}}\n")).into_iter().map(key).collect()
}

/// The default of a key that is written only where it differs: the word that changes nothing.
fn left_out(section: &str, key: &str, expected: &str) -> Option<Value> {
    let usual = load(MINIMAL, &[]).unwrap();
    let changes_nothing = |word: &&str| {
        load(&format!("{MINIMAL}{section}: {{{key}: {word}}}\n"), &[]).is_ok_and(|spec| spec == usual)
    };
    let choice = expected.starts_with("one of") || expected.starts_with("`true`");
    let words = expected.split('`').skip(1).step_by(2).filter(|_| choice);
    words.chain(["0", "1"]).find(changes_nothing).map(|word| serde_yaml::from_str(word).unwrap())
}

/// The encoders whose own entry may have the key, where that is not all of them.
fn encoders(key: &str, expected: &str, default: Option<&Value>) -> Option<String> {
    // Their values mean something for some encoders each: the book has pages on them.
    if ["rollout", "positions", "rotate"].contains(&key) {
        return None;
    }
    let value = sample(expected, default);
    // Some keys mean something with one token for each timestep only.
    let takes = |encoder: &EncoderKind| {
        ["", ", tokens: 1"].iter().any(|more| {
            let entry = format!("encoder: {encoder}, {key}: {value}{more}");
            load(&format!("{MINIMAL}policies: [{{p: {{{entry}}}}}]\n"), &[]).is_ok()
        })
    };
    let those: Vec<EncoderKind> = EncoderKind::ALL.into_iter().filter(takes).collect();
    assert!(!those.is_empty(), "{key}: {value} is for no encoder");
    let names = those.iter().map(|encoder| encoder.name()).collect::<Vec<_>>().join(", ");
    (those.len() < EncoderKind::ALL.len()).then_some(names)
}

/// The keys that the program names where an unknown one stands.
fn keys_in(yaml: &str) -> Vec<String> {
    match load(yaml, &[]) {
        Err(Error::UnknownKey { cure, .. }) => {
            cure.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        }
        other => panic!("{yaml}\n{other:?}"),
    }
}

/// The keys of an agent's own entry.
fn agent(name: &str, sources: &[(&str, &str)]) -> Vec<Key> {
    let mut texts = BTreeMap::new();
    for (source, of) in sources {
        texts.extend(comments(source, of));
    }
    let own = if name == "decision" { "encoder: aaren".into() } else { format!("agent: {name}") };
    let spec = load(&format!("{MINIMAL}policies: [{{p: {{{own}}}}}]\n"), &[]).unwrap();
    let written = &serde_json::to_value(spec).unwrap()["policies"][0]["p"];
    let kind = agents::named(name).unwrap();
    let key = |key: &str| {
        let entry = match (key, name) {
            ("agent", _) | ("encoder", _) => String::new(),
            _ => format!("{own}, "),
        };
        let expected = expected(&format!("{MINIMAL}policies: [{{p: {{{entry}{key}: \"?\"}}}}]\n"));
        let about = texts.get(key).cloned().unwrap_or_default();
        assert!(!about.is_empty(), "{name}: {key} has no comment: it is the key's description");
        let default = written.get(key).cloned().filter(|_| key != "encoder" && key != "agent");
        let decision = name == "decision" && !["agent", "encoder", "batch", "learning_rate"].contains(&key);
        let encoders = if decision { encoders(key, &expected, default.as_ref()) } else { None };
        Key { name: key.into(), about, expected, default, encoders }
    };
    let mut keys: Vec<Key> = kind.takes().into_iter().map(key).collect();
    keys.dedup_by(|one, other| one.name == other.name);
    keys
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => format!("`{text}`"),
        // As YAML writes it.
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {value}"));
            format!("`{{{}}}`", entries.collect::<Vec<_>>().join(", "))
        }
        other => format!("`{other}`"),
    }
}

fn table<'k>(page: &mut String, keys: impl IntoIterator<Item = &'k Key>) {
    page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for Key { name, about, expected, default, encoders } in keys {
        let default = default.as_ref().map_or("–".into(), shown);
        let only = encoders.as_ref().map(|encoders| format!(" Only for {encoders}.")).unwrap_or_default();
        writeln!(page, "| `{name}` | {expected} | {default} | {about}{only} |").unwrap();
    }
    page.push('\n');
}

/// How a range is told in words, and what JSON Schema calls its type and its ends.
const RANGES: [(&str, &str, [&str; 2]); 7] = [
    ("a whole number", "integer", ["minimum", "maximum"]),
    ("a number above", "number", ["exclusiveMinimum", "exclusiveMaximum"]),
    ("a number, 0 or more", "number", ["minimum", "maximum"]),
    ("a probability", "number", ["minimum", "exclusiveMaximum"]),
    ("a share of the episodes", "number", ["minimum", "exclusiveMaximum"]),
    ("a share", "number", ["exclusiveMinimum", "maximum"]),
    ("a discount", "number", ["minimum", "maximum"]),
];

/// What JSON Schema says of a value that is expected in these words.
fn schema(Key { about, expected, default, encoders, .. }: &Key) -> Value {
    let mut schema = Map::new();
    let only = encoders.as_ref().map(|encoders| format!(" Only for {encoders}.")).unwrap_or_default();
    schema.insert("description".into(), json!(format!("{about}{only} Expected: {expected}.")));
    if let Some(default) = default.as_ref().filter(|default| !default.is_null()) {
        schema.insert("default".into(), default.clone());
    }
    let numbers: Vec<f64> = expected.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match (expected.as_str(), numbers.as_slice()) {
        (text, _) if text.contains("or `episode`") => {
            schema.insert("anyOf".into(), json!([{"type": "integer", "minimum": 1}, {"const": "episode"}]));
        }
        (text, [none, least, most]) if text.starts_with("0, or a whole number from") => {
            let some = json!({"type": "integer", "minimum": *least as u64, "maximum": *most as u64});
            schema.insert("anyOf".into(), json!([{"const": *none as u64}, some]));
        }
        (text, _) if text.starts_with("one of") => {
            schema.insert("enum".into(), json!(words));
        }
        ("`true` or `false`", _) => {
            schema.insert("type".into(), json!("boolean"));
        }
        (text, numbers) => {
            // Else it is said in words only: a name, a list, a roll-out, a device.
            if let Some((_, of, ends)) = RANGES.iter().find(|(words, ..)| text.starts_with(words)) {
                schema.insert("type".into(), json!(of));
                for (end, value) in ends.iter().zip(numbers) {
                    let value = if *of == "integer" { json!(*value as u64) } else { json!(value) };
                    schema.insert((*end).into(), value);
                }
            }
        }
    }
    Value::Object(schema)
}

fn object(keys: &[Key]) -> Value {
    let properties = keys.iter().map(|key| (key.name.clone(), schema(key)));
    json!({"type": "object", "additionalProperties": false, "properties": properties.collect::<Map<_, _>>()})
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares with the committed file; writes it where `AAREN_WRITE_DOCS` is set.
fn hold(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("AAREN_WRITE_DOCS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{path} is not what the program says; write it anew: {COMMAND}");
}

const INTRODUCTION: &str = "# The experiment file

Made from the program: the values are its own words for what it expects, the defaults its own. Only `dataset` is required. A \
key that is not listed here is refused, with the nearest one that is. How to use the keys: [Write an \
experiment](../guides/experiment.md), [Run a grid](../guides/grids.md). For completion in an editor see [the guide]\
(../guides/experiment.md#complete-keys-in-your-editor).

";

/// What the keys of the top level are, that have no value of one kind.
const TOP: [(&str, &str); 5] = [
    (
        "env",
        "an id such as `Hopper-v4`, or `{id: …, kwargs: {…}}`, or one of Python, `{gymnasium: …, import: …}` or `{python: \"module:function\"}`; a list makes a grid",
    ),
    ("observe", "a list of keys such as `[observation, desired_goal]`"),
    (
        "dataset",
        "a file or folder in a form that is read (D4RL, Minari, npz, LeRobot, CSV, Parquet, …), the id of a Minari dataset, or a recipe's name; a list makes a grid",
    ),
    ("policies", "a list of names, or of names with a map"),
    ("grid", "a map of lists"),
];

#[test]
fn reference_of_the_yaml_is_what_the_program_says() {
    let written = serde_json::to_value(load(MINIMAL, &[]).unwrap()).unwrap();
    let decision = &written["policies"][0]["aaren"];
    let sections = [
        ("model", section("model", include_str!("model.rs"), "ModelSection", decision)),
        ("context", section("context", include_str!("context.rs"), "ContextSection", decision)),
        ("train", section("train", include_str!("train.rs"), "TrainSpec", &written["train"])),
        ("evaluate", section("evaluate", include_str!("evaluate.rs"), "EvaluateSpec", &written["evaluate"])),
        ("compare", section("compare", include_str!("compare.rs"), "CompareSpec", &written["compare"])),
        ("primary", primary()),
    ];
    let spec = include_str!("spec.rs");
    let (mut about, file) = (comments(spec, "Spec"), comments(spec, "File"));
    about.extend(file.into_iter().filter(|(_, text)| !text.is_empty()));
    about.insert("grid".into(), "Each key adds one axis: an experiment is run for every combination.".into());
    let names = keys_in(&format!("{MINIMAL}\"?\": 1\n")).into_iter();
    let top = names.chain(["grid".to_owned()]).map(|name| {
        let said = TOP.iter().find(|(key, _)| *key == name).map(|(_, said)| *said);
        let said = said.or(sections.iter().any(|(section, _)| *section == name).then_some("a map"));
        let expected = said.map_or_else(|| expected(&format!("{MINIMAL}{name}: \"?\"\n")), ToOwned::to_owned);
        let default = (name == "seeds").then(|| json!([0]));
        let about = about.get(&name).cloned().unwrap_or_default();
        assert!(!about.is_empty(), "{name} has no comment in spec.rs");
        Key { name, about, expected, default, encoders: None }
    });
    let top: Vec<Key> = top.collect();
    let entry = include_str!("entry.rs");
    let own = (entry, "Own");
    let of_decision = [
        own,
        (entry, "OwnEncoder"),
        (include_str!("model.rs"), "ModelSection"),
        (include_str!("context.rs"), "ContextSection"),
    ];
    let config = include_str!("../../../policies/format/src/config.rs");
    let iql = include_str!("../../../policies/format/src/iql.rs");
    let td3_bc = include_str!("../../../policies/format/src/td3_bc.rs");
    let agents = [
        ("decision", agent("decision", &of_decision)),
        ("behaviour-cloning", agent("behaviour-cloning", &[own, (config, "CloningConfig")])),
        ("iql", agent("iql", &[own, (iql, "IqlConfig")])),
        ("td3-bc", agent("td3-bc", &[own, (td3_bc, "Td3BcConfig")])),
    ];

    let mut page = INTRODUCTION.to_owned();
    table(&mut page, &top);
    for (name, keys) in &sections {
        writeln!(page, "## {name}\n").unwrap();
        if *name == "context" {
            page.push_str("What the roll-outs mean for each encoder: [What does a policy see of its episode?](../concepts/memory-and-context.md)\n\n");
        }
        table(&mut page, keys);
    }
    page.push_str(
        "## policies\n\nAn entry is the name of an encoder, or a name with a map, `- small: {encoder: aaren, width: 64}`. The map \
         overrides the sections for that policy. Its keys depend on its agent.\n\n",
    );
    for (name, keys) in &agents {
        writeln!(page, "### agent: {name}\n").unwrap();
        let sections: Vec<&Key> = sections[..2].iter().flat_map(|(_, keys)| keys).collect();
        if *name == "decision" {
            // What the sections have already is not said again.
            let own: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            assert!(sections.iter().all(|key| own.contains(&key.name.as_str())));
            page.push_str("Every key of `model` and `context`, and:\n\n");
            table(&mut page, keys.iter().filter(|key| sections.iter().all(|other| other.name != key.name)));
        } else {
            table(&mut page, keys);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    hold("docs/src/reference/experiment.md", &page);

    let mut entry_keys = Map::new();
    for (_, keys) in &agents {
        for key in keys {
            // A key that agents share under one name may have another range in each of them.
            let said = schema(key);
            let known = entry_keys.entry(key.name.clone()).or_insert_with(|| said.clone());
            if known != &said {
                *known = json!({"description": key.about});
            }
        }
    }
    let entry = json!({"anyOf": [
        {"enum": EncoderKind::ALL.map(EncoderKind::name)},
        {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties":
            {"type": "object", "additionalProperties": false, "properties": entry_keys}},
    ]});
    let env = json!({"anyOf": [
        {"type": "string"},
        {"type": "object", "required": ["id"]},
        {"type": "object", "required": ["gymnasium"]},
        {"type": "object", "required": ["python"]},
        {"type": "object", "required": ["spaces"]},
    ]});
    let mut properties: Map<String, Value> = top.iter().map(|key| (key.name.clone(), schema(key))).collect();
    for (name, keys) in &sections {
        properties.insert((*name).into(), object(keys));
    }
    let mut typed = |name: &str, schema: Value| {
        let said = properties[name]["description"].clone();
        properties.insert(name.into(), schema);
        properties[name]["description"] = said;
    };
    typed("policies", json!({"type": "array", "minItems": 1, "items": entry}));
    typed("seeds", json!({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}));
    typed("env", json!({"anyOf": [env, {"type": "array", "items": env}]}));
    typed(
        "dataset",
        json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}]}),
    );
    typed("grid", json!({"type": "object", "additionalProperties": {"type": "array", "minItems": 1}}));
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of aaren",
        "type": "object",
        "required": ["dataset"],
        "additionalProperties": false,
        "properties": properties,
    });
    hold(
        "docs/src/reference/experiment.schema.json",
        &(serde_json::to_string_pretty(&schema).unwrap() + "\n"),
    );
}

/// Whether a value is as a schema of the kind above asks for; why not.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let no = |why: &str| Err(format!("{value}: {why} {schema}"));
    if let Some(choices) = schema["anyOf"].as_array() {
        let refused: Vec<String> = choices.iter().filter_map(|choice| fits(choice, value).err()).collect();
        return if refused.len() < choices.len() { Ok(()) } else { Err(refused.join("\n")) };
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return no("none of");
    }
    if schema.get("const").is_some_and(|word| word != value) {
        return no("is not");
    }
    let typed = match schema["type"].as_str() {
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !typed {
        return no("is not of the type of");
    }
    if let Some(number) = value.as_f64() {
        let beyond =
            |bound: &str, is: fn(f64, f64) -> bool| schema[bound].as_f64().is_some_and(|it| is(number, it));
        if beyond("minimum", |a, b| a < b)
            || beyond("maximum", |a, b| a > b)
            || beyond("exclusiveMinimum", |a, b| a <= b)
            || beyond("exclusiveMaximum", |a, b| a >= b)
        {
            return no("is out of the range of");
        }
    }
    for item in value.as_array().into_iter().flatten().filter(|_| schema.get("items").is_some()) {
        fits(&schema["items"], item)?;
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(schema), _) => fits(schema, value)?,
            (None, Value::Bool(false)) => return Err(format!("{key}: no such key")),
            (None, Value::Null) => {}
            (None, schema) => fits(schema, value)?,
        }
    }
    Ok(())
}

/// An editor underlines nothing in a file that the program accepts, and does in one that it refuses.
#[test]
fn reference_schema_fits_every_experiment() {
    fn experiments(folder: &Path) -> Vec<PathBuf> {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.flat_map(|path| if path.is_dir() { experiments(&path) } else { vec![path] }).collect()
    }
    let text = std::fs::read(root().join("docs/src/reference/experiment.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&text).unwrap();
    let mut files = experiments(&root().join("experiments"));
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    assert!(files.len() > 20);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_yaml::from_str(&text).unwrap();
        fits(&schema, &value).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    }
    for wrong in [
        "trian: {}",
        "train: {updates: 0}",
        "train: {updates: 1.5}",
        "model: {norm: none}",
        "seeds: 1",
        "model: {dropout: 1}",
        "policies: [nobody]",
        "policies: [{p: {encoder: aaren, widht: 3}}]",
        "context: {train: 0}",
    ] {
        let value: Value = serde_yaml::from_str(&format!("{MINIMAL}{wrong}")).unwrap();
        assert!(fits(&schema, &value).is_err(), "{wrong}");
        assert!(load(&format!("{MINIMAL}{wrong}"), &[]).is_err(), "{wrong}");
    }
}

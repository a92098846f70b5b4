//! The header says what the library has: the same functions, arguments and types as cbindgen reads in the source.

use std::path::Path;

/// `int aaren_reset(aaren_stream *stream, double target_return)` and the like, sorted, blanks evened out.
fn declarations(text: &str) -> Vec<String> {
    let mut code = String::new();
    for (i, part) in text.split("/*").enumerate() {
        code += if i == 0 { part } else { part.split_once("*/").map_or("", |(_, rest)| rest) };
    }
    let lines = code.lines().filter(|line| !line.trim_start().starts_with('#'));
    let code: String = lines.collect::<Vec<_>>().join(" ");
    let functions = code.split([';', '{', '}']).filter(|part| part.contains("aaren_") && part.contains('('));
    let mut found: Vec<String> =
        functions.map(|f| f.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(")).collect();
    found.sort();
    found
}

#[test]
fn the_header_declares_what_the_library_has() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config =
        cbindgen::Config { language: cbindgen::Language::C, usize_is_size_t: true, ..Default::default() };
    config.style = cbindgen::Style::Type;
    for (ours, theirs) in
        [("Policy", "aaren_policy"), ("Stream", "aaren_stream"), ("Streams", "aaren_streams")]
    {
        config.export.rename.insert(ours.into(), theirs.into());
    }
    config.documentation = false;
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_src(folder.join("src/lib.rs"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut generated);
    let header = std::fs::read_to_string(folder.join("include/aaren_streaming.h")).unwrap();
    let (found, expected) = (declarations(&header), declarations(&String::from_utf8(generated).unwrap()));
    assert!(expected.len() > 20, "{expected:?}");
    assert_eq!(found, expected);
}

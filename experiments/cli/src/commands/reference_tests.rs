//! The book's page of commands: made of the command line itself, and held equal to the committed file.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::{Cli, help};

const PAGE: &str = "docs/src/reference/commands.md";
const COMMAND: &str = "AAREN_WRITE_DOCS=1 cargo test -p aaren-cli --lib reference";

const INTRODUCTION: &str = "# Commands

Made from the program: `aaren COMMAND --help` says the same. Commands with `--json` print one object on standard output and \
their progress on standard error.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | the work failed, or a part of it did not finish |
| 2 | the arguments, the experiment or its data were refused |
| 128 + N | ended by signal N: with everything saved, or at once by a second one |

";

/// A text as a cell of a table.
fn cell(text: impl ToString) -> String {
    text.to_string().replace('|', "\\|").replace('\n', " ")
}

/// An argument as one writes it.
fn written(argument: &Arg) -> String {
    let values: Vec<String> =
        argument.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let takes = argument.get_action().takes_values();
    let value = if takes { values.join(" ") } else { String::new() };
    let more = if argument.get_num_args().is_some_and(|count| count.max_values() > 1) { "…" } else { "" };
    match argument.get_long() {
        Some(long) if value.is_empty() => format!("--{long}"),
        Some(long) => format!("--{long} {value}{more}"),
        None => format!("{value}{more}"),
    }
}

/// A command and those below it.
fn describe(page: &mut String, path: &str, command: &Command) {
    let path = format!("{path} {}", command.get_name());
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if !below.is_empty() {
        below.into_iter().for_each(|below| describe(page, &path, below));
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(page, "## {}\n\n{about}.\n", path.trim()).unwrap();
    let shown: Vec<&Arg> = (command.get_arguments())
        .filter(|argument| !argument.is_hide_set() && argument.get_id() != "help")
        .collect();
    page.push_str("| argument | default | meaning |\n|---|---|---|\n");
    for argument in shown {
        let defaults = argument.get_default_values().iter().filter(|_| argument.get_action().takes_values());
        let default =
            defaults.map(|value| format!("`{}`", value.to_string_lossy())).collect::<Vec<_>>().join(" ");
        let required = if argument.is_required_set() { "required" } else { "–" };
        let default = if default.is_empty() { required } else { &default };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(page, "| `{}` | {default} | {}. |", cell(written(argument)), cell(help)).unwrap();
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    writeln!(page, "\n```text\n{}\n```\n", after.trim()).unwrap();
}

#[test]
fn reference_of_the_commands_is_what_the_command_line_says() {
    let mut command = help::grouped(Cli::command());
    command.build();
    let mut page = INTRODUCTION.to_owned();
    for name in help::names() {
        describe(&mut page, "aaren", command.find_subcommand(name).unwrap());
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    if std::env::var_os("AAREN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == page, "{PAGE} is not what the command line says; write it anew: {COMMAND}");
}

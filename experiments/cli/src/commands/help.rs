//! `aaren --help`: the commands by what one does with them.

use clap::Command;

/// What one does, and the commands for it.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Train", &["run", "submit", "data", "envs"]),
    ("Look", &["report", "evaluate", "sweep", "attention", "render"]),
    ("Share", &["export", "card"]),
    ("Measure", &["compare", "check"]),
    ("Set up", &["completions"]),
];

/// The command line with its commands in groups.
pub fn grouped(command: Command) -> Command {
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (what, names) in GROUPS {
        text += &format!("{what}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text += &format!("  {name:width$}  {about}\n");
        }
        text.push('\n');
    }
    let template =
        "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}";
    command.before_help(text.trim_end().to_owned()).help_template(template)
}

/// The commands in the order of their groups.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, names)| *names).copied()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every command, whatever its depth.
    fn all(command: &Command) -> Vec<&Command> {
        command.get_subcommands().flat_map(|below| [vec![below], all(below)].concat()).collect()
    }

    #[test]
    fn every_command_stands_in_one_group_and_shows_an_example() {
        let command = super::super::Cli::command();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut there: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        there.sort_unstable();
        assert_eq!(grouped, there);
        for one in all(&command) {
            let after = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("aaren "), "{}: no example", one.get_name());
            // Broken by hand, it would be broken again in a narrower terminal. An example is to be copied whole.
            let wide = after.lines().find(|line| !line.starts_with("  ") && line.chars().count() > 80);
            assert_eq!(wide, None, "{}", one.get_name());
        }
        let help = super::grouped(super::super::Cli::command()).render_help().to_string();
        assert!(help.contains("\nLook:\n  report "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}

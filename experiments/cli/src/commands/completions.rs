//! `aaren completions`: completion of commands and options in a shell.

use aaren_runs::output;
use anyhow::Result;
use clap_complete::Shell;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren completions bash > ~/.local/share/bash-completion/completions/aaren
  aaren completions zsh > ~/.zfunc/_aaren
  aaren completions fish > ~/.config/fish/completions/aaren.fish")]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command_line(), "aaren", &mut script);
    Ok(output::print(String::from_utf8_lossy(&script).trim_end())?)
}

//! `aaren envs`.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use aaren_envs::{ActionSpace, EnvSpec, make, reference_scores};
use aaren_reports::Table;
use aaren_runs::output;
use anyhow::{Context, Result};
use serde_json::json;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the environments with their sizes and time limits.
    #[command(after_help = "Examples:
  aaren envs list
  aaren envs list --json")]
    List {
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Replay a trajectory of the Python environment, and show the largest differences.
    #[command(after_help = "Example:
  python oracle/rollout.py Hopper-v5 --steps 500 | aaren envs check -")]
    Check {
        /// JSON lines of oracle/rollout.py; - reads standard input.
        trajectory: PathBuf,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::List { json } => list(*json),
        Command::Check { trajectory, json } => check(trajectory, *json),
    }
}

fn list(as_json: bool) -> Result<()> {
    let mut rows = Vec::new();
    let registered = aaren_envs::registered_ids();
    for id in aaren_envs::ids().iter().copied().chain(registered.iter().map(String::as_str)) {
        let environment = make(&EnvSpec::new(id))?;
        let (kind, size) = match environment.action_space() {
            ActionSpace::Discrete { choices } => ("discrete", *choices),
            ActionSpace::MultiDiscrete { choices } => ("multi-discrete", choices.len()),
            ActionSpace::Continuous { low, .. } => ("continuous", low.len()),
        };
        rows.push(json!({
            "id": id, "observation_size": environment.observation_size(), "action_kind": kind, "action_size": size,
            "max_episode_steps": environment.max_episode_steps(), "normalised_score": reference_scores(id).is_some(),
        }));
    }
    if as_json {
        return Ok(output::print(json!({ "envs": rows }))?);
    }
    let mut table = Table::new(2, ["id", "action", "observation", "timesteps", "normalised score"]);
    for row in rows {
        let action = format!("{} {}", row["action_size"], row["action_kind"].as_str().unwrap_or_default());
        let score = if row["normalised_score"] == true { "D4RL's references" } else { "no reference" };
        let number = |key: &str| row[key].to_string();
        let id = row["id"].as_str().unwrap_or_default();
        table.row([id, &action, &number("observation_size"), &number("max_episode_steps"), score]);
    }
    Ok(output::print(table.to_markdown())?)
}

fn check(path: &Path, json: bool) -> Result<()> {
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).with_context(|| path.display().to_string())?))
    };
    let check = aaren_envs::check(input)?;
    if json {
        return Ok(output::print(serde_json::to_string(&check)?)?);
    }
    let mut table = Table::new(2, ["what", "found"]);
    table.row(["environment", check.env.as_str()]);
    table.row(["steps", &check.steps.to_string()]);
    table.row(["largest observation difference", &format!("{:e}", check.max_observation_difference)]);
    table.row(["largest reward difference", &format!("{:e}", check.max_reward_difference)]);
    table.row(["flags equal", &check.flags_equal.to_string()]);
    Ok(output::print(table.to_markdown())?)
}

//! `aaren envs`.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::Path;

use aaren_envs::{ActionSpace, EnvSpec, make, reference_scores};
use anyhow::{Context, Result};
use serde_json::json;

pub fn list(as_json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for id in aaren_envs::ids() {
        let environment = make(&EnvSpec::new(*id))?;
        let (kind, size) = match environment.action_space() {
            ActionSpace::Discrete { choices } => ("discrete", *choices),
            ActionSpace::Continuous { low, .. } => ("continuous", low.len()),
        };
        rows.push(json!({
            "id": id, "observation_size": environment.observation_size(), "action_kind": kind, "action_size": size,
            "max_episode_steps": environment.max_episode_steps(), "normalised_score": reference_scores(id).is_some(),
        }));
    }
    if as_json {
        println!("{}", json!({ "envs": rows }));
        return Ok(());
    }
    println!("{:<24} {:>11}  {:<14} {:>9}  normalised score", "id", "observation", "action", "timesteps");
    for row in rows {
        let action = format!("{} {}", row["action_size"], row["action_kind"].as_str().unwrap_or_default());
        let score = if row["normalised_score"] == true { "D4RL's references" } else { "no reference" };
        let id = row["id"].as_str().unwrap_or_default();
        println!(
            "{id:<24} {:>11}  {action:<14} {:>9}  {score}",
            row["observation_size"].to_string(),
            row["max_episode_steps"].to_string()
        );
    }
    Ok(())
}

pub fn check(path: &Path, json: bool) -> Result<()> {
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).with_context(|| path.display().to_string())?))
    };
    let check = aaren_envs::check(input)?;
    if json {
        println!("{}", serde_json::to_string(&check)?);
    } else {
        println!("env                            {}", check.env);
        println!("steps                          {}", check.steps);
        println!("largest observation difference {:e}", check.max_observation_difference);
        println!("largest reward difference      {:e}", check.max_reward_difference);
        println!("flags equal                    {}", check.flags_equal);
    }
    Ok(())
}

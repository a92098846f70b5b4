//! Trains a robot's behaviour policies anew: prints the snapshots that its recipes need, as JSON.
//!
//! `cargo run --release -p aaren-agents --example random_search -- hopper > hopper.json`; `make snapshots` does
//! so for every robot.

use aaren_agents::random_search::{ROBOTS, search, thin};
use aaren_envs::EnvSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(robot) = ROBOTS.iter().find(|robot| robot.name == name) else {
        return Err(format!("usage: random_search {}", ROBOTS.each_ref().map(|r| r.name).join("|")).into());
    };
    let mut config = robot.search.clone();
    if let Some(seed) = arguments.next() {
        config.seed = seed.parse()?;
    }
    let mut snapshots = Vec::new();
    search(&EnvSpec::new(robot.env), &config, |snapshot| {
        eprintln!(
            "{name}  iteration {:5}  steps {:9}  return {:7.1} ± {:.1}",
            snapshot.iteration, snapshot.steps, snapshot.return_mean, snapshot.return_std
        );
        snapshots.push(snapshot.clone());
    })?;
    let lines: Vec<String> = thin(&snapshots).iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    println!("[\n{}\n]", lines.join(",\n"));
    Ok(())
}

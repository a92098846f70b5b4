//! Trains a task's behaviour policies anew: prints the snapshots that its recipes need, as JSON.
//!
//! `cargo run --release -p aaren-agents --example random_search -- hopper > hopper.json`; `make snapshots` does
//! so for every task.

use aaren_agents::random_search::{TASKS, search, thin};
use aaren_envs::EnvSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return Err(format!("usage: random_search {}", TASKS.each_ref().map(|r| r.name).join("|")).into());
    };
    let mut config = task.search.clone();
    if let Some(seed) = arguments.next() {
        config.seed = seed.parse()?;
    }
    let mut snapshots = Vec::new();
    search(&EnvSpec::new(task.env), &config, |snapshot| {
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

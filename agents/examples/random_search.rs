//! Trains the behaviour policies of the recipes anew: prints their snapshots as JSON.
//!
//! `cargo run --release -p aaren-agents --example random_search -- 2 > agents/src/random_search/snapshots/hopper.json`

use aaren_agents::random_search::{SearchConfig, search};
use aaren_envs::EnvSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).unwrap_or_default().parse().unwrap_or(2);
    // Hopper's settings in the paper, table 9.
    let config = SearchConfig {
        directions: 8,
        best: 4,
        step_size: 0.01,
        noise: 0.025,
        survival_bonus: 1.0,
        iterations: 160,
        snapshot_every: 5,
        seed,
    };
    let mut snapshots = Vec::new();
    search(&EnvSpec::new("Hopper-v4"), &config, |snapshot| {
        eprintln!(
            "iteration {:5}  steps {:9}  return {:7.1} ± {:.1}",
            snapshot.iteration, snapshot.steps, snapshot.return_mean, snapshot.return_std
        );
        snapshots.push(snapshot.clone());
    })?;
    let lines: Vec<String> = snapshots.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    println!("[\n{}\n]", lines.join(",\n"));
    Ok(())
}

//! Training from a YAML string, and acting in a loop with what was learned.
//!
//! ```text
//! cargo run --release --example train_and_act
//! ```

use std::path::Path;

use aaren_envs::make;
use aaren_runs::Experiment;
use aaren_streaming::Policy;

const YAML: &str = "
name: corridor
env: {id: TMaze-v0, kwargs: {corridor: 3}}
dataset: t-maze-3
policies: [aaren]
model: {width: 16, layers: 1}
train: {updates: 200, batch: 16, learning_rate: 3.0e-3, threads: 1}
evaluate: {episodes: 10, target_returns: [1], return_scale: 1}
";

fn main() -> anyhow::Result<()> {
    let results = std::env::args().nth(1).unwrap_or_else(|| "results".into());
    let experiment = Experiment::from_yaml(YAML)?;
    let outcome = experiment.run(Path::new(&results))?;
    // Tables and pictures, as `aaren run` makes them.
    aaren_cli::report(experiment.spec(), &outcome)?;
    let policy = Policy::from_file(outcome.folder.run("aaren", 0).policy())?;

    let mut environment = make(&policy.header().env)?;
    let (mut stream, mut observation) = (policy.stream(), vec![0.0; policy.observation_size()]);
    let mut total = 0.0;
    for episode in 0..10 {
        environment.reset(1000 + episode, &mut observation);
        stream.reset(policy.target_returns()[0]);
        let mut reward = 0.0;
        loop {
            let step = environment.step(stream.act(&observation, reward)?, &mut observation);
            reward = step.reward;
            total += reward;
            if step.done() {
                break;
            }
        }
    }
    println!("mean return of 10 episodes: {:.2}, from {} bytes of state", total / 10.0, stream.state_bytes());
    Ok(())
}

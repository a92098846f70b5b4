//! How hard the recipes' datasets are, as a table: `cargo run --release -p aaren-datasets --example difficulty`.
//!
//! With names of recipes, only these.

#![allow(clippy::print_stderr, reason = "an example without the framework")]

use aaren_datasets::Difficulty;
use aaren_datasets::behaviour::TASKS;
use aaren_datasets::recipe;
use aaren_envs::reference_scores;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        let tasks = TASKS.iter().filter(|task| reference_scores(task.env).is_some()).map(|task| task.name);
        let qualities = ["medium", "medium-replay", "full-replay", "medium-expert"];
        names = tasks.flat_map(|task| qualities.map(|quality| format!("{task}-{quality}"))).collect();
    }
    println!(
        "| recipe | transitions | episodes | return | normalised | highest | left given timestep | last 5 actions | observation | starts of an evaluation |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for name in names {
        let dataset = recipe::make(&name, recipe::TRANSITIONS, recipe::SEED, |_| {})?;
        let summary = dataset.summary();
        let task = TASKS.iter().find(|task| name.starts_with(task.name));
        let env = task.map(|task| aaren_envs::EnvSpec::new(task.env));
        let difficulty = Difficulty::of(&dataset, env.as_ref())?;
        let percent = |share: Option<f64>| share.map_or("–".into(), |s| format!("{:.1} %", 100.0 * s));
        let normalised = |value: f64| {
            env.as_ref()
                .and_then(|env| reference_scores(&env.id))
                .map_or("–".into(), |scores| format!("{:.1}", scores.normalised(value)))
        };
        println!(
            "| {name} | {} | {} | {:.0} ± {:.0} | {} | {} | {} | {} | {} | {} |",
            summary.transitions,
            summary.episodes,
            summary.return_mean,
            summary.return_std,
            normalised(summary.return_mean),
            normalised(summary.return_max),
            percent(difficulty.left_given_timestep),
            percent(difficulty.left_given_last_actions),
            percent(difficulty.left_given_observation),
            difficulty.starts_of_evaluation.map_or("–".into(), |starts| starts.to_string()),
        );
        eprintln!("{name}: returns {:?}", difficulty.returns);
    }
    Ok(())
}

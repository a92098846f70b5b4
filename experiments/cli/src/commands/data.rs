//! `aaren data`.

use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use aaren_datasets::Dataset;
use aaren_datasets::recipe;
use aaren_datasets::{DatasetSummary, Difficulty};
use aaren_envs::{EnvSpec, reference_scores};
use aaren_runs::dataset::bar;
use aaren_runs::output;
use anyhow::Result;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check a dataset, and show what it holds and how hard it is to imitate.
    #[command(after_help = "Examples:
  aaren data info hopper-medium.hdf5
  aaren data info ~/.minari/datasets/mujoco/hopper/medium-v0 --json")]
    Info {
        /// A D4RL .hdf5 file or a Minari folder.
        dataset: PathBuf,
        /// Environment of the data: counts the starts that they share with an evaluation.
        #[arg(long)]
        env: Option<String>,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Make a dataset from a recipe, by replaying behaviour policies.
    #[command(after_help = "Recipes: TASK-QUALITY, of cartpole, hopper, halfcheetah, walker2d, ant
and random, medium, medium-replay, full-replay, medium-expert, expert;
t-maze-L, t-maze-L-M and rate-t-maze-T, rate-t-maze-S-T;
popgym-TASK-LEVEL-QUALITY with expert, mixed, random.

Examples:
  aaren data make hopper-medium-expert
  aaren data make hopper-medium --transitions 1000000 --seed 1 --out medium.hdf5")]
    Make {
        /// Name of the recipe, such as hopper-medium.
        recipe: String,
        /// File to write; unless given, RECIPE.hdf5.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Smallest number of transitions; the last episode is finished.
        #[arg(long, default_value_t = aaren_datasets::recipe::TRANSITIONS)]
        transitions: usize,
        /// Seed of the episodes.
        #[arg(long, default_value_t = aaren_datasets::recipe::SEED)]
        seed: u64,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Convert a D4RL file to a Minari folder, or the other way.
    #[command(after_help = "Examples:
  aaren data convert hopper-medium.hdf5 ~/.minari/datasets/hopper/medium-v0 --env Hopper-v4
  aaren data convert ~/.minari/datasets/mujoco/hopper/expert-v0 hopper-expert.hdf5")]
    Convert {
        /// A D4RL .hdf5 file or a Minari folder.
        dataset: PathBuf,
        /// A name that ends in .hdf5 for D4RL, else a folder for Minari, whose last two names are the dataset's id.
        out: PathBuf,
        /// Environment of the data; a Minari folder must name it.
        #[arg(long)]
        env: Option<String>,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Info { dataset, env, json } => info(dataset, env.as_deref(), *json),
        Command::Make { recipe, out, transitions, seed, json } => {
            make(recipe, out.as_deref(), *transitions, *seed, *json)
        }
        Command::Convert { dataset, out, env, json } => convert(dataset, out, env.as_deref(), *json),
    }
}

fn info(path: &Path, env: Option<&str>, json: bool) -> Result<()> {
    show(&Dataset::load(path)?, env, json)
}

fn make(name: &str, out: Option<&Path>, transitions: usize, seed: u64, json: bool) -> Result<()> {
    if transitions == 0 {
        return Err(Refusal("--transitions: found 0, expected at least 1".into()).into());
    }
    let path = out.map_or_else(|| format!("{name}.hdf5").into(), Path::to_owned);
    let bar = bar(transitions, name);
    let dataset = recipe::write(name, &path, transitions, seed, |made| bar.set_position(made as u64))?;
    bar.finish_and_clear();
    show(&dataset, None, json)?;
    if let (false, Some(scores)) = (json, reference_scores(name)) {
        let score = scores.normalised(dataset.summary().return_mean);
        output::print(format_args!("score         {score:.1} (normalised)"))?;
        output::print(format_args!("written to    {}", path.display()))?;
    }
    Ok(())
}

fn convert(from: &Path, out: &Path, env: Option<&str>, json: bool) -> Result<()> {
    let dataset = Dataset::load(from)?;
    let source = ("converted_from", dataset.name().to_owned());
    if out.extension().is_some_and(|extension| extension == "hdf5") {
        if out.exists() {
            return Err(Refusal(format!("{}: exists already; choose another name", out.display())).into());
        }
        let mut metadata = vec![source];
        metadata.extend(env.map(|env| ("env_id", env.to_owned())));
        dataset.write_d4rl(out, &metadata)?;
    } else {
        let Some(env) = env else {
            let reason = "a Minari folder names its environment; add --env ID, such as --env Hopper-v4 (for D4RL, end the name in .hdf5)";
            return Err(Refusal(format!("{}: {reason}", out.display())).into());
        };
        dataset.write_minari(out, env, &[source])?;
    }
    show(&Dataset::load(out)?, env, json)?;
    if !json {
        output::print(format_args!("written to    {}", out.display()))?;
    }
    Ok(())
}

/// What a dataset holds, and how hard it is to imitate.
fn show(dataset: &Dataset, env: Option<&str>, json: bool) -> Result<()> {
    let (summary, env) = (dataset.summary(), env.map(EnvSpec::new));
    let difficulty = Difficulty::of(dataset, env.as_ref())?;
    if json {
        #[derive(serde::Serialize)]
        struct Info {
            #[serde(flatten)]
            summary: DatasetSummary,
            difficulty: Difficulty,
        }
        return Ok(output::print(serde_json::to_string(&Info { summary, difficulty })?)?);
    }
    output::print(summary)?;
    Ok(output::print(difficulty)?)
}

//! `aaren data`.

use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use aaren_datasets::{Actions, Dataset, DatasetSummary, Difficulty, Missing, Reading, locate, recipe};
use aaren_envs::{EnvSpec, reference_scores};
use aaren_runs::dataset::bar;
use aaren_runs::output;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check a dataset, and show what it holds and how hard it is to imitate.
    #[command(after_help = "Examples:
  aaren data info hopper-medium.hdf5
  aaren data info ~/.minari/datasets/mujoco/hopper/medium-v0 --json")]
    Info {
        /// A file or a folder (D4RL's HDF5, Minari, LeRobot, npz, CSV, Parquet), or the id of a Minari dataset here.
        dataset: String,
        /// Its environment: then starts that it shares with an evaluation are counted.
        #[arg(long)]
        env: Option<String>,
        #[command(flatten)]
        reading: How,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Download a dataset by its id: D4RL's v2 files, and Minari's.
    #[command(
        after_help = "A D4RL id becomes ID.hdf5 in this folder, a Minari id a folder where Minari keeps its own
(MINARI_DATASETS_PATH, else ~/.minari/datasets). HF_ENDPOINT and D4RL_ENDPOINT name mirrors.
What was cut off goes on where it stopped when you run the command again.

Examples:
  aaren data fetch hopper-medium-v2
  aaren data fetch D4RL/pointmaze/umaze-v2"
    )]
    Fetch {
        /// `hopper-medium-v2`, `mujoco/hopper/medium-v0`, ….
        id: String,
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
        /// Where to write: a name that ends in .hdf5, or a folder for Minari such as NAME-v0; RECIPE.hdf5 unless given.
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
    /// Turn a dataset of any form into a D4RL file, a Minari folder or NumPy's npz.
    #[command(after_help = "Examples:
  aaren data convert hopper-medium.hdf5 ~/.minari/datasets/hopper/medium-v0 --env Hopper-v4
  aaren data convert ~/.minari/datasets/mujoco/hopper/expert-v0 hopper-expert.hdf5")]
    Convert {
        /// A file or a folder (D4RL's HDF5, Minari, LeRobot, npz, CSV, Parquet), or the id of a Minari dataset here.
        dataset: String,
        /// A name that ends in .hdf5 for D4RL, in .npz for NumPy, else a folder for Minari; its last two names are the
        /// dataset's id.
        out: PathBuf,
        #[command(flatten)]
        reading: How,
        /// The environment of the data, which a Minari folder must name.
        #[arg(long)]
        env: Option<String>,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// How a file is read, as the keys of the YAML say it.
#[derive(clap::Args)]
pub struct How {
    /// Keys of a dictionary of observations, in this order; all unless given.
    #[arg(long, num_args = 1..)]
    observe: Vec<String>,
    /// What the numbers of actions mean.
    #[arg(long, value_parser = Actions::NAMES)]
    actions: Option<String>,
}

impl How {
    fn reading(&self) -> Reading {
        let observe = Some(self.observe.clone()).filter(|keys| !keys.is_empty());
        let actions = self.actions.as_ref().and_then(|name| name.parse().ok());
        Reading { observe, actions, columns: None }
    }
}

/// Does it.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Info { dataset, env, reading, json } => {
            info(dataset, &reading.reading(), env.as_deref(), *json)
        }
        Command::Fetch { id, json } => fetch(id, *json),
        Command::Make { recipe, out, transitions, seed, json } => {
            make(recipe, out.as_deref(), *transitions, *seed, *json)
        }
        Command::Convert { dataset, out, reading, env, json } => {
            convert(dataset, out, &reading.reading(), env.as_deref(), *json)
        }
    }
}

/// The file or folder that a person names.
fn find(name: &str) -> Result<PathBuf> {
    let found = locate(name, Path::new(""));
    Ok(found.map_err(|Missing { found, cure }| {
        let known =
            "a D4RL .hdf5 file, a Minari folder or id, a LeRobot folder, or an .npz, .csv or .parquet file";
        let cure = cure.map(|cure| format!("; {cure}")).unwrap_or_default();
        Refusal(format!("dataset: found {found}; expected {known}{cure}"))
    })?)
}

fn info(name: &str, reading: &Reading, env: Option<&str>, json: bool) -> Result<()> {
    let env = env.map(EnvSpec::new);
    show(&Dataset::load_for(&find(name)?, reading, env.as_ref())?, env.as_ref(), json)
}

fn fetch(id: &str, json: bool) -> Result<()> {
    let style = "fetching {msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    let bar =
        ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?).with_message(id.to_owned());
    let progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let path = aaren_datasets::fetch(id, Path::new(""), &progress)?;
    bar.finish_and_clear();
    show(&Dataset::load(&path)?, None, json)?;
    if !json {
        output::print(format_args!("written to    {}", path.display()))?;
    }
    Ok(())
}

/// Refuses what is there: nothing of a user's is overwritten.
fn refuse_existing(out: &Path) -> Result<()> {
    match out.symlink_metadata() {
        Ok(_) => {
            Err(Refusal(format!("{}: exists already; remove it or choose another name", out.display()))
                .into())
        }
        Err(_) => Ok(()),
    }
}

/// Whether a name is one of an HDF5 file; else it is one of a Minari folder.
fn is_hdf5(out: &Path) -> bool {
    let extension = out.extension().unwrap_or_default().to_ascii_lowercase();
    ["hdf5", "h5", "hdf"].iter().any(|known| extension == *known)
}

fn make(name: &str, out: Option<&Path>, transitions: usize, seed: u64, json: bool) -> Result<()> {
    if transitions == 0 {
        return Err(Refusal("--transitions: found 0, expected at least 1".into()).into());
    }
    let path = out.map_or_else(|| format!("{name}.hdf5").into(), Path::to_owned);
    refuse_existing(&path)?;
    let bar = bar(transitions, name);
    let made = |made: usize| bar.set_position(made as u64);
    let dataset = if is_hdf5(&path) {
        recipe::write(name, &path, transitions, seed, made)?
    } else {
        let env = recipe::env(name)?;
        Dataset::check_minari_name(&path)?;
        let dataset = recipe::make(name, transitions, seed, made)?;
        dataset.write_minari(&path, &env.id, &[("recipe", name.to_owned()), ("seed", seed.to_string())])?;
        dataset
    };
    bar.finish_and_clear();
    show(&dataset, None, json)?;
    if let (false, Some(scores)) = (json, reference_scores(name)) {
        let score = scores.normalised(dataset.summary().return_mean);
        output::print(format_args!("score         {score:.1} (normalised)"))?;
        output::print(format_args!("written to    {}", path.display()))?;
    }
    Ok(())
}

fn convert(from: &str, out: &Path, reading: &Reading, env: Option<&str>, json: bool) -> Result<()> {
    let env = env.map(EnvSpec::new);
    refuse_existing(out)?;
    let dataset = Dataset::load_for(&find(from)?, reading, env.as_ref())?;
    let source = ("converted_from", dataset.name().to_owned());
    if is_hdf5(out) {
        let mut metadata = vec![source];
        metadata.extend(env.as_ref().map(|env| ("env_id", env.id.clone())));
        dataset.write_d4rl(out, &metadata)?;
    } else if out.extension().is_some_and(|extension| extension == "npz") {
        dataset.write_npz(out)?;
    } else {
        let Some(env) = &env else {
            let reason = "a Minari folder names its environment; add --env ID, such as --env Hopper-v4 (for D4RL, end the name in .hdf5)";
            return Err(Refusal(format!("{}: {reason}", out.display())).into());
        };
        dataset.write_minari(out, &env.id, &[source])?;
    }
    show(
        &Dataset::load_for(out, &Reading { observe: None, columns: None, ..reading.clone() }, env.as_ref())?,
        env.as_ref(),
        json,
    )?;
    if !json {
        output::print(format_args!("written to    {}", out.display()))?;
    }
    Ok(())
}

/// What a dataset holds, what is remarkable in it, and how hard it is to imitate.
fn show(dataset: &Dataset, env: Option<&EnvSpec>, json: bool) -> Result<()> {
    let summary = dataset.summary();
    let difficulty = Difficulty::of(dataset, env)?;
    let space = env.map(aaren_envs::make).transpose()?.map(|environment| environment.action_space().clone());
    let findings = dataset.findings(space.as_ref());
    if json {
        #[derive(serde::Serialize)]
        struct Info {
            #[serde(flatten)]
            summary: DatasetSummary,
            difficulty: Difficulty,
            findings: Vec<String>,
        }
        return Ok(output::print(serde_json::to_string(&Info { summary, difficulty, findings })?)?);
    }
    output::print(summary)?;
    output::print(difficulty)?;
    for finding in findings {
        output::print(format_args!("note          {finding}"))?;
    }
    Ok(())
}

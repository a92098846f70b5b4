//! `aaren data`.

use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use aaren_datasets::{Actions, Dataset, DatasetSummary, Difficulty, Missing, Reading, locate, recipe};
use aaren_envs::{EnvSpec, reference_scores};
use aaren_runs::dataset::bar;
use aaren_runs::output;
use anyhow::Result;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check a dataset, and show what it holds and how hard it is to imitate.
    #[command(after_help = "Examples:
  aaren data info hopper-medium.hdf5
  aaren data info ~/.minari/datasets/mujoco/hopper/medium-v0 --json
  aaren data info robot.csv --columns '{observation: [x, v], action: u}'")]
    Info {
        /// A file or a folder (D4RL's HDF5, Minari, LeRobot, npz, CSV, Parquet), or the id of a Minari dataset here.
        dataset: String,
        /// Its environment, an id or a map as in an experiment: then starts that it shares with an evaluation are counted.
        #[arg(long)]
        env: Option<String>,
        #[command(flatten)]
        reading: How,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Download a dataset by its id: D4RL's v2 files, and Minari's.
    #[command(after_help = "A D4RL id becomes ID.hdf5 in this folder. A Minari id becomes a folder where
Minari keeps its own (MINARI_DATASETS_PATH, else ~/.minari/datasets).
HF_ENDPOINT and D4RL_ENDPOINT name mirrors. If a download is cut off, the same
command continues it.

Examples:
  aaren data fetch hopper-medium-v2
  aaren data fetch D4RL/pointmaze/umaze-v2")]
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
        /// Where to write, as for `data convert`; RECIPE.hdf5 unless given.
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
    /// Turn a dataset of any form into another one.
    #[command(after_help = "The name of OUT says the form: .hdf5 (D4RL), .npz, .csv, .parquet, else a
Minari folder.

Examples:
  aaren data convert hopper-medium.hdf5 ~/.minari/datasets/hopper/medium-v0 --env Hopper-v4
  aaren data convert ~/.minari/datasets/mujoco/hopper/expert-v0 hopper-expert.hdf5
  aaren data convert hopper-medium.hdf5 hopper-medium --to lerobot")]
    Convert {
        /// A file or a folder (D4RL's HDF5, Minari, LeRobot, npz, CSV, Parquet), or the id of a Minari dataset here.
        dataset: String,
        /// The file or folder to write; the id of a Minari folder is its path below Minari's own folder, else the path as given.
        out: PathBuf,
        /// What to write, where the name does not say it.
        #[arg(long, value_enum)]
        to: Option<Form>,
        #[command(flatten)]
        reading: How,
        /// The environment of the data, an id or a map as in an experiment; a Minari folder names it.
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
    /// Which columns of a table are what, as `columns` in a YAML; the usual names unless given.
    #[arg(long, value_name = "MAP")]
    columns: Option<String>,
}

impl How {
    fn reading(&self) -> Result<Reading> {
        let observe = Some(self.observe.clone()).filter(|keys| !keys.is_empty());
        let actions = self.actions.as_ref().and_then(|name| name.parse().ok());
        let columns = self.columns.as_deref().map(aaren_spec::table_columns).transpose()?.flatten();
        Ok(Reading { observe, actions, columns, ..Reading::default() })
    }
}

/// Does it.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Info { dataset, env, reading, json } => {
            info(dataset, &reading.reading()?, env.as_deref(), *json)
        }
        Command::Fetch { id, json } => fetch(id, *json),
        Command::Make { recipe, out, transitions, seed, json } => {
            make(recipe, out.as_deref(), *transitions, *seed, *json)
        }
        Command::Convert { dataset, out, to, reading, env, json } => {
            let form = to.unwrap_or_else(|| Form::of(out));
            convert(dataset, (out, form), &reading.reading()?, env.as_deref(), *json)
        }
    }
}

/// The file or folder that a person names.
fn find(name: &str) -> Result<PathBuf> {
    let found = locate(name, Path::new(""));
    Ok(found.map_err(|Missing { found, cure }| {
        let known =
            "a D4RL .hdf5 file, a Minari folder or id, a LeRobot folder, or an .npz, .csv or .parquet file";
        // A recipe's name is data for an experiment, which makes them.
        let cure = match recipe::env(name) {
            Ok(_) => Some(format!("`aaren data make {name}` makes this recipe")),
            Err(_) => cure,
        };
        let cure = cure.map(|cure| format!("; {cure}")).unwrap_or_default();
        Refusal(format!("dataset: found {found}; expected {known}{cure}"))
    })?)
}

fn info(name: &str, reading: &Reading, env: Option<&str>, json: bool) -> Result<()> {
    let (env, reading) = environment(env, reading)?;
    show(&Dataset::load_for(&find(name)?, &reading, env.as_ref())?, env.as_ref(), json)
}

fn fetch(id: &str, json: bool) -> Result<()> {
    let style = "fetching {msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    let bar = output::bar(0, style).with_message(id.to_owned());
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

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// HDF5 in D4RL's layout.
    D4rl,
    /// NumPy's arrays.
    Npz,
    /// A table as text.
    Csv,
    /// A Parquet file.
    Parquet,
    /// A folder for Minari, in its HDF5 form.
    Minari,
    /// A folder for LeRobot (v3.0).
    Lerobot,
}

impl Form {
    /// As the ending of a name says.
    fn of(out: &Path) -> Self {
        match out.extension().unwrap_or_default().to_ascii_lowercase().to_str() {
            Some("hdf5" | "h5" | "hdf") => Form::D4rl,
            Some("npz") => Form::Npz,
            Some("csv") => Form::Csv,
            Some("parquet") => Form::Parquet,
            _ => Form::Minari,
        }
    }

    fn write(
        self,
        dataset: &Dataset,
        out: &Path,
        env: Option<&EnvSpec>,
        source: &[(&str, String)],
    ) -> Result<()> {
        match self {
            Form::D4rl => {
                let mut metadata = source.to_vec();
                metadata.extend(env.map(|env| ("env_id", env.id.clone())));
                dataset.write_d4rl(out, &metadata)?;
            }
            Form::Npz => dataset.write_npz(out)?,
            Form::Csv => dataset.write_csv(out)?,
            Form::Parquet => dataset.write_parquet(out)?,
            Form::Minari => dataset.write_minari(out, env, source)?,
            Form::Lerobot => dataset.write_lerobot(out)?,
        }
        Ok(())
    }
}

/// The environment of `--env`, and the keys of a dictionary of observations that it or `--observe` chooses.
fn environment(env: Option<&str>, reading: &Reading) -> Result<(Option<EnvSpec>, Reading)> {
    let (mut env, mut reading) = (env.map(aaren_spec::environment).transpose()?, reading.clone());
    if let Some(python) = env.as_mut().and_then(|env| env.python.as_mut()) {
        reading.observe = reading.observe.or(python.observe.take());
        python.observe.clone_from(&reading.observe);
    }
    Ok((env, reading))
}

fn make(name: &str, out: Option<&Path>, transitions: usize, seed: u64, json: bool) -> Result<()> {
    if transitions == 0 {
        return Err(Refusal("--transitions: found 0, expected at least 1".into()).into());
    }
    let path = out.map_or_else(|| format!("{name}.hdf5").into(), Path::to_owned);
    refuse_existing(&path)?;
    let bar = bar(transitions, name);
    let made = |made: usize| bar.set_position(made as u64);
    let dataset = match Form::of(&path) {
        Form::D4rl => recipe::write(name, &path, transitions, seed, made)?,
        form => {
            let env = EnvSpec::new(recipe::env(name)?.id);
            if form == Form::Minari {
                Dataset::check_minari_name(&path)?;
            }
            let dataset = recipe::make(name, transitions, seed, made)?;
            let source = [("recipe", name.to_owned()), ("seed", seed.to_string())];
            form.write(&dataset, &path, Some(&env), &source)?;
            dataset
        }
    };
    bar.finish_and_clear();
    show(&dataset, None, json)?;
    if !json {
        if let Some(scores) = reference_scores(name) {
            let score = scores.normalised(dataset.summary().return_mean);
            output::print(format_args!("score         {score:.1} (normalised)"))?;
        }
        output::print(format_args!("written to    {}", path.display()))?;
    }
    Ok(())
}

fn convert(
    from: &str,
    (out, form): (&Path, Form),
    reading: &Reading,
    env: Option<&str>,
    json: bool,
) -> Result<()> {
    let (env, reading) = environment(env, reading)?;
    refuse_existing(out)?;
    if form == Form::Minari {
        Dataset::check_minari_name(out)?;
    }
    let dataset = Dataset::load_for(&find(from)?, &reading, env.as_ref())?;
    form.write(&dataset, out, env.as_ref(), &[("converted_from", dataset.name().to_owned())])?;
    show(
        &Dataset::load_for(out, &Reading { observe: None, columns: None, ..reading }, env.as_ref())?,
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
    let space = env.map(aaren_envs::describe).transpose()?.map(|its| its.action);
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

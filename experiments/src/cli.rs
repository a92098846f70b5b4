//! The command line: what clap parses, and which function does it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{attention, bench, compare, data, envs, evaluate, report, run, sweep};

/// A combination of arguments that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Offline reinforcement learning with Aaren and Transformer agents.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  aaren run experiments/demo.yaml
  aaren evaluate results/demo/aaren-seed0 --episodes 50
  aaren data info halfcheetah-medium.hdf5

Exit status: 0 done, 1 failed, 2 the arguments, the experiment or its data were refused."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train every policy × seed of an experiment, evaluate, and report; run again to continue.
    Run(RunArgs),
    /// Roll out a trained policy.
    Evaluate(EvaluateArgs),
    /// Compare memory and time of acting and training with the Transformer.
    Compare(CompareArgs),
    /// Roll the policies of an experiment out with several memories, or in several forms of the environment.
    Sweep(SweepArgs),
    /// Show how the policies of an experiment spread their attention over the past.
    Attention(AttentionArgs),
    /// Gather many experiments into one table, dataset × policy, as Markdown, CSV and LaTeX.
    Report(ReportArgs),
    /// Measure speed and memory, as ratios to what one would run instead.
    Bench(BenchArgs),
    /// Look at datasets, or make them from recipes.
    #[command(subcommand)]
    Data(DataCommand),
    /// Know the environments.
    #[command(subcommand)]
    Envs(EnvsCommand),
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren run experiments/hopper-medium-expert.yaml
  aaren run my.yaml --set train.updates=500 --set train.learning_rate=1e-3
  aaren run my.yaml --set dataset=../data/walker2d-medium.hdf5 --results scratch")]
pub struct RunArgs {
    /// The experiment.
    pub experiment: PathBuf,
    /// Override a key of the experiment, as KEY=YAML; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder that gets a folder for this experiment.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Print the summary as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren evaluate results/demo/aaren-seed0
  aaren evaluate policy.safetensors --episodes 100 --seed 7 --target-return 3600 1800
  aaren evaluate policy.safetensors --rollout window:20 --env Hopper-v5 --json")]
pub struct EvaluateArgs {
    /// A policy.safetensors, or the folder of a run that holds one.
    pub policy: PathBuf,
    /// Environment, where it is not the one the policy was trained for.
    #[arg(long)]
    pub env: Option<String>,
    /// Episodes for each target return.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Target returns; those of its training unless given.
    #[arg(long, num_args = 1.., allow_negative_numbers = true)]
    pub target_return: Vec<f64>,
    /// Memory: unbounded, window:K or reset:K timesteps; that of its training unless given.
    #[arg(long)]
    pub rollout: Option<aaren_format::Regime>,
    /// Decides the episodes: the same seed gives the same returns.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to compute: cpu (the streaming runtime) or cuda (libtorch).
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren compare experiments/hopper-medium-expert.yaml
  aaren compare results/demo/aaren-seed0 results/demo/transformer-seed0")]
pub struct CompareArgs {
    /// An experiment (its trained policies, else untrained ones of the same shape), or folders of runs.
    #[arg(required = true, value_name = "EXPERIMENT.yaml|RUN_DIR")]
    pub of: Vec<PathBuf>,
    /// Override a key of the experiment, as KEY=YAML; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder that holds the experiment's results, and gets the comparison.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Where libtorch computes: cpu or cuda.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren sweep results/hopper-positions --rollout unbounded --rollout window:20
  aaren sweep results/t-maze --vary corridor=10,30,100,300,1000 --episodes 100")]
pub struct SweepArgs {
    /// Results folder of an experiment that `aaren run` has finished; gets sweep.json, sweep.md and sweep.svg.
    pub experiment: PathBuf,
    /// Memory: unbounded, window:K or reset:K timesteps; may be given again; each policy's own unless given.
    #[arg(long)]
    pub rollout: Vec<aaren_format::Regime>,
    /// Values of a keyword argument of the environment.
    #[arg(long, value_name = "KEY=A,B,…", value_parser = sweep::parse_vary)]
    pub vary: Option<sweep::Vary>,
    /// Episodes of each training seed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Target return; the first one of their training unless given.
    #[arg(long, allow_negative_numbers = true)]
    pub target_return: Option<f64>,
    /// Decides the episodes: the same seed gives the same returns.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren attention results/hopper-positions
  aaren attention results/demo --timesteps 10 100 1000 --recent 5")]
pub struct AttentionArgs {
    /// Results folder of an experiment that `aaren run` has finished; gets attention.json, .md and .svg.
    pub experiment: PathBuf,
    /// Timesteps at which a policy acts, counted from 1; 20, 100, 500 and 1000 unless given.
    #[arg(long, num_args = 1..)]
    pub timesteps: Vec<usize>,
    /// How many timesteps count as recent.
    #[arg(long, default_value_t = 20)]
    pub recent: usize,
    /// Episodes of the dataset to look at, at most; those that are long enough.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub episodes: u16,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren report results
  aaren report results/hopper-medium results/walker2d-medium --out paper")]
pub struct ReportArgs {
    /// Results folders of experiments, or a folder that holds such.
    #[arg(required = true, value_name = "RESULTS_DIR")]
    pub folders: Vec<PathBuf>,
    /// Folder for report.md, report.csv and report.tex.
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Examples:
  aaren bench
  aaren bench step --json
  aaren bench train --threads 1")]
pub struct BenchArgs {
    /// What to measure; everything unless given.
    #[arg(value_enum)]
    pub subject: Option<BenchSubject>,
    /// Threads of libtorch, for us and for the reference, in training; all cores unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Python with PyTorch and Gymnasium, for the references; `make bench` installs it.
    #[arg(long, default_value = ".deps/python/bin/python")]
    pub python: PathBuf,
    /// Folder for bench.json and bench.md.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What `aaren bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchSubject {
    /// Updates per second.
    Train,
    /// Time of one environment step of a policy.
    Step,
    /// Steps per second of the environments.
    Env,
    /// Time of an evaluation, and of its environments alone.
    Evaluate,
    /// Time and memory of loading data.
    Data,
}

impl BenchSubject {
    pub fn name(self) -> &'static str {
        match self {
            BenchSubject::Train => "train",
            BenchSubject::Step => "step",
            BenchSubject::Env => "env",
            BenchSubject::Evaluate => "evaluate",
            BenchSubject::Data => "data",
        }
    }
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Check a dataset and show what it holds.
    #[command(after_help = "Examples:
  aaren data info hopper-medium.hdf5
  aaren data info ~/.minari/datasets/mujoco/hopper/medium-v0 --json")]
    Info {
        /// A D4RL .hdf5 file or a Minari folder.
        dataset: PathBuf,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Make a dataset from a recipe: snapshots of a behaviour agent, replayed.
    #[command(after_help = "Recipes: TASK-QUALITY, of cartpole, hopper, halfcheetah, walker2d, ant
and random, medium, medium-replay, medium-expert, expert;
t-maze-L and t-maze-L-M, with corridors of L to M steps.

Examples:
  aaren data make hopper-medium-expert
  aaren data make hopper-medium --transitions 1000000 --seed 1 --out medium.hdf5")]
    Make {
        /// Name of the recipe.
        recipe: String,
        /// Where to write; RECIPE.hdf5 unless given.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Transitions, at least; the last episode is finished.
        #[arg(long, default_value_t = aaren_agents::recipe::TRANSITIONS)]
        transitions: usize,
        /// Decides the episodes.
        #[arg(long, default_value_t = aaren_agents::recipe::SEED)]
        seed: u64,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Turn a D4RL file into a Minari folder, or the other way.
    #[command(after_help = "Examples:
  aaren data convert hopper-medium.hdf5 ~/.minari/datasets/hopper/medium-v0 --env Hopper-v4
  aaren data convert ~/.minari/datasets/mujoco/hopper/expert-v0 hopper-expert.hdf5")]
    Convert {
        /// A D4RL .hdf5 file or a Minari folder.
        dataset: PathBuf,
        /// A name that ends in .hdf5 for D4RL, else a folder for Minari; its last two names are the dataset's id.
        out: PathBuf,
        /// The environment of the data, which a Minari folder must name.
        #[arg(long)]
        env: Option<String>,
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum EnvsCommand {
    /// Show the environments that are known.
    List {
        /// Print one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Replay a trajectory of the Python environment and show the largest differences.
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

impl Cli {
    /// Whether libtorch will train.
    pub fn trains(&self) -> bool {
        matches!(self.command, Command::Run(_) | Command::Compare(_) | Command::Bench(_))
    }

    /// Does what was asked for.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Evaluate(args) => evaluate::command(&args),
            Command::Compare(args) => compare::run(&args),
            Command::Sweep(args) => sweep::run(&args),
            Command::Attention(args) => attention::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Data(DataCommand::Info { dataset, json }) => data::info(&dataset, json),
            Command::Data(DataCommand::Make { recipe, out, transitions, seed, json }) => {
                data::make(&recipe, out, transitions, seed, json)
            }
            Command::Data(DataCommand::Convert { dataset, out, env, json }) => {
                data::convert(&dataset, &out, env.as_deref(), json)
            }
            Command::Envs(EnvsCommand::List { json }) => envs::list(json),
            Command::Envs(EnvsCommand::Check { trajectory, json }) => envs::check(&trajectory, json),
        }
    }
}

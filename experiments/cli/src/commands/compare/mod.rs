//! `aaren compare`: memory and time of acting and training, policy beside policy.

mod acting;
mod int8;
mod report;
mod training;

use std::path::{Path, PathBuf};

use crate::commands::paths::inside;
use crate::refusal::Refusal;
use aaren_agents::{PolicyFile, Task};
use aaren_encoders::open_device;
use aaren_envs::{EnvSpec, describe};
use aaren_format::{Header, Network};
use aaren_reports::Summary;
use aaren_runs::{output, stand_in};
use aaren_spec::{Document, ExperimentFolder, RunFolder, Spec};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren compare experiments/hopper-medium-expert.yaml
  aaren compare results/hopper/aaren-seed0 results/hopper/transformer-seed0
  aaren compare --int8 results/hopper/aaren-seed0")]
pub struct Args {
    /// An experiment (its trained policies if there are any, else untrained ones of the same shape), or folders of
    /// runs or policy files.
    #[arg(required = true, value_name = "EXPERIMENT.yaml|RUN_DIR")]
    pub of: Vec<PathBuf>,
    /// Override a key of the experiment, as KEY=YAML; repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder of all results; the comparison is written into the experiment's folder.
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Compare returns instead: play the same episodes with each policy and with its matrices rounded to int8.
    #[arg(long, conflicts_with_all = ["overrides", "device", "results"])]
    pub int8: bool,
    /// With --int8: episodes for each target return.
    #[arg(long, default_value_t = 100, requires = "int8", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// With --int8: seed of the episodes.
    #[arg(long, default_value_t = 0, requires = "int8")]
    pub seed: u64,
    /// Device on which training is measured: cpu or cuda.
    #[arg(long, default_value = "cpu")]
    pub device: aaren_format::Device,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What is compared.
struct Compared {
    /// The policies, trained or with their initial weights.
    policies: Vec<PolicyFile>,
    /// The environment of the first.
    env: EnvSpec,
    /// Whether all weights are trained ones.
    trained: bool,
    /// Scores by policy, where `aaren run` left a summary.
    summary: Option<Summary>,
    /// Title of the report.
    name: String,
    /// Where it goes.
    folder: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    if args.int8 {
        return int8::run(args);
    }
    let device = open_device(args.device)?;
    tch::set_num_threads(1);
    let compared = match args.of.as_slice() {
        [yaml] if yaml.is_file() && !is_policy(yaml) => of_experiment(yaml, args)?,
        folders => of_runs(folders, args)?,
    };
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("a valid template"));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let costs = acting::measure(&compared, &bar)?;
    let training = training::measure(&compared, device, &bar)?;
    bar.finish_and_clear();
    let report = report::Report::new(&compared, &costs, &training);
    std::fs::create_dir_all(&compared.folder).with_context(|| compared.folder.display().to_string())?;
    report.write(&compared.folder)?;
    if args.json {
        output::print(report.json)?;
    } else {
        output::print(report.summary)?;
        output::print(format_args!("written to {}", compared.folder.display()))?;
    }
    Ok(())
}

/// The policies of an experiment: those that `aaren run` trained, else untrained ones of the same shape.
fn of_experiment(yaml: &Path, args: &Args) -> Result<Compared> {
    let document = Document::read(yaml, &args.overrides)?;
    let spec = document.spec()?;
    let folder = ExperimentFolder::of(&args.results, &spec.name);
    let (mut policies, mut trained) = (Vec::new(), true);
    for policy in &spec.policies {
        let path = folder.run(&policy.name, spec.seeds[0]).policy();
        if path.is_file() {
            policies.push(PolicyFile::load(&path)?);
            continue;
        }
        trained = false;
        if spec.env.is_none() {
            let reason = "found none, which would give untrained policies their sizes; train them first with `aaren run`";
            return Err(Refusal(format!("{}: {reason}", document.place("env"))).into());
        }
        let environment = describe(&spec.env).with_context(|| document.place("env").to_string())?;
        let task = Task::new(&environment, spec.evaluate.return_scale.unwrap_or(1000.0));
        policies.push(stand_in::policy(&policy.name, &policy.agent, &task)?);
    }
    let Spec { name, env, .. } = spec;
    Ok(Compared { policies, env, trained, summary: summary(&folder), name, folder: folder.path().to_owned() })
}

/// The policies in folders of runs, or of experiments.
fn of_runs(folders: &[PathBuf], args: &Args) -> Result<Compared> {
    if let Some(set) = args.overrides.first() {
        let expected =
            "expected the YAML of an experiment beside it: a trained policy's settings are in its file";
        bail!(Refusal(format!("--set {set}: {expected}")));
    }
    let mut found: Vec<(PathBuf, PolicyFile)> = Vec::new();
    for path in files(folders, "one experiment's YAML, or policy files or folders of finished runs")? {
        let file = PolicyFile::load(&path)?;
        match found.iter().find(|(_, other)| other.header.policy == file.header.policy) {
            // Seeds of a policy cost the same.
            Some((_, same)) if shape(same) == shape(&file) => {}
            Some((there, _)) => bail!(Refusal(format!(
                "{}: another policy called {} than in {}; compare policies with names of their own",
                path.display(),
                file.header.policy,
                there.display()
            ))),
            None => found.push((path, file)),
        }
    }
    let mut policies: Vec<PolicyFile> = found.into_iter().map(|(_, file)| file).collect();
    let env = policies[0].header.env.clone();
    let above = folders[0].parent().map(ExperimentFolder::at);
    let summary = summary(&ExperimentFolder::at(&folders[0])).or_else(|| summary(&above?));
    // As in the experiment, so that they look as in its other pictures.
    let places = summary.iter().flat_map(|summary| &summary.policies);
    let place = |name: &str| places.clone().find(|(other, _)| *other == name).map(|(_, policy)| policy.place);
    policies.sort_by_key(|file| place(&file.header.policy).unwrap_or(usize::MAX));
    let folder = args.results.join("compare");
    Ok(Compared { policies, env, trained: true, summary, name: "comparison".into(), folder })
}

/// The policies of files, of runs' folders and of folders of them, at least one of each; where one has none, `give` says
/// what to name instead.
fn files(of: &[PathBuf], give: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in of {
        if is_policy(path) {
            files.push(path.clone());
            continue;
        }
        let refusal = |reason: String| Refusal(format!("{}: {reason}; give {give}", path.display()));
        let below = inside(path).map_err(|error| refusal(error.to_string()))?;
        let runs = [path.clone()].into_iter().chain(below).map(|path| RunFolder::at(&path).policy());
        let before = files.len();
        files.extend(runs.filter(|path| path.is_file()));
        if files.len() == before {
            bail!(refusal("no policy.safetensors in it".into()));
        }
    }
    Ok(files)
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}

/// What acting with a policy costs depends on.
fn shape(file: &PolicyFile) -> impl PartialEq + '_ {
    let Header { agent, observation_size, action, network, .. } = &file.header;
    let network = match network {
        Network::Decision(it) => (Some((it.model, it.layout, it.context)), None),
        Network::Perceptron(it) => (None, Some(it)),
    };
    (agent, observation_size, action.size(), network)
}

/// The scores that `aaren run` left, if it did.
fn summary(folder: &ExperimentFolder) -> Option<Summary> {
    let path = folder.summary();
    let read = path.is_file().then(|| Summary::read(&path))?;
    read.inspect_err(|error| output::note(format_args!("no scores: {error:#}"))).ok()
}

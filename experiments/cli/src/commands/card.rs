//! `aaren card`: a folder that a model hub shows as it stands.

use std::path::{Path, PathBuf};

use crate::film::{PICTURES, Part, Recording, ffmpeg_starts};
use crate::refusal::Refusal;
use aaren_datasets::folder_whole;
use aaren_envs::describe;
use aaren_format::Target;
use aaren_reports::{Summary, TargetSummary};
use aaren_runs::evaluation::Evaluation;
use aaren_runs::output;
use aaren_spec::{EpisodeResult, RunFolder, RunResult, RunState};
use aaren_streaming::Policy;
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde_json::{Value, json};

/// Pixels a side of the film, and of the larger file that a GIF is.
const SIZES: [usize; 2] = [480, 240];

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren card results/hopper/aaren-seed0 --out hopper-aaren
  aaren card results/hopper/aaren --out hopper-aaren

The folder holds README.md with the front matter that hubs read,
policy.safetensors, config.json (the policy's header, and the experiment with
every default), summary.json (this policy's part) and replay.mp4, the first
episode of the evaluation. Without ffmpeg the film is replay.gif. Where robots
cannot be drawn, there is no film.")]
pub struct Args {
    /// Folder of a finished run, results/NAME/POLICY-seedK; results/NAME/POLICY means its first seed.
    pub run: PathBuf,
    /// Folder to write; it must not exist yet.
    #[arg(long)]
    pub out: PathBuf,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let card = Card::of(&args.run)?;
    folder_whole(&args.out, |folder| card.write(folder)).with_context(|| args.out.display().to_string())?;
    Ok(output::print(format_args!("{}: the card of {}", args.out.display(), card.run.path().display()))?)
}

/// Everything that a card says, from files.
struct Card {
    run: RunFolder,
    policy: Policy,
    /// Of this policy alone.
    summary: Summary,
    /// Returns of this training's episodes at the first target return, after the last update.
    returns: Vec<f64>,
}

/// The film that lies beside a card.
struct Replay {
    name: &'static str,
    result: EpisodeResult,
    seed: u64,
}

impl Card {
    fn of(path: &Path) -> Result<Self> {
        // A link to a run is that run, whose summary lies beside it.
        let real = path.canonicalize().ok().filter(|_| path.is_symlink());
        let path = real.as_deref().unwrap_or(path);
        let experiment = RunFolder::at(path).experiment();
        let name = path.file_name().and_then(|name| name.to_str());
        let run = match (path.is_dir(), name) {
            (true, _) => RunFolder::at(path),
            (false, Some(name)) if experiment.summary().is_file() => {
                experiment.run(name, Summary::read(&experiment.summary())?.protocol.seeds[0])
            }
            _ => return Err(no_run(path, "is no folder")),
        };
        let state = run.state_as_it_stands();
        if state != RunState::Done {
            return Err(no_run(run.path(), &format!("is not done ({state})")));
        }
        let mut summary = Summary::read(&experiment.summary()).context("the summary beside the run")?;
        let policy = Policy::from_file(run.policy())?;
        summary.policies.retain(|name, _| name == policy.name());
        if summary.policies.is_empty() {
            let at = experiment.summary();
            return Err(no_run(path, &format!("{} does not tell of {}", at.display(), policy.name())));
        }
        // It is of several policies.
        summary.comparison = None;
        let (target, result) = (summary.protocol.target_returns[0], RunResult::read(&run.result())?);
        let episodes = result.evaluations.last().into_iter().flat_map(|last| last.of_target(target));
        let returns: Vec<f64> = episodes.map(|episode| episode.total_return).collect();
        if returns.is_empty() {
            let reason = format!("{}: found no episode of target return {target}", run.result().display());
            return Err(Refusal(format!("{reason}; let `aaren run` finish the experiment")).into());
        }
        Ok(Self { run, policy, summary, returns })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let replay = self.replay(folder)?;
        let bytes =
            std::fs::read(self.run.policy()).with_context(|| self.run.policy().display().to_string())?;
        aaren_spec::write(&folder.join("policy.safetensors"), &bytes)?;
        let spec = std::fs::read_to_string(self.run.spec())
            .with_context(|| self.run.spec().display().to_string())?;
        let config = json!({
            "policy": serde_json::from_str::<Value>(&self.policy.header().to_json())?,
            "experiment": serde_yaml::from_str::<Value>(&spec)?,
        });
        for (name, content) in
            [("config.json", config), ("summary.json", serde_json::to_value(&self.summary)?)]
        {
            let text = serde_json::to_string_pretty(&content)? + "\n";
            aaren_spec::write(&folder.join(name), text.as_bytes())?;
        }
        Ok(aaren_spec::write(&folder.join("README.md"), self.readme(replay.as_ref())?.as_bytes())?)
    }

    /// The film of the first episode of this run's evaluation, where there can be one.
    fn replay(&self, folder: &Path) -> Result<Option<Replay>> {
        let header = self.policy.header();
        let targets = &self.summary.protocol.target_returns;
        let (env, regime, seed) = (&header.env, header.regime(), header.seed);
        let evaluation = Evaluation { env, regime, targets, episodes: 1, seed, guidance: None };
        let film = ffmpeg_starts();
        let (name, size) = if film { ("replay.mp4", SIZES[0]) } else { ("replay.gif", SIZES[1]) };
        let (seed, longest) = (evaluation.episode_seed(0), describe(env)?.max_episode_steps as u64);
        let every = if longest == usize::MAX as u64 { 1 } else { longest.div_ceil(PICTURES) };
        let parts = vec![Part { policy: &self.policy, evaluation }];
        let recording = Recording { parts, episode: 0, steps: longest, every, size, fps: 30 };
        match recording.film(&folder.join(name), &ProgressBar::hidden()) {
            Ok(mut recorded) => {
                if !film {
                    output::note(
                        "ffmpeg cannot be started: replay.gif instead of replay.mp4; `apt install ffmpeg`, or name one in AAREN_FFMPEG",
                    );
                }
                Ok(Some(Replay { name, result: recorded.results.remove(0), seed }))
            }
            Err(error) => match error.downcast::<aaren_envs::Error>() {
                Ok(error @ aaren_envs::Error::Picture { .. }) => {
                    output::note(format_args!("no replay: {error}"));
                    Ok(None)
                }
                Ok(error) => Err(error.into()),
                Err(error) => Err(error),
            },
        }
    }

    fn targets(&self) -> &[TargetSummary] {
        self.summary.policies.values().next().map_or(&[], |policy| &policy.targets)
    }

    /// What hubs read: the YAML before the text.
    fn front_matter(&self) -> Result<String> {
        let protocol = &self.summary.protocol;
        let target = &self.targets()[0];
        let (mean, deviation) = mean_and_deviation(&self.returns);
        let of = json!({
            "target_return": Target(target.target_return), "training_seeds": protocol.seeds,
            "episodes_of_each_seed": protocol.episodes, "trained_on": protocol.dataset.name,
        });
        let metric = |kind: &str, name: &str, estimate: &aaren_statistics::Estimate| {
            let mut args = of.clone();
            args["ci95"] = json!(estimate.ci95);
            json!({"type": kind, "name": name, "value": estimate.mean, "verified": false, "args": args})
        };
        let mut metrics = vec![metric("mean_reward", "mean return", &target.raw_return.estimate)];
        metrics[0]["args"]["this_policy"] =
            json!({"seed": self.policy.header().seed, "mean": mean, "standard_deviation": deviation});
        if let Some(score) = &target.normalised_score {
            metrics.push(metric("normalized_score", "D4RL normalised score", &score.estimate));
        }
        let task = json!({"type": "reinforcement-learning", "name": "reinforcement learning"});
        let results = [json!({
            "task": task, "dataset": {"type": protocol.env.id, "name": protocol.env.id}, "metrics": metrics
        })];
        let matter = json!({
            "library_name": "aaren",
            "pipeline_tag": "reinforcement-learning",
            "tags": ["reinforcement-learning", "offline-reinforcement-learning", "aaren", self.policy.header().agent, protocol.env.id],
            "model-index": [{"name": self.policy.name(), "results": results}],
        });
        Ok(serde_yaml::to_string(&matter)?)
    }

    fn readme(&self, replay: Option<&Replay>) -> Result<String> {
        let (header, protocol) = (self.policy.header(), &self.summary.protocol);
        let (name, env, dataset) = (&header.policy, &protocol.env.id, &protocol.dataset);
        let mut rows = String::new();
        for target in self.targets() {
            let normalised = target.normalised_score.as_ref();
            rows += &format!(
                "| {} | {} | {} | {} |\n",
                Target(target.target_return),
                target.raw_return.estimate,
                normalised.map_or("no reference".into(), |score| score.estimate.to_string()),
                target.episode_length.text(1)
            );
        }
        let (mean, deviation) = mean_and_deviation(&self.returns);
        let film = match replay {
            None => String::new(),
            Some(Replay { name, result, seed }) => format!(
                "[`{name}`]({name}) shows the episode that starts from seed {seed}: return {:.1} in {} timesteps.\n{}\n",
                result.total_return,
                result.length,
                if name.ends_with(".gif") { format!("\n![An episode]({name})\n") } else { String::new() },
            ),
        };
        Ok(format!(
            "---\n{matter}---\n\n# {name} in {env}\n\nA policy of the agent `{agent}`, trained offline on {dataset} ({transitions} transitions, \
             {episodes} episodes) for {updates} updates.\n\n{film}\n\
             | target return | return | normalised score | timesteps |\n|---:|---:|---:|---:|\n{rows}\n\
             Training seeds {seeds:?}, {each} episodes each, of the {score_of}; the policy in this folder is of seed {seed}, with a mean \
             return of {mean:.1} (standard deviation {deviation:.1} over its {own} episodes) at the first target return. Intervals: {interval}.\n\n\
             ```\naaren evaluate policy.safetensors --episodes {own} --seed {seed}\naaren render policy.safetensors --seed {seed} --out episode.gif\n```\n\n\
             In Python, without torch: `aaren.Policy.load(\"policy.safetensors\")`. `config.json` holds the policy's header and the \
             experiment with every default, `summary.json` how it was measured (commit {commit}, MuJoCo {mujoco}).\n",
            matter = self.front_matter()?,
            agent = header.agent,
            dataset = dataset.name,
            transitions = dataset.transitions,
            episodes = dataset.episodes,
            updates = header.updates,
            seeds = protocol.seeds,
            each = protocol.episodes,
            score_of = protocol.score_of,
            seed = header.seed,
            own = self.returns.len(),
            interval = protocol.interval,
            commit = protocol.provenance.commit,
            mujoco = protocol.provenance.mujoco,
        ))
    }
}

fn no_run(path: &Path, reason: &str) -> anyhow::Error {
    let expected =
        "give the folder of a finished run, such as results/hopper/aaren-seed0, or results/hopper/aaren";
    Refusal(format!("{}: {reason}; {expected}", path.display())).into()
}

/// The mean of a sample that is not empty, and its standard deviation (with n − 1; 0 for one value).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

//! `aaren run`: YAML → spec → dataset → training → report.

use aaren_agents::decision::check_fit;
use aaren_agents::file;
use aaren_envs::make;
use aaren_format::Regime;
use aaren_policies::open_device;
use anyhow::{Context, Result, bail};

use crate::cli::RunArgs;
use crate::cost::{self, Cost, Subject};
use crate::spec::{Document, Spec};
use crate::{data, interrupt, lock, setup, summary, train};

pub fn run(args: &RunArgs) -> Result<()> {
    let document = Document::read(&args.experiment, &args.overrides)?;
    let spec = document.spec()?;
    let at = |key: &str| document.place(key).to_string();
    let environment = make(&spec.env).with_context(|| at("env"))?;
    let device = open_device(&spec.train.device.to_string())?;
    let dataset = data::of(&spec, &args.results).with_context(|| at("dataset"))?;
    eprintln!("{}", dataset.summary());
    let statistics = dataset.observation_statistics();
    let models: Vec<_> = spec
        .policies
        .iter()
        .map(|policy| setup::model(&spec, policy, &environment, &dataset, &statistics))
        .collect();
    // Every policy is checked against the data before the first is trained.
    for model in &models {
        check_fit(&dataset, &spec.env, model).with_context(|| at("dataset"))?;
    }
    let targets =
        spec.evaluate.target_returns.clone().unwrap_or_else(|| train::default_targets(&spec.env, &dataset));

    let folder = args.results.join(&spec.name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let _claim = lock::claim(&folder)?;
    interrupt::watch()?;
    file::write(&folder.join("spec.yaml"), spec.to_yaml().as_bytes())?;
    let data = setup::checksum(&dataset);
    let mut finished = Vec::new();
    let mut failed = Vec::new();
    for (policy, model) in spec.policies.iter().zip(&models) {
        for &seed in &spec.seeds {
            let run = train::Run {
                spec: &spec,
                policy,
                seed,
                model: model.clone(),
                targets: &targets,
                dataset: &dataset,
                data,
                device,
                folder: train::folder(&args.results, &spec, policy, seed),
            };
            // A run that diverges must not take the others with it.
            match run.execute() {
                Ok(done) => finished.push(done),
                Err(error) if diverged(&error) => {
                    eprintln!("{run}: {error:#}");
                    failed.push(run.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
    if !finished.is_empty() {
        let costs = measure(&spec, &finished)?;
        let summary = summary::Summary::new(&spec, &dataset, &targets, &finished, &costs);
        summary.write(&folder)?;
        if args.json {
            println!("{}", summary.json());
        } else {
            println!("{}", summary.table());
            println!("written to {}", folder.display());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("did not finish: {}", failed.join(", ")) }
}

/// Time and memory of each policy, with its own memory and, where that is a window, with all of the episode.
fn measure(spec: &Spec, finished: &[train::Finished]) -> Result<Vec<Cost>> {
    let mut subjects = Vec::new();
    for policy in &spec.policies {
        let Some(run) = finished.iter().find(|run| run.policy.name == policy.name) else { continue };
        let rollout = policy.context.rollout;
        subjects.push(Subject::streaming(&policy.name, &run.streaming, rollout)?);
        if matches!(rollout, Regime::Window(_)) {
            subjects.push(Subject::streaming(&policy.name, &run.streaming, Regime::Unbounded)?);
        }
    }
    cost::measure(&mut subjects, &cost::SHORT, &cost::TIMESTEPS)
}

/// Whether training ran into numbers that are none, or into weights that no policy can act with.
fn diverged(error: &anyhow::Error) -> bool {
    use aaren_streaming::Error as Streaming;
    matches!(error.downcast_ref(), Some(aaren_agents::Error::NonFinite { .. }))
        || matches!(error.downcast_ref(), Some(Streaming::NotFinite { .. } | Streaming::Element { .. }))
}

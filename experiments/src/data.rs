//! `aaren data`.

use std::path::{Path, PathBuf};

use aaren_agents::recipe;
use aaren_envs::{Dataset, dataset::Summary, reference_scores};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Usage;
use crate::lock;
use crate::spec::{DatasetSource, Spec};

pub fn info(path: &Path, json: bool) -> Result<()> {
    show(&Dataset::load(path)?.summary(), json)
}

pub fn make(name: &str, out: Option<PathBuf>, transitions: usize, seed: u64, json: bool) -> Result<()> {
    if transitions == 0 {
        return Err(Usage("--transitions: found 0, expected at least 1".into()).into());
    }
    let path = out.unwrap_or_else(|| format!("{name}.hdf5").into());
    let bar = bar(transitions, name);
    let dataset = recipe::write(name, &path, transitions, seed, |made| bar.set_position(made as u64))?;
    bar.finish_and_clear();
    let summary = dataset.summary();
    show(&summary, json)?;
    if let (false, Some(scores)) = (json, reference_scores(name)) {
        println!("score         {:.1} (normalised)", scores.normalised(summary.return_mean));
        println!("written to    {}", path.display());
    }
    Ok(())
}

pub fn convert(from: &Path, out: &Path, env: Option<&str>, json: bool) -> Result<()> {
    let dataset = Dataset::load(from)?;
    let source = ("converted_from", dataset.name().to_owned());
    if out.extension().is_some_and(|extension| extension == "hdf5") {
        if out.exists() {
            return Err(Usage(format!("{}: exists already; choose another name", out.display())).into());
        }
        let mut metadata = vec![source];
        metadata.extend(env.map(|env| ("env_id", env.to_owned())));
        dataset.write_d4rl(out, &metadata)?;
    } else {
        let Some(env) = env else {
            let reason = "a Minari folder names its environment; add --env ID, such as --env Hopper-v4 (for D4RL, end the name in .hdf5)";
            return Err(Usage(format!("{}: {reason}", out.display())).into());
        };
        dataset.write_minari(out, env, &[source])?;
    }
    show(&Dataset::load(out)?.summary(), json)?;
    if !json {
        println!("written to    {}", out.display());
    }
    Ok(())
}

/// The dataset of an experiment, as its environment shows the world; recipes are kept below `results`.
pub fn of(spec: &Spec, results: &Path) -> Result<Dataset> {
    let dataset = match &spec.dataset {
        DatasetSource::Path(path) => Dataset::load(path)?,
        DatasetSource::Recipe(name) => cached(name, &results.join("datasets"))?,
    };
    Ok(dataset.observed_in(&spec.env)?)
}

/// A recipe's dataset from `folder`, made there first where it is missing.
fn cached(name: &str, folder: &Path) -> Result<Dataset> {
    let path = folder.join(format!("{name}.hdf5"));
    if !path.exists() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    // Another experiment may be making it at this moment.
    let _claim = lock::wait_for(folder)?;
    if !path.exists() {
        let bar = bar(recipe::TRANSITIONS, name);
        recipe::write(name, &path, recipe::TRANSITIONS, recipe::SEED, |made| bar.set_position(made as u64))?;
        bar.finish_and_clear();
    }
    Ok(Dataset::load(&path)?)
}

fn bar(transitions: usize, name: &str) -> ProgressBar {
    let style = "making {msg} {wide_bar} {human_pos}/{human_len} transitions, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("a valid template");
    ProgressBar::new(transitions as u64).with_style(style).with_message(name.to_owned())
}

fn show(summary: &Summary, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(summary)?);
    } else {
        println!("{summary}");
    }
    Ok(())
}

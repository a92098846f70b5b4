//! The summaries of experiments whose runs were done by several processes, made where they are missing or old.

use std::path::PathBuf;

use anyhow::Result;

use crate::results::Standing;
use crate::training::Experiment;
use crate::{ExperimentFolder, Refusal, output};

/// Makes the summaries that are missing or older than their runs. The runs that are not finished, of experiments that
/// were named; of those in a folder that was named, they are only said.
pub fn bring_up_to_date(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut unfinished = Vec::new();
    for folder in experiments(folders)? {
        let is_grid = |named: &PathBuf| ExperimentFolder::at(named).grid().is_file();
        let in_grid = |named: &&PathBuf| is_grid(named) && folder.path().parent() == Some(named);
        let named = folders.iter().any(|named| named == folder.path() || in_grid(&named));
        for run in bring_one(&folder) {
            let run = format!("{}: {run}", folder.path().display());
            if named {
                unfinished.push(run);
            } else {
                output::note(format_args!("not finished: {run}"));
            }
        }
    }
    Ok(unfinished)
}

/// Makes the summary of one experiment if it has to be; its runs that are not finished.
fn bring_one(folder: &ExperimentFolder) -> Vec<String> {
    // The folders below an experiment's are those of its runs.
    let is_run = folder.path().parent().is_some_and(|above| ExperimentFolder::at(above).spec().is_file());
    if is_run || !folder.spec().is_file() {
        return Vec::new();
    }
    // Results that were carried here without their data are reported as they were where those are.
    let as_it_is = |error: anyhow::Error| match folder.summary().is_file() {
        true => {
            output::note(format_args!("{}: taken as it is: {error:#}", folder.summary().display()));
            Vec::new()
        }
        false => vec![format!("{error:#}")],
    };
    let experiment = match Experiment::read(&folder.spec(), &[]) {
        Ok(experiment) => experiment,
        Err(error) => return as_it_is(error),
    };
    let standing = Standing::of(experiment.spec(), folder);
    // Where only the report was kept, there is nothing to make another one of.
    if standing.any_finished()
        && standing.summary(experiment.spec(), folder).is_none()
        && let Err(error) = experiment.report(folder)
    {
        return as_it_is(error);
    }
    standing.unfinished()
}

/// The folders, and those right below them.
pub fn experiments(folders: &[PathBuf]) -> Result<Vec<ExperimentFolder>> {
    let mut found = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder);
        let entries = entries.map_err(|error| Refusal(format!("{}: {error}", folder.display())))?;
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        inside.insert(0, folder.clone());
        for inside in inside {
            let is_grid = inside != *folder && ExperimentFolder::at(&inside).grid().is_file();
            if is_grid {
                found.extend(experiments(&[inside])?);
            } else {
                found.push(ExperimentFolder::at(&inside));
            }
        }
    }
    Ok(found)
}

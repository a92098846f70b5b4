//! The summaries of experiments, made of what their runs left.

use std::path::{Path, PathBuf};

use aaren_reports::Summary;
use aaren_runs::{cost, output};
use aaren_spec::{ExperimentFolder, ExperimentResult, RunFolder, RunState};
use anyhow::Result;

use crate::commands::paths::inside;
use crate::refusal::Refusal;

/// Makes the summaries of all of them. The runs that are not finished, of experiments that
/// were named; of those in a folder that was named, they are only said.
pub fn bring_up_to_date(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut unfinished = Vec::new();
    for folder in experiments(folders)? {
        let is_grid = |named: &PathBuf| ExperimentFolder::at(named).grid().is_file();
        let in_grid = |named: &&PathBuf| is_grid(named) && folder.path().parent() == Some(named);
        let named = folders.iter().any(|named| named == folder.path() || in_grid(&named));
        for run in bring_one(&folder)? {
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

/// Makes the summary of one experiment of what its runs left; the runs that are not finished.
fn bring_one(folder: &ExperimentFolder) -> Result<Vec<String>> {
    // The folders below an experiment's are those of its runs.
    let is_run = ExperimentFolder::at(&folder.above()).spec().is_file();
    if is_run || !folder.spec().is_file() {
        return Ok(Vec::new());
    }
    let mut experiment = ExperimentResult::read(folder)?;
    // Where only the report was kept, there is nothing to make another one of.
    if !experiment.runs.is_empty() {
        let _claim = aaren_runs::claim(folder)?;
        experiment.costs = cost::of_policies(&experiment.policies, &experiment.seeds, folder)?;
        if let Some((summary, pictures)) = Summary::new(&experiment)? {
            summary.write(folder, &pictures)?;
        }
    }
    Ok(experiment.unfinished)
}

/// The run in this folder, where it is one that is done.
pub fn run_at(folder: &Path) -> Option<RunFolder> {
    Some(RunFolder::at(folder)).filter(|run| run.state_as_it_stands() == RunState::Done)
}

/// The folders, and those right below them.
pub fn experiments(folders: &[PathBuf]) -> Result<Vec<ExperimentFolder>> {
    let mut found = Vec::new();
    for folder in folders {
        let below = inside(folder).map_err(|error| Refusal(format!("{}: {error}", folder.display())))?;
        for inside in [folder.clone()].into_iter().chain(below) {
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

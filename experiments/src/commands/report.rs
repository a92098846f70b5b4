//! `aaren report`: many experiments in one table, dataset × policy.

use std::path::PathBuf;

use aaren_agents::file;
use anyhow::{Context, Result, anyhow};

use super::up_to_date::{bring_up_to_date, experiments};
use crate::results::{Score, Summary, Table, published};
use crate::statistics::{Estimate, bootstrap_interquartile_mean, mean};
use crate::{ExperimentFolder, Refusal, output};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren report results
  aaren report results/hopper-medium results/walker2d-medium --out paper")]
pub struct Args {
    /// Results folders of experiments, or a folder that holds such.
    #[arg(required = true, value_name = "RESULTS_DIR")]
    pub folders: Vec<PathBuf>,
    /// Folder for report.md, report.csv and report.tex.
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
}

/// Scores, dataset × policy.
#[derive(Default)]
struct Grid {
    datasets: Vec<String>,
    policies: Vec<String>,
    /// Dataset, policy, score.
    cells: Vec<(String, String, Score)>,
    /// Rows of D4RL's own datasets, and what peers published for them.
    published: Vec<(String, [f64; 2])>,
}

const ABOUT: &str = "Normalised scores of the last update at the first target return, mean ± half of the 95 % bootstrap \
    interval (seeds resampled, then the episodes of each); the interquartile mean is over the runs of all datasets \
    (Agarwal et al. 2021). The best evaluation of each run is in report.csv only.";

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let unfinished = bring_up_to_date(&args.folders)?;
    let unfinished = || match unfinished.is_empty() {
        true => Ok(()),
        false => Err(anyhow!("did not finish:\n  {}", unfinished.join("\n  "))),
    };
    let mut grid = Grid::default();
    for path in summaries(&args.folders).or_else(|error| unfinished().and(Err(error)))? {
        let varied = path.parent().and_then(|folder| ExperimentFolder::at(folder).varied());
        grid.take(Summary::read(&path)?, varied, &path.display().to_string())?;
    }
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let table = grid.table();
    let markdown = format!("{}\n{ABOUT}\n{}", table.to_markdown(), grid.peers());
    let forms = [
        ("report.md", markdown.clone()),
        ("report.csv", grid.scores().to_csv()?),
        ("report.tex", table.to_latex()),
    ];
    for (name, text) in &forms {
        file::write(&args.out.join(name), text.as_bytes())?;
    }
    output::print(markdown)?;
    output::print(format_args!("written to {}: report.md, report.csv, report.tex", args.out.display()))?;
    unfinished()
}

/// Every `summary.json` in the folders, or in folders right below them.
fn summaries(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let inside = experiments(std::slice::from_ref(folder))?;
        let before = found.len();
        found.extend(inside.iter().map(ExperimentFolder::summary).filter(|path| path.is_file()));
        if found.len() == before {
            let reason = "no summary.json in it; give results folders of `aaren run`";
            return Err(Refusal(format!("{}: {reason}", folder.display())).into());
        }
    }
    Ok(found)
}

impl Grid {
    fn take(&mut self, summary: Summary, varied: Option<String>, path: &str) -> Result<()> {
        let (dataset, env) = (&summary.protocol.dataset.name, &summary.protocol.env);
        let hidden = env.kwargs.get("observe").and_then(|observe| observe.as_str());
        let hidden = hidden.map_or(String::new(), |observe| format!(", {observe}"));
        let varied = varied.map_or(String::new(), |varied| format!(", {varied}"));
        let row = format!("{dataset} ({}{hidden}{varied})", env.id);
        if let Some(scores) = published::published(&env.id) {
            self.published.push((row.clone(), scores));
        }
        for (policy, measured) in summary.policies {
            // A policy without reference scores has no place in an average.
            let Some(score) = measured.targets.into_iter().next().and_then(|target| target.normalised_score)
            else {
                output::note(format_args!("{path}: {policy} has no normalised score and is left out"));
                continue;
            };
            if self.score(&row, &policy).is_some() {
                let reason = format!("{policy} on {row} is in two summaries; give one of them");
                return Err(Refusal(format!("{path}: {reason}")).into());
            }
            for (list, name) in [(&mut self.datasets, &row), (&mut self.policies, &policy)] {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
            self.cells.push((row.clone(), policy, score));
        }
        Ok(())
    }

    fn score(&self, dataset: &str, policy: &str) -> Option<&Score> {
        let cell = self.cells.iter().find(|(d, p, _)| d == dataset && p == policy);
        cell.map(|(_, _, score)| score)
    }

    /// The mean over datasets and the interquartile mean over all seeds, of a policy that all datasets have.
    fn averages(&self, policy: &str) -> Option<(f64, Estimate)> {
        let scores: Option<Vec<&Score>> =
            self.datasets.iter().map(|dataset| self.score(dataset, policy)).collect();
        let scores = scores.filter(|scores| !scores.is_empty())?;
        let strata: Vec<Vec<f64>> = scores.iter().map(|score| score.per_seed.clone()).collect();
        let means: Vec<f64> = scores.iter().map(|score| score.estimate.mean).collect();
        Some((mean(&means), bootstrap_interquartile_mean(&strata, 0)))
    }

    /// A row for each dataset, then the mean and the interquartile mean.
    fn table(&self) -> Table {
        let mut table =
            Table::new(1, ["dataset"].into_iter().chain(self.policies.iter().map(String::as_str)));
        let row = |table: &mut Table, name: &str, cell: &dyn Fn(&str) -> Option<String>| {
            let cells = self.policies.iter().map(|policy| cell(policy).unwrap_or_else(|| "–".into()));
            table.row([name.to_owned()].into_iter().chain(cells));
        };
        for dataset in &self.datasets {
            let score = |policy: &str| self.score(dataset, policy).map(|score| score.estimate.to_string());
            row(&mut table, dataset, &score);
        }
        table.rule();
        let average = |policy: &str| Some(format!("{:.1}", self.averages(policy)?.0));
        row(&mut table, "mean over datasets", &average);
        row(&mut table, "interquartile mean over runs", &|policy| Some(self.averages(policy)?.1.to_string()));
        table
    }

    /// What peers published for D4RL's own datasets, where there are runs on such.
    fn peers(&self) -> String {
        if self.published.is_empty() {
            return String::new();
        }
        let mut table = Table::new(1, ["dataset"].into_iter().chain(published::METHODS));
        for (row, scores) in &self.published {
            table.row([row.clone()].into_iter().chain(scores.iter().map(|score| format!("{score:.1}"))));
        }
        format!("\n{}\n{}\n", table.to_markdown(), published::SOURCE)
    }

    /// A row for each dataset and policy, to the last digit.
    fn scores(&self) -> Table {
        let heads = ["dataset", "policy", "seeds", "mean", "ci95_low", "ci95_high", "last", "best"];
        let mut table = Table::new(2, heads);
        for (dataset, policy, score) in &self.cells {
            let Score { estimate: Estimate { mean, ci95: (low, high) }, per_seed, last, best } = score;
            let numbers = [mean, low, high, last, best].map(f64::to_string);
            let names = [dataset.clone(), policy.clone(), per_seed.len().to_string()];
            table.row(names.into_iter().chain(numbers));
        }
        table
    }
}

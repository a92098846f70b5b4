//! `aaren report`: many experiments in one table, dataset × policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aaren_agents::file;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::{ReportArgs, Usage};
use crate::statistics::{Estimate, bootstrap_interquartile_mean, mean};

/// Scores of one policy on one dataset.
struct Cell {
    /// Mean over all episodes of all seeds, with its 95 % interval.
    score: Estimate,
    /// A score for each seed, of the last update.
    per_seed: Vec<f64>,
    /// Mean over the seeds of the best evaluation.
    best: f64,
}

/// Dataset × policy.
struct Table {
    datasets: Vec<String>,
    policies: Vec<String>,
    cells: BTreeMap<(String, String), Cell>,
}

pub fn run(args: &ReportArgs) -> Result<()> {
    let mut table = Table { datasets: Vec::new(), policies: Vec::new(), cells: BTreeMap::new() };
    for path in summaries(&args.folders)? {
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let summary = serde_json::from_slice(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
        table.take(&summary, &path)?;
    }
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let forms = [("report.md", table.markdown()), ("report.csv", table.csv()), ("report.tex", table.latex())];
    for (name, text) in &forms {
        file::write(&args.out.join(name), text.as_bytes())?;
    }
    println!("{}", forms[0].1);
    println!("written to {}: report.md, report.csv, report.tex", args.out.display());
    Ok(())
}

/// Every `summary.json` in the folders, or in folders right below them.
fn summaries(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let refused = |reason: String| Usage(format!("{}: {reason}", folder.display()));
        let entries = std::fs::read_dir(folder).map_err(|e| refused(e.to_string()))?;
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        inside.insert(0, folder.clone());
        let before = found.len();
        found.extend(inside.iter().map(|folder| folder.join("summary.json")).filter(|path| path.is_file()));
        if found.len() == before {
            return Err(refused("no summary.json in it; give results folders of `aaren run`".into()).into());
        }
    }
    Ok(found)
}

impl Table {
    fn take(&mut self, summary: &Value, path: &Path) -> Result<()> {
        let wrong = |key: &str| {
            Usage(format!("{}: no `{key}`; run `aaren run` again to write it anew", path.display()))
        };
        let dataset =
            summary["protocol"]["dataset"]["name"].as_str().ok_or_else(|| wrong("protocol.dataset.name"))?;
        let env = summary["protocol"]["env"]["id"].as_str().ok_or_else(|| wrong("protocol.env.id"))?;
        let hidden = summary["protocol"]["env"]["kwargs"]["observe"]
            .as_str()
            .map_or(String::new(), |o| format!(", {o}"));
        let row = format!("{dataset} ({env}{hidden})");
        let policies = summary["policies"].as_object().ok_or_else(|| wrong("policies"))?;
        for (policy, measured) in policies {
            let target = &measured["targets"][0];
            // A policy without reference scores has no place in an average.
            let score = &target["normalised_score"];
            if score.is_null() {
                eprintln!("{}: {policy} has no normalised score and is left out", path.display());
                continue;
            }
            let number = |value: &Value| value.as_f64().ok_or_else(|| wrong("normalised_score"));
            let ci95 = (number(&score["ci95"][0])?, number(&score["ci95"][1])?);
            let seeds = score["per_seed"].as_array().ok_or_else(|| wrong("normalised_score.per_seed"))?;
            let cell = Cell {
                score: Estimate { value: number(&score["mean"])?, ci95 },
                per_seed: seeds.iter().map(number).collect::<Result<_, _>>()?,
                best: number(&score["best"])?,
            };
            for (list, name) in [(&mut self.datasets, &row), (&mut self.policies, policy)] {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
            if self.cells.insert((row.clone(), policy.clone()), cell).is_some() {
                let reason = format!("{policy} on {row} is in two summaries; give one of them");
                return Err(Usage(format!("{}: {reason}", path.display())).into());
            }
        }
        Ok(())
    }

    fn cell(&self, dataset: &str, policy: &str) -> Option<&Cell> {
        self.cells.get(&(dataset.to_owned(), policy.to_owned()))
    }

    /// The mean over datasets and the interquartile mean over all seeds, of a policy that all datasets have.
    fn averages(&self, policy: &str) -> Option<(f64, Estimate)> {
        let cells: Option<Vec<&Cell>> =
            self.datasets.iter().map(|dataset| self.cell(dataset, policy)).collect();
        let cells = cells.filter(|cells| !cells.is_empty())?;
        let strata: Vec<Vec<f64>> = cells.iter().map(|cell| cell.per_seed.clone()).collect();
        let means: Vec<f64> = cells.iter().map(|cell| cell.score.value).collect();
        Some((mean(&means), bootstrap_interquartile_mean(&strata, 0)))
    }

    /// Rows of cells: every dataset, the mean, the interquartile mean.
    fn rows(&self, plus_minus: &str) -> Vec<(String, Vec<String>)> {
        let show = |e: &Estimate| e.to_string().replace("±", plus_minus);
        let row = |name: &str, cell: &dyn Fn(&str) -> Option<String>| {
            let cells = self.policies.iter().map(|policy| cell(policy).unwrap_or_else(|| "–".into()));
            (name.to_owned(), cells.collect())
        };
        let mut rows: Vec<_> = self
            .datasets
            .iter()
            .map(|dataset| row(dataset, &|policy| self.cell(dataset, policy).map(|cell| show(&cell.score))))
            .collect();
        rows.push(row("mean over datasets", &|policy| Some(format!("{:.1}", self.averages(policy)?.0))));
        rows.push(row("interquartile mean over runs", &|policy| Some(show(&self.averages(policy)?.1))));
        rows
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "| dataset | {} |\n|---|{}\n",
            self.policies.join(" | "),
            "---:|".repeat(self.policies.len())
        );
        for (name, cells) in self.rows("±") {
            text += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        text + "\nNormalised scores of the last update at the first target return, mean ± half of the 95 % bootstrap \
                interval (seeds resampled, then the episodes of each); the interquartile mean is over the runs of all datasets \
                (Agarwal et al. 2021). The best evaluation of each run is in report.csv only.\n"
    }

    fn csv(&self) -> String {
        let mut text = "dataset,policy,seeds,mean,ci95_low,ci95_high,last,best\n".to_owned();
        for ((dataset, policy), cell) in &self.cells {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            text += &format!(
                "{},{},{},{},{},{},{},{}\n",
                quoted(dataset),
                quoted(policy),
                cell.per_seed.len(),
                cell.score.value,
                cell.score.ci95.0,
                cell.score.ci95.1,
                mean(&cell.per_seed),
                cell.best
            );
        }
        text
    }

    fn latex(&self) -> String {
        let escaped = |name: &str| {
            name.replace('\\', "\\textbackslash ")
                .replace('_', "\\_")
                .replace('%', "\\%")
                .replace('&', "\\&")
                .replace('–', "--")
        };
        let mut text = format!("\\begin{{tabular}}{{l{}}}\n\\toprule\n", "r".repeat(self.policies.len()));
        let heads: Vec<String> = self.policies.iter().map(|policy| escaped(policy)).collect();
        text += &format!("dataset & {} \\\\\n\\midrule\n", heads.join(" & "));
        for (index, (name, cells)) in self.rows("$\\pm$").into_iter().enumerate() {
            if index == self.datasets.len() {
                text += "\\midrule\n";
            }
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('–', "--")).collect();
            text += &format!("{} & {} \\\\\n", escaped(&name), cells.join(" & "));
        }
        text + "\\bottomrule\n\\end{tabular}\n"
    }
}

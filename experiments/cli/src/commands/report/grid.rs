//! Scores, dataset × policy.

use aaren_reports::{AskedColumns, PolicySummary, Score, Summary, Table, published};
use aaren_spec::Cost;
use aaren_statistics::{Estimate, ONE_SEED, Unit, mean};
use anyhow::Result;

use crate::refusal::Refusal;

/// All scores of one scale.
#[derive(Default)]
pub struct Grid {
    /// Each with what a grid varies.
    datasets: Vec<(String, Option<String>)>,
    policies: Vec<String>,
    cells: Vec<Cell>,
    experiments: usize,
    /// Whether nothing was played.
    errors: bool,
    /// Rows of D4RL's own datasets, and what peers published for them.
    published: Vec<(String, [f64; 2])>,
}

/// One policy on one dataset.
struct Cell {
    dataset: String,
    policy: String,
    measured: PolicySummary,
}

impl Cell {
    fn score(&self) -> &Score {
        self.measured.targets[0].score()
    }
}

impl Grid {
    /// Adds what one experiment brings. A policy that others compare with, too, and that has the same scores there, counts once.
    pub fn take(&mut self, row: &str, varied: Option<&str>, summary: &Summary, path: &str) -> Result<()> {
        self.experiments += 1;
        let (env, data) = (&summary.protocol.env.id, &summary.protocol.dataset.name);
        if let Some(scores) = published::published(env).filter(|_| env == data) {
            self.published.push((row.to_owned(), scores));
        }
        let nothing_new = summary.in_order().iter().all(|(policy, _)| self.score(row, policy).is_some());
        for (policy, measured) in summary.in_order() {
            if let Some(other) = self.score(row, policy) {
                if other.per_seed == measured.targets[0].score().per_seed && !nothing_new {
                    continue;
                }
                let reason = format!("{policy} on {row} is in two summaries; give one of them");
                return Err(Refusal(format!("{path}: {reason}")).into());
            }
            if !self.datasets.iter().any(|(other, _)| other == row) {
                self.datasets.push((row.to_owned(), varied.map(str::to_owned)));
            }
            if !self.policies.iter().any(|other| other == policy) {
                self.policies.push(policy.to_owned());
            }
            self.errors |= summary.protocol.env.is_none();
            self.cells.push(Cell {
                dataset: row.to_owned(),
                policy: policy.to_owned(),
                measured: measured.clone(),
            });
        }
        Ok(())
    }

    /// Whether several experiments stand side by side.
    pub fn is_of_several(&self) -> bool {
        self.experiments > 1
    }

    fn score(&self, dataset: &str, policy: &str) -> Option<&Score> {
        let cell = self.cells.iter().find(|cell| cell.dataset == dataset && cell.policy == policy);
        cell.map(Cell::score)
    }

    /// The mean over these datasets, of a policy that all of them have.
    fn average(&self, policy: &str, datasets: &[&String]) -> Option<f64> {
        let score = |dataset: &&String| Some(self.score(dataset, policy)?.estimate.mean);
        let means: Option<Vec<f64>> = datasets.iter().map(score).collect();
        means.filter(|means| !means.is_empty()).map(|means| mean(&means))
    }

    /// A row for each dataset, then the means over those of each setting of a grid, where they may be taken.
    pub fn table(&self, means: bool) -> Table {
        let mut table =
            Table::new(1, ["dataset"].into_iter().chain(self.policies.iter().map(String::as_str)));
        let row = |table: &mut Table, name: &str, cell: &dyn Fn(&str) -> Option<String>| {
            let cells = self.policies.iter().map(|policy| cell(policy).unwrap_or_else(|| "–".into()));
            table.row([name.to_owned()].into_iter().chain(cells));
        };
        for (dataset, _) in &self.datasets {
            let mut cells = self.cells.iter().filter(|cell| cell.dataset == *dataset);
            let one_seed = cells.any(|cell| cell.score().estimate.over == Unit::Episodes);
            let name = if one_seed { format!("{dataset} ({ONE_SEED})") } else { dataset.clone() };
            // Errors are small numbers.
            let text =
                |score: &Score| if self.errors { score.estimate.text(4) } else { score.estimate.to_string() };
            let score = |policy: &str| self.score(dataset, policy).map(text);
            row(&mut table, &name, &score);
        }
        if !means {
            return table;
        }
        table.rule();
        let small = self.cells.iter().all(|cell| cell.score().estimate.mean.abs() <= 1.0);
        let decimals = if small { 2 } else { 1 };
        let mut settings: Vec<&Option<String>> = Vec::new();
        for (_, setting) in &self.datasets {
            if !settings.contains(&setting) {
                settings.push(setting);
            }
        }
        for setting in &settings {
            let of = self.datasets.iter().filter(|(_, other)| other == *setting);
            let datasets: Vec<&String> = of.map(|(dataset, _)| dataset).collect();
            let name = titled("mean over datasets", setting.as_deref(), settings.len());
            row(&mut table, &name, &|policy| {
                Some(format!("{:.1$}", self.average(policy, &datasets)?, decimals))
            });
        }
        table
    }

    /// The columns of [`Grid::asked`].
    pub fn asked_columns(&self) -> AskedColumns {
        let measured = self.cells.iter().map(|cell| &cell.measured);
        AskedColumns::of(measured.map(|it| (it.swing.as_ref(), it.asked.as_ref())))
    }

    /// Asked against achieved, a row for each dataset and policy; `None` where nothing is known of it.
    pub fn asked(&self) -> Option<Table> {
        let columns = self.asked_columns();
        if columns.is_empty() {
            return None;
        }
        let mut table = Table::new(2, ["dataset".into(), "policy".into()].into_iter().chain(columns.heads()));
        for cell in &self.cells {
            let names = [cell.dataset.clone(), cell.policy.clone()].into_iter();
            table.row(names.chain(columns.cells(cell.measured.swing.as_ref(), cell.measured.asked.as_ref())));
        }
        Some(table)
    }

    /// What the policies cost, a row for each; where datasets differ, the least and the most.
    pub fn costs(&self) -> Table {
        let mut table =
            Table::new(2, ["policy", "roll-out", "state bytes", "scratch bytes", "µs/step", "updates/s"]);
        for policy in &self.policies {
            let cells = self.cells.iter().filter(|cell| cell.policy == *policy).map(|cell| &cell.measured);
            let costs: Vec<&Cost> = cells.clone().filter_map(|measured| measured.rollout.as_ref()).collect();
            let mut rollouts: Vec<String> = Vec::new();
            for rollout in costs.iter().map(|cost| cost.regime.to_string()) {
                if !rollouts.contains(&rollout) {
                    rollouts.push(rollout);
                }
            }
            let within = costs.iter().map(|cost| cost.scratch_within()).max().unwrap_or_default();
            table.row([
                policy.clone(),
                rollouts.join(", "),
                range(costs.iter().map(|cost| cost.state_bytes as f64), 0) + within,
                range(costs.iter().filter_map(|cost| Some(cost.scratch_bytes? as f64)), 0),
                range(costs.iter().map(|cost| cost.step_us_p50), 1),
                range(cells.map(|measured| measured.updates_per_second), 1),
            ]);
        }
        table
    }

    /// What peers published for D4RL's own datasets, where there are runs on such.
    pub fn peers(&self) -> String {
        if self.published.is_empty() {
            return String::new();
        }
        let mut table = Table::new(1, ["dataset"].into_iter().chain(published::METHODS));
        for (row, scores) in &self.published {
            table.row([row.clone()].into_iter().chain(scores.iter().map(|score| format!("{score:.1}"))));
        }
        format!("\n{}\n{}\n", table.to_markdown(), published::SOURCE)
    }

    /// For a row for each dataset and policy.
    pub fn scores() -> Table {
        let heads = ["scale", "dataset", "policy", "seeds", "mean", "ci95_low", "ci95_high", "last", "best"];
        let more = ["of_each_seed", "roll-out", "state_bytes", "scratch_bytes", "step_us"];
        let asked = ["swing", "distance_from_target", "best_asked", "best_asked_score"];
        Table::new(3, heads.into_iter().chain(more).chain(asked))
    }

    /// Adds its rows, to the last digit.
    pub fn add_scores(&self, scale: &str, table: &mut Table) {
        for cell in &self.cells {
            let Cell { dataset, policy, measured: PolicySummary { swing, asked, rollout, .. } } = cell;
            let Score { estimate: Estimate { mean, ci95, .. }, per_seed, last, best } = cell.score();
            let of_each_seed: Vec<String> = per_seed.iter().map(f64::to_string).collect();
            let cost = rollout.as_ref().map_or_else(
                || [const { String::new() }; 4],
                |cost| {
                    let scratch = cost.scratch_bytes.map_or(String::new(), |bytes| bytes.to_string());
                    [
                        cost.regime.to_string(),
                        cost.state_bytes.to_string(),
                        scratch,
                        cost.step_us_p50.to_string(),
                    ]
                },
            );
            let (low, high) = ci95.map_or((None, None), |(low, high)| (Some(low), Some(high)));
            let numbers = [Some(*mean), low, high, Some(*last), Some(*best)]
                .map(|number| number.map_or(String::new(), |number| number.to_string()));
            let asked = asked.as_ref();
            let asked = [
                swing.as_ref().map(|swing| swing.mean),
                asked.and_then(|asked| Some(asked.distance.as_ref()?.mean)),
                asked.map(|asked| asked.best.target_return),
                asked.map(|asked| asked.best.score.mean),
            ]
            .map(|number| number.map_or(String::new(), |number| number.to_string()));
            let names = [scale.to_owned(), dataset.clone(), policy.clone(), per_seed.len().to_string()];
            table.row(
                names.into_iter().chain(numbers).chain([of_each_seed.join(" ")]).chain(cost).chain(asked),
            );
        }
    }
}

/// A title with the setting that it is of, where there are several.
pub fn titled(title: &str, setting: Option<&str>, settings: usize) -> String {
    let of = setting.unwrap_or("outside of a grid");
    if settings > 1 { format!("{title}, {of}") } else { title.into() }
}

/// The least and the most, where they differ.
fn range(values: impl Iterator<Item = f64> + Clone, decimals: usize) -> String {
    let [least, most] = [f64::min, f64::max]
        .map(|pick| values.clone().reduce(pick).map_or("–".into(), |value| format!("{value:.decimals$}")));
    if least == most { least } else { format!("{least}–{most}") }
}

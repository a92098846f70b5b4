//! `aaren report`: many experiments in one table, dataset × policy.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::report_page::section;
use super::up_to_date::{bring_up_to_date, experiments, run_at};
use crate::refusal::Refusal;
use aaren_envs::EnvSpec;
use aaren_reports::{
    Aggregates, Asked, AskedColumns, Overview, PrimaryResult, Scale, Score, Summary, Swing, Table, page,
    published,
};
use aaren_runs::{Outcome, cost, output};
use aaren_spec::{Cost, ExperimentFolder, ExperimentResult, Spec};
use aaren_statistics::{Estimate, ONE_SEED, Unit, mean};

/// Writes the report of an experiment whose runs have all come to an end; `None` where they have not, or none is done.
///
/// # Errors
/// Where a trained policy cannot act, or the report cannot be written.
pub fn report(spec: &Spec, outcome: &Outcome) -> Result<Option<Summary>> {
    if !outcome.complete || outcome.results.is_empty() {
        return Ok(None);
    }
    let mut experiment = ExperimentResult::new(spec, outcome.results.clone(), Vec::new());
    let _claim = aaren_runs::claim(&outcome.folder)?;
    experiment.costs = cost::of_policies(&experiment.policies, &experiment.seeds, &outcome.folder)?;
    let Some((summary, pictures)) = Summary::new(&experiment)? else { return Ok(None) };
    summary.write(&outcome.folder, &pictures)?;
    Ok(Some(summary))
}

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren report results
  aaren report results/hopper-medium results/walker2d-medium --out paper
  aaren report results/demo --html
  aaren report results/demo/hopper-medium-expert/aaren-seed0 --html")]
pub struct Args {
    /// Results folders of experiments, grids or single runs, or a folder of such folders.
    #[arg(required = true, value_name = "RESULTS_DIR")]
    pub folders: Vec<PathBuf>,
    /// Folder to write report.md, report.csv, report.tex, performance_profile.svg and report_scores.svg to; unless given, the
    /// results folder itself, of several the folder that holds them.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Write report.html too: curves, tables, costs, films, protocol and YAML in one file that opens without a network.
    #[arg(long)]
    pub html: bool,
}

/// Scores, dataset × policy.
#[derive(Default)]
struct Grid {
    datasets: Vec<String>,
    /// What a grid varies, of each dataset.
    settings: Vec<Option<String>>,
    policies: Vec<String>,
    cells: Vec<Cell>,
    /// Rows of D4RL's own datasets, and what peers published for them.
    published: Vec<(String, [f64; 2])>,
}

/// One policy on one dataset.
struct Cell {
    dataset: String,
    policy: String,
    score: Score,
    swing: Option<Swing>,
    asked: Option<Asked>,
    rollout: Option<Cost>,
    updates_per_second: f64,
}

const COSTS: &str = "The roll-out's cost at timestep 1000 in the streaming runtime on one core, and the training's, as the runs measured \
    them: beside other work where several ran at a time. State bytes must be kept from step to step; scratch bytes are a step's \
    working memory, of which the next needs nothing.";

const ABOUT: &str = "Scores of the last update at the first target return: mean over the training seeds with its 95 % interval, \
    Student's t over the seeds. The best evaluation of each run is in report.csv only.";

const EXPLORATORY: &str =
    "All results are exploratory: no experiment fixed a `primary` endpoint before its runs.";

/// What is reported of one scale.
struct Part {
    /// `None` where nobody knows how large returns can be: they stand side by side, and no mean is taken of them.
    scale: Option<Scale>,
    title: String,
    grid: Grid,
    /// What can be pooled: the experiments of each setting of a grid.
    settings: Vec<(Option<String>, Vec<(String, Summary)>)>,
}

impl Part {
    fn new(summary: &Summary) -> Self {
        let scale = summary.scale();
        let errors = summary.protocol.env.id == EnvSpec::NONE;
        let unknown = if errors { "held-out action errors" } else { "returns" };
        let title = scale.map_or_else(|| unknown.into(), |scale| scale.to_string());
        Self { scale, title, grid: Grid::default(), settings: Vec::new() }
    }

    fn take(&mut self, row: String, varied: Option<String>, summary: Summary, path: &Path) -> Result<()> {
        self.grid.take(&row, varied.as_deref(), &summary, &path.display().to_string())?;
        let place = self.settings.iter().position(|(other, _)| *other == varied).unwrap_or_else(|| {
            self.settings.push((varied, Vec::new()));
            self.settings.len() - 1
        });
        self.settings[place].1.push((row, summary));
        Ok(())
    }
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let Written { out, names, markdown, unfinished, .. } = write(&args.folders, args.out.clone(), args.html)?;
    output::print(markdown)?;
    output::print(format_args!("written to {}: {}", out.display(), names.join(", ")))?;
    all_finished(&unfinished)
}

/// Writes the report of a results folder into that folder, with its page, and says in a line for each experiment what
/// came out, and where the page lies.
pub fn close(folder: &Path) -> Result<()> {
    let Written { out, lines, unfinished, .. } = write(&[folder.to_owned()], Some(folder.to_owned()), true)?;
    for line in lines {
        output::print(line)?;
    }
    let page = out.join(PAGE);
    let page = std::path::absolute(&page).unwrap_or(page);
    output::print(format_args!("curves, tables and costs, for a browser: {}", page.display()))?;
    all_finished(&unfinished)
}

fn all_finished(unfinished: &[String]) -> Result<()> {
    match unfinished {
        [] => Ok(()),
        _ => Err(anyhow!("did not finish:\n  {}", unfinished.join("\n  "))),
    }
}

const PAGE: &str = "report.html";

/// What a report wrote, and what there is to say of it.
struct Written {
    out: PathBuf,
    names: Vec<String>,
    markdown: String,
    /// One for each experiment.
    lines: Vec<String>,
    unfinished: Vec<String>,
}

fn write(folders: &[PathBuf], out: Option<PathBuf>, html: bool) -> Result<Written> {
    // `results/*` of a shell names the files of an earlier report too.
    let is_folder = |folder: &&PathBuf| !folder.is_file();
    let some: Vec<PathBuf> = folders.iter().filter(is_folder).cloned().collect();
    let folders = if some.is_empty() { folders } else { &some };
    let unfinished = bring_up_to_date(folders)?;
    let (mut parts, mut reported, mut all): (Vec<Part>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for folder in summaries(folders).or_else(|error| all_finished(&unfinished).and(Err(error)))? {
        let path = folder.summary();
        let (summary, varied) = match run_at(folder.path()) {
            None => (Summary::read(&path)?, folder.varied()),
            Some(run) => {
                let result = ExperimentResult::read_run(&run)?;
                let seed = format!("seed {}", result.seeds[0]);
                let made =
                    Summary::new(&result)?.ok_or_else(|| anyhow!("{}: no run", run.path().display()))?;
                (made.0, Some(seed))
            }
        };
        all.push((beside(folder.path()), summary.clone()));
        let row = row(&summary, varied.as_deref());
        reported.push((folder, row.clone()));
        let new = Part::new(&summary);
        let place = parts.iter().position(|part| part.title == new.title).unwrap_or_else(|| {
            parts.push(new);
            parts.len() - 1
        });
        parts[place].take(row, varied, summary, &path)?;
    }
    parts.sort_by_key(|part| part.scale != Some(Scale::Normalised));
    let out = out.unwrap_or_else(|| match folders {
        [folder] => folder.clone(),
        several => beside(&several[0]),
    });
    aaren_spec::make_folder(&out)?;
    let lines = all.iter().map(|(_, summary)| summary.line()).collect();
    let all: Vec<_> = all.iter().map(|(folder, summary)| (folder.clone(), summary)).collect();
    let endpoints = PrimaryResult::all(&all)?;
    let (mut markdown, mut latex) = primary(&endpoints);
    let (note, mut overviews) = primary_overviews(&endpoints);
    let (mut pictures, mut scores, mut others, mut drawn) = (Vec::new(), Grid::scores(), Vec::new(), 0);
    for Part { scale, title, grid, settings } in &parts {
        let (table, asked, costs) = (grid.table(scale.is_some()), grid.asked(), grid.costs());
        let told = grid.asked_columns().about();
        let title = capitalised(title);
        let overview = |how: &str, table: Table, about: &str| Overview {
            title: format!("{title}{how}"),
            table,
            about: about.into(),
        };
        // What is of one experiment stands with it on the page.
        let several = grid.datasets.len() > 1;
        markdown += &format!("## {title}\n\n{}\n{ABOUT}\n\n", table.to_markdown());
        latex += &format!("{}\n", table.to_latex());
        overviews.extend(several.then(|| overview("", table, ABOUT)));
        for (setting, summaries) in settings.iter().filter(|_| scale.is_some()) {
            let aggregates = Aggregates::new(summaries, *scale);
            let name = if drawn == 0 { String::new() } else { format!("-{}", drawn + 1) };
            drawn += 1;
            let of = setting.as_ref().filter(|_| settings.len() > 1);
            let (about, of) = (aggregates.about(), of.map_or_else(String::new, |of| format!(", {of}")));
            if !of.is_empty() {
                markdown += &format!("### {title}{of}\n\n");
            }
            for (table, how, about) in [
                (Some(aggregates.table()), ", pooled", about.as_str()),
                (aggregates.pairs(), ", policy by policy", ""),
            ] {
                let Some(table) = table else { continue };
                markdown += &format!("{}\n", table.to_markdown());
                latex += &format!("{}\n", table.to_latex());
                let pooled = overview(&format!("{of}{how}"), table, about);
                if several { overviews.push(pooled) } else { others.push(pooled) }
            }
            markdown += &format!(
                "{about}\n\n![Performance profile](performance_profile{name}.svg)\n\n![Scores](report_scores{name}.svg)\n\n"
            );
            pictures.push((format!("performance_profile{name}.svg"), aggregates.profile()));
            pictures.push((format!("report_scores{name}.svg"), aggregates.scores()));
        }
        if let Some(asked) = asked {
            markdown += &format!("{}\n{told}\n\n", asked.to_markdown());
            latex += &format!("{}\n", asked.to_latex());
            overviews.extend(several.then(|| overview(", asked and achieved", asked, &told)));
        }
        markdown += &format!("{}\n{COSTS}\n{}\n", costs.to_markdown(), grid.peers());
        latex += &format!("{}\n", costs.to_latex());
        let costs = Overview { title: "Costs".into(), table: costs, about: COSTS.into() };
        overviews.extend(several.then_some(costs));
        grid.add_scores(&title.to_lowercase(), &mut scores);
    }
    let mut forms = vec![
        ("report.md".to_owned(), markdown.clone()),
        ("report.csv".into(), scores.to_csv()),
        ("report.tex".into(), latex),
    ];
    forms.extend(pictures);
    if html {
        let sections = reported.into_iter().map(|(folder, row)| section(&folder, row));
        let sections = sections.collect::<Result<Vec<_>>>()?;
        let named: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let title = format!("Report of {}", named.join(", "));
        forms.push((PAGE.into(), page(&title, &note, &overviews, &sections, &others)));
    }
    for (name, text) in &forms {
        aaren_spec::write(&out.join(name), text.as_bytes())?;
    }
    let names = forms.into_iter().map(|(name, _)| name).collect();
    Ok(Written { out, names, markdown, lines, unfinished })
}

/// What decides, in Markdown and LaTeX, and that all else does not.
fn primary(endpoints: &[PrimaryResult]) -> (String, String) {
    if endpoints.is_empty() {
        return (format!("{EXPLORATORY}\n\n"), String::new());
    }
    let (mut markdown, mut latex) = (String::from("## Primary endpoint\n\n"), String::new());
    for endpoint in endpoints {
        markdown += &format!("{}\n\n", endpoint.about());
        if let Some(table) = endpoint.table() {
            markdown += &format!("{}\n", table.to_markdown());
            latex += &format!("{}\n", table.to_latex());
        }
    }
    markdown += "All that follows is exploratory.\n\n";
    (markdown, latex)
}

/// The same for the page: a note, and tables.
fn primary_overviews(endpoints: &[PrimaryResult]) -> (String, Vec<Overview>) {
    if endpoints.is_empty() {
        return (EXPLORATORY.into(), Vec::new());
    }
    let overview = |endpoint: &PrimaryResult| {
        let (title, about) = ("Primary endpoint".into(), endpoint.about());
        Some(Overview { title, table: endpoint.table()?, about })
    };
    let without = endpoints.iter().filter(|endpoint| endpoint.table().is_none()).map(PrimaryResult::about);
    let note = without.chain(["All but the primary endpoint is exploratory.".to_owned()]);
    (note.collect::<Vec<_>>().join(" "), endpoints.iter().filter_map(overview).collect())
}

/// The folder that holds an experiment or a grid; a run, and a folder that holds experiments, is that itself.
fn beside(folder: &Path) -> PathBuf {
    let at = ExperimentFolder::at(folder);
    let is_result = [at.spec(), at.summary(), at.grid()].iter().any(|file| file.is_file());
    if is_result && run_at(folder).is_none() { at.above() } else { folder.to_owned() }
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

/// What a summary is of: dataset, environment, and what a grid varies.
fn row(summary: &Summary, varied: Option<&str>) -> String {
    let (dataset, env) = (&summary.protocol.dataset.name, &summary.protocol.env);
    let hidden = env.kwargs.get("observe").and_then(|observe| observe.as_str());
    let hidden = hidden.map_or(String::new(), |observe| format!(", {observe}"));
    let varied = varied.map_or(String::new(), |varied| format!(", {varied}"));
    format!("{dataset} ({}{hidden}{varied})", env.id)
}

/// Every experiment with a `summary.json` in the folders, or in folders right below them, and every run that is named.
fn summaries(folders: &[PathBuf]) -> Result<Vec<ExperimentFolder>> {
    let mut found = Vec::new();
    for folder in folders {
        if run_at(folder).is_some() {
            found.push(ExperimentFolder::at(folder));
            continue;
        }
        let inside = experiments(std::slice::from_ref(folder))?;
        let before = found.len();
        found.extend(inside.into_iter().filter(|folder| folder.summary().is_file()));
        if found.len() == before {
            let reason =
                "no summary.json in it, and no result.json of a run; give results folders of `aaren run`";
            return Err(Refusal(format!("{}: {reason}", folder.display())).into());
        }
    }
    Ok(found)
}

impl Grid {
    fn take(&mut self, row: &str, varied: Option<&str>, summary: &Summary, path: &str) -> Result<()> {
        if let Some(scores) = published::published(&summary.protocol.env.id) {
            self.published.push((row.to_owned(), scores));
        }
        for (policy, measured) in summary.in_order() {
            let score = measured.targets[0].score();
            if self.score(row, policy).is_some() {
                let reason = format!("{policy} on {row} is in two summaries; give one of them");
                return Err(Refusal(format!("{path}: {reason}")).into());
            }
            if !self.datasets.iter().any(|other| other == row) {
                self.datasets.push(row.to_owned());
                self.settings.push(varied.map(str::to_owned));
            }
            if !self.policies.iter().any(|other| other == policy) {
                self.policies.push(policy.to_owned());
            }
            self.cells.push(Cell {
                dataset: row.to_owned(),
                policy: policy.to_owned(),
                score: score.clone(),
                swing: measured.swing.clone(),
                asked: measured.asked.clone(),
                rollout: measured.rollout.clone(),
                updates_per_second: measured.updates_per_second,
            });
        }
        Ok(())
    }

    fn score(&self, dataset: &str, policy: &str) -> Option<&Score> {
        let cell = self.cells.iter().find(|cell| cell.dataset == dataset && cell.policy == policy);
        cell.map(|cell| &cell.score)
    }

    /// The mean over these datasets, of a policy that all of them have.
    fn average(&self, policy: &str, datasets: &[&String]) -> Option<f64> {
        let score = |dataset: &&String| Some(self.score(dataset, policy)?.estimate.mean);
        let means: Option<Vec<f64>> = datasets.iter().map(score).collect();
        means.filter(|means| !means.is_empty()).map(|means| mean(&means))
    }

    /// A row for each dataset, then the means over those of each setting of a grid, where they may be taken.
    fn table(&self, means: bool) -> Table {
        let mut table =
            Table::new(1, ["dataset"].into_iter().chain(self.policies.iter().map(String::as_str)));
        let row = |table: &mut Table, name: &str, cell: &dyn Fn(&str) -> Option<String>| {
            let cells = self.policies.iter().map(|policy| cell(policy).unwrap_or_else(|| "–".into()));
            table.row([name.to_owned()].into_iter().chain(cells));
        };
        for dataset in &self.datasets {
            let mut cells = self.cells.iter().filter(|cell| cell.dataset == *dataset);
            let one_seed = cells.any(|cell| cell.score.estimate.over == Unit::Episodes);
            let name = if one_seed { format!("{dataset} ({ONE_SEED})") } else { dataset.clone() };
            let score = |policy: &str| self.score(dataset, policy).map(|score| score.estimate.to_string());
            row(&mut table, &name, &score);
        }
        if !means {
            return table;
        }
        table.rule();
        let small = self.cells.iter().all(|cell| cell.score.estimate.mean.abs() <= 1.0);
        let decimals = if small { 2 } else { 1 };
        let mut settings: Vec<&Option<String>> = Vec::new();
        for setting in &self.settings {
            if !settings.contains(&setting) {
                settings.push(setting);
            }
        }
        for setting in &settings {
            let of = self.datasets.iter().zip(&self.settings).filter(|(_, other)| other == setting);
            let datasets: Vec<&String> = of.map(|(dataset, _)| dataset).collect();
            let of = setting.as_ref().filter(|_| settings.len() > 1);
            let name = of.map_or_else(String::new, |setting| format!(", {setting}"));
            row(&mut table, &format!("mean over datasets{name}"), &|policy| {
                Some(format!("{:.1$}", self.average(policy, &datasets)?, decimals))
            });
        }
        table
    }

    fn asked_columns(&self) -> AskedColumns {
        AskedColumns::of(self.cells.iter().map(|it| (it.swing.as_ref(), it.asked.as_ref())))
    }

    /// Asked against achieved, a row for each dataset and policy; `None` where nothing is known of it.
    fn asked(&self) -> Option<Table> {
        let columns = self.asked_columns();
        if columns.is_empty() {
            return None;
        }
        let mut table = Table::new(2, ["dataset".into(), "policy".into()].into_iter().chain(columns.heads()));
        for cell in &self.cells {
            let names = [cell.dataset.clone(), cell.policy.clone()].into_iter();
            table.row(names.chain(columns.cells(cell.swing.as_ref(), cell.asked.as_ref())));
        }
        Some(table)
    }

    /// What the policies cost, a row for each; where datasets differ, the least and the most.
    fn costs(&self) -> Table {
        let mut table =
            Table::new(2, ["policy", "roll-out", "state bytes", "scratch bytes", "µs/step", "updates/s"]);
        for policy in &self.policies {
            let cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.policy == *policy).collect();
            let costs: Vec<&Cost> = cells.iter().filter_map(|cell| cell.rollout.as_ref()).collect();
            let mut rollouts: Vec<String> = Vec::new();
            for rollout in costs.iter().map(|cost| cost.regime.to_string()) {
                if !rollouts.contains(&rollout) {
                    rollouts.push(rollout);
                }
            }
            table.row([
                policy.clone(),
                rollouts.join(", "),
                range(costs.iter().map(|cost| cost.state_bytes as f64), 0),
                range(costs.iter().filter_map(|cost| Some(cost.scratch_bytes? as f64)), 0),
                range(costs.iter().map(|cost| cost.step_us_p50), 1),
                range(cells.iter().map(|cell| cell.updates_per_second), 1),
            ]);
        }
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

    /// For a row for each dataset and policy.
    fn scores() -> Table {
        let heads = ["scale", "dataset", "policy", "seeds", "mean", "ci95_low", "ci95_high", "last", "best"];
        let more = ["of_each_seed", "roll-out", "state_bytes", "scratch_bytes", "step_us"];
        let asked = ["swing", "distance_from_target", "best_asked", "best_asked_score"];
        Table::new(3, heads.into_iter().chain(more).chain(asked))
    }

    /// Adds its rows, to the last digit.
    fn add_scores(&self, scale: &str, table: &mut Table) {
        for Cell { dataset, policy, score, swing, asked, rollout, .. } in &self.cells {
            let Score { estimate: Estimate { mean, ci95, .. }, per_seed, last, best } = score;
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

/// The least and the most, where they differ.
fn range(values: impl Iterator<Item = f64> + Clone, decimals: usize) -> String {
    let [least, most] = [f64::min, f64::max]
        .map(|pick| values.clone().reduce(pick).map_or("–".into(), |value| format!("{value:.decimals$}")));
    if least == most { least } else { format!("{least}–{most}") }
}

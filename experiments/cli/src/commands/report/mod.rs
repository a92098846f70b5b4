//! `aaren report`: many experiments in one table, dataset × policy.

mod grid;
mod section;

use std::path::{Path, PathBuf};

use aaren_reports::{Aggregates, Overview, PrimaryResult, Scale, Summary, Table, page};
use aaren_runs::{Outcome, cost, output};
use aaren_spec::{ExperimentFolder, ExperimentResult, Spec};
use anyhow::{Result, anyhow};

use self::grid::{Grid, titled};
use self::section::section;
use super::up_to_date::{bring_up_to_date, experiments, run_at};
use crate::refusal::Refusal;

/// Writes the report of an experiment whose runs have all come to an end; `None` where they have not, or none is done.
///
/// # Errors
/// Where a trained policy cannot act, or the report cannot be written.
pub fn report(spec: &Spec, outcome: &Outcome) -> Result<Option<Summary>> {
    if !outcome.complete || outcome.results.is_empty() {
        return Ok(None);
    }
    let mut experiment = ExperimentResult::new(spec, &outcome.folder, outcome.results.clone(), Vec::new());
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

const COSTS: &str = "The roll-out's cost at timestep 1000 in the streaming runtime on one core, and the training's, as the runs measured \
    them: beside other work where several ran at a time. State bytes must be kept from step to step; scratch bytes are a step's \
    working memory, of which the next needs nothing.";

const ABOUT: &str = "Scores of the last update at the first target return: mean over the training seeds with its 95 % interval, \
    Student's t over the seeds. The best evaluation of each run is in report.csv only.";

const DROPPED: &str =
    "All results are exploratory: runs began with a `primary` endpoint that is no longer in the YAML.";

const SINGLE: &str = "All results are exploratory: single runs decide nothing.";

const ANOTHER: &str = "Runs began with another `primary` endpoint, which is no longer in the YAML: who fixed this one could have \
    seen what they came to.";

const LISTED: &str = "The last update: mean over the training seeds with its 95 % interval. Not averaged over datasets, as nobody \
    knows how far returns or errors reach.";

const EXPLORATORY: &str =
    "All results are exploratory: no experiment fixed a `primary` endpoint before its runs.";

/// What is reported of one scale.
struct Part {
    /// `None` where nobody knows how large returns can be: they stand side by side, and no mean is taken of them.
    scale: Option<Scale>,
    title: String,
    grid: Grid,
    settings: Vec<Setting>,
}

/// What can be pooled: the experiments of one setting of a grid.
struct Setting {
    varied: Option<String>,
    /// Each with its row's name.
    summaries: Vec<(String, Summary)>,
}

impl Part {
    fn new(summary: &Summary) -> Self {
        let scale = summary.scale();
        let title = scale.map_or_else(|| format!("{}s", summary.metric()), |scale| scale.to_string());
        Self { scale, title, grid: Grid::default(), settings: Vec::new() }
    }

    fn take(&mut self, row: String, varied: Option<String>, summary: Summary, path: &Path) -> Result<()> {
        self.grid.take(&row, varied.as_deref(), &summary, &path.display().to_string())?;
        match self.settings.iter_mut().find(|setting| setting.varied == varied) {
            Some(setting) => setting.summaries.push((row, summary)),
            None => self.settings.push(Setting { varied, summaries: vec![(row, summary)] }),
        }
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
    let folders = &spelled(if some.is_empty() { folders } else { &some });
    let unfinished = bring_up_to_date(folders)?;
    let (mut parts, mut reported, mut all): (Vec<Part>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for folder in summaries(folders).or_else(|error| all_finished(&unfinished).and(Err(error)))? {
        let path = folder.summary();
        let (summary, varied) = match run_at(folder.path()) {
            None => (Summary::read(&path)?, folder.varied()),
            Some(run) => {
                let result = ExperimentResult::read_run(&run)?;
                let seed = format!("seed {}", result.seeds[0]);
                let setting = ExperimentFolder::at(&folder.above()).varied();
                let seed = setting.map_or(seed.clone(), |setting| format!("{setting}, {seed}"));
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
    let out = out.unwrap_or_else(|| holding(folders));
    aaren_spec::make_folder(&out)?;
    let lines = all.iter().map(|(_, summary)| summary.line()).collect();
    let all: Vec<_> = all.iter().map(|(folder, summary)| (folder.clone(), summary)).collect();
    let dropped = all.iter().any(|(_, summary)| summary.dropped_primary);
    let single = reported.iter().all(|(folder, _)| run_at(folder.path()).is_some());
    let left = all
        .iter()
        .flat_map(|(_, summary)| summary.unfinished.iter().map(|run| format!("{}: {run}", summary.name)));
    let mut report = Report::new(&PrimaryResult::all(&all)?, dropped, single);
    report.leave_out(&left.collect::<Vec<_>>());
    for part in &parts {
        report.add(part);
    }
    let mut forms = vec![
        ("report.md".to_owned(), report.markdown.clone()),
        ("report.csv".into(), report.scores.to_csv()),
        ("report.tex".into(), report.latex),
    ];
    forms.extend(report.pictures);
    if html {
        let sections = reported.into_iter().map(|(folder, row)| section(&folder, row));
        let sections = sections.collect::<Result<Vec<_>>>()?;
        let named: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let title = format!("Report of {}", named.join(", "));
        forms.push((PAGE.into(), page(&title, &report.note, &report.overviews, &sections, &report.others)));
    }
    for (name, text) in &forms {
        aaren_spec::write(&out.join(name), text.as_bytes())?;
    }
    let names = forms.into_iter().map(|(name, _)| name).collect();
    Ok(Written { out, names, markdown: report.markdown, lines, unfinished })
}

/// A report in all its forms.
struct Report {
    markdown: String,
    latex: String,
    /// A row for each dataset and policy.
    scores: Table,
    /// Each with its file's name.
    pictures: Vec<(String, String)>,
    /// What the page says below its title.
    note: String,
    /// Its tables before the experiments, and after them.
    overviews: Vec<Overview>,
    others: Vec<Overview>,
}

impl Report {
    /// What decides, and that all else does not.
    fn new(endpoints: &[PrimaryResult], dropped: bool, single: bool) -> Self {
        let exploratory = match () {
            () if single => SINGLE,
            () if dropped => DROPPED,
            () => EXPLORATORY,
        };
        let mut report = Self {
            markdown: String::new(),
            latex: String::new(),
            scores: Grid::scores(),
            pictures: Vec::new(),
            note: exploratory.into(),
            overviews: Vec::new(),
            others: Vec::new(),
        };
        if endpoints.is_empty() {
            report.markdown = format!("{exploratory}\n\n");
            return report;
        }
        report.markdown = "## Primary endpoint\n\n".into();
        let mut without = Vec::new();
        for endpoint in endpoints {
            let about = endpoint.about();
            report.markdown += &format!("{about}\n\n");
            match endpoint.table() {
                Some(table) => {
                    report.say("Primary endpoint", &table);
                    report.overviews.push(Overview { title: "Primary endpoint".into(), table, about });
                }
                None => without.push(about),
            }
        }
        if dropped {
            report.markdown += &format!("{ANOTHER}\n\n");
            without.push(ANOTHER.into());
        }
        report.markdown += "All that follows is exploratory.\n\n";
        without.push("All but the primary endpoint is exploratory.".into());
        report.note = without.join(" ");
        report
    }

    /// The runs that no number of it is of.
    fn leave_out(&mut self, runs: &[String]) {
        if !runs.is_empty() {
            let text = format!("Not done, and in no number here: {}.", runs.join("; "));
            self.markdown += &format!("{text}\n\n");
            self.note += &format!(" {text}");
        }
    }

    fn say(&mut self, title: &str, table: &Table) {
        self.markdown += &format!("{}\n", table.to_markdown());
        self.latex += &format!("% {title}\n{}\n", table.to_latex());
    }

    /// A table with what there is to say below it; what the page has of it.
    fn tell(&mut self, title: String, table: Table, about: &str) -> Overview {
        self.say(&title, &table);
        self.markdown += &format!("{about}\n\n");
        Overview { title, table, about: about.into() }
    }

    fn add(&mut self, part: &Part) {
        let grid = &part.grid;
        let title = capitalised(&part.title);
        self.markdown += &format!("## {title}\n\n");
        let about = if part.scale.is_none() { LISTED } else { ABOUT };
        let mut overviews = vec![self.tell(title.clone(), grid.table(part.scale.is_some()), about)];
        let mut pooled = Vec::new();
        let several = part.settings.len() > 1;
        for setting in part.settings.iter().filter(|_| part.scale.is_some()) {
            let title = titled(&title, setting.varied.as_deref(), part.settings.len());
            if several {
                self.markdown += &format!("### {title}\n\n");
            }
            pooled.extend(self.pool(&title, &Aggregates::new(&setting.summaries, part.scale)));
        }
        if several {
            self.markdown += "### Of all settings\n\n";
        }
        let title = format!(
            "{title}, {}",
            if grid.asked_columns().is_of_targets() { "asked and achieved" } else { "swing" }
        );
        let asked = grid.asked().map(|asked| self.tell(title, asked, &grid.asked_columns().about()));
        let costs = self.tell("Costs".into(), grid.costs(), COSTS);
        self.markdown += &grid.peers();
        if grid.is_of_several() {
            overviews.extend(pooled.into_iter().chain(asked).chain([costs]));
            self.overviews.extend(overviews);
        } else {
            // All else stands with the experiment.
            self.others.extend(pooled);
        }
        grid.add_scores(&part.title, &mut self.scores);
    }

    fn pool(&mut self, title: &str, aggregates: &Aggregates) -> Vec<Overview> {
        let about = aggregates.about();
        let mut overviews = Vec::new();
        for (table, how, about) in [
            (Some(aggregates.table()), "pooled", about.as_str()),
            (aggregates.pairs(), "policy by policy", ""),
        ] {
            let Some(table) = table else { continue };
            let title = format!("{title}, {how}");
            self.say(&title, &table);
            overviews.push(Overview { title, table, about: about.into() });
        }
        let drawn = self.pictures.len() / 2;
        let name = if drawn == 0 { String::new() } else { format!("-{}", drawn + 1) };
        self.markdown += &format!(
            "{about}\n\n![Performance profile](performance_profile{name}.svg)\n\n![Scores](report_scores{name}.svg)\n\n"
        );
        self.pictures.push((format!("performance_profile{name}.svg"), aggregates.profile()));
        self.pictures.push((format!("report_scores{name}.svg"), aggregates.scores()));
        overviews
    }
}

/// These folders as they are told apart: of several none is spelled in two ways, and a link is what it leads to.
fn spelled(folders: &[PathBuf]) -> Vec<PathBuf> {
    if folders.len() == 1 && !folders[0].is_symlink() {
        return folders.to_vec();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let one = |folder: &PathBuf| {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        match real.strip_prefix(&here) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".into(),
            Ok(inside) => inside.to_owned(),
            Err(_) => real,
        }
    };
    folders.iter().map(one).collect()
}

/// The folder of these, of several the deepest one that holds them.
fn holding(folders: &[PathBuf]) -> PathBuf {
    let (first, others) = (&folders[0], &folders[1..]);
    let holds = |candidate: &&Path| others.iter().all(|other| other.starts_with(candidate));
    let found = first.ancestors().find(holds).unwrap_or(Path::new(""));
    if found.as_os_str().is_empty() { ".".into() } else { found.to_owned() }
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

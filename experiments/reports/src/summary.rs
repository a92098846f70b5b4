//! `summary.json` and `summary.md`: what came out of an experiment, together with how.

use std::collections::BTreeMap;
use std::path::Path;

use aaren_datasets::{DatasetSummary, Difficulty};
use aaren_format::{EnvSpec, Target, target_returns};
use aaren_spec::{Began, Cost, ExperimentFolder, ExperimentResult, Provenance, RunResult, write_if_new};
use aaren_statistics::{ONE_SEED, Unit};
use serde::{Deserialize, Serialize};

use crate::metric::HELD_OUT;
use crate::policy_summary::of_last;
use crate::table::Table;
use crate::{
    AskedColumns, Comparison, Error, Kind, Metric, Pictures, PolicySummary, PrimaryScores, Scale, Score,
};

/// Everything that is kept of an experiment: `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the experiment.
    pub name: String,
    /// By name.
    pub policies: BTreeMap<String, PolicySummary>,
    /// One policy beside another; none where that one did not finish, or there is no other.
    pub comparison: Option<Comparison>,
    /// What this experiment brings to the comparison that decides, where one is fixed that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<PrimaryScores>,
    /// Whether runs in its folder began with a comparison that was to decide, and that is no longer fixed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped_primary: bool,
    /// The runs that are not done, and so in no number here, each with what is known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
    /// How it was measured.
    pub protocol: Protocol,
}

/// How an experiment was measured: a score without it is no result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Protocol {
    /// The environment.
    pub env: EnvSpec,
    /// What was learned from.
    pub dataset: DatasetSummary,
    /// Checksum of the dataset's content; absent from older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<u32>,
    /// How hard that is to imitate; absent from older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difficulty: Option<Difficulty>,
    /// The least and the most that an episode can return, where both are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_range: Option<(f64, f64)>,
    /// Returns asked for.
    #[serde(with = "target_returns")]
    pub target_returns: Vec<f64>,
    /// How much an asked return counts; absent where it means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// Where windows are padded.
    pub padding: String,
    /// How windows are drawn.
    pub sampling: String,
    /// Updates of each run of the first policy.
    pub updates: u64,
    /// Windows per update, where a policy does not have its own.
    pub batch: usize,
    /// Training seeds.
    pub seeds: Vec<u64>,
    /// Episodes of each seed and target.
    pub episodes: usize,
    /// Which evaluation a score is of.
    pub score_of: String,
    /// What its interval is.
    pub interval: String,
    /// What computes.
    pub backend: String,
    /// What made it.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// So many, in words.
pub fn training_seeds(count: usize) -> String {
    format!("{count} training seed{}", if count == 1 { "" } else { "s" })
}

/// What [`Protocol::interval`] says.
pub const INTERVAL: &str = "95 %: Student's t over the means of the training seeds, for one seed over its episodes; \
    for returns of 0 and 1 at least the exact binomial (Clopper–Pearson) over the distinct episodes; cut off at the ends of \
    the metric's range";

impl Summary {
    /// Of the runs that are done, and its pictures; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Protocols`] where they were not all played under one protocol.
    pub fn new(experiment: &ExperimentResult) -> Result<Option<(Self, Pictures)>, Error> {
        let Some(first) = experiment.runs.first() else { return Ok(None) };
        let (targets, episodes) = one_protocol(experiment)?;
        let metric = Metric::of_run(first);
        let of_policy = |name: &str| -> Vec<&RunResult> {
            experiment.runs.iter().filter(|run| run.policy == name).collect()
        };
        let kinds: Vec<Kind> = (experiment.policies.iter())
            .map(|name| of_policy(name).first().and_then(|run| run.agent.encoder()))
            .collect();
        let mut policies = BTreeMap::new();
        let mut compared = Vec::new();
        let mut pictures = Pictures::new(&experiment.name, &kinds, metric, targets[0]);
        for (place, name) in experiment.policies.iter().enumerate() {
            let runs = of_policy(name);
            if runs.is_empty() {
                continue;
            }
            let costs: Vec<&Cost> = experiment.costs.iter().filter(|cost| cost.policy == *name).collect();
            pictures.add(place, name, &runs, &costs);
            let seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect();
            compared.push((name.as_str(), seeds, metric.sample(of_last(&runs, targets[0]))));
            policies.insert(name.clone(), PolicySummary::new(place, metric, &targets, &runs, &costs));
        }
        let with = experiment.transformer.as_ref().unwrap_or(&experiment.policies[0]);
        let samples = compared.iter().map(|(name, seeds, sample)| (*name, seeds.as_slice(), sample));
        // Of errors less is better: a margin is of scores.
        let margin = experiment.margin.filter(|_| !first.env.is_none());
        let comparison = Comparison::new(with, metric.name(), margin, samples)
            .filter(|comparison| !comparison.policies.is_empty());
        let primary = PrimaryScores::new(experiment, |run| metric.sample(of_last(&[run], targets[0])));
        let other_than_now = |began: &Began| {
            let now = experiment.primary.as_ref();
            began.primary.was_over(&experiment.name, &began.policy, began.seed)
                && now.is_none_or(|now| !now.differences(&experiment.name, Some(&began.primary)).is_empty())
        };
        let dropped = experiment.began.iter().any(other_than_now);
        let protocol = Protocol {
            env: first.env.clone(),
            dataset: first.dataset.clone(),
            data: Some(first.data),
            difficulty: Some(first.difficulty.clone()),
            return_range: metric.return_range(),
            target_returns: targets,
            guidance: (experiment.runs.iter())
                .find(|run| run.agent.can_be_free())
                .and_then(|run| Some(run.protocol()?.guidance)),
            padding: "right, masked".into(),
            sampling: "windows start at transitions drawn uniformly (trajectories by length), with context.start: episode where episodes drawn uniformly do; with context.carry chunk after chunk of episodes drawn uniformly; behaviour cloning draws transitions uniformly".into(),
            updates: first.updates,
            batch: experiment.batch,
            seeds: experiment.seeds.clone(),
            episodes,
            score_of: "last update".into(),
            interval: INTERVAL.into(),
            backend: "streaming runtime (scores and µs per step), libtorch (updates/s)".into(),
            provenance: first.provenance.clone(),
        };
        let name = experiment.name.clone();
        let unfinished = experiment.unfinished.clone();
        let summary =
            Self { name, policies, comparison, primary, dropped_primary: dropped, unfinished, protocol };
        Ok(Some((summary, pictures)))
    }

    /// Reads a `summary.json`.
    ///
    /// # Errors
    /// Where it cannot be read, or is no summary.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Summary { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let summary: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let targets = summary.protocol.target_returns.len();
        let whole = |policy: &PolicySummary| policy.targets.len() == targets;
        match targets > 0 && !summary.policies.is_empty() && summary.policies.values().all(whole) {
            true => Ok(summary),
            false => Err(wrong("it holds no policy, or not each at every target return".into())),
        }
    }

    /// Writes it, its table, and its pictures, where they are not there already.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&self, folder: &ExperimentFolder, pictures: &Pictures) -> Result<(), Error> {
        write_if_new(&folder.summary(), &(pretty(self) + "\n"))?;
        write_if_new(&folder.path().join("summary.md"), &self.markdown())?;
        for (name, svg) in pictures.draw() {
            write_if_new(&folder.path().join(name), &svg)?;
        }
        Ok(())
    }

    /// What the policies are judged by, policy by policy, at the first target return.
    pub fn scores(&self) -> impl Iterator<Item = (&str, &Score)> {
        self.in_order().into_iter().map(|(name, policy)| (name, policy.targets[0].score()))
    }

    /// The scale of the scores; `None` where they are returns of no known range.
    pub fn scale(&self) -> Option<Scale> {
        if self.policies.values().all(|policy| policy.targets[0].normalised_score.is_some()) {
            return Some(Scale::Normalised);
        }
        self.protocol.return_range.map(|(least, most)| Scale::Returns(least, most))
    }

    /// The policies as in the experiment.
    pub fn in_order(&self) -> Vec<(&str, &PolicySummary)> {
        let mut policies: Vec<_> =
            self.policies.iter().map(|(name, policy)| (name.as_str(), policy)).collect();
        policies.sort_by_key(|(_, policy)| policy.place);
        policies
    }

    /// Scores, sizes and speeds, a row for each policy and each memory that its cost was measured with.
    pub fn table(&self) -> Table {
        let costs = ["roll-out", "state bytes", "scratch bytes", "µs/step", "updates/s"].map(String::from);
        let mut table = Table::new(1, self.score_heads().into_iter().chain(costs));
        let cost = |cost: &Cost| {
            let scratch = cost.scratch_bytes.map_or("–".into(), |bytes| bytes.to_string());
            let step = format!("{:.1}", cost.step_us_p50);
            [cost.regime.to_string(), format!("{}{}", cost.state_bytes, cost.scratch_within()), scratch, step]
        };
        let unknown = || ["–"; 4].map(String::from);
        for (name, policy) in self.in_order() {
            let scores = self.score_cells(name, policy);
            let empty = std::iter::repeat_n(String::new(), scores.len() - 1);
            let speed = format!("{:.1}", policy.updates_per_second);
            let own = policy.rollout.as_ref().map_or_else(unknown, cost);
            table.row(scores.into_iter().chain(own).chain([speed]));
            for other in &policy.other_rollouts {
                let name = [name.to_owned()].into_iter();
                table.row(name.chain(empty.clone()).chain(cost(other)).chain([String::new()]));
            }
        }
        table
    }

    /// Score of each policy and the bytes that it keeps of an episode, in one line; the best score comes first.
    pub fn line(&self) -> String {
        let mut policies: Vec<_> = self.in_order();
        let held_out = self.protocol.env.is_none();
        policies.sort_by(|(_, a), (_, b)| {
            let [a, b] = [a, b].map(|policy| policy.targets[0].score().estimate.mean);
            if held_out { a.total_cmp(&b) } else { b.total_cmp(&a) }
        });
        let small = self.scores().all(|(_, score)| score.estimate.mean.abs() <= 1.0);
        let decimals = match (held_out, small) {
            (true, _) => 4,
            (_, true) => 2,
            _ => 1,
        };
        let said = policies.iter().map(|(name, policy)| {
            let score = policy.targets[0].score().estimate.mean;
            let kept = policy.rollout.as_ref().map(|cost| format!(" (state {} bytes)", cost.state_bytes));
            format!("{name} {score:.decimals$}{}", kept.unwrap_or_default())
        });
        format!("{} of {}: {}", self.metric(), self.name, said.collect::<Vec<_>>().join(", "))
    }

    /// What the policies are judged by.
    pub fn metric(&self) -> &'static str {
        let normalised = self.policies.values().any(|policy| policy.targets[0].normalised_score.is_some());
        match self.protocol.env.is_none() {
            true => HELD_OUT,
            false if normalised => "normalised score",
            false => "return",
        }
    }

    fn score_heads(&self) -> Vec<String> {
        let mut score = self.metric().to_owned();
        if self.scores().any(|(_, score)| score.estimate.over == Unit::Episodes) {
            score += &format!(" ({ONE_SEED})");
        }
        let mut heads = vec!["policy".to_owned(), "parameters".into(), score];
        heads.extend(self.comparison.iter().flat_map(Comparison::heads));
        heads.extend(self.any_repeats().then(|| "distinct episodes".into()));
        heads.extend(self.asked_columns().heads());
        heads
    }

    fn score_cells(&self, name: &str, policy: &PolicySummary) -> Vec<String> {
        let estimate = &policy.targets[0].score().estimate;
        // Errors are small numbers.
        let score = if self.protocol.env.is_none() { estimate.text(4) } else { estimate.to_string() };
        let mut cells = vec![name.to_owned(), policy.parameters.to_string(), score];
        cells.extend(self.comparison.iter().flat_map(|comparison| comparison.cells(name)));
        let repeats = || policy.targets[0].repeats(self.protocol.episodes).unwrap_or_else(|| "all".into());
        cells.extend(self.any_repeats().then(repeats));
        cells.extend(self.asked_columns().cells(policy.swing.as_ref(), policy.asked.as_ref()));
        cells
    }

    /// What its tables say of asked against achieved.
    pub(crate) fn asked_columns(&self) -> AskedColumns {
        AskedColumns::of(self.policies.values().map(|it| (it.swing.as_ref(), it.asked.as_ref())))
    }

    /// The mean return at each target, and where episodes ended early how long they were; `None` with one target.
    pub(crate) fn target_table(&self) -> Option<Table> {
        let targets = &self.protocol.target_returns;
        let policies = self.in_order();
        let lengths =
            || policies.iter().flat_map(|(_, policy)| &policy.targets).map(|it| it.episode_length.mean);
        if targets.len() < 2 || self.protocol.env.is_none() {
            return None;
        }
        let early = lengths().any(|length| Some(length) != lengths().next());
        let heads =
            |what: &'static str| targets.iter().map(move |&target| format!("{what} {}", Target(target)));
        let ends = heads("timesteps at").filter(|_| early);
        let mut table =
            Table::new(1, ["policy".to_owned()].into_iter().chain(heads("target return")).chain(ends));
        for (name, policy) in policies {
            let returns = policy.targets.iter().map(|it| it.raw_return.estimate.to_string());
            let ends =
                policy.targets.iter().filter(|_| early).map(|it| format!("{:.0}", it.episode_length.mean));
            table.row([name.to_owned()].into_iter().chain(returns).chain(ends));
        }
        Some(table)
    }

    fn any_repeats(&self) -> bool {
        !self.protocol.env.is_none()
            && self
                .policies
                .values()
                .any(|policy| policy.targets[0].repeats(self.protocol.episodes).is_some())
    }

    /// What the scores of the tables were measured on.
    pub(crate) fn asked(&self) -> String {
        match self.protocol.env.is_none() {
            true => "errors of the actions on episodes that were held out: nothing was played".into(),
            false => format!("at target return {}", Target(self.protocol.target_returns[0])),
        }
    }

    /// What `summary.md` holds.
    pub fn markdown(&self) -> String {
        let asked = self.asked();
        let columns = self.asked_columns();
        let about = if columns.is_empty() { String::new() } else { format!(" {}", columns.about()) };
        let targets = self.target_table().map_or_else(String::new, |table| table.to_markdown() + "\n");
        let unfinished = match self.unfinished.as_slice() {
            [] => String::new(),
            runs => format!("Not done, and in no number here: {}.\n\n", runs.join("; ")),
        };
        format!(
            "# {}\n\n{}\n{unfinished}{targets}![Learning curves](learning_curves.svg) ![Training loss](loss.svg)\n\n![Scores](scores.svg)\n\n\
             ![Memory](memory.svg) ![Latency](latency.svg)\n\n\
             Scores are of the last update, {asked}; intervals: {INTERVAL}. Differences are paired by \
             training seed and episode. State bytes (what must be kept from step to step), scratch bytes (a step's working \
             memory) and median µs per step are of timestep 1000 in the streaming runtime on one core.{}\n\n\
             ## Protocol\n\n```json\n{}\n```\n",
            self.name,
            self.table().to_markdown(),
            about,
            pretty(&self.protocol)
        )
    }
}

/// The target returns and the number of episodes that all runs were played with.
fn one_protocol(experiment: &ExperimentResult) -> Result<(Vec<f64>, usize), Error> {
    let differ = |what: String| Error::Protocols { experiment: experiment.name.clone(), what };
    let mut first: Option<&RunResult> = None;
    for run in &experiment.runs {
        let name = format!("{} seed {}", run.policy, run.seed);
        let protocol = run.protocol().ok_or_else(|| differ(format!("{name} was not played")))?;
        let Some(before) = first else {
            first = Some(run);
            continue;
        };
        let other = format!("{} seed {}", before.policy, before.seed);
        // Without target returns of its own, an experiment asks for those of the data: this is to be told first.
        if run.data != before.data {
            return Err(Error::Data { experiment: experiment.name.clone(), run: name, other });
        }
        let find = |of: &dyn Fn(&RunResult) -> bool| {
            experiment.runs.iter().find(|other| of(other)).and_then(RunResult::protocol)
        };
        let of_policy = find(&|other| other.policy == run.policy);
        // For others guidance means nothing.
        let guided = find(&|other| other.agent.can_be_free()).filter(|_| run.agent.can_be_free());
        let there = before.protocol().unwrap_or(protocol);
        let what = [
            ("target returns", there.target_returns == protocol.target_returns),
            ("numbers of episodes", there.episodes == protocol.episodes),
            ("roll-outs", of_policy.is_some_and(|there| there.rollout == protocol.rollout)),
            ("guidance", guided.is_none_or(|there| there.guidance == protocol.guidance)),
        ];
        if let Some((what, _)) = what.iter().find(|(_, same)| !same) {
            return Err(differ(format!(
                "{name} was played with other {what} than the runs before it ({other})"
            )));
        }
    }
    let protocol = first.and_then(RunResult::protocol);
    protocol
        .map(|it| (it.target_returns.clone(), it.episodes))
        .ok_or_else(|| differ("nothing is done".into()))
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("a summary is plain JSON")
}

//! The primary endpoint: the one comparison that the YAML fixed before the first of its runs. All else is exploratory.

use std::fmt::Write;
use std::path::PathBuf;

use aaren_spec::{Endpoint, ExperimentResult, PrimarySpec, RunResult};
use aaren_statistics::{
    Estimate, Sample, Unit, mean, mean_difference, over_sampled_datasets, probability_above, share_above,
};
use serde::{Deserialize, Serialize};

use crate::{Error, Scale, Summary, Table, Verdict};

/// The scores of both policies of the endpoint, from one experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrimaryScores {
    /// The endpoint, as the YAML has it now.
    pub endpoint: PrimarySpec,
    /// Mean score of each run of the policy that is judged, in the order of the endpoint's seeds.
    pub policy: Vec<f64>,
    /// The same of the policy that it is compared with.
    pub against: Vec<f64>,
    /// The mean difference, paired by training seed; none where a run is missing, and in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Estimate>,
    /// Those of its runs that are not done.
    pub missing: Vec<String>,
    /// Those of its runs that began with another endpoint or with none, or were to be played otherwise, each with what differs.
    pub changed: Vec<String>,
}

impl PrimaryScores {
    /// Of the runs that are done; `None` where no endpoint is fixed, or the experiment does not belong to it.
    pub(crate) fn new(
        experiment: &ExperimentResult,
        sample: impl Fn(&RunResult) -> Sample,
    ) -> Option<PrimaryScores> {
        let endpoint = experiment.primary.clone()?;
        if !endpoint.datasets.contains(&experiment.name) {
            return None;
        }
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        let mut scores = |policy: &str| -> Vec<Sample> {
            let of_seed = |&seed: &u64| {
                let run = experiment.runs.iter().find(|run| run.policy == policy && run.seed == seed);
                let Some(run) = run else {
                    missing.push(format!("{policy} seed {seed}"));
                    return None;
                };
                let then = run.primary.as_ref();
                let differences = endpoint.differences(&experiment.name, then);
                if !differences.is_empty() {
                    changed.push(format!("{policy} seed {seed} began with {}", differences.join("; ")));
                } else if let Some(how) =
                    then.zip(run.protocol()).and_then(|(then, now)| then.played_otherwise(now))
                {
                    changed.push(format!("{policy} seed {seed} was played with {how}"));
                }
                Some(sample(run))
            };
            endpoint.seeds.iter().filter_map(of_seed).collect()
        };
        let samples = [scores(&endpoint.policy), scores(&endpoint.against)];
        let [policy, against] =
            samples.each_ref().map(|runs| runs.iter().flat_map(Sample::per_seed).collect());
        let [ours, theirs] = samples.map(|runs| {
            runs.into_iter().reduce(|mut all, run| {
                all.seeds.extend(run.seeds);
                all
            })
        });
        let difference =
            ours.zip(theirs).and_then(|(ours, theirs)| ours.less(&theirs)).filter(|_| missing.is_empty());
        Some(PrimaryScores { policy, against, difference, missing, changed, endpoint })
    }
}

/// A primary endpoint over all of its datasets.
#[derive(Clone, Debug)]
pub struct PrimaryResult {
    /// The endpoint.
    pub endpoint: PrimarySpec,
    /// What its scores are of.
    pub metric: &'static str,
    /// Decimals that its estimates are printed with: two where scores are shares, or lie as near to each other.
    decimals: usize,
    /// Runs of it that are not done, by experiment. While there are any it is not estimated.
    pub missing: Vec<String>,
    /// Its estimate over its datasets as they are, and over them as a sample of those that there could be.
    pub estimates: Option<[Estimate; 2]>,
    /// The estimate of each dataset.
    pub of_each: Vec<(String, f64)>,
}

impl PrimaryResult {
    /// Every endpoint of these summaries, each of which comes with the folder that its experiment lies in: those of one
    /// folder that name each other make up one endpoint.
    ///
    /// # Errors
    /// [`Error::Primary`] where an endpoint was changed after the first of its runs, experiments of one endpoint fix
    /// different ones, or their scores cannot be averaged.
    pub fn all(summaries: &[(PathBuf, &Summary)]) -> Result<Vec<PrimaryResult>, Error> {
        let mut seen: Vec<(&PathBuf, &PrimarySpec)> = Vec::new();
        let mut found = Vec::new();
        for (folder, summary) in summaries {
            let Some(primary) = &summary.primary else { continue };
            let same = |(other, endpoint): &(&PathBuf, &PrimarySpec)| {
                *other == folder && endpoint.unlike(&primary.endpoint).is_empty()
            };
            if seen.iter().any(same) {
                continue;
            }
            seen.push((folder, &primary.endpoint));
            let beside = summaries.iter().filter(|(other, _)| other == folder).map(|(_, summary)| *summary);
            found.push(Self::of(&primary.endpoint, &summary.name, &beside.collect::<Vec<_>>())?);
        }
        Ok(found)
    }

    fn of(endpoint: &PrimarySpec, first: &str, beside: &[&Summary]) -> Result<PrimaryResult, Error> {
        let refuse = |experiment: &str, what: String| Error::Primary { experiment: experiment.into(), what };
        let (mut missing, mut scores) = (Vec::new(), Vec::new());
        let mut scale: Option<Option<Scale>> = None;
        for name in &endpoint.datasets {
            let Some(summary) = beside.iter().find(|summary| summary.name == *name) else {
                missing.push(format!("{name}: not reported here"));
                continue;
            };
            let here = summary.primary.as_ref().filter(|here| here.endpoint.unlike(endpoint).is_empty());
            let Some(here) = here else {
                let what = format!(
                    "found another endpoint than that of {first}, which is over both; expected one endpoint for all of \
                     its datasets: run `aaren run` again with the YAML of before"
                );
                return Err(refuse(name, what));
            };
            if let Some(change) = here.changed.first() {
                let what = format!(
                    "found an endpoint that was changed after its first run: {change}; expected the endpoint that its runs \
                     began with: put that back into the YAML and run `aaren run` again, or remove `primary`, and all \
                     results are exploratory"
                );
                return Err(refuse(name, what));
            }
            if scale.is_some_and(|scale| scale != summary.scale()) {
                let what = format!(
                    "found scores of another scale than those of {first}; expected datasets whose scores can be \
                     averaged: one `primary` for each scale"
                );
                return Err(refuse(name, what));
            }
            if summary.scale().is_none() && endpoint.datasets.len() > 1 {
                let what = format!(
                    "found {}s of no known range; expected scores that can be averaged: an endpoint over one dataset",
                    summary.metric()
                );
                return Err(refuse(name, what));
            }
            scale = Some(summary.scale());
            missing.extend(here.missing.iter().map(|run| format!("{name}: {run}")));
            scores.push((name.clone(), here));
        }
        let metric = match scale.flatten() {
            Some(Scale::Normalised) => "normalised score",
            _ => "return",
        };
        let small = match scale.flatten() {
            Some(Scale::Normalised) => false,
            Some(Scale::Returns(least, most)) => most - least <= 2.0,
            None => {
                let mut all = scores.iter().flat_map(|(_, here)| here.policy.iter().chain(&here.against));
                all.all(|score: &f64| score.abs() <= 1.0)
            }
        };
        let decimals = if small || endpoint.endpoint == Endpoint::Probability { 2 } else { 1 };
        let mut result = PrimaryResult {
            endpoint: endpoint.clone(),
            metric,
            decimals,
            missing,
            estimates: None,
            of_each: Vec::new(),
        };
        if result.missing.is_empty() {
            result.estimate(&scores);
        }
        Ok(result)
    }

    fn estimate(&mut self, scores: &[(String, &PrimaryScores)]) {
        let one = |here: &PrimaryScores| -> (f64, Vec<f64>) {
            let differences: Vec<f64> = here.policy.iter().zip(&here.against).map(|(a, b)| a - b).collect();
            match self.endpoint.endpoint {
                Endpoint::Mean => (mean(&differences), differences),
                Endpoint::Probability => (share_above(&here.policy, &here.against), differences),
            }
        };
        let (of_each, differences): (Vec<f64>, Vec<Vec<f64>>) =
            scores.iter().map(|(_, here)| one(here)).unzip();
        let strata = |pick: fn(&PrimaryScores) -> &Vec<f64>| -> Vec<Vec<f64>> {
            scores.iter().map(|(_, here)| pick(here).clone()).collect()
        };
        let alone: Vec<_> = scores.iter().map(|(_, here)| here.difference.and_then(|it| it.ci95)).collect();
        // Of one dataset as in its summary, where success rates have intervals of their own.
        let of_one = match scores {
            [(_, one)] => one.difference.filter(|it| it.over == Unit::Seeds),
            _ => None,
        };
        let fixed = match self.endpoint.endpoint {
            Endpoint::Mean => of_one.unwrap_or_else(|| mean_difference(&differences, &alone)),
            Endpoint::Probability => probability_above(&strata(|it| &it.policy), &strata(|it| &it.against)),
        };
        let mut sampled = over_sampled_datasets(&of_each);
        if self.endpoint.endpoint == Endpoint::Probability {
            sampled.ci95 = sampled.ci95.map(|(low, high)| (low.max(0.0), high.min(1.0)));
        }
        self.estimates = Some([fixed, sampled]);
        self.of_each = scores.iter().map(|(name, _)| name.clone()).zip(of_each).collect();
    }

    /// The estimate of policies that do not differ.
    fn none(&self) -> f64 {
        match self.endpoint.endpoint {
            Endpoint::Mean => 0.0,
            Endpoint::Probability => 0.5,
        }
    }

    /// What the margin makes of the estimates: over the datasets as they are, and over them as a sample.
    pub fn verdicts(&self) -> [Option<Verdict>; 2] {
        let none = self.none();
        let verdict = |estimate: Estimate| {
            let ci95 = estimate.ci95.map(|(low, high)| (low - none, high - none));
            let shifted = Estimate { mean: estimate.mean - none, ci95, over: estimate.over };
            // One training of each on every dataset has no interval over trainings.
            Verdict::of(&shifted, self.endpoint.margin).filter(|_| self.endpoint.seeds.len() > 1)
        };
        self.estimates.map_or([None, None], |estimates| estimates.map(verdict))
    }

    /// Training seeds of each policy that would decide an undecided endpoint over these datasets, if the estimate and the
    /// spread of the trainings stayed as they are: its interval narrows with the root of their number.
    pub fn seeds_to_decide(&self) -> Option<f64> {
        let [Some(Verdict::Undecided), _] = self.verdicts() else { return None };
        let [Estimate { mean, ci95: Some((low, high)), .. }, _] = self.estimates? else { return None };
        let beyond = mean - self.none() + self.endpoint.margin;
        let half = if beyond > 0.0 { mean - low } else { high - mean };
        Some((self.endpoint.seeds.len() as f64 * (half / beyond).powi(2)).ceil())
    }

    /// Estimates and verdicts; none before all runs are done.
    pub fn table(&self) -> Option<Table> {
        let estimates = self.estimates?;
        let mut table = Table::new(1, ["interval over", "estimate (95 %)", "verdict"]);
        let overs = ["these datasets", "datasets as a sample"];
        for ((over, estimate), verdict) in overs.into_iter().zip(estimates).zip(self.verdicts()) {
            // Over one dataset nothing can be said of others.
            let alone = over == overs[1] && self.of_each.len() == 1;
            let why = match () {
                () if alone => "one dataset: no verdict",
                () if self.endpoint.seeds.len() == 1 => crate::comparison::NO_VERDICT,
                () => "no interval",
            };
            let verdict = verdict.map_or(why.to_owned(), |verdict| verdict.to_string());
            table.row([over.to_owned(), estimate.text(self.decimals), verdict]);
        }
        Some(table)
    }

    /// What it is, in a sentence.
    pub fn about(&self) -> String {
        let PrimarySpec { policy, against, endpoint, margin, datasets, seeds } = &self.endpoint;
        let what = match endpoint {
            Endpoint::Mean => {
                format!(
                    "mean difference `{policy}` − `{against}` in {}, paired by training seed",
                    self.metric
                )
            }
            Endpoint::Probability => {
                format!("probability that a run of `{policy}` is above one of `{against}`")
            }
        };
        let counted = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        let (over, trainings) = (counted(datasets.len(), "dataset"), counted(seeds.len(), "training seed"));
        let mut text = format!(
            "Fixed in the YAML before the first of its runs, margin {margin}: {what}, over {over} and {trainings} of each."
        );
        if !self.missing.is_empty() {
            const SHOWN: usize = 5;
            let shown = self.missing.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = self.missing.len().saturating_sub(SHOWN);
            let _ = write!(text, " Not estimated yet, as runs are missing: {shown}");
            text += &if more > 0 { format!(" and {more} more.") } else { ".".into() };
        }
        if let Some(seeds) = self.seeds_to_decide() {
            const COUNTED: f64 = 10_000.0;
            let about =
                if seeds > COUNTED { format!("more than {COUNTED}") } else { format!("about {seeds}") };
            let _ = write!(
                text,
                " Undecided over these datasets: {about} training seeds of each would decide, if estimate and spread stay."
            );
        }
        text
    }
}

//! Policies over several datasets (Agarwal et al. 2021), and beside the one that they are compared with.

use super::comparison::difference_head;
use super::{Comparison, Kind, Paired, Scale, Summary, Table, Verdict, looks};
use crate::plot::{Axis, Dot, DotChart, Figure, Look, Row, Series};
use aaren_statistics::{
    Episode, Estimate, Sample, interquartile_mean, mean, mean_difference, optimality_gap,
    over_sampled_datasets, performance_profile, probability_of_improvement,
};

/// The policies that every dataset has.
#[derive(Debug)]
pub struct Aggregates {
    datasets: Vec<String>,
    scale: Option<Scale>,
    policies: Vec<Entry>,
    /// The policy that the others are compared with.
    with: Option<String>,
    margin: Option<f64>,
    /// What has no place in it, and why.
    left_out: Vec<String>,
}

/// One policy.
#[derive(Debug)]
struct Entry {
    name: String,
    look: Look,
    /// The scores of its runs, dataset by dataset.
    scores: Vec<Vec<f64>>,
    /// Their means, dataset by dataset.
    means: Vec<Estimate>,
    /// Less the other policy, dataset by dataset, where that can be told of all.
    differences: Option<Vec<Paired>>,
}

/// The name of a dataset, and the summaries, one or several, that are of it.
type Dataset<'s> = (&'s str, Vec<&'s Summary>);

impl Aggregates {
    /// Of summaries with the names of their datasets. All their scores are of this scale; a single summary's may be of
    /// none.
    pub fn new(summaries: &[(String, Summary)], scale: Option<Scale>) -> Self {
        let mut left_out = Vec::new();
        let mut datasets: Vec<Dataset> = Vec::new();
        for (name, summary) in summaries {
            match datasets.iter_mut().find(|(other, _)| other == name) {
                Some((_, of_it)) => of_it.push(summary),
                None => datasets.push((name, vec![summary])),
            }
        }
        let comparisons = || summaries.iter().filter_map(|(_, summary)| summary.comparison.as_ref());
        let with = comparisons().map(|it| it.with.clone()).find(|with| {
            let has = |summary: &&Summary| summary.policies.contains_key(with);
            datasets.iter().all(|(_, of_it)| of_it.iter().any(has))
        });
        let margins: Vec<Option<f64>> =
            comparisons().filter(|it| Some(&it.with) == with.as_ref()).map(|it| it.margin).collect();
        let margin =
            margins.first().copied().flatten().filter(|_| margins.windows(2).all(|two| two[0] == two[1]));
        if with.is_none() && comparisons().next().is_some() {
            left_out.push("differences: no policy that others are compared with is in all datasets".into());
        } else if margin.is_none() && margins.iter().any(Option::is_some) {
            left_out.push("non-inferiority: the experiments fixed different margins".into());
        }

        let mut names: Vec<(&str, Kind)> = Vec::new();
        let of_all = datasets.iter().flat_map(|(_, of_it)| of_it);
        for (name, policy) in of_all.flat_map(|summary| summary.in_order()) {
            if names.iter().all(|(other, _)| *other != name) {
                names.push((name, policy.agent.encoder()));
            }
        }
        let looks = looks(&names.iter().map(|(_, kind)| *kind).collect::<Vec<_>>());
        let mut policies = Vec::new();
        for ((name, _), look) in names.into_iter().zip(looks) {
            let in_dataset = |(_, of_it): &Dataset| {
                let score = of_it.iter().find_map(|summary| summary.policies.get(name))?.targets[0].score();
                Some((score.per_seed.clone(), score.estimate))
            };
            let Some(of_datasets) = datasets.iter().map(in_dataset).collect::<Option<Vec<_>>>() else {
                let has = |dataset: &&Dataset| in_dataset(dataset).is_some();
                let lacking = datasets.iter().filter(|dataset| !has(dataset)).count();
                left_out.push(format!("{name}: not in {lacking} of {} datasets", datasets.len()));
                continue;
            };
            let difference = |(_, of_it): &Dataset| less(name, with.as_ref()?, of_it, scale);
            let differences = datasets.iter().map(difference).collect();
            let (scores, means) = of_datasets.into_iter().unzip();
            policies.push(Entry { name: name.into(), look, scores, means, differences });
        }
        let datasets = datasets.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { datasets, scale, policies, with, margin, left_out }
    }

    /// A row for each policy.
    pub fn table(&self) -> Table {
        let several = self.datasets.len() > 1;
        let mut heads = vec!["policy".to_owned(), "runs".into(), "interquartile mean".into()];
        heads.extend(self.scale.map(|scale| format!("optimality gap to {}", scale.best())));
        let other = self.with.as_ref().and_then(|with| self.policies.iter().find(|it| it.name == *with));
        if let Some(other) = other {
            heads.push(format!("P(above {})", other.name));
            let differences =
                self.policies.iter().filter_map(|it| Some(over_datasets(it.differences.as_deref()?)));
            heads.push(difference_head(&other.name, &differences.collect::<Vec<_>>()));
            heads.extend(several.then(|| format!("minus {}, datasets as a sample", other.name)));
            heads.extend(self.margin.map(|margin| format!("non-inferior (margin {margin})?")));
        }
        let mut table = Table::new(1, heads);
        for policy in &self.policies {
            let runs: usize = policy.scores.iter().map(Vec::len).sum();
            let middle = interquartile_mean(&policy.scores).to_string();
            let mut row = vec![policy.name.clone(), runs.to_string(), middle];
            row.extend(self.scale.map(|scale| optimality_gap(&policy.scores, scale.best()).to_string()));
            if let Some(other) = other {
                let itself = policy.name == other.name;
                let above = || probability_of_improvement(&policy.scores, &other.scores).text(2);
                row.push(if itself { "–".into() } else { above() });
                let difference = policy.differences.as_deref().map(over_datasets);
                row.push(difference.map_or("–".into(), |it| it.to_string()));
                let sampled = policy.differences.as_deref().map(over_sample);
                row.extend(several.then(|| sampled.map_or("–".into(), |it| it.to_string())));
                row.extend(self.margin.map(|margin| {
                    let verdict = difference.and_then(|difference| Verdict::of(&difference, margin));
                    verdict.map_or("–".into(), |verdict| verdict.to_string())
                }));
            }
            table.row(row);
        }
        table
    }

    /// The probability that a run of a row's policy is above one of a column's; of three policies and more.
    pub fn pairs(&self) -> Option<Table> {
        let names = || self.policies.iter().map(|policy| policy.name.as_str());
        let mut table = Table::new(1, ["P(row above column)"].into_iter().chain(names()));
        for policy in &self.policies {
            let above = |other: &Entry| match other.name == policy.name {
                true => "–".into(),
                false => probability_of_improvement(&policy.scores, &other.scores).text(2),
            };
            table.row([policy.name.clone()].into_iter().chain(self.policies.iter().map(above)));
        }
        (self.policies.len() > 2).then_some(table)
    }

    /// What the tables and the profile show.
    pub fn about(&self) -> String {
        let over = match self.datasets.len() {
            1 => "Over the runs of one dataset".to_owned(),
            datasets => format!("Over the runs of {datasets} datasets"),
        };
        let mut text = format!(
            "{over}. Interquartile mean, optimality gap, probability that a run is above one of the other policy, and profile: \
             Agarwal et al. 2021, with 95 % percentile-bootstrap intervals, the runs of each dataset resampled; of few runs \
             they are too narrow. Differences are paired by training seed and episode, their intervals Student's t, of success rates \
             never narrower than the rates' own allow (Newcombe 1998; over datasets Zou and Donner 2008)."
        );
        if self.datasets.len() > 1 {
            text += " Intervals are of these datasets, as the verdicts are; taken as a sample of datasets that there could \
                be, Student's t over their mean differences.";
        }
        if !self.left_out.is_empty() {
            text += &format!("\n\nLeft out: {}.", self.left_out.join("; "));
        }
        text
    }

    /// The scores, dataset by dataset.
    pub fn scores(&self) -> String {
        let rows = self.datasets.iter().enumerate().map(|(place, dataset)| {
            let dot = |policy: &Entry| Dot {
                value: policy.means[place].mean,
                interval: policy.means[place].ci95,
                samples: Vec::new(),
                look: policy.look,
            };
            Row { name: without_env(dataset), dots: self.policies.iter().map(dot).collect() }
        });
        let legend = self.policies.iter().map(|policy| (policy.name.clone(), policy.look));
        DotChart {
            title: None,
            axis: Axis::linear(self.axis_label()),
            rows: rows.collect(),
            legend: legend.collect(),
            levels: Vec::new(),
        }
        .to_svg()
    }

    fn axis_label(&self) -> &'static str {
        if self.scale == Some(Scale::Normalised) { "Normalised score" } else { "Return" }
    }

    /// Performance profiles: the share of runs above each score.
    pub fn profile(&self) -> String {
        const POINTS: usize = 101;
        let scores = || self.policies.iter().flat_map(|policy| &policy.scores).flatten().copied();
        let (least, most) = match self.scale {
            Some(Scale::Normalised) => (0.0, 100.0),
            Some(Scale::Returns(least, most)) => (least, most),
            None => (f64::INFINITY, f64::NEG_INFINITY),
        };
        let (low, high) = (scores().fold(least, f64::min), scores().fold(most, f64::max));
        let at = |point: usize| low + (high - low) * point as f64 / (POINTS - 1) as f64;
        let thresholds: Vec<f64> = (0..POINTS).map(at).collect();
        let series = self.policies.iter().map(|policy| {
            let shares = performance_profile(&policy.scores, &thresholds);
            let ends = |share: &Estimate| share.ci95.unwrap_or((share.mean, share.mean));
            let points = thresholds.iter().zip(&shares).map(|(&x, share)| (x, share.mean));
            let line = Series::new(&policy.name, points.collect(), policy.look);
            Series { band: Some(shares.iter().map(ends).collect()), ..line }
        });
        let (x, y) = (Axis::linear(self.axis_label()), Axis::linear("Share of runs above"));
        Figure::new(x, y, series.collect()).to_svg()
    }
}

/// One policy less the other on one dataset: as the experiment of both compared them, or if they are of two, by the
/// normalised scores of the training seeds that both have.
fn less(name: &str, with: &str, of_it: &[&Summary], scale: Option<Scale>) -> Option<Paired> {
    let comparisons = of_it.iter().filter_map(|summary| summary.comparison.as_ref());
    let mut own = comparisons.filter(|it| it.with == with).filter_map(|it| it.policies.get(name).cloned());
    let across = || {
        // Rates of success have wider intervals, and which rates they are is not known here.
        scale.filter(|scale| *scale == Scale::Normalised)?;
        let [ours, theirs] = [name, with].map(|policy| of_it.iter().find_map(|it| of_seeds(it, policy)));
        let ((seeds, ours), (their_seeds, theirs)) = (ours?, theirs?);
        let both = [(name, seeds, &ours), (with, their_seeds, &theirs)];
        Comparison::new(with, "normalised score", None, both.into_iter())?.policies.remove(name)
    };
    own.next().or_else(across)
}

/// The training seeds of a policy, and the score of each; none where some are not done.
fn of_seeds<'s>(summary: &'s Summary, policy: &str) -> Option<(&'s [u64], Sample)> {
    let scores = &summary.policies.get(policy)?.targets[0].score().per_seed;
    let seeds = scores.iter().map(|&value| vec![Episode { value, identity: 0 }]).collect();
    let sample = Sample { seeds, range: (f64::NEG_INFINITY, f64::INFINITY) };
    (scores.len() == summary.protocol.seeds.len()).then_some((&summary.protocol.seeds, sample))
}

/// `dataset (Env-v4, positions)` as pictures have room for: `dataset, positions`.
fn without_env(row: &str) -> String {
    let (dataset, inside) = row.strip_suffix(')').and_then(|row| row.split_once(" (")).unwrap_or((row, ""));
    inside.split(", ").skip(1).fold(dataset.to_owned(), |name, varied| name + ", " + varied)
}

/// The mean difference, the datasets taken as a sample of those that there could be.
fn over_sample(differences: &[Paired]) -> Estimate {
    over_sampled_datasets(&differences.iter().map(|it| mean(&it.per_seed)).collect::<Vec<_>>())
}

/// The mean difference; of one dataset with the interval that stands in its summary.
fn over_datasets(differences: &[Paired]) -> Estimate {
    match differences {
        [one] => one.difference,
        several => {
            let (alone, runs): (Vec<_>, Vec<_>) =
                several.iter().map(|it| (it.difference.ci95, it.per_seed.clone())).unzip();
            mean_difference(&runs, &alone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Where the policies of an experiment are two experiments', the second with a comparison of its own, its differences
    /// from the first one's Transformer are as they were.
    #[test]
    fn differences_of_two_experiments_are_those_of_one() {
        let whole = "../../results/reference/hidden-endpoint/hopper-1-full-replay/summary.json";
        let whole = Summary::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(whole)).unwrap();
        let (mut first, mut second) = (whole.clone(), whole.clone());
        second.policies.remove("transformer");
        first.policies.retain(|name, _| name == "transformer");
        first.comparison.as_mut().unwrap().policies.clear();
        let other = second.comparison.as_mut().unwrap();
        (other.with, other.margin) = ("gru".into(), None);
        other.policies.remove("gru");
        other.policies.get_mut("aaren").unwrap().per_seed.fill(1000.0);
        let table = |summaries: &[&Summary]| {
            let named: Vec<_> = summaries.iter().map(|&summary| ("hopper".into(), summary.clone())).collect();
            Aggregates::new(&named, Some(Scale::Normalised)).table().to_csv()
        };
        assert_eq!(table(&[&first, &second]), table(&[&whole]));
        // Of a policy with other seeds only those count that both have; which those are is not known where some are not done.
        second.protocol.seeds = (10..30).collect();
        let less = |second: &Summary| less("gru", "transformer", &[&first, second], Some(Scale::Normalised));
        let [gru, transformer] = ["gru", "transformer"].map(|name| whole.policies[name].targets[0].score());
        let expected = gru.per_seed[..10].iter().zip(&transformer.per_seed[10..]).map(|(a, b)| a - b);
        assert_eq!(less(&second).unwrap().per_seed, expected.collect::<Vec<_>>());
        second.protocol.seeds.pop();
        assert!(less(&second).is_none());
    }
}

//! The comparison that decides is the one that was fixed, and nothing else.

use std::path::PathBuf;

use aaren_format::{EnvSpec, Precision, Regime};
use aaren_spec::{
    Began, Endpoint, EpisodeResult, Evaluated, ExperimentResult, FixedPrimary, PrimarySpec, Protocol,
    RunResult,
};

use crate::{Error, PrimaryResult, Summary, Verdict};

const AGENT: &str = r#"{"agent": "decision", "encoder": "aaren", "width": 64, "layers": 2, "heads": 4, "norm": "post",
    "recency": "none", "past_actions": false, "dropout": 0.1, "train": 20, "rollout": "unbounded", "start": "uniform",
    "carry": false}"#;
const DATASET: &str = r#"{"name": "waves", "format": "D4RL HDF5", "episodes": 2, "transitions": 80, "observation_size": 3,
    "action_size": 1, "discrete": false, "return_mean": 5.0, "return_std": 4.0, "return_min": 6.0, "return_max": 60.0,
    "length_min": 40, "length_max": 40, "terminated": 0, "truncated": 2, "unfinished": 0}"#;
const DIFFICULTY: &str = r#"{"left_given_timestep": null, "left_given_last_actions": null, "left_given_observation": null,
    "returns": {"low": 6.0, "high": 60.0, "counts": [1, 1]}, "episodes": 2, "starts_of_evaluation": 0}"#;

/// Ours, then theirs, seed by seed.
const SCORES: [&[f64]; 2] = [&[10.0, 12.0, 14.0], &[9.0, 10.0, 11.0]];

fn endpoint(datasets: &[&str], seeds: &[u64]) -> PrimarySpec {
    PrimarySpec {
        policy: "ours".into(),
        against: "theirs".into(),
        endpoint: Endpoint::Mean,
        margin: 2.0,
        datasets: datasets.iter().map(ToString::to_string).collect(),
        seeds: seeds.to_vec(),
    }
}

fn played() -> Protocol {
    Protocol { rollout: Regime::Unbounded, target_returns: vec![1.0], episodes: 1, guidance: 1.0 }
}

/// An endpoint as a run remembers it.
fn fixed(endpoint: &PrimarySpec) -> FixedPrimary {
    FixedPrimary { endpoint: endpoint.clone(), experiment: None, protocol: Some(played()) }
}

fn run(policy: &str, seed: u64, score: f64, began_with: Option<&PrimarySpec>) -> RunResult {
    let protocol = played();
    let episode = EpisodeResult { total_return: score, ..EpisodeResult::new(1.0, 0) };
    RunResult {
        policy: policy.into(),
        seed,
        fingerprint: String::new(),
        agent: serde_json::from_str(AGENT).unwrap(),
        batch: 1,
        learning_rate: 1e-3,
        precision: Precision::Float32,
        updates: 1,
        parameters: 1,
        training_seconds: 1.0,
        threads: None,
        env: EnvSpec::new("Pendulum-v1"),
        reference_scores: None,
        return_range: Some((0.0, 100.0)),
        dataset: serde_json::from_str(DATASET).unwrap(),
        difficulty: serde_json::from_str(DIFFICULTY).unwrap(),
        data: 0,
        evaluations: vec![Evaluated { update: 1, protocol, episodes: vec![episode], held_out: None }],
        losses: vec![(1, 1.0)],
        primary: began_with.map(fixed),
        provenance: serde_json::from_str(r#"{"aaren": "", "commit": "", "mujoco": ""}"#).unwrap(),
    }
}

/// An experiment whose runs have these scores, seed by seed: ours, then theirs.
fn experiment(name: &str, primary: Option<&PrimarySpec>, scores: [&[f64]; 2]) -> ExperimentResult {
    let runs = ["ours", "theirs"].into_iter().zip(scores).flat_map(|(policy, scores)| {
        let scores = (0..).zip(scores);
        scores.map(move |(seed, &score)| run(policy, seed, score, primary))
    });
    let runs: Vec<_> = runs.collect();
    let began = runs.iter().filter_map(|run| {
        Some(Began { policy: run.policy.clone(), seed: run.seed, primary: run.primary.clone()? })
    });
    ExperimentResult {
        name: name.into(),
        policies: vec!["ours".into(), "theirs".into()],
        transformer: None,
        seeds: vec![0, 1, 2],
        batch: 1,
        margin: None,
        primary: primary.cloned(),
        unfinished: Vec::new(),
        began: began.collect(),
        runs,
        costs: Vec::new(),
    }
}

fn summary(experiment: &ExperimentResult) -> Summary {
    let (summary, _) = Summary::new(experiment).unwrap().unwrap();
    // As a report reads it.
    serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap()
}

fn all(experiments: &[ExperimentResult]) -> Result<Vec<PrimaryResult>, Error> {
    let summaries: Vec<Summary> = experiments.iter().map(summary).collect();
    let beside: Vec<(PathBuf, &Summary)> = summaries.iter().map(|it| (PathBuf::from("grid"), it)).collect();
    PrimaryResult::all(&beside)
}

fn refusal(experiments: &[ExperimentResult]) -> String {
    let error = all(experiments).unwrap_err();
    assert!(error.is_refusal());
    error.to_string()
}

#[test]
fn the_endpoint_is_over_its_datasets_and_seeds() {
    let fixed = endpoint(&["a", "b"], &[0, 1, 2]);
    let experiments = [
        experiment("a", Some(&fixed), SCORES),
        experiment("b", Some(&fixed), [&[1.0, 2.0, 4.0], &[1.0, 0.0, 3.0]]),
        // Beside them, and none of the endpoint's.
        experiment("c", Some(&fixed), [&[90.0, 90.0, 91.0], &[0.0, 0.0, 0.0]]),
    ];
    let [result] = &all(&experiments).unwrap()[..] else { panic!("one endpoint") };
    // Differences 1, 2, 3 and 0, 2, 1.
    assert_eq!(result.of_each, [("a".to_owned(), 2.0), ("b".to_owned(), 1.0)]);
    let [fixed, sampled] = result.estimates.unwrap();
    assert_eq!((fixed.mean, sampled.mean), (1.5, 1.5));
    // Variances of both means 1/3, of their mean 1/6: t(4) = 2.7764451052; of the datasets' means t(1) = 12.7062047364.
    let (low, high) = fixed.ci95.unwrap();
    assert!((high - low - 2.0 * 2.7764451052 / 6.0_f64.sqrt()).abs() < 1e-8, "{low} to {high}");
    let (low, high) = sampled.ci95.unwrap();
    assert!((high - low - 2.0 * 12.7062047364 / 2.0).abs() < 1e-8, "{low} to {high}");
    assert_eq!(result.verdicts(), [Some(Verdict::Better), Some(Verdict::Undecided)]);
    let table = result.table().unwrap().to_markdown();
    assert!(
        table.contains("1.5 ± 1.1") && table.contains("better") && table.contains("undecided"),
        "{table}"
    );
    assert!(result.about().contains("over 2 datasets and 3 training seeds of each"), "{}", result.about());
}

#[test]
fn seeds_beyond_the_endpoints_do_not_move_it() {
    let fixed = endpoint(&["a"], &[2, 0]);
    let with = |other: f64| {
        let a = experiment("a", Some(&fixed), [&[10.0, other, 14.0], &[9.0, -other, 11.0]]);
        all(&[a]).unwrap()[0].estimates.unwrap()[0]
    };
    assert_eq!(with(50.0), with(-7.0));
    assert_eq!(with(50.0).mean, 2.0);
}

/// A probability of 0.5 is no difference, and the margin goes down from there.
#[test]
fn a_probability_is_judged_from_one_half() {
    let with = |margin: f64, ours: &[f64]| {
        let fixed =
            PrimarySpec { endpoint: Endpoint::Probability, margin, ..endpoint(&["a", "b"], &[0, 1, 2]) };
        let of = |name| experiment(name, Some(&fixed), [ours, &[3.0, 4.0, 5.0]]);
        let result = all(&[of("a"), of("b")]).unwrap().remove(0);
        (result.estimates.unwrap()[0].mean, result.verdicts()[0].unwrap())
    };
    assert_eq!(with(0.1, &[6.0, 7.0, 8.0]), (1.0, Verdict::Better));
    assert_eq!(with(0.1, &[0.0, 1.0, 2.0]), (0.0, Verdict::Inferior));
    assert_eq!(with(0.5, &[3.0, 4.0, 5.0]), (0.5, Verdict::NonInferior));
    assert_eq!(with(0.01, &[3.0, 4.0, 5.0]), (0.5, Verdict::Undecided));
}

/// An estimate on either side of the margin, and on it.
#[test]
fn an_undecided_endpoint_says_how_many_seeds_would_decide() {
    let with = |ours: &[f64]| {
        let fixed = endpoint(&["a"], &[0, 1, 2]);
        all(&[experiment("a", Some(&fixed), [ours, &[10.0, 10.0, 10.0]])]).unwrap().remove(0)
    };
    // Differences −2, 0 and 2 beside a margin of 2: t(2) = 4.3026527297, so the half-width is 4.97 at three seeds.
    let above = with(&[8.0, 10.0, 12.0]);
    assert_eq!(above.seeds_to_decide(), Some(19.0));
    let said = "Undecided over these datasets: about 19 training seeds of each would decide";
    assert!(above.about().contains(said), "{}", above.about());
    // A mean of −3, one below the margin.
    assert_eq!(with(&[5.0, 7.0, 9.0]).seeds_to_decide(), Some(75.0));
    assert!(with(&[6.0, 8.0, 10.0]).about().contains("more than 10000 training seeds"));
    assert_eq!(with(&[20.0, 20.0, 21.0]).seeds_to_decide(), None);
}

#[test]
fn an_endpoint_changed_after_its_first_run_is_refused() {
    let then = PrimarySpec { margin: 5.0, ..endpoint(&["a"], &[0, 1, 2]) };
    let now = endpoint(&["a"], &[0, 1, 2]);
    let mut changed = experiment("a", Some(&now), SCORES);
    changed.runs[4].primary = Some(fixed(&then));
    let message = refusal(&[changed.clone()]);
    assert!(
        message.starts_with("a: primary: found an endpoint that was changed after its first run"),
        "{message}"
    );
    assert!(message.contains("theirs seed 1 began with margin: 5.0, now 2.0"), "{message}");
    // One that was added when there were results already.
    changed.runs[4].primary = None;
    assert!(refusal(&[changed.clone()]).contains("theirs seed 1 began with no `primary`"));
    // What is compared is how the policies act, too: as the first of the runs was to be played.
    changed.runs[4].primary = Some(fixed(&now));
    assert!(all(&[changed.clone()]).is_ok());
    for run in changed.runs.iter_mut().filter(|run| run.policy == "theirs") {
        run.evaluations[0].protocol.rollout = Regime::Reset(1);
    }
    let message = refusal(&[changed.clone()]);
    assert!(
        message.contains("theirs seed 0 was played with roll-out reset 1 instead of unbounded"),
        "{message}"
    );
    for run in &mut changed.runs {
        // Older files do not say how they were to be played.
        run.primary.as_mut().unwrap().protocol = None;
    }
    assert!(all(&[changed.clone()]).is_ok());
    changed.runs.iter_mut().for_each(|run| run.evaluations[0].protocol = played());
    // Runs that are none of its own may be of any time.
    changed.primary = Some(PrimarySpec { seeds: vec![0, 2], ..now });
    for run in &mut changed.runs {
        run.primary = changed.primary.as_ref().map(fixed).filter(|_| run.seed != 1);
    }
    assert!(all(&[changed]).is_ok());
}

#[test]
fn experiments_of_one_endpoint_fix_the_same_and_are_of_one_scale() {
    let fixed = endpoint(&["a", "b"], &[0, 1, 2]);
    let other = PrimarySpec { margin: 1.0, ..fixed.clone() };
    let (a, b) = (experiment("a", Some(&fixed), SCORES), experiment("b", Some(&other), SCORES));
    assert!(refusal(&[a.clone(), b]).contains("b: primary: found another endpoint than that of a"));
    assert!(
        refusal(&[a.clone(), experiment("b", None, SCORES)]).contains("b: primary: found another endpoint")
    );
    let mut b = experiment("b", Some(&fixed), SCORES);
    b.runs.iter_mut().for_each(|run| run.return_range = Some((0.0, 1000.0)));
    assert!(refusal(&[a, b]).contains("found scores of another scale"));
}

/// Success rates that do not vary from training to training are not known to the digit.
#[test]
fn an_endpoint_over_one_dataset_has_the_interval_of_its_summary() {
    let of = |ours: &[f64], datasets: &[&str]| {
        let fixed = PrimarySpec { margin: 0.02, ..endpoint(datasets, &[0, 1, 2]) };
        let each = |name: &&str| experiment(name, Some(&fixed), [ours, &[1.0, 1.0, 1.0]]);
        let result = all(&datasets.iter().map(each).collect::<Vec<_>>()).unwrap().remove(0);
        (result.estimates.unwrap()[0], result.verdicts()[0])
    };
    let (estimate, verdict) = of(&[1.0, 1.0, 1.0], &["a"]);
    assert!(estimate.mean == 0.0 && estimate.ci95.unwrap().0 < -0.1, "{estimate:?}");
    assert_eq!(verdict, Some(Verdict::Undecided));
    // So it is over several.
    let (estimate, verdict) = of(&[1.0, 1.0, 1.0], &["a", "b"]);
    assert!(estimate.mean == 0.0 && estimate.ci95.unwrap().0 < -0.1, "{estimate:?}");
    assert_eq!(verdict, Some(Verdict::Undecided));
    // What is no rate has no width where trainings agree.
    let (estimate, verdict) = of(&[1.5, 1.5, 1.5], &["a"]);
    assert_eq!((estimate.mean, estimate.ci95, verdict), (0.5, None, None));
}

/// Scores of two protocols, or of two datasets under one name, are not averaged.
#[test]
fn runs_of_another_protocol_or_of_other_data_are_refused() {
    let refused = |change: fn(&mut RunResult)| {
        let mut it = experiment("a", None, SCORES);
        let free = [("tokens", 1.into()), ("return", "head".into()), ("return_dropout", 0.2.into())];
        for run in &mut it.runs {
            run.agent.settings.extend(free.clone().map(|(key, value)| (key.to_owned(), value)));
            assert!(run.agent.can_be_free());
        }
        change(&mut it.runs[1]);
        Summary::new(&it).map(|_| ()).unwrap_err().to_string()
    };
    let message = refused(|run| run.evaluations[0].protocol.target_returns = vec![2.0]);
    assert!(
        message.contains(
            "ours seed 1 was played with other target returns than the runs before it (ours seed 0)"
        ),
        "{message}"
    );
    let message = refused(|run| run.evaluations[0].protocol.episodes = 2);
    assert!(message.contains("other numbers of episodes"), "{message}");
    let message = refused(|run| run.evaluations[0].protocol.rollout = Regime::Window(3));
    assert!(message.contains("other roll-outs"), "{message}");
    let message = refused(|run| run.evaluations[0].protocol.guidance = 2.0);
    assert!(message.contains("other guidance"), "{message}");
    let message = refused(|run| run.data = 7);
    assert!(
        message.contains(
            "ours seed 1 was trained on other data than ours seed 0; give changed data another name"
        ),
        "{message}"
    );
}

/// Whoever is compared with is fixed, whether it finished or not.
#[test]
fn without_the_transformers_runs_there_is_no_comparison() {
    let mut it = experiment("a", None, SCORES);
    assert_eq!(summary(&it).comparison.unwrap().with, "ours");
    it.transformer = Some("theirs".into());
    assert_eq!(summary(&it).comparison.unwrap().with, "theirs");
    it.runs.retain(|run| run.policy == "ours");
    assert!(summary(&it).comparison.is_none());
}

/// Nobody looks at an endpoint before its last run is done.
#[test]
fn an_endpoint_is_not_estimated_before_all_of_its_runs_are_done() {
    let fixed = endpoint(&["a", "b"], &[0, 1, 2]);
    let a = experiment("a", Some(&fixed), [&[10.0, 12.0], &[9.0, 10.0, 11.0]]);
    let result = all(&[a]).unwrap().remove(0);
    assert_eq!(result.missing, ["a: ours seed 2", "b: not reported here"]);
    assert!(result.estimates.is_none() && result.table().is_none());
    assert_eq!(result.verdicts(), [None, None]);
    assert!(
        result.about().ends_with("runs are missing: a: ours seed 2, b: not reported here."),
        "{}",
        result.about()
    );
}

#[test]
fn one_seed_and_one_dataset_give_no_verdict_over_others() {
    let fixed = endpoint(&["a", "b"], &[0]);
    let of = |name, ours: f64| experiment(name, Some(&fixed), [&[ours], &[1.0]]);
    let result = all(&[of("a", 9.0), of("b", 9.5)]).unwrap().remove(0);
    assert_eq!(result.verdicts(), [None, None]);
    assert_eq!(result.table().unwrap().to_markdown().matches("one seed: no verdict").count(), 2);
    let fixed = endpoint(&["a"], &[0, 1]);
    let a = experiment("a", Some(&fixed), [&[9.0, 9.5], &[1.0, 1.0]]);
    let result = all(&[a]).unwrap().remove(0);
    assert_eq!(result.verdicts(), [Some(Verdict::Better), None]);
    assert!(result.table().unwrap().to_markdown().contains("one dataset: no verdict"));
}

/// Experiments of other folders are none of its own, whatever they are called.
#[test]
fn folders_are_told_apart() {
    let fixed = endpoint(&["a", "b"], &[0, 1]);
    let scores: [&[f64]; 2] = [&[10.0, 12.0], &[9.0, 10.0]];
    let [a, b] = ["a", "b"].map(|name| summary(&experiment(name, Some(&fixed), scores)));
    let none = summary(&experiment("b", None, scores));
    let found = PrimaryResult::all(&[("one".into(), &a), ("one".into(), &b), ("two".into(), &none)]).unwrap();
    assert_eq!(found.iter().map(|it| it.missing.len()).collect::<Vec<_>>(), [0]);
    let found = PrimaryResult::all(&[("one".into(), &a), ("two".into(), &b)]).unwrap();
    assert_eq!(
        found.iter().map(|it| &it.missing[..]).collect::<Vec<_>>(),
        [["b: not reported here"], ["a: not reported here"]]
    );
}

/// Nobody knows what the mean of two returns is worth that may be of any size.
#[test]
fn returns_of_no_known_range_are_not_averaged() {
    let of = |datasets: &[&str]| {
        let fixed = endpoint(datasets, &[0, 1, 2]);
        let unknown = |name: &&str| {
            let mut it = experiment(name, Some(&fixed), SCORES);
            it.runs.iter_mut().for_each(|run| run.return_range = None);
            it
        };
        datasets.iter().map(unknown).collect::<Vec<_>>()
    };
    assert_eq!(all(&of(&["a"])).unwrap()[0].of_each, [("a".to_owned(), 2.0)]);
    let message = refusal(&of(&["a", "b"]));
    assert!(message.starts_with("a: primary: found returns of no known range"), "{message}");
}

/// An endpoint that went does not go without a trace.
#[test]
fn an_endpoint_that_was_removed_is_remembered() {
    let then = endpoint(&["a"], &[0, 1, 2]);
    let dropped = |change: fn(&mut ExperimentResult)| {
        let mut it = experiment("a", Some(&then), SCORES);
        change(&mut it);
        Summary::new(&it).unwrap().unwrap().0.dropped_primary
    };
    assert!(dropped(|it| it.primary = None));
    assert!(!dropped(|_| ()));
    assert!(!dropped(|it| {
        it.primary = None;
        it.began.clear();
    }));
    // One in its place does not hide it, nor do other names of the policies, of the experiment, or other seeds.
    assert!(dropped(|it| it.primary = Some(PrimarySpec { margin: 3.0, ..endpoint(&["a"], &[0]) })));
    assert!(dropped(|it| it.began.iter_mut().for_each(|began| {
        began.primary.endpoint.policy = "renamed".into();
        began.primary.endpoint.against = "ours".into();
        began.policy = "renamed".into();
    })));
    let renamed = |it: &mut ExperimentResult| {
        it.name = "b".into();
        it.began.iter_mut().for_each(|began| began.primary.experiment = Some("a".into()));
    };
    let was_renamed = |primary: Option<PrimarySpec>| {
        let mut it = experiment("a", Some(&then), SCORES);
        renamed(&mut it);
        it.primary = primary;
        Summary::new(&it).unwrap().unwrap().0.dropped_primary
    };
    assert!(was_renamed(None));
    assert!(!was_renamed(Some(endpoint(&["b"], &[0, 1, 2]))));
}

/// Each target's return stands beside the episodes' lengths where some ended early.
#[test]
fn several_targets_have_a_table_of_what_was_achieved() {
    let mut experiment = experiment("targets", None, [&[5.0, 7.0], &[1.0, 1.0]]);
    assert!(summary(&experiment).target_table().is_none());
    for run in &mut experiment.runs {
        let played = &mut run.evaluations[0];
        played.protocol.target_returns.push(2.0);
        let episode = EpisodeResult { total_return: 9.0, length: 40, ..EpisodeResult::new(2.0, 0) };
        played.episodes.push(episode);
    }
    let table = summary(&experiment).target_table().unwrap().to_markdown();
    assert!(
        table.contains(" target return 1 | target return 2 | timesteps at 1 | timesteps at 2 |"),
        "{table}"
    );
    let ours = table.lines().find(|line| line.starts_with("| ours")).unwrap();
    assert!(ours.contains(" 6.0 [") && ours.contains(" 9.0 ±") && ours.ends_with(" 40 |"), "{table}");
    for run in &mut experiment.runs {
        run.evaluations[0].episodes[0].length = 40;
    }
    assert!(!summary(&experiment).target_table().unwrap().to_markdown().contains("timesteps"));
}

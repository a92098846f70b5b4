//! Documents that describe several experiments.

use aaren_format::ContextLength;

use super::tests::{MINIMAL, assert_says, decision, document, load};
use super::*;

fn cells(text: &str, overrides: &[&str]) -> Result<Option<(String, Vec<Cell>)>, Error> {
    document(text, overrides)?.cells()
}

fn specs(text: &str) -> Vec<Spec> {
    let (name, cells) = cells(text, &[]).unwrap().unwrap();
    assert_eq!(name, "x");
    cells.iter().map(|cell| cell.document.spec().unwrap()).collect()
}

/// The message that refuses `text`, as a grid or in the first of its cells that is refused.
fn refusal(text: &str, overrides: &[&str]) -> String {
    let refused = match cells(text, overrides) {
        Err(error) => Some(error),
        Ok(grid) => grid.expect("a grid").1.iter().find_map(|cell| cell.document.spec().err()),
    };
    refused.unwrap_or_else(|| panic!("accepted: {text}")).to_string()
}

#[test]
fn one_experiment_is_no_grid() {
    assert!(cells(MINIMAL, &[]).unwrap().is_none());
}

#[test]
fn a_grid_is_the_product_of_its_keys_in_their_order() {
    let text = format!(
        "{MINIMAL}train: {{updates: 50}}\ngrid: {{train.learning_rate: [3e-4, 1e-3], context: {{train: [20, 100]}}}}\n"
    );
    let cells_of_it = specs(&text);
    let found: Vec<_> = cells_of_it
        .iter()
        .map(|spec| {
            let ContextLength::Timesteps(context) = decision(&spec.policies[0]).context.context_length else {
                panic!()
            };
            (spec.name.as_str(), spec.train.learning_rate, spec.train.updates, context)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("learning_rate-3e-4_train-20", 3e-4, 50, 20),
            ("learning_rate-3e-4_train-100", 3e-4, 50, 100),
            ("learning_rate-1e-3_train-20", 1e-3, 50, 20),
            ("learning_rate-1e-3_train-100", 1e-3, 50, 100),
        ]
    );
    let (_, cells) = cells(&text, &[]).unwrap().unwrap();
    let varied = [("train.learning_rate", "3e-4"), ("context.train", "100")];
    assert_eq!(cells[1].varied, varied.map(|(key, value)| (key.to_owned(), value.to_owned())));
    // What was written of a cell is one experiment.
    for spec in cells_of_it {
        assert_eq!(load(&spec.to_yaml(), &[]).unwrap(), spec);
    }
}

#[test]
fn datasets_and_environments_are_pairs() {
    let four = specs(
        "
env: Hopper-v4
dataset:
  - hopper-medium
  - {dataset: hopper-medium-expert, evaluate.target_returns: [1800]}
  - {dataset: hopper-medium-expert, env: {id: Hopper-v4, kwargs: {observe: positions}}}
  - {dataset: walker2d-medium, env: Walker2d-v4, evaluate: {episodes: 3}}
evaluate: {target_returns: [3600]}
",
    );
    let found: Vec<_> = four
        .iter()
        .map(|spec| {
            let target = spec.evaluate.target_returns.as_ref().unwrap()[0];
            (spec.name.as_str(), spec.env.id.as_str(), spec.env.kwargs.len(), target, spec.evaluate.episodes)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("hopper-medium", "Hopper-v4", 0, 3600.0, 100),
            ("hopper-medium-expert", "Hopper-v4", 0, 1800.0, 100),
            ("hopper-medium-expert-Hopper-v4-observe-positions", "Hopper-v4", 1, 3600.0, 100),
            ("walker2d-medium", "Walker2d-v4", 0, 3600.0, 3),
        ]
    );
    let two = "env: [Hopper-v4, Walker2d-v4]\ndataset: [hopper-medium, walker2d-medium]\ngrid: {model.width: [8]}\n";
    let found: Vec<_> = specs(two).into_iter().map(|spec| (spec.name, spec.env.id)).collect();
    let names = ["hopper-medium_width-8", "walker2d-medium_width-8"];
    assert_eq!(found, [(names[0].into(), "Hopper-v4".into()), (names[1].into(), "Walker2d-v4".into())]);
    let versions = specs("env: [Hopper-v4, Hopper-v5]\ndataset: hopper-medium\n");
    assert_eq!(versions.iter().map(|spec| &spec.name).collect::<Vec<_>>(), ["Hopper-v4", "Hopper-v5"]);
}

#[test]
fn refusals_name_the_place_in_the_grid() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        ("grid: {train.lerning_rate: [1e-3]}", &["x.yaml:3: unknown key `train.lerning_rate`", "did you mean `learning_rate`?"]),
        ("grid:\n  train.learning_rate:\n    - 0\n    - 1", &["x.yaml:5: `train.learning_rate`: found `0`, expected a number above 0"]),
        ("grid: {train.learning_rate: 1e-3}", &["x.yaml:3: `grid.train.learning_rate`: found `1e-3`, expected a list of values; write `[1e-3]`"]),
        ("grid: {train.learning_rate: []}", &["found an empty list, expected a list of values"]),
        ("grid: {train.batch: [8, 8]}", &["`grid.train.batch[1]`: found `8`, expected each value once"]),
        ("grid: {train.learning_rate: [1e-3, 0.001]}", &["`grid.train.learning_rate[1]`: found `0.001`, the same value as `1e-3`, expected each value once"]),
        ("grid: {context.train: [{a: 1, b: 20}, {b: 0x14, a: 1.0}]}", &["the same value as `a-1-b-20`"]),
        ("grid: [1]", &["x.yaml:3: `grid`: found a list of 1, expected keys with lists of values"]),
        ("grid: {}", &["`grid`: found a map, expected keys with lists of values"]),
        ("grid: {seeds: [[0], [1]]}", &["x.yaml:3: `seeds`", "their own lists"]),
        ("grid: {policies: [[aaren]]}", &["`policies`", "their own lists"]),
        ("grid: {train.: [1]}", &["`train.`", "expected a key such as `train.updates`"]),
        ("grid: {env.kwargs.observe: [positions]}", &["x.yaml:3: `env.kwargs.observe`: found the text `Hopper-v4` at `env`", "vary `env` as a whole"]),
        ("grid: {train.batch: [1], train: {batch: [2]}}", &["`grid.train.batch`: found the key again"]),
        ("grid: {train.updates: [1,2,3,4,5,6,7,8,9,10,11], train.batch: [1,2,3,4,5,6,7,8,9,10], train.warmup: [0,1,2,3,4,5,6,7,8,9]}",
            &["x.yaml:3: `grid`: found 1100 experiments, expected at most 1000"]),
    ];
    for (text, parts) in cases {
        assert_says(&refusal(&format!("{MINIMAL}{text}\n"), &[]), parts);
    }
    #[rustfmt::skip]
    let heads: &[(&str, &[&str])] = &[
        ("env: Hopper-v4\ndataset: [hopper-medium, hopper-medium]", &["`dataset[1]`: found `hopper-medium` again"]),
        ("env: [Hopper-v4]\ndataset: [hopper-medium, hopper-expert]", &["x.yaml:1: `env`: found a list of 1, expected as many as datasets, 2"]),
        ("env: [Hopper-v4]\ndataset:\n  - {dataset: hopper-medium, env: Hopper-v4}", &["x.yaml:1: `env[0]`", "the dataset names one"]),
        ("env: Hopper-v4\ndataset:\n  - {env: Hopper-v4}", &["x.yaml:3: `dataset[0].dataset` is missing"]),
        ("env: Hopper-v4\ndataset: []", &["x.yaml:2: `dataset`: found an empty list"]),
        ("env: Hopper-v4\ndataset:\n  - hopper-medium\n  - ./nowhere.hdf5", &["x.yaml:4: `dataset`", "nowhere.hdf5`, which cannot be opened"]),
    ];
    for (text, parts) in heads {
        assert_says(&refusal(&format!("{text}\n"), &[]), parts);
    }
    let parts = [
        "--set train.batch=4: `train.batch`: found `4`, expected nothing, as `grid` at x.yaml:3",
        "--set 'grid={train.batch: [4]}'",
    ];
    assert_says(&refusal(&format!("{MINIMAL}grid: {{train.batch: [8, 16]}}\n"), &["train.batch=4"]), &parts);
    // Where one experiment is asked for.
    let error = load(&format!("{MINIMAL}grid: {{train.batch: [8]}}\n"), &[]).unwrap_err();
    let parts = ["x.yaml:3: `grid`: found several experiments, expected one experiment here"];
    assert_says(&error.to_string(), &parts);
}

/// One endpoint over all cells of the grid, or over those that it names.
#[test]
fn a_primary_endpoint_is_over_the_experiments_of_its_grid() {
    let text = |primary: &str| {
        format!(
            "env: Hopper-v4\ndataset: [hopper-medium, hopper-expert]\nseeds: [0, 1, 2]\nprimary: {{policy: aaren, \
             against: transformer, endpoint: mean, margin: 2{primary}}}\n"
        )
    };
    for spec in specs(&text("")) {
        let primary = spec.primary.unwrap();
        assert_eq!(primary.datasets, ["hopper-medium", "hopper-expert"]);
        assert_eq!(primary.seeds, [0, 1, 2]);
    }
    for spec in specs(&text(", datasets: [hopper-expert], seeds: [2, 0]")) {
        let primary = spec.primary.unwrap();
        assert_eq!(
            (&primary.datasets[..], &primary.seeds[..]),
            (&["hopper-expert".to_owned()][..], &[2, 0][..])
        );
    }
    let named = text(", datasets: [hopper-expert_batch-2]") + "grid: {train.batch: [1, 2]}\n";
    assert!(specs(&named).iter().all(|spec| spec.primary.as_ref().unwrap().datasets.len() == 1));
    for (text, parts) in [
        (
            text(", datasets: [hoper-expert]"),
            &[
                "x.yaml:4: `primary.datasets[0]`",
                "one of the grid's 2 experiments",
                "did you mean `hopper-expert`?",
            ][..],
        ),
        (
            text("") + "grid: {primary.margin: [1, 2]}\n",
            &["x.yaml:5: `primary.margin`", "one `primary` beside `grid`"],
        ),
        // A setting is no dataset.
        (
            text("") + "grid: {train.batch: [1, 2]}\n",
            &["x.yaml:4: `primary`: found no `datasets`, beside the settings of `grid`", "`--dry-run` lists"],
        ),
    ] {
        assert_says(&cells(&text, &[]).unwrap_err().to_string(), parts);
    }
}

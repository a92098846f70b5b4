//! What is asked of trained policies afterwards: `aaren sweep`, `aaren attention` and `aaren report`.

mod common;

use std::fs;
use std::process::Command;

use common::{Experiment, YAML};
use serde_json::{Value, json};

/// `aaren COMMAND results/tiny …`: exit code, standard output, standard error.
fn ask(experiment: &Experiment, command: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    experiment.aaren(&[&[command, "results/tiny"], arguments].concat())
}

/// A summary as if it were of another dataset, with these normalised scores of its policies, seed by seed.
fn scored(summary: &Value, dataset: &str, scores: &[(&str, [f64; 2])]) -> Value {
    let mut scored = summary.clone();
    scored["protocol"]["dataset"]["name"] = dataset.into();
    let of_transformer = scores.iter().find(|(name, _)| *name == "transformer").unwrap().1;
    for (place, (name, seeds)) in scores.iter().enumerate() {
        let mean = (seeds[0] + seeds[1]) / 2.0;
        let mut policy = summary["policies"]["aaren"].clone();
        policy["place"] = place.into();
        policy["targets"][0]["normalised_score"] = json!({
            "mean": mean, "ci95": null, "over": "seeds", "per_seed": seeds, "last": mean, "best": mean,
        });
        scored["policies"][name] = policy;
        let less = [seeds[0] - of_transformer[0], seeds[1] - of_transformer[1]];
        scored["comparison"]["policies"][name]["per_seed"] = json!(less);
        scored["comparison"]["policies"][name]["difference"] =
            json!({"mean": 0, "ci95": null, "over": "seeds"});
    }
    scored["comparison"]["margin"] = 2.0.into();
    scored
}

/// Two datasets that share two policies, one without scores, and one with intervals of the time of the bootstrap.
fn a_report_is_of_what_all_datasets_have(experiment: &Experiment, summary: &Value) {
    let write = |name: &str, summary: &Value| {
        let folder = experiment.path("several").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
    };
    let (aaren, transformer) = ("aaren", "transformer");
    let hopper = [(aaren, [70.0, 74.0]), (transformer, [69.0, 71.0]), ("gru", [50.0, 60.0])];
    write("hopper", &scored(summary, "hopper", &hopper));
    write("walker", &scored(summary, "walker", &[(aaren, [20.0, 24.0]), (transformer, [22.0, 20.0])]));
    write("pendulum", summary);
    let report = |folder: &str| {
        let mut aaren = Command::new(env!("CARGO_BIN_EXE_aaren"));
        let output =
            aaren.current_dir(experiment.path("")).args(["report", folder, "--out", "report"]).output();
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, table, message) = report("several");
    assert_eq!(code, Some(0), "{message}");
    let (normalised, _) = table.split_once("## Returns").unwrap();
    let mut lines = normalised.lines().filter(|line| line.starts_with("| aaren "));
    let (line, cost) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(cost.starts_with("| aaren       | unbounded |"), "{cost}");
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    // `trim_mean(x, .25, axis=None)`, `100 - np.mean(np.minimum(x, 100))`, the mean of both datasets' `mannwhitneyu`
    // statistics over 4; the mean difference of (2 + 1) / 2 points.
    let expected = [
        ("4", 2),
        ("47.0 ± ", 3),
        ("53.0 ± ", 4),
        ("0.69 [", 5),
        ("1.5 ± ", 6),
        ("1.5 ± ", 7),
        ("undecided", 8),
    ];
    for (text, column) in expected {
        assert!(cells[column].starts_with(text), "{text}: {line}");
    }
    assert!(table.contains("Left out: gru: not in 1 of 2 datasets."), "{table}");
    // Returns have a part of their own, as Pendulum's cannot be averaged with scores.
    assert!(table.contains("## Returns, of -488.208135 to 0\n"), "{table}");
    for picture in ["performance_profile.svg", "report_scores.svg"] {
        assert!(experiment.path("report").join(picture).is_file(), "{picture}");
    }
    let scores = fs::read_to_string(experiment.path("report/report.csv")).unwrap();
    assert!(scores.contains(",70 74,unbounded,"), "{scores}");
}

/// A policy that has heard no return in training is as far from each target as its return is; what is drawn is what was
/// played, and the data's returns.
fn asked_against_achieved(experiment: &Experiment) {
    let (code, table, message) = ask(experiment, "sweep", &["--target-return", "--episodes", "2"]);
    assert_eq!(code, Some(0), "{message}");
    let sweep = experiment.json("results", "sweep.json");
    let (cells, asked) = (sweep["cells"].as_array().unwrap(), sweep["asked"].as_array().unwrap());
    assert_eq!((cells.len(), asked.len()), (18, 2), "nine targets of two policies");
    let data = &experiment.json("results", "summary.json")["protocol"]["dataset"];
    let counted = data["return_histogram"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), data["episodes"].as_u64().unwrap());
    for (row, cells) in asked.iter().zip(cells.chunks(9)) {
        let number = |value: &Value| value.as_f64().unwrap();
        // Of two episodes that fall on one side of the target the distance is that of their mean, else at least that.
        let least = cells.iter().map(|cell| (number(&cell["score"]["mean"]) - number(&cell["value"])).abs());
        let (least, found) = (least.sum::<f64>() / 9.0, number(&row["distance"]["mean"]));
        assert!(found > least - 1e-6 && least > 0.0, "{found} against {least}");
        let best = number(&data["return_max"]);
        assert!((number(&row["best"]["target_return"]) - best).abs() < 0.01 * best.abs(), "{row}");
        assert_eq!(row["best"]["score"], cells[8]["score"], "of Pendulum the score is the return");
    }
    assert!(table.contains("| distance from target |"), "{table}");
    assert!(!table.contains("timesteps at"), "a Pendulum ends by its time alone: {table}");
    let picture = fs::read_to_string(experiment.path("results/tiny/sweep.svg")).unwrap();
    assert!(picture.contains("episodes of the data") && picture.contains("as asked"), "{picture}");
    let refused = [
        (&["--target-return", "1,2", "--kept"][..], "sweep of their own"),
        (&["--target-return", "1,1"], "twice"),
    ];
    for (arguments, reason) in refused {
        let (code, _, message) = ask(experiment, "sweep", arguments);
        assert!(code == Some(2) && message.contains(reason), "{message}");
    }
    // Of the two the Transformer, whose return is a token, hears no `max`.
    let (code, _, message) = ask(experiment, "sweep", &["--target-return", "max", "--episodes", "1"]);
    assert!(code == Some(0) && message.contains("transformer: left out"), "{message}");
    assert_eq!(experiment.json("results", "sweep.json")["cells"].as_array().unwrap().len(), 1);
}

#[test]
fn a_sweep_repeats_the_evaluation_and_attention_adds_up() {
    let yaml = YAML.replace("every: 5", "every: 30").replace("transformer]", "transformer: {tokens: 2}]");
    let experiment = Experiment::new(&yaml);
    let (code, _, message) = ask(&experiment, "sweep", &[]);
    assert!(code == Some(2) && message.contains("no spec.yaml in it"), "{message}");
    let (code, message) = experiment.run("results", &["--set", "seeds=[0, 1]"]);
    assert_eq!(code, Some(0), "{message}");

    // The same memory, the same episodes: each seed gets what its training said of it, after 30 updates and after 60.
    let (code, _, message) = ask(&experiment, "sweep", &["--episodes", "2", "--kept"]);
    assert_eq!(code, Some(0), "{message}");
    let sweep = experiment.json("results", "sweep.json");
    for (place, policy) in ["aaren", "transformer"].into_iter().enumerate() {
        for seed in 0..2 {
            let run = format!("{policy}-seed{seed}");
            let csv = fs::read_to_string(experiment.file("results", &run, "evaluations.csv")).unwrap();
            let returns: Vec<f64> =
                csv.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().parse().unwrap()).collect();
            for (evaluation, returns) in returns.chunks_exact(2).enumerate() {
                let cell = &sweep["cells"][2 * place + evaluation];
                let found = cell["per_seed"][seed].as_f64().unwrap();
                assert!(
                    (found - returns.iter().sum::<f64>() / 2.0).abs() < 1e-9,
                    "{run}: {found}, {returns:?}"
                );
                assert_eq!(cell["value"], [30.0, 60.0][evaluation]);
            }
        }
    }
    // A refused change leaves the spec of what is there, with which the sweep goes on; a policy of the same name is no seed of
    // it where it is another network.
    let set = ["--set", "seeds=[0, 1]", "--set", "train.learning_rate=0.5"];
    let (code, message) = experiment.run("results", &set);
    assert!(code == Some(2) && message.contains("train.learning_rate"), "{message}");
    let (code, message) = experiment.run("other", &["--set", "model.width=16"]);
    assert_eq!(code, Some(0), "{message}");
    let (code, _, message) = ask(&experiment, "compare", &["other/tiny"]);
    assert!(code == Some(2) && message.contains("another policy called aaren than in"), "{message}");
    let (code, _, message) = ask(&experiment, "sweep", &["--episodes", "2"]);
    assert_eq!(code, Some(0), "{message}");
    let last = &experiment.json("results", "sweep.json")["cells"][1]["score"];
    assert_eq!(last, &sweep["cells"][3]["score"], "the last policy kept is the policy");

    // What the summary says of the two is what the evaluations say, seed by seed.
    let summary = experiment.json("results", "summary.json");
    let paired = &summary["comparison"]["policies"]["aaren"];
    for seed in 0..2 {
        let returns = |place: usize| sweep["cells"][place]["per_seed"][seed].as_f64().unwrap();
        let found = paired["per_seed"][seed].as_f64().unwrap();
        assert!((found - (returns(1) - returns(3))).abs() < 1e-9, "{found}");
    }
    // The swing is how far apart the two evaluations of a training lie.
    for (place, policy) in ["aaren", "transformer"].into_iter().enumerate() {
        for seed in 0..2 {
            let returns =
                |update: usize| sweep["cells"][2 * place + update]["per_seed"][seed].as_f64().unwrap();
            let swing = summary["policies"][policy]["swing"]["per_seed"][seed].as_f64().unwrap();
            assert!((swing - (returns(1) - returns(0)).abs()).abs() < 1e-9, "{policy}: {swing}");
        }
    }
    asked_against_achieved(&experiment);
    assert_eq!((&paired["difference"]["over"], &paired["verdict"]), (&"seeds".into(), &Value::Null));
    a_report_is_of_what_all_datasets_have(&experiment, &summary);

    let (code, table, message) = ask(
        &experiment,
        "sweep",
        &["--rollout", "reset:1", "--rollout", "window:3", "--vary", "g=5,10", "--episodes", "1"],
    );
    assert_eq!(code, Some(0), "{message}");
    let heads: Vec<&str> = table.lines().next().unwrap().split('|').map(str::trim).collect();
    assert_eq!(heads, ["", "policy", "roll-out", "g 5", "g 10", ""], "{table}");
    assert_eq!(experiment.json("results", "sweep.json")["cells"].as_array().unwrap().len(), 8);
    let (code, table, message) =
        ask(&experiment, "sweep", &["--only", "transformer", "--vary", "g=5", "--episodes", "1"]);
    assert!(code == Some(0) && !table.contains("aaren"), "{table}{message}");
    assert_eq!(experiment.json("results", "sweep.json")["cells"].as_array().unwrap().len(), 1);
    let (code, _, message) = ask(&experiment, "sweep", &["--only", "gpt"]);
    assert!(code == Some(2) && message.contains("it has aaren, transformer"), "{message}");
    let (code, _, message) = ask(&experiment, "sweep", &["--vary", "gravity=5"]);
    assert!(code == Some(2) && message.contains("there is no `gravity`"), "{message}");
    let twice = ["--rollout", "reset:3", "--rollout", "window:2", "--rollout", "reset:3"];
    let (code, _, message) = ask(&experiment, "sweep", &twice);
    assert!(code == Some(2) && message.contains("--rollout reset 3: found it twice"), "{message}");

    let (code, _, message) = ask(&experiment, "attention", &["--timesteps", "1", "7", "40", "--recent", "5"]);
    assert_eq!(code, Some(0), "{message}");
    let spreads = experiment.json("results", "attention.json")["spreads"].clone();
    let number = |place: usize, key: &str| spreads[place][key].as_f64().unwrap();
    assert_eq!(spreads.as_array().map(Vec::len), Some(6));
    for policy in [0, 3] {
        assert!((number(policy, "recent") - 1.0).abs() < 1e-5, "one timestep has it all");
        let (few, many) = (number(policy + 1, "recent"), number(policy + 2, "recent"));
        assert!(0.0 < many && many < few && few < 1.0, "{few} of 7, {many} of 40");
        assert!(number(policy + 2, "half") < number(policy + 2, "nine_tenths"));
    }
    let (code, _, message) = ask(&experiment, "attention", &["--timesteps", "41"]);
    assert!(code == Some(2) && message.contains("has timesteps 1 to 40"), "{message}");

    // One token with what came of the timestep before, and a band: nothing beyond it is seen.
    let banded = ["--set", "policies=[{transformer: {band: 5, past_actions: true}}]"];
    let (code, message) = experiment.run("banded", &banded);
    assert_eq!(code, Some(0), "{message}");
    let arguments = ["attention", "banded/tiny", "--timesteps", "7", "40", "--recent", "5", "--json"];
    let (code, json, message) = experiment.aaren(&arguments);
    assert_eq!(code, Some(0), "{message}");
    let json: Value = serde_json::from_str(&json).unwrap();
    for spread in json["spreads"].as_array().unwrap() {
        assert!((spread["recent"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{spread}");
    }

    let without = ["--set", "policies=[gru]", "--set", "train.updates=5"];
    let (code, message) = experiment.run("without", &without);
    assert_eq!(code, Some(0), "{message}");
    let (code, _, message) = experiment.aaren(&["attention", "without/tiny", "--timesteps", "7"]);
    let left_out = "gru: left out: it has no weights of the past to show";
    assert!(code == Some(2) && message.contains(left_out), "{message}");
    assert!(message.contains("none of its policies has weights of the past"), "{message}");
    assert!(!experiment.path("without/tiny/attention.json").exists());
}

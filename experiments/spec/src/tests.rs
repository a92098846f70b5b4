//! What is accepted, and what it means.

use std::path::Path;

use aaren_format::{
    AgentConfig, AgentSettings, CloningConfig, ContextLength, DecisionConfig, EncoderKind, EnvSpec,
    Optimisation, Positions, Precision, Recency, Regime, Settings, Start,
};

use super::field::Field;
use super::fingerprint::Fingerprint;
use super::*;

pub(super) const MINIMAL: &str = "env: Hopper-v4\ndataset: hopper-medium\n";

pub(super) fn document(text: &str, overrides: &[&str]) -> Result<Document, Error> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Document::parse(Path::new("x.yaml"), text, &overrides)
}

pub(super) fn load(text: &str, overrides: &[&str]) -> Result<Spec, Error> {
    document(text, overrides)?.spec()
}

pub(super) fn load_file(path: &Path, overrides: &[String]) -> Result<Spec, Error> {
    Document::read(path, overrides)?.spec()
}

/// The message has all these parts.
#[track_caller]
pub(super) fn assert_says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "{part:?} is not in\n  {message}"));
}

/// The settings of a policy that is known to be a decision agent.
pub(super) fn decision(policy: &PolicySpec) -> DecisionConfig {
    policy.agent.read().unwrap()
}

/// What a decision agent remembers when it acts.
fn regime(policy: &PolicySpec) -> Regime {
    decision(policy).context.regime
}

#[test]
fn defaults_need_only_environment_and_dataset() {
    let spec = load(MINIMAL, &[]).unwrap();
    assert_eq!(spec.name, "x");
    assert_eq!(spec.env, EnvSpec::new("Hopper-v4"));
    assert_eq!(spec.dataset, DatasetSource::Recipe("hopper-medium".into()));
    assert_eq!(spec.seeds, [0]);
    let [aaren, transformer] = spec.policies.as_slice() else { panic!("{:?}", spec.policies) };
    assert_eq!((aaren.name.as_str(), decision(aaren).model.encoder()), ("aaren", EncoderKind::Aaren));
    assert_eq!(
        (decision(aaren).context.context_length, regime(aaren)),
        (ContextLength::Timesteps(20), Regime::Unbounded)
    );
    assert_eq!(
        (transformer.name.as_str(), decision(transformer).model.encoder()),
        ("transformer", EncoderKind::Transformer)
    );
    assert_eq!(regime(transformer), Regime::Window(20));
    assert_eq!((spec.train.updates, spec.train.warmup, spec.evaluate.every), (5000, 500, 1250));
    assert_eq!((spec.evaluate.target_returns, spec.evaluate.return_scale), (None, None));
    let heads_and_recency = |policy| {
        let Settings { heads, recency, .. } = decision(policy).model.mixer.settings();
        (heads, recency)
    };
    assert_eq!(heads_and_recency(aaren), (4, Recency::Learned));
    assert_eq!(heads_and_recency(transformer), (4, Recency::None));
    let odd = load(MINIMAL, &["model.width=30"]).unwrap();
    assert_eq!(heads_and_recency(&odd.policies[0]), (1, Recency::Learned), "4 heads do not divide 30");
    assert_eq!(
        (spec.evaluate.episodes, spec.evaluate.keep, spec.compare.margin),
        (100, Keep::Last, Some(2.0))
    );
    // Derived defaults follow what they derive from.
    let short = load(MINIMAL, &["train.updates=500", "context.train=7"]).unwrap();
    assert_eq!((short.train.warmup, short.evaluate.every), (50, 125));
    assert_eq!(regime(&short.policies[1]), Regime::Window(7));
}

#[test]
fn a_policy_differs_in_what_its_entry_says() {
    let spec = load(
        "
env: {id: Hopper-v4, kwargs: {observe: positions}}
dataset: hopper-medium-expert
policies:
  - aaren
  - aaren-recency: {encoder: aaren, heads: 4, recency: learned, rollout: {reset: 50}}
  - transformer
  - transformer-cached:
      encoder: transformer
      rollout: unbounded
  - aaren-long: {encoder: aaren, train: 100, rollout: 'window: 100'}
model: {width: 64, heads: 2}
context: {carry: true, rollout: unbounded}
",
        &[],
    )
    .unwrap();
    assert_eq!(spec.env.kwargs["observe"], "positions");
    let heads: Vec<usize> =
        spec.policies.iter().map(|policy| decision(policy).model.mixer.settings().heads).collect();
    assert_eq!(heads, [2, 4, 2, 2, 2]);
    assert!(spec.policies.iter().all(|policy| decision(policy).model.width == 64));
    assert_eq!(decision(&spec.policies[1]).model.mixer.settings().recency, Recency::Learned);
    let regimes: Vec<Regime> = spec.policies.iter().map(regime).collect();
    // A shared `unbounded` does not reach a Transformer, its own does.
    let [whole, window] = [Regime::Unbounded, Regime::Window(20)];
    assert_eq!(regimes, [whole, Regime::Reset(50), window, whole, Regime::Window(100)]);
    let carries: Vec<bool> = spec.policies.iter().map(|policy| decision(policy).carry).collect();
    assert_eq!(carries, [true, true, false, false, true]);
}

#[test]
fn overrides_replace_and_add() {
    let spec = load(
        "env: Hopper-v4\ndataset: hopper-medium\ntrain: {updates: 300, batch: 8}\n",
        &[
            "train.updates=500",
            "model.recency=learned",
            "seeds=[3, 4]",
            "context.rollout={window: 30}",
            "train.updates=700",
        ],
    )
    .unwrap();
    assert_eq!((spec.train.updates, spec.train.batch), (700, 8));
    assert_eq!(spec.seeds, [3, 4]);
    assert_eq!(decision(&spec.policies[0]).model.mixer.settings().recency, Recency::Learned);
    assert_eq!(decision(&spec.policies[1]).model.mixer.settings().recency, Recency::None);
    assert!(spec.policies.iter().all(|policy| regime(policy) == Regime::Window(30)));
}

#[test]
fn paths_are_relative_to_where_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("experiments")).unwrap();
    std::fs::write(data.join("hopper.hdf5"), "").unwrap();
    let file = data.join("experiments/a.yaml");
    std::fs::write(&file, "env: Hopper-v4\ndataset: ../hopper.hdf5\n").unwrap();
    let expected = DatasetSource::Path(data.join("hopper.hdf5").canonicalize().unwrap());

    let spec = load_file(&file, &[]).unwrap();
    assert_eq!((spec.name.as_str(), &spec.dataset), ("a", &expected));

    // The working directory of a test is the crate's folder.
    let here = load_file(&file, &["dataset=Cargo.toml".into()]).unwrap();
    assert_eq!(here.dataset, DatasetSource::Path(Path::new("Cargo.toml").canonicalize().unwrap()));

    // The effective spec stands in another folder and finds the same file.
    let effective = folder.path().join("spec.yaml");
    std::fs::write(&effective, spec.to_yaml()).unwrap();
    assert_eq!(load_file(&effective, &[]).unwrap(), spec);

    std::fs::write(&file, "env: Hopper-v4\ndataset: ../hoper.hdf5\n").unwrap();
    let refused = |file: &Path| load_file(file, &[]).unwrap_err().to_string();
    let parts =
        ["a.yaml:2: `dataset`", "hoper.hdf5`, which cannot be opened", "did you mean", "hopper.hdf5`?"];
    assert_says(&refused(&file), &parts);
    assert_says(&refused(&data.join("experiments/aa.yaml")), &["aa.yaml: cannot be read", "a.yaml`?"]);
}

#[test]
fn the_example_of_the_readme_loads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("experiments")).unwrap();
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/hopper-medium-expert.hdf5"), "").unwrap();
    let file = folder.path().join("experiments/hopper-medium-expert.yaml");
    std::fs::write(&file, EXAMPLE).unwrap();
    let spec = load_file(&file, &[]).unwrap();
    let names: Vec<&str> = spec.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["aaren", "aaren-recency", "transformer"]);
    assert_eq!(
        decision(&spec.policies[1]).model.mixer.settings(),
        Settings { heads: 4, recency: Recency::Learned, ..Settings::default() }
    );
    assert_eq!((spec.train.learning_rate, spec.train.clip), (1e-4, 0.25));
    assert_eq!(spec.evaluate.target_returns, Some(vec![3600.0, 1800.0]));
}

pub(super) const EXAMPLE: &str = "\
name: hopper-medium-expert
env: Hopper-v4
dataset: ../data/hopper-medium-expert.hdf5   # D4RL file, Minari folder, or a recipe's name
policies:                                      # a name, or a name with what differs from `model`
  - aaren
  - aaren-recency: {encoder: aaren, heads: 4, recency: learned}
  - transformer
seeds: [0, 1, 2]
model: {width: 128, layers: 3, heads: 1, dropout: 0.1, norm: post, recency: none}
context: {train: 20, carry: false, rollout: unbounded}
train: {updates: 10000, batch: 64, learning_rate: 1.0e-4, weight_decay: 1.0e-4, warmup: 1000, clip: 0.25, precision: float32, device: cpu}
evaluate: {every: 2500, episodes: 20, target_returns: [3600, 1800], return_scale: 1000}
";

fn fingerprint(text: &str, overrides: &[&str], policy: usize) -> Fingerprint {
    let spec = load(text, overrides).unwrap();
    spec.fingerprint(&spec.policies[policy], spec.seeds[0])
}

/// Some overrides leave the fingerprint of a policy as it is, others change it.
fn assert_fingerprint(text: &str, policy: usize, indifferent: &[&str], decisive: &[&str]) {
    let base = fingerprint(text, &[], policy);
    for set in indifferent {
        assert_eq!(fingerprint(text, &[set], policy), base, "{set}");
    }
    for set in decisive {
        assert_ne!(fingerprint(text, &[set], policy).hash(), base.hash(), "{set}");
    }
}

#[test]
fn a_fingerprint_covers_what_determines_training() {
    let indifferent = [
        "train.threads=2",
        "train.device=cuda",
        "evaluate.episodes=3",
        "evaluate.keep=all",
        "compare.margin=1",
        "context.rollout={reset: 9}",
        "name=y",
    ];
    let decisive = [
        "train.batch=8",
        "train.learning_rate=0.5",
        "train.precision=bfloat16",
        "model.norm=pre",
        "context.train=9",
        "context.train=episode",
        "context.start=episode",
        "seeds=[1]",
        "env=Hopper-v5",
    ];
    assert_fingerprint(MINIMAL, 0, &indifferent, &decisive);
    let of = |overrides: &[&str]| fingerprint(MINIMAL, overrides, 0);
    let base = of(&[]);
    for (key, value) in [("precision", "bfloat16"), ("learning_rate", "0.5"), ("batch", "3")] {
        let own = of(&[&format!("policies=[{{aaren: {{{key}: {value}}}}}]")]);
        let shared = of(&[&format!("train.{key}={value}")]);
        assert_eq!(own, shared, "a policy's own {key} is what it is trained with");
    }
    assert_eq!(
        base.differences(&of(&["train.batch=8", "model.heads=2"])),
        ["model.heads: found 2, expected 4", "train.batch: found 8, expected 64"]
    );
    let stored = serde_json::to_string(&base).unwrap();
    assert_eq!(serde_json::from_str::<Fingerprint>(&stored).unwrap(), base);
}

/// Hashes that earlier loaders gave: their checkpoints go on, but for carried ones, whose chunks were padded.
#[test]
fn checkpoints_of_earlier_versions_belong_to_their_specs() {
    let text = "
env: {id: Hopper-v4, kwargs: {observe: positions}}
dataset: hopper-medium-expert
policies:
  - aaren-recency: {encoder: aaren, heads: 4, recency: learned, rollout: {reset: 50}, precision: bfloat16}
  - transformer
seeds: [7]
model: {tokens: 3, width: 64, layers: 2, heads: 2, dropout: 0.25, norm: pre}
context: {train: 30}
train: {updates: 500, batch: 8, learning_rate: 3.0e-4, weight_decay: 0, schedule: constant, clip: 1, ema: 0, device: cuda, threads: 2}
evaluate: {target_returns: [1], return_scale: 10}
";
    let hashes = |overrides: &[&str]| -> Vec<String> {
        let spec = load(text, overrides).unwrap();
        spec.policies.iter().map(|policy| spec.fingerprint(policy, spec.seeds[0]).hash()).collect()
    };
    assert_eq!(hashes(&[]), ["90830b418df92799", "a128ed10514778f2"]);
    let carried = hashes(&["context.carry=true"]);
    assert_ne!(carried[0], "51f419aa3186cb20");
    assert_eq!(carried[1], "a128ed10514778f2");
}

#[test]
fn errors_after_loading_point_to_the_line() {
    let document = document("env:\n  id: Hopper-v4\ndataset: hopper-medium\n", &[]).unwrap();
    assert_eq!(document.place("dataset").to_string(), "x.yaml:3");
    assert_eq!(document.place("env.id").to_string(), "x.yaml:2");
}

#[test]
fn tokens_past_actions_and_returns_follow_from_each_other() {
    let layout = |text: &str| {
        let config =
            decision(&load(&format!("{MINIMAL}policies: [aaren]\n{text}"), &[]).unwrap().policies[0]);
        let DecisionConfig { model, layout, .. } = config;
        (layout.tokens(model.past_actions), model.past_actions, layout.in_head(), model.positions)
    };
    assert_eq!(layout(""), (1, false, true, Positions::None));
    assert_eq!(layout("model: {tokens: 1, return: token}"), (1, false, false, Positions::None));
    assert_eq!(layout("model: {past_actions: true}"), (1, true, true, Positions::None));
    // The Decision Transformer's.
    assert_eq!(layout("model: {tokens: 3}"), (3, true, false, Positions::Timestep));
    assert_eq!(layout("model: {tokens: 2}"), (2, false, false, Positions::Timestep));
    assert_eq!(layout("model: {tokens: 2, positions: rotary}"), (2, false, false, Positions::Rotary));
    // A shared `return` reaches those that have one token.
    let text =
        format!("{MINIMAL}policies: [three: {{encoder: aaren, tokens: 3}}, gru]\nmodel: {{return: head}}\n");
    let spec = load(&text, &[]).unwrap();
    let in_head = |index: usize| decision(&spec.policies[index]).layout.in_head();
    assert_eq!([0, 1].map(in_head), [false, true]);
    assert_eq!(load(&spec.to_yaml(), &[]).unwrap(), spec);
    // What decides training is in the fingerprint; how a policy is played is not.
    let decisive = [
        "model.return=token",
        "model.return_rate=false",
        "model.return_bins=8",
        "model.return_dropout=0.1",
        "model.history_noise=0.1",
        "model.past_actions=true",
        "context.random_length=true",
        "train.ema=0.9",
        "train.ema=0",
        "evaluate.return_scale=1000",
    ];
    assert_fingerprint(&text, 1, &["evaluate.guidance=2", "train.ema=0.995"], &decisive);
}

#[test]
fn behaviour_cloning_takes_what_means_something_for_it() {
    let spec = load(
        "
env: Hopper-v4
dataset: hopper-medium
policies:
  - bc: {agent: behaviour-cloning}
  - bc10: {agent: behaviour-cloning, top: 0.1, width: 32, layers: 2, dropout: 0, train: 5}
  - small: {agent: decision, encoder: aaren, width: 16}
model: {width: 64, heads: 4, recency: learned, norm: pre}
context: {train: 30, carry: true, rollout: {window: 8}}
train: {precision: bfloat16}
",
        &[],
    )
    .unwrap();
    let agents = [0, 1].map(|index: usize| spec.policies[index].agent.clone());
    let cloning = |width, layers, dropout, top, context_length| {
        let context_length = ContextLength::Timesteps(context_length);
        AgentConfig::new(&CloningConfig { width, layers, dropout, top, context_length })
    };
    assert_eq!(agents, [cloning(256, 2, 0.0, 1.0, 30), cloning(32, 2, 0.0, 0.1, 5)]);
    assert_eq!(spec.policies[0].precision, Precision::Float32);
    assert_eq!(decision(&spec.policies[2]).model.width, 16);
    assert_eq!(spec.policies[2].precision, Precision::Bfloat16);
    let fingerprint = |index: usize| spec.fingerprint(&spec.policies[index], 0);
    let differences = fingerprint(0).differences(&fingerprint(1));
    assert!(differences.contains(&"top: found 0.1, expected 1.0".to_owned()), "{differences:?}");
}

/// What an agent of another program brings along.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Nearest {
    #[serde(deserialize_with = "values::whole::<_, _, 1, 100>")]
    neighbours: usize,
    width: usize,
}

impl Default for Nearest {
    fn default() -> Self {
        Self { neighbours: 3, width: 7 }
    }
}

impl AgentSettings for Nearest {
    const NAME: &'static str = "nearest";
    const OPTIMISATION: Option<Optimisation> = Some(Optimisation { batch: 256, learning_rate: 3e-4 });
}

#[test]
fn an_agent_of_another_program_is_registered() {
    register::<Nearest>();
    let policies =
        "policies: [a: {agent: nearest}, b: {agent: nearest, neighbours: 9, width: 2, batch: 5}]\n";
    let text = format!("{MINIMAL}{policies}model: {{width: 64}}\ntrain: {{batch: 8, learning_rate: 1}}\n");
    let spec = load(&text, &[]).unwrap();
    let [a, b] = spec.policies.as_slice() else { panic!("{:?}", spec.policies) };
    // It shares no keys, and brings its own batch and learning rate.
    assert_eq!(a.agent.read::<Nearest>().unwrap(), Nearest { neighbours: 3, width: 7 });
    assert_eq!((a.batch, a.learning_rate, a.agent.regime()), (256, 3e-4, Regime::Reset(1)));
    assert_eq!(b.agent.read::<Nearest>().unwrap(), Nearest { neighbours: 9, width: 2 });
    assert_eq!((b.batch, b.learning_rate), (5, 3e-4));
    assert_eq!(load(&spec.to_yaml(), &[]).unwrap(), spec);
    let message = b.agent.read::<CloningConfig>().unwrap_err().to_string();
    assert_eq!(message, "`agent`: found nearest, expected behaviour-cloning");
    for (entry, parts) in [
        (
            "neighbours: 0",
            ["x.yaml:3: `policies[0].a.neighbours`: found `0`", "a whole number from 1 to 100"],
        ),
        ("top: 0.1", ["`policies[0].a.top`", "no such key in a policy of `agent: nearest`"]),
        ("neighbour: 2", ["unknown key `policies[0].a.neighbour`", "did you mean `neighbours`?"]),
    ] {
        let text = format!("{MINIMAL}policies: [a: {{agent: nearest, {entry}}}]\n");
        assert_says(&load(&text, &[]).unwrap_err().to_string(), &parts);
    }
    // What of `train` means nothing to it does not belong to its fingerprint.
    let indifferent = ["train.clip=9", "train.weight_decay=0.5", "train.batch=3", "model.width=9"];
    let decisive = ["train.updates=9", "policies=[{a: {agent: nearest, neighbours: 4}}]"];
    assert_fingerprint(&text, 0, &indifferent, &decisive);
}

/// Warm-up and evaluations are in proportion to a policy's own updates, and decide its fingerprint as shared ones do.
#[test]
fn a_policy_has_updates_of_its_own() {
    let text = format!("{MINIMAL}policies: [aaren, long: {{encoder: aaren, updates: 4000}}]\n");
    let spec = load(&text, &["train.updates=400", "evaluate.every=50"]).unwrap();
    let [short, long] = &spec.policies[..] else { panic!("two policies") };
    assert_eq!((short.updates, spec.warmup(short), spec.evaluate_every(short)), (400, 40, 50));
    assert_eq!((long.updates, spec.warmup(long), spec.evaluate_every(long)), (4000, 400, 500));
    let shared = load(MINIMAL, &["train.updates=4000"]).unwrap();
    assert_eq!(spec.fingerprint(long, 0), shared.fingerprint(&shared.policies[0], 0));
    assert_ne!(spec.fingerprint(long, 0), spec.fingerprint(short, 0));
}

/// A shared setting reaches the encoders for which it means something, an own one is refused elsewhere.
#[test]
fn settings_reach_the_encoders_that_they_are_for() {
    for encoder in EncoderKind::ALL {
        let shared = |sections: &str| {
            let spec = load(&format!("{MINIMAL}policies: [{encoder}]\n{sections}"), &[]).unwrap();
            assert_eq!(spec.policies[0].name, encoder.name());
            decision(&spec.policies[0])
        };
        let policy =
            shared("model: {recency: learned}\ncontext: {train: 9, carry: true, rollout: unbounded}");
        assert_eq!(policy.model.encoder(), encoder);
        assert_eq!(policy.model.mixer.settings().recency == Recency::Learned, encoder.takes("recency"));
        assert_eq!(policy.carry, encoder.constant_state());
        let whole = if encoder.constant_state() { Regime::Unbounded } else { Regime::Window(9) };
        assert_eq!(policy.context.regime, whole);
        assert_eq!(shared("context: {train: 9}").context.regime, whole);
        let slides = if encoder.constant_state() { whole } else { Regime::Sliding(4) };
        assert_eq!(shared("context: {train: 9, rollout: {sliding: 4}}").context.regime, slides);
        let banded = shared("context: {train: 9, band: 4}");
        assert_eq!(banded.context.regime, slides);
        assert_eq!(banded.variation.band > 0, !encoder.constant_state());
        let DecisionConfig { context, start, .. } = shared("context: {train: episode}");
        assert_eq!((context.context_length, start), (ContextLength::Episode, Start::Episode));
        assert_eq!(context.regime, Regime::Unbounded);
        for (own, taken) in [
            ("heads: 4", encoder.takes("heads")),
            ("recency: learned", encoder.takes("recency")),
            ("carry: true", encoder.constant_state()),
            ("rollout: {sliding: 4}", !encoder.constant_state()),
        ] {
            let own = format!("{MINIMAL}policies: [mine: {{encoder: {encoder}, {own}}}]");
            assert_eq!(load(&own, &[]).is_ok(), taken, "{own}");
        }
    }
}

/// It is of the whole experiment and decides no training: adding seeds, or fixing it, trains nothing anew.
#[test]
fn a_primary_endpoint_is_completed_and_changes_no_fingerprint() {
    let text = format!("{MINIMAL}seeds: [3, 4]\n");
    let fixed = format!(
        "{text}primary: {{policy: transformer, against: aaren, endpoint: probability, margin: 0.1}}\n"
    );
    let (without, with) = (load(&text, &[]).unwrap(), load(&fixed, &[]).unwrap());
    assert_eq!(without.primary, None);
    let primary = PrimarySpec {
        policy: "transformer".into(),
        against: "aaren".into(),
        endpoint: Endpoint::Probability,
        margin: 0.1,
        datasets: vec!["x".into()],
        seeds: vec![3, 4],
    };
    assert_eq!(with.primary.as_ref(), Some(&primary));
    let policy = &with.policies[0];
    assert_eq!(with.fingerprint(policy, 3), without.fingerprint(policy, 3));
    // A run's own part has one policy only, so that there is nothing to compare.
    assert_eq!(load(&with.single(policy, 3).to_yaml(), &[]).unwrap().primary, None);
    let then = PrimarySpec { margin: 0.2, seeds: vec![3], ..primary.clone() };
    assert_eq!(primary.unlike(&then), ["margin: 0.2, now 0.1", "seeds: [3], now [3,4]"]);
    assert!(primary.unlike(&primary).is_empty());
    assert_eq!(primary.differences("x", None), ["no `primary`"]);
    // The order in which seeds are written is none of its.
    assert!(primary.unlike(&PrimarySpec { seeds: vec![4, 3], ..primary.clone() }).is_empty());
    assert!(
        primary.is_over("x", "aaren", 4)
            && !primary.is_over("x", "aaren", 5)
            && !primary.is_over("y", "aaren", 4)
    );
    // Errors of actions are no scores.
    let text =
        "dataset: hopper-medium\nprimary: {policy: aaren, against: transformer, endpoint: mean, margin: 2}";
    let message = load(text, &[]).unwrap_err().to_string();
    assert_says(&message, &["x.yaml:2: `primary`: found an experiment without an environment"]);
}

/// What a new key costs: a field of a struct that derives `Deserialize`.
#[test]
fn a_key_is_a_field() {
    use super::values::{positive, some_whole};

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Section {
        #[serde(deserialize_with = "positive")]
        momentum: f64,
        #[serde(deserialize_with = "some_whole::<_, _, 1, 8>")]
        workers: Option<usize>,
        pairs: Vec<(String, u64)>,
        nested: Option<Box<Section>>,
        norm: aaren_format::Norm,
    }

    let read = |text: &str| {
        let document = document(text, &[])?;
        Field { path: String::new(), node: document.root() }.read::<Section>()
    };
    let text = "momentum: 0.5\nworkers: 3\nnested:\n  norm: pre\n  pairs: [[a, 1], [b, 2]]";
    let pairs = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
    let nested = Section { norm: aaren_format::Norm::Pre, pairs, ..Section::default() };
    let expected =
        Section { momentum: 0.5, workers: Some(3), nested: Some(Box::new(nested)), ..Section::default() };
    assert_eq!(read(text).unwrap(), expected);
    for (text, message) in [
        ("nested:\n  momentun: 1", "x.yaml:2: unknown key `nested.momentun`; did you mean `momentum`?"),
        ("\nmomentum: -1", "x.yaml:2: `momentum`: found `-1`, expected a number above 0"),
        ("workers: 9.0", "x.yaml:1: `workers`: found `9.0`, expected a whole number from 1 to 8"),
        (
            "nested: {workers: 4e0}",
            "x.yaml:1: `nested.workers`: found `4e0`, expected a whole number from 1 to 8; write `4`",
        ),
        ("pairs: [[a, 1],\n  [b, c]]", "x.yaml:2: `pairs[1][1]`: found the text `c`, expected u64"),
        (
            "nested: {norm: prë}",
            "x.yaml:1: `nested.norm`: found the text `prë`, expected one of `post`, `pre`; did you mean `pre`?",
        ),
        (
            "nested: 3",
            "x.yaml:1: `nested`: found `3`, expected a map with keys among `momentum`, `workers`, `pairs`, `nested`, `norm`",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), message);
    }
}

/// Paths are the file's, those of an override the working directory's; none of them decides a training.
#[test]
fn an_environment_of_python_is_read_and_written() {
    let text = "\
env:
  gymnasium: AntMaze_UMaze-v5
  import: gymnasium_robotics
  kwargs: {continuing_task: false}
  interpreter: .venv/bin/python
  timeout: 30
observe: [observation, desired_goal]
dataset: hopper-medium
";
    let read = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        Document::parse(Path::new("/there/x.yaml"), text, &overrides).unwrap().spec().unwrap()
    };
    let spec = read(&[]);
    let python = spec.env.python.clone().unwrap();
    assert_eq!(
        (spec.env.id.as_str(), python.import.as_slice()),
        ("AntMaze_UMaze-v5", &["gymnasium_robotics".to_owned()][..])
    );
    assert_eq!(python.interpreter.as_deref(), Some("/there/.venv/bin/python"));
    assert_eq!((python.path.as_deref(), python.timeout), (Some("/there"), 30.0));
    assert_eq!(python.observe, Some(vec!["observation".into(), "desired_goal".into()]));
    let again =
        Document::parse(Path::new("/elsewhere/spec.yaml"), &spec.to_yaml(), &[]).unwrap().spec().unwrap();
    assert_eq!(again, spec);

    let here = read(&["env.interpreter=bin/python"]).env.python.unwrap().interpreter.unwrap();
    assert_eq!(Path::new(&here), std::path::absolute("bin/python").unwrap());
    let named = read(&["env.interpreter=python3.12"]).env.python.unwrap().interpreter;
    assert_eq!(named.as_deref(), Some("python3.12"));
    let hash = |spec: &Spec| spec.fingerprint(&spec.policies[0], 0).hash();
    assert_eq!(hash(&read(&["env.interpreter=x", "env.timeout=3", "env.path=/"])), hash(&spec));
    assert_ne!(hash(&read(&["env.kwargs.continuing_task=true"])), hash(&spec));
    assert_ne!(hash(&read(&["observe=[desired_goal, observation]"])), hash(&spec));
    let json = serde_json::to_value(&spec.env).unwrap();
    assert_eq!(serde_json::from_value::<EnvSpec>(json).unwrap(), spec.env, "as a policy's header holds it");
}

/// `--columns` reads what `columns` in a YAML reads, and refuses the same.
#[test]
fn columns_of_a_command_are_those_of_a_yaml() {
    let columns = table_columns("{observation: [x, v], action: u, episode: run}").unwrap().unwrap();
    assert_eq!(columns.observation, ["x", "v"]);
    assert_eq!((columns.action, columns.episode), (vec!["u".into()], Some("run".into())));
    assert_eq!((columns.reward, columns.terminal, columns.timeout), (None, None, None));
    let refused = |text: &str| table_columns(text).unwrap_err().to_string();
    assert_says(
        &refused("{observation: [x], actoin: u}"),
        &["--columns {observation", "actoin", "did you mean `action`?"],
    );
    assert_says(
        &refused("none"),
        &["--columns none: `columns`: found the text `none`, expected a map such as"],
    );
}

//! What is refused, and how the message puts it.

use super::tests::{MINIMAL, assert_says, load, load_file};

/// The message that refuses `text`.
fn refusal(text: &str, overrides: &[&str]) -> String {
    match load(text, overrides) {
        Ok(spec) => panic!("accepted:\n{text}\nas {spec:?}"),
        Err(error) => error.to_string(),
    }
}

/// Each line goes below a valid head of two lines; the message has all parts.
#[test]
fn refusals_name_place_key_found_expected_and_cure() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        // unknown and duplicate keys
        ("train:\n  lerning_rate: 1", &["x.yaml:4: unknown key `train.lerning_rate`", "did you mean `learning_rate`?"]),
        ("polices: [aaren]", &["x.yaml:3: unknown key `polices`", "did you mean `policies`?"]),
        ("learning_rate: 1", &["x.yaml:3:", "belongs under `train`"]),
        ("evaluate: {batch: 3}", &["`evaluate.batch`", "belongs under `train`"]),
        ("model: {encoder: aaren}", &["unknown key `model.encoder`", "expected one of `width`"]),
        ("policies: [aaren: {head: 2}]", &["x.yaml:3: unknown key `policies[0].aaren.head`", "did you mean `heads`?"]),
        ("seeds: [1]\nseeds: [2]", &["x.yaml:4: key `seeds` again", "first given at x.yaml:3"]),
        ("model: {width: 8,\n  'width': 8}", &["x.yaml:4: key `width` again"]),
        // wrong types
        ("train: {updates: many}", &["x.yaml:3: `train.updates`", "found the text `many`", "expected a whole number of at least 1"]),
        ("train: {updates: '500'}", &["found the text `500`", "write `500`"]),
        ("train: {updates: 1e4}", &["found `1e4`", "write `10000`"]),
        ("train: {updates: 2.5}", &["found `2.5`", "expected a whole number"]),
        ("train: {updates: }", &["found nothing", "expected a whole number"]),
        ("train: {updates: [5]}", &["found a list of 1"]),
        ("train: 5", &["`train`: found `5`, expected a map with keys among `updates`"]),
        ("train: [updates]", &["`train`: found a list of 1, expected a map"]),
        ("model: {dropout: true}", &["`model.dropout`: found `true`", "expected a probability"]),
        ("context: {carry: yes}", &["`context.carry`: found the text `yes`, expected `true` or `false`"]),
        ("name: [a]", &["`name`: found a list of 1"]),
        ("seeds: 3", &["`seeds`: found `3`", "write `[3]`"]),
        ("seeds: {a: 1}", &["`seeds`: found a map, expected a list of seeds"]),
        ("policies: aaren", &["`policies`: found the text `aaren`", "write `[aaren]`"]),
        // impossible values
        ("train: {updates: 0}", &["`train.updates`: found `0`, expected a whole number of at least 1"]),
        ("train: {updates: -1}", &["found `-1`"]),
        ("train: {updates: 99999999999999999999999999999999999999999999}", &["`train.updates`: found `9999"]),
        ("train: {batch: 0}", &["`train.batch`: found `0`"]),
        ("train: {batch: 1000000000000}", &["`train.batch`", "from 1 to 1000000"]),
        ("train: {learning_rate: 0}", &["`train.learning_rate`: found `0`, expected a number above 0"]),
        ("train: {learning_rate: -1e-3}", &["found `-1e-3`"]),
        ("train: {learning_rate: .nan}", &["found `.nan`"]),
        ("train: {learning_rate: 1e999}", &["found `1e999`"]),
        ("train: {weight_decay: -0.1}", &["`train.weight_decay`: found `-0.1`, expected a number, 0 or more"]),
        ("train: {clip: 0}", &["`train.clip`: found `0`, expected a number above 0"]),
        ("train: {updates: 100, warmup: 101}", &["`train.warmup`: found 101 with 100 updates", "set train.warmup=10"]),
        ("train: {schedule: cosin}", &["`train.schedule`", "one of `cosine`, `constant`", "did you mean `cosine`?"]),
        ("train: {precision: float16}", &["`train.precision`", "did you mean `bfloat16`?"]),
        ("policies: [{aaren: {precision: float16}}]", &["`policies[0].aaren.precision`", "did you mean `bfloat16`?"]),
        ("policies: [{aaren: {learning_rate: 0}}]", &["`policies[0].aaren.learning_rate`: found `0`, expected a number above 0"]),
        ("train: {device: gpu}", &["`train.device`: found the text `gpu`, expected `cpu`, `cuda` or `cuda:N`", "write `cuda`"]),
        ("train: {device: 'cuda:-1'}", &["`train.device`"]),
        ("train: {threads: 0}", &["`train.threads`: found `0`"]),
        ("model: {dropout: 1}", &["`model.dropout`: found `1`, expected a probability of at least 0 and below 1"]),
        ("model: {dropout: -0.1}", &["found `-0.1`"]),
        ("model: {width: 1.28e2}", &["found `1.28e2`", "write `128`"]),
        ("model: {width: 0}", &["`model.width`: found `0`"]),
        ("model: {layers: 0}", &["`model.layers`: found `0`"]),
        ("model: {\n  heads: 3}", &["x.yaml:4: `model.heads`: found 3 heads with width 128", "divides the width", "nearest: 2 heads"]),
        ("policies:\n  - aaren\n  - small: {encoder: aaren, width: 6}\nmodel: {heads: 4}", &["x.yaml:5: `policies[1].small.width`: found 4 heads with width 6", "nearest: 3 heads"]),
        ("model: {tokens: 4}", &["`model.tokens`: found `4`, expected a whole number from 1 to 3"]),
        ("model: {tokens: 3, past_actions: false}", &["`model.tokens`: found 3 with `past_actions: false`", "remove one of the two"]),
        ("model: {return: middle}", &["`model.return`: found the text `middle`", "`token`, `head`"]),
        ("policies: [aaren: {tokens: 3, return: head}]", &["`policies[0].aaren.return`: found `return` with 3 tokens for each timestep", "set `tokens: 1`"]),
        ("policies: [aaren: {return_dropout: 0.1, tokens: 2}]", &["`return_dropout` with 2 tokens"]),
        ("policies: [aaren: {return_bins: 8, tokens: 3}]", &["`policies[0].aaren.return_bins`: found `return_bins` with 3 tokens for each timestep", "set `tokens: 1`"]),
        ("model: {return_bins: 1}", &["`model.return_bins`: found `1`, expected 0, or a whole number from 2 to 256"]),
        ("model: {return_bins: 257}", &["`model.return_bins`: found `257`, expected 0, or"]),
        ("model: {return_bins: true}", &["`model.return_bins`: found `true`, expected 0, or"]),
        ("model: {return_dropout: 1}", &["`model.return_dropout`: found `1`, expected a probability"]),
        ("model: {history_noise: -1}", &["`model.history_noise`: found `-1`"]),
        ("context: {random_length: true, carry: true}", &["`context.random_length`: found true with `carry: true`"]),
        ("context: {train: episode, carry: true}", &["`context.train`: found `episode` with `carry: true`, expected timesteps of a chunk"]),
        ("policies: [aaren: {carry: true, start: episode}]", &["`policies[0].aaren.start`: found `episode` with `carry: true`, expected no `start`"]),
        ("train: {ema: 1}", &["`train.ema`: found `1`, expected a probability"]),
        ("evaluate: {guidance: .inf}", &["`evaluate.guidance`: found `.inf`"]),
        ("model: {tokens: 3}\nevaluate: {target_returns: [max]}", &["`evaluate.target_returns`: found `max`, for the policy aaren, expected returns", "`return: head`"]),
        ("evaluate: {target_returns: [best]}", &["`evaluate.target_returns[0]`: found the text `best`", "or `max`"]),
        ("evaluate: {return_scale: own}", &["`evaluate.return_scale`: found the text `own`", "or `auto`"]),
        ("context: {train: 1e2}", &["`context.train`", "write `100`"]),
        ("context: {train: episodes}", &["`context.train`: found the text `episodes`", "or `episode`"]),
        ("context: {start: middle}", &["`context.start`", "one of `uniform`, `episode`"]),
        ("policies: [aaren: {band: 4}]", &["`policies[0].aaren.band`: found `4`", "its state has one size"]),
        ("context: {train: 10, band: 11}", &["`context.band`: found 11 with training windows of 10 timesteps", "raise `train`"]),
        ("policies: [aaren: {frozen_scores: true, keys: 2}]", &["`policies[0].aaren.frozen_scores`: found true with 2 keys", "`keys: 1`"]),
        ("policies: [gru: {frozen_scores: true}]", &["`policies[0].gru.frozen_scores`", "the scores are an Aaren's"]),
        ("policies: [aaren: {rollout: {sliding: 4}}]", &["`policies[0].aaren.rollout`: found sliding 4 with encoder aaren", "which takes no more memory"]),
        ("context: {train: 0}", &["`context.train`: found `0`"]),
        ("context: {rollout: {window: 0}}", &["`context.rollout.window`: found `0`"]),
        ("context: {rollout: {windw: 4}}", &["unknown key `context.rollout.windw`", "did you mean `window`?"]),
        ("context: {rollout: {window: 4, reset: 4}}", &["`context.rollout`: found more than one of `window`, `sliding` and `reset`"]),
        ("context: {rollout: window}", &["`context.rollout`", "write `{window: 20}`"]),
        ("context: {rollout: {}}", &["`context.rollout`: found an empty map"]),
        ("context: {rollout: 20}", &["`context.rollout`: found `20`, expected `unbounded`, `{window: K}`"]),
        ("evaluate: {every: 0}", &["`evaluate.every`: found `0`"]),
        ("evaluate: {episodes: 0}", &["`evaluate.episodes`: found `0`"]),
        ("evaluate: {target_returns: []}", &["`evaluate.target_returns`: found an empty list"]),
        ("evaluate: {target_returns: 3600}", &["write `[3600]`"]),
        ("evaluate: {target_returns: [1, .inf]}", &["`evaluate.target_returns[1]`: found `.inf`"]),
        ("evaluate: {target_returns: [1, 1.0]}", &["`evaluate.target_returns[1]`", "each target return once"]),
        ("evaluate: {keep: some}", &["`evaluate.keep`", "`all`, `last`"]),
        ("compare: {margin: -1}", &["`compare.margin`: found `-1`"]),
        ("margin: 1", &["`margin`", "`compare: {margin: …}`"]),
        ("primary: {policy: aaren}", &["x.yaml:3: `primary.against` is missing", "the name of the policy that it is compared with"]),
        ("primary: {policy: aaren, against: transformer, endpoint: mean}", &["`primary.margin` is missing", "by how much"]),
        ("primary: {policy: aren, against: transformer, endpoint: mean, margin: 2}", &["`primary.policy`: found `aren`, expected one of `aaren`, `transformer`", "did you mean `aaren`?"]),
        ("primary: {policy: aaren, against: aaren, endpoint: mean, margin: 2}", &["`primary.against`: found `aaren` again, expected another policy"]),
        ("primary: {policy: aaren, against: transformer, endpoint: median, margin: 2}", &["`primary.endpoint`", "one of `mean`, `probability`"]),
        ("primary: {policy: aaren, against: transformer, endpoint: mean, margin: -2}", &["`primary.margin`: found `-2`"]),
        ("primary: {policy: aaren, against: transformer, endpoint: probability, margin: 2}", &["`primary.margin`: found 2 with `endpoint: probability`, expected a probability of at most 0.5"]),
        ("seeds: [0, 1]\nprimary: {policy: aaren, against: transformer, endpoint: mean, margin: 2,\n  seeds: [0, 2]}", &["x.yaml:5: `primary.seeds`: found the seed 2, expected seeds among", "add 2 to `seeds`"]),
        ("primary: {policy: aaren, against: transformer, endpoint: mean, margin: 2, dataset: [x]}", &["unknown key `primary.dataset`", "did you mean `datasets`?"]),
        ("primary: {policy: aaren, against: transformer, endpoint: mean, margin: 2, datasets: [x, x]}", &["`primary.datasets[1]`", "each experiment once"]),
        ("evaluate: {return_scale: 0}", &["`evaluate.return_scale`: found `0`"]),
        ("seeds: []", &["`seeds`: found an empty list"]),
        ("seeds: [0, 1,\n  0]", &["x.yaml:4: `seeds[2]`: found `0`, expected each seed once"]),
        ("seeds: [-1]", &["`seeds[0]`: found `-1`, expected a whole number, 0 or more"]),
        // policies
        ("policies: []", &["`policies`: found an empty list"]),
        ("policies:\n  - aaren\n  - arren", &["x.yaml:5: `policies[1]`: found the text `arren`", "did you mean `aaren`?"]),
        ("policies: [aaren, aaren]", &["`policies[1]`: found a second policy called `aaren`"]),
        ("policies: [aaren, AAREN: {encoder: aaren}]", &["found a second policy called `AAREN`"]),
        ("policies: [mine: {heads: 2}]", &["`policies[0].mine.encoder` is missing", "`encoder: aaren`"]),
        ("policies: [mine: {encoder: mamba}]", &["`policies[0].mine.encoder`: found the text `mamba`, expected one of `aaren`"]),
        ("policies: [transformer: {encoder: aaren}]", &["`policies[0].transformer.encoder`", "give the policy another name"]),
        ("policies: [transformer: {recency: learned}]", &["`policies[0].transformer.recency`", "`none` with encoder transformer"]),
        ("policies: [gru: {heads: 2}]", &["`policies[0].gru.heads`", "`1` with encoder gru: it has no attention", "or set `encoder: aaren` or `encoder: transformer`"]),
        ("policies: [gru: {rotate: 0.5}]", &["`policies[0].gru.rotate`", "`1` with encoder gru: none of its heads turns", "`encoder: gated-delta`"]),
        ("policies: [transformer: {carry: true}]", &["`policies[0].transformer.carry`", "`false` with encoder transformer"]),
        ("policies: [../../etc: {encoder: aaren}]", &["`policies[0]`: found the name `../../etc`", "safe as a folder's"]),
        ("policies: [{aaren: {}, transformer: {}}]", &["`policies[0]`: found a map of several keys"]),
        ("policies:\n  - aaren:\n    heads: 4", &["x.yaml:4: `policies[0]`: found a map of several keys", "indent"]),
        ("policies: [[aaren]]", &["`policies[0]`: found a list of 1, expected a policy"]),
        ("policies: [null]", &["`policies[0]`: found nothing"]),
        ("policies: [aaren: 5]", &["`policies[0].aaren`: found `5`, expected a map with keys among `agent`"]),
        ("policies: [mine: {encoder: transformer, train: 0}]", &["`policies[0].mine.train`: found `0`, expected a whole number of timesteps"]),
        ("policies: [mine: {encoder: transformer, weight_decay: 1}]", &["`policies[0].mine.weight_decay`", "belongs under `train`"]),
        // agents
        ("policies: [bc: {agent: behavior-cloning}]", &["`policies[0].bc.agent`", "one of `decision`, `behaviour-cloning`", "did you mean `behaviour-cloning`?"]),
        ("policies: [bc: {agent: decision}]", &["`policies[0].bc.encoder` is missing"]),
        ("policies: [aaren: {agent: behaviour-cloning}]", &["`policies[0].aaren.agent`", "`decision`, as the policy is called `aaren`", "give the policy another name"]),
        ("policies: [aaren: {top: 0.1}]", &["`policies[0].aaren.top`: found `0.1`, expected no such key in a policy of `agent: decision`"]),
        ("policies:\n  - bc: {agent: behaviour-cloning,\n      heads: 2}", &["x.yaml:5: `policies[0].bc.heads`: found `2`, expected no such key in a policy of `agent: behaviour-cloning`"]),
        ("policies: [bc: {agent: behaviour-cloning, encoder: aaren}]", &["`policies[0].bc.encoder`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, norm: pre}]", &["`policies[0].bc.norm`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, recency: none}]", &["`policies[0].bc.recency`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, carry: false}]", &["`policies[0].bc.carry`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, rollout: unbounded}]", &["`policies[0].bc.rollout`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, precision: float32}]", &["`policies[0].bc.precision`", "expected no such key"]),
        ("policies: [bc: {agent: behaviour-cloning, top: 0}]", &["`policies[0].bc.top`: found `0`, expected a share above 0 and at most 1"]),
        ("policies: [bc: {agent: behaviour-cloning, top: 10}]", &["`policies[0].bc.top`: found `10`"]),
        ("policies: [bc: {agent: behaviour-cloning, width: 0}]", &["`policies[0].bc.width`: found `0`"]),
        ("policies: [q: {agent: iql, expectile: 1}]", &["`policies[0].q.expectile`: found `1`, expected a number above 0 and below 1"]),
        ("policies: [q: {agent: iql, discount: 1.1}]", &["`policies[0].q.discount`: found `1.1`, expected a discount from 0 to 1"]),
        ("policies: [q: {agent: iql, polyak: 0}]", &["`policies[0].q.polyak`: found `0`, expected a share above 0"]),
        ("policies: [q: {agent: iql, temprature: 1}]", &["unknown key `policies[0].q.temprature`", "did you mean `temperature`?"]),
        ("policies: [q: {agent: iql, normalise_rewards: 1}]", &["`policies[0].q.normalise_rewards`: found `1`, expected `true` or `false`"]),
        ("policies: [q: {agent: iql, dropout: 0.1}]", &["`policies[0].q.dropout`", "no such key in a policy of `agent: iql`"]),
        ("policies: [aaren: {expectile: 0.5}]", &["`policies[0].aaren.expectile`", "no such key in a policy of `agent: decision`"]),
        ("policies: [t: {agent: td3-bc, policy_delay: 0}]", &["`policies[0].t.policy_delay`: found `0`, expected a whole number of at least 1"]),
        ("policies: [t: {agent: td3-bc, alpha: -1}]", &["`policies[0].t.alpha`: found `-1`, expected a number, 0 or more"]),
        ("policies: [t: {agent: td3-bc, expectile: 0.7}]", &["`policies[0].t.expectile`", "no such key in a policy of `agent: td3-bc`"]),
        ("policies: [t: {agent: td3bc}]", &["`policies[0].t.agent`", "did you mean `td3-bc`?"]),
        ("evaluate: {target_returns: [1e300]}", &["`evaluate.target_returns[0]`: found `1e300`, expected a return of at most 3.4e38 in size, which float32 holds"]),
        ("evaluate: {target_returns: [.nan]}", &["`evaluate.target_returns[0]`: found `.nan`"]),
        ("evaluate: {target_returns: [1e30], return_scale: 1e-10}", &["`evaluate.return_scale`: found 1e-10 with a target return of 1"]),
        ("evaluate: {return_scale: 1e300}", &["`evaluate.return_scale`: found `1e300`, expected a number from 1e-37 to 3.4e38"]),
        // characters that nobody sees
        ("name: a\u{a0}b", &["x.yaml:3: `name`: found the text `a\\u{a0}b` with a non-breaking space (U+00A0)"]),
        ("\u{a0}name: a", &["x.yaml:3: unknown key `\\u{a0}name`; it holds a non-breaking space (U+00A0): remove that"]),
        ("train:\n  updates:\u{a0}5\n  batch: 4", &["x.yaml:4: not YAML: a non-breaking space (U+00A0), column 11; expected a plain space: replace that character"]),
        ("# fine\n\0", &["x.yaml:4: NUL (U+0000), column 1; expected text without it: remove that character"]),
        ("name: a\x1bb", &["x.yaml:3: a control character (U+001B), column 8"]),
        ("name: |\n  a", &["`name`: found the text `a\\n` with a line end (U+000A)", "write `a` on the line of its key"]),
        // names
        ("name: ../up", &["`name`: found the text `../up`", "safe as a folder's"]),
        ("name: .hidden", &["`name`"]),
        ("name: hopper medium", &["`name`", "`hopper-medium` would do"]),
        ("name: ''", &["`name`: found the text ``"]),
        // not a plain YAML document
        ("a: b: c", &["x.yaml:3: not YAML", "one `key: value` a line"]),
        ("model: {width: 3", &["not YAML"]),
        ("model: [", &["not YAML"]),
        ("\tmodel: 3", &["x.yaml:2: not YAML", "spaces for indentation"]),
        ("seeds: *all", &["x.yaml:3: not YAML", "the value itself, written out"]),
        ("model: &base {width: 8}", &["x.yaml:3: an anchor", "written out"]),
        ("name: !!str a", &["x.yaml:3: a tag"]),
        ("? {a: b}\n: c", &["x.yaml:3: a list or map as a key"]),
        ("---\nenv: Hopper-v5", &["x.yaml:3: a second document"]),
    ];
    for (text, parts) in cases {
        let message = refusal(&format!("{MINIMAL}{text}\n"), &[]);
        assert_says(&message, &["x.yaml:"]);
        assert_says(&message, parts);
        assert!(!message.contains('\n') && message.chars().count() < 600, "not one short line: {message}");
    }
}

/// To write out what is far too large would be no cure.
#[test]
fn a_cure_is_one() {
    let message = refusal(&format!("{MINIMAL}model: {{width: 1e12}}"), &[]);
    assert_eq!(message, "x.yaml:3: `model.width`: found `1e12`, expected a whole number from 1 to 65536");
    let message = refusal(&format!("{MINIMAL}train: {{updates: 0.0}}"), &[]);
    assert_eq!(message, "x.yaml:3: `train.updates`: found `0.0`, expected a whole number of at least 1");
    for number in ["0.0", "1e300"] {
        let message = refusal(&format!("{MINIMAL}context: {{train: {number}}}"), &[]);
        assert!(message.contains("`context.train`: found") && !message.contains("write"), "{message}");
    }
    let message = refusal(&format!("{MINIMAL}context: {{train: 20.0}}"), &[]);
    assert!(message.contains("write `20`"), "{message}");
}

#[test]
fn required_keys_and_other_documents() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        ("", &["x.yaml:1: `dataset` is missing", "a file or folder with a dataset"]),
        ("# nothing\n", &["`dataset` is missing"]),
        ("env: Hopper-v4", &["x.yaml:1: `dataset` is missing", "a file or folder with a dataset"]),
        ("envs: Hopper-v4\ndataset: hopper-medium", &["x.yaml:1: unknown key `envs`", "did you mean `env`?"]),
        ("just text", &["x.yaml:1: the text `just text`; expected the keys of an experiment"]),
        ("[1, 2]", &["x.yaml:1: a list of 2; expected the keys"]),
        ("env: 'Hopper-v4\ndataset: x", &["not YAML"]),
        ("env: {kwargs: {}}\ndataset: hopper-medium", &["`env.id` is missing"]),
        ("env: {id: A, kwargs: 3}\ndataset: hopper-medium", &["x.yaml:1: `env.kwargs`: found `3`, expected a map"]),
        ("env: {id: A, kwargs: {a: [.nan]}}\ndataset: hopper-medium", &["`env.kwargs.a[0]`: found `.nan`"]),
        ("env: {id: A, kwarg: {}}\ndataset: hopper-medium", &["`env.kwarg`", "did you mean `kwargs`?"]),
        ("env: []\ndataset: hopper-medium", &["`env`: found an empty list"]),
        ("env: A\ndataset: hopper-medum", &["x.yaml:2: `dataset`", "did you mean the recipe `hopper-medium`?"]),
        ("env: A\ndataset: no/such.hdf5", &["x.yaml:2: `dataset`: found `no/such.hdf5`, which cannot be opened"]),
        ("env: |\n  Hopper-v4\ndataset: hopper-medium", &["x.yaml:2: `env`: found the text `Hopper-v4\\n` with a line end (U+000A)", "write `Hopper-v4` on the line of its key"]),
        ("env: ''\ndataset: hopper-medium", &["`env`: found the text ``, expected an environment's id such as"]),
        ("env: {id: A, kwargs: {a: {b: .inf}}}\ndataset: hopper-medium", &["`env.kwargs.a.b`: found `.inf`, expected a finite number"]),
        ("env: A\ndataset: [hopper-medium]", &["`dataset`: found several experiments, expected one"]),
        ("env: {id: A, spaces: {action: {type: Discrete, n: 2}}}\ndataset: hopper-medium", &["`env`", "expected no `spaces` beside A"]),
        ("env: {spaces: {action: {type: Box, low: [0, 1], high: [1, 1]}}}\ndataset: hopper-medium", &["as `spaces.action` a Box with each of `low` below that of `high`"]),
        ("env: {spaces: {action: {type: Box, shape: [2]}}}\ndataset: hopper-medium", &["as `spaces.action` a Box with finite bounds"]),
        ("env: {spaces: {observation: {type: Bx}}}\ndataset: hopper-medium", &["as `spaces.observation` Box, Discrete, MultiDiscrete"]),
        ("env: {spaces: {action: {n: 3}}}\ndataset: hopper-medium", &["as `spaces.action` a space as Gymnasium's, such as `{type: Box"]),
        ("env: {spaces: {actions: {type: Discrete, n: 2}}}\ndataset: hopper-medium", &["did you mean `action`?"]),
        ("env: {gymnasium: A, id: B}\ndataset: hopper-medium", &["`env`", "expected one of the keys `id`, `gymnasium` and `python`"]),
        ("env: {id: A, import: b}\ndataset: hopper-medium", &["`env`", "expected no `import` beside `id`", "write `gymnasium: A`"]),
        ("env: {python: my_env}\ndataset: hopper-medium", &["`env.python`: found the text `my_env`, expected a function", "such as `my_env:make_env`"]),
        ("env: {python: 'envs/mine.py:make'}\ndataset: hopper-medium", &["`env.python`", "write `python: \"mine:make\"` and `path: envs`"]),
        ("env: {gymnasium: A, timeout: 0}\ndataset: hopper-medium", &["`env.timeout`: found `0`"]),
        ("env: {gymnasium: A, interpeter: b}\ndataset: hopper-medium", &["did you mean `interpreter`?"]),
    ];
    for (text, parts) in cases {
        assert_says(&refusal(text, &[]), parts);
    }
}

#[test]
fn refusals_of_overrides_name_the_override() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        ("train.updates=0", &["--set train.updates=0: `train.updates`: found `0`"]),
        ("train.updats=5", &["--set train.updats=5: unknown key `train.updats`", "did you mean `updates`?"]),
        ("train.updates", &["--set train.updates: `--set`: found no `=`", "`train.updates=500`"]),
        ("=5", &["--set =5: `--set`: found the key ``"]),
        ("train..updates=5", &["found the key `train..updates`"]),
        ("train.updates=[5", &["--set train.updates=[5: not YAML"]),
        ("train.updates=", &["`train.updates`: found nothing"]),
        ("env.kwargs.observe=positions", &["found the text `Hopper-v4` at `env`", "set it whole: --set 'env=…'"]),
        ("policies.aaren.heads=2", &["found a list of 1 at `policies`"]),
        ("dataset=no/such.hdf5", &["--set dataset=no/such.hdf5: `dataset`: found `no/such.hdf5`"]),
    ];
    for (text, parts) in cases {
        assert_says(&refusal(&format!("{MINIMAL}policies: [aaren]\n"), &[text]), parts);
    }
}

#[test]
fn files_that_are_no_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        load_file(&file, &[]).unwrap_err().to_string()
    };
    assert!(refused(b"env: A\nname: \xff\n").contains("is not UTF-8 text (line 2)"));
    assert!(refused(&vec![b'#'; (1 << 20) + 1]).contains("is larger than 1 MiB"));
    assert!(refused(b"env: \0\ndataset: hopper-medium\x07\n").contains("x.yaml:"));
    let message = load_file(folder.path(), &[]).unwrap_err().to_string();
    assert!(message.contains("cannot be read"), "{message}");
}

/// Neither a billion laughs nor a deep nest costs more than the size of its text.
#[test]
fn bombs_are_refused() {
    let laughs: String = std::iter::once("a0: &a0 [lol, lol]\n".to_owned())
        .chain((1..30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1)))
        .collect();
    assert!(refusal(&laughs, &[]).contains("x.yaml:1: an anchor"));
    for nest in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        let message = refusal(&format!("env: A\n{nest}"), &[]);
        assert!(message.starts_with("x.yaml:2: "), "{message}");
        refusal(&nest, &[]);
    }
    let stairs: String = (0..1000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(refusal(&stairs, &[]).contains("more than 32 levels"));
    let keys: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    assert!(refusal(&keys, &[]).contains("x.yaml:1: unknown key `k0`"));
    refusal(&format!("{}: 1", "k".repeat(1_000_000)), &[]);
}

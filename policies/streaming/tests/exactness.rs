//! The runtime against the definition in float64, and against PyTorch.

mod common;

use aaren_streaming::{InstructionSet, Options, Policy, Regime, Stream};
use common::oracle::{self, Episode};
use common::{Config, Fixture, Random};

/// Act for `timesteps` in random surroundings; returns what happened and the head's outputs.
fn roll_out(stream: &mut Stream, timesteps: usize, seed: u64) -> (Episode, Vec<Vec<f64>>) {
    let mut random = Random(seed);
    let mut episode = Episode::default();
    let mut heads = Vec::new();
    stream.reset(300.0);
    let mut reward = f64::NAN; // ignored at the first step
    for _ in 0..timesteps {
        let observation: Vec<f64> =
            (0..stream.policy().observation_size()).map(|_| 2.0 * random.uniform()).collect();
        let action = stream.act(&observation, reward).unwrap().iter().map(|&a| f64::from(a)).collect();
        reward = random.uniform();
        episode.returns_to_go.push(stream.return_to_go());
        episode.observations.push(observation);
        episode.actions.push(action);
        heads.push(stream.head_output().iter().map(|&x| f64::from(x)).collect());
    }
    (episode, heads)
}

/// What the oracle says at every timestep. It is given the actions the stream took, so that a
/// difference is one of this timestep and not of what came of earlier ones.
fn expected(f: &Fixture, episode: &Episode, regime: Regime) -> Vec<Vec<f64>> {
    let timesteps = episode.observations.len();
    match regime {
        Regime::Unbounded => oracle::heads(f, episode, 0, timesteps - 1),
        Regime::Sliding(k) => oracle::sliding(f, episode, 0, timesteps - 1, k),
        Regime::Window(k) => (0..timesteps)
            .map(|t| oracle::heads(f, episode, (t + 1).saturating_sub(k), t).pop().unwrap())
            .collect(),
        Regime::Reset(k) => (0..timesteps)
            .step_by(k)
            .flat_map(|t| oracle::heads(f, episode, t, (t + k).min(timesteps) - 1))
            .collect(),
    }
}

/// The largest difference of any entry, relative to the largest entry of its timestep (or, where
/// all of them happen to be near zero, to a tenth of the largest of the episode).
fn difference(ours: &[Vec<f64>], exact: &[Vec<f64>]) -> f64 {
    assert_eq!(ours.len(), exact.len());
    let largest = |row: &[f64]| row.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
    let typical = 0.1 * exact.iter().fold(0.0, |size: f64, row| size.max(largest(row)));
    let of_row = |(ours, exact): (&Vec<f64>, &Vec<f64>)| {
        let size = largest(exact).max(typical);
        ours.iter().zip(exact).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs() / size))
    };
    ours.iter().zip(exact).map(of_row).fold(0.0, f64::max)
}

fn check(config: &Config, f: &Fixture, regime: Regime, timesteps: usize) {
    let roll_out_with = |instructions| {
        let options = Options { instructions, ..Options::default() };
        let policy = Policy::from_bytes_with(&f.bytes(), options).unwrap();
        roll_out(&mut policy.stream_with(regime).unwrap(), timesteps, 7)
    };
    let (episode, heads) = roll_out_with(InstructionSet::best());
    let worst = difference(&heads, &expected(f, &episode, regime));
    assert!(worst < 1e-4, "{config:?} {regime:?}: off by {worst:e}");
    let actions: Vec<Vec<f64>> = heads.iter().map(|head| oracle::action(f, head)).collect();
    if config.discrete {
        assert_eq!(episode.actions, actions, "{config:?}: another choice than the largest logit");
    } else {
        let worst = difference(&episode.actions, &actions);
        // One near zero is a difference of two numbers of the size of its range.
        assert!(worst < 4e-6, "{config:?} {regime:?}: actions off by {worst:e}");
    }
    for set in InstructionSet::available().filter(|&set| set != InstructionSet::best()) {
        let worst = difference(&roll_out_with(set).1, &heads);
        assert!(worst < 1e-4, "{config:?} {regime:?}: {set:?} is {worst:e} off {:?}", InstructionSet::best());
    }
}

#[test]
fn every_shape_and_regime_agrees_with_the_definition_on_every_instruction_set() {
    let regimes = [
        Regime::Unbounded,
        Regime::Window(7),
        Regime::Window(25),
        Regime::Window(1),
        Regime::Reset(7),
        Regime::Reset(1),
        Regime::Sliding(1),
        Regime::Sliding(2),
        Regime::Sliding(7),
        Regime::Sliding(40),
    ];
    for encoder in common::ENCODERS {
        // Widths of whole panels, of wide and narrow ones, with single rows, and of single rows only.
        for (i, (width, heads)) in
            [(64, 4), (80, 1), (100, 5), (9, 3), (5, 1), (24, 24)].into_iter().enumerate()
        {
            let config = Config {
                norm: if i % 2 == 0 { "post" } else { "pre" },
                recency: match (encoder, i % 3) {
                    ("aaren", 0) => "learned",
                    ("aaren", 2) => "gated",
                    _ => "none",
                },
                observation: 1 + 5 * i,
                actions: 1 + i + i / 3 * 2,
                discrete: i == 2,
                max_timesteps: 20,
                past_actions: i != 3,
                // Heads of one channel have no pair.
                positions: match (encoder, i) {
                    (_, 4) => "none",
                    ("aaren" | "transformer" | "gated-delta", 0 | 2 | 3) => "rotary",
                    ("transformer", 1) => "alibi",
                    _ => "timestep",
                },
                rotated_heads: if i == 2 { 2 } else { heads },
                ..Config::new(encoder, width, 1 + i % 3, heads)
            };
            let f = config.fixture(i as u64);
            for regime in regimes {
                if matches!(regime, Regime::Sliding(_)) && encoder != "transformer" {
                    continue;
                }
                check(&config, &f, regime, 30);
            }
        }
    }
}

#[test]
fn one_token_for_each_timestep_agrees_with_the_definition() {
    let regimes = [
        Regime::Unbounded,
        Regime::Window(7),
        Regime::Window(1),
        Regime::Reset(7),
        Regime::Sliding(1),
        Regime::Sliding(7),
    ];
    for encoder in common::ENCODERS {
        for (i, (width, heads)) in [(64, 4), (9, 3), (24, 1), (5, 1)].into_iter().enumerate() {
            for (joint, rate, bins) in
                [("token", false, 5), ("token", true, 0), ("head", false, 0), ("head", true, 9)]
            {
                let config = Config {
                    norm: if i % 2 == 0 { "post" } else { "pre" },
                    observation: 1 + 4 * i,
                    actions: 1 + i,
                    discrete: i == 2,
                    max_timesteps: 20,
                    past_actions: i % 2 == 0,
                    joint: Some(joint),
                    rate,
                    bins,
                    ..Config::new(encoder, width, 1 + i % 3, heads)
                };
                let f = config.fixture(i as u64);
                for regime in regimes {
                    if !matches!(regime, Regime::Sliding(_)) || encoder == "transformer" {
                        check(&config, &f, regime, 30);
                    }
                }
            }
        }
    }
    // The first is the default form.
    for (encoder, recency, positions, keys) in [
        ("aaren", "learned", "none", 1),
        ("aaren", "gated", "rotary", 1),
        ("aaren", "gated", "rotary", 4),
        ("gated-delta", "none", "rotary", 1),
        ("transformer", "none", "none", 1),
        ("transformer", "none", "rotary", 1),
        ("transformer", "none", "alibi", 1),
    ] {
        let joint = Some("head");
        let form = Config { recency, positions, keys, joint, ..Config::new(encoder, 24, 2, 2) };
        let config = Config { past_actions: false, ..form };
        for regime in regimes {
            if !matches!(regime, Regime::Sliding(_)) || encoder == "transformer" {
                check(&config, &config.fixture(2), regime, 120);
            }
        }
    }
}

/// a_free + g (a_asked − a_free), on actions or on logits, where a return is asked for and where the most is.
#[test]
fn guidance_and_the_most_that_can_be_had_agree_with_the_definition() {
    let joint = Some("head");
    for (encoder, discrete, guidance, bins) in [
        ("aaren", false, 2.5, 4),
        ("transformer", true, 1.5, 0),
        ("gru", false, 0.0, 2),
        ("gru", true, -1.0, 0),
    ] {
        let config =
            Config { joint, guidance, discrete, bins, past_actions: false, ..Config::new(encoder, 16, 2, 2) };
        let f = config.fixture(3);
        let policy = Policy::from_bytes(&f.bytes()).unwrap();
        for target in [300.0, f64::INFINITY] {
            let mut unguided = 0;
            let mut random = Random(5);
            let mut stream = policy.stream();
            stream.reset(target);
            let (mut episode, mut heads) = (Episode::default(), Vec::new());
            for _ in 0..30 {
                let observation: Vec<f64> = (0..11).map(|_| 2.0 * random.uniform()).collect();
                let action = stream.act(&observation, random.uniform()).unwrap();
                episode.actions.push(action.iter().map(|&a| f64::from(a)).collect());
                episode.observations.push(observation);
                episode.returns_to_go.push(stream.return_to_go());
                heads.push(stream.head_output().iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
            }
            assert!(difference(&heads, &oracle::heads(&f, &episode, 0, 29)) < 1e-4);
            for (t, x) in oracle::encoded(&f, &episode, 0, 29, usize::MAX).iter().enumerate() {
                let asked = oracle::read_at(&f, x, episode.returns_to_go[t], t);
                let guided = |(a, b): (&f64, &f64)| {
                    if discrete {
                        b + guidance * (a - b)
                    } else {
                        (b.tanh() + guidance * (a.tanh() - b.tanh())).clamp(-1.0, 1.0).atanh()
                    }
                };
                let head: Vec<f64> = asked.iter().zip(&oracle::free(&f, x)).map(guided).collect();
                let expected = oracle::action(&f, &head);
                let off =
                    expected.iter().zip(&episode.actions[t]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off < 1e-3, "{encoder}, target {target}, at {t}: off by {off:e}");
                let plain = oracle::action(&f, &asked);
                unguided += usize::from(expected.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-3));
            }
            assert!(unguided < 30, "guidance changes nothing");
        }
        let mut stream = policy.stream();
        assert!(stream.set_guidance(f64::NAN).is_err());
        stream.set_guidance(1.0).unwrap();
    }
    let deaf = Config { joint, ..Config::new("gru", 16, 1, 1) }.fixture(0);
    let refusal = Policy::from_bytes(&deaf.bytes()).unwrap().stream().set_guidance(2.0).unwrap_err();
    assert!(refusal.to_string().contains("return_dropout: 0.2"), "{refusal}");
}

/// Long enough for memory to be used again.
#[test]
fn a_sliding_cache_agrees_with_the_definition_for_long() {
    let config = Config::new("transformer", 16, 2, 2);
    for kept in [1, 2, 20, 90, 200] {
        check(&config, &config.fixture(1), Regime::Sliding(kept), 500);
    }
    for positions in ["rotary", "alibi"] {
        let config = Config { positions, ..config.clone() };
        check(&config, &config.fixture(1), Regime::Sliding(90), 500);
    }
    let mut stream =
        Policy::from_bytes(&config.fixture(1).bytes()).unwrap().stream_with(Regime::Sliding(20)).unwrap();
    roll_out(&mut stream, 100, 1);
    let last_actions_token = 1;
    let last_action = stream.policy().header().action.size();
    assert_eq!(stream.state_bytes(), (2 * 2 * 16 * (3 * 20 - last_actions_token) + last_action) * 4);
}

#[test]
fn episodes_of_1000_timesteps_agree_with_the_definition() {
    for (encoder, recency, positions) in [
        ("aaren", "none", "timestep"),
        ("aaren", "learned", "timestep"),
        ("aaren", "gated", "timestep"),
        ("aaren", "none", "rotary"),
        ("aaren", "gated", "rotary"),
        ("transformer", "none", "timestep"),
        ("transformer", "none", "rotary"),
        ("transformer", "none", "alibi"),
        ("gru", "none", "timestep"),
        ("lstm", "none", "timestep"),
        ("mingru", "none", "timestep"),
        ("gated-delta", "none", "timestep"),
        ("gated-delta", "none", "rotary"),
    ] {
        let config = Config { recency, positions, ..Config::new(encoder, 16, 2, 2) };
        check(&config, &config.fixture(1), Regime::Unbounded, 1000);
    }
}

/// Keys and queries, with and without rotation and decay, one head and several.
#[test]
fn an_aarens_keys_agree_with_the_definition() {
    let sizes = [(32, 4, 4), (24, 1, 7), (15, 3, 16), (16, 2, 2), (20, 4, 6)];
    for (i, (width, heads, keys)) in sizes.into_iter().enumerate() {
        let config = Config {
            recency: ["gated", "none", "learned", "gated", "gated"][i],
            positions: ["rotary", "rotary", "timestep", "none", "rotary"][i],
            rotated_heads: if i == 4 { heads / 2 } else { heads },
            norm: if i % 2 == 0 { "post" } else { "pre" },
            keys,
            past_actions: i != 1,
            ..Config::new("aaren", width, 2, heads)
        };
        for regime in [Regime::Unbounded, Regime::Window(7), Regime::Reset(9)] {
            check(&config, &config.fixture(i as u64), regime, 120);
        }
        let stream = Policy::from_bytes(&config.fixture(0).bytes()).unwrap().stream();
        assert_eq!(stream.state_bytes(), 2 * (heads + keys * (heads + width)) * 4);
    }
}

#[test]
fn one_key_is_none_to_the_last_bit() {
    for positions in ["timestep", "rotary"] {
        let config = Config { recency: "gated", positions, ..Config::new("aaren", 24, 2, 4) };
        let [without, mut with] = [config.fixture(6), config.fixture(6)];
        with.header["model"]["keys"] = 1.into();
        let [without, with] = [without, with].map(|fixture| {
            let mut stream = Policy::from_bytes(&fixture.bytes()).unwrap().stream();
            (stream.state_bytes(), roll_out(&mut stream, 60, 1).1)
        });
        assert_eq!(with, without, "{positions}");
    }
}

#[test]
fn scores_of_ten_thousand_survive() {
    for (encoder, recency) in
        [("aaren", "none"), ("aaren", "learned"), ("aaren", "gated"), ("transformer", "none")]
    {
        let config = Config { recency, ..Config::new(encoder, 32, 1, 2) };
        let mut f = config.fixture(3);
        f.tensor("blocks.0.attention.key.weight").iter_mut().for_each(|k| *k *= 2e4);
        check(&config, &f, Regime::Unbounded, 200);
    }
}

/// Gates that forget all that came before, and gates that forget nothing.
#[test]
fn an_aarens_saturated_gates_survive() {
    let config = Config { recency: "gated", ..Config::new("aaren", 32, 2, 4) };
    let mut f = config.fixture(3);
    for (i, bias) in f.tensor("blocks.0.attention.gate.bias").iter_mut().enumerate() {
        *bias = [1e4, -1e4, 200.0, -30.0][i];
    }
    check(&config, &f, Regime::Unbounded, 200);
}

/// Gates that are open or shut altogether.
#[test]
fn saturated_gates_survive() {
    for (encoder, bias) in [
        ("gru", "gru.bias_ih"),
        ("lstm", "lstm.bias_ih"),
        ("mingru", "mingru.input.bias"),
        ("gated-delta", "attention.rate.bias"),
    ] {
        let config = Config::new(encoder, 32, 1, 4);
        let mut f = config.fixture(3);
        for (i, bias) in f.tensor(&format!("blocks.0.{bias}")).iter_mut().enumerate() {
            // A minGRU's candidates are not bounded.
            let open = if encoder == "mingru" && i >= 42 { 5.0 } else { 1e4 };
            *bias += if i % 2 == 0 { open } else { -open };
        }
        check(&config, &f, Regime::Unbounded, 200);
    }
}

/// A token of the stream below: what it is, e^(−λ), e^score and its value.
struct Token {
    x: Vec<f64>,
    decay: f64,
    weight: f64,
    value: Vec<f64>,
    /// Its key and its query; both `[1]` in the paper's form, which has neither.
    address: Vec<f64>,
    reads: Vec<f64>,
}

/// Sums of millions of terms, where plain float32 loses several per cent: without recency, and with
/// a recency or gates (λ ≈ 1e-6) whose decay is smaller than half a unit in the last place of the scores.
#[test]
fn a_million_steps_do_not_drift() {
    for (recency, positions, entries) in [
        ("none", "timestep", 1),
        ("learned", "timestep", 1),
        ("none", "rotary", 1),
        ("gated", "rotary", 1),
        ("none", "rotary", 4),
        ("gated", "rotary", 4),
    ] {
        let config = Config {
            positions,
            recency,
            keys: entries,
            observation: 2,
            actions: 2,
            discrete: true,
            max_timesteps: 1,
            ..Config::new("aaren", 16, 1, 1)
        };
        let mut f = config.fixture(5);
        match recency {
            "learned" => f.tensor("blocks.0.attention.recency")[0] = -14.0,
            "gated" => f.tensor("blocks.0.attention.gate.bias")[0] = -14.0,
            _ => {}
        }
        f.tensor("observation.mean").fill(0.0);
        f.tensor("observation.std").fill(1.0);

        // One return, three observations, two actions, one timestep embedding, one layer: the
        // tokens come from a set of six, and the oracle needs each one's score and value once.
        let query = oracle::linear(
            &f,
            "blocks.0.attention.query",
            &oracle::vector(&f, "blocks.0.attention.query_token"),
        );
        let with_weight = |part: &str, input: &[f64]| {
            let x = oracle::token(&f, part, input, 0);
            let mut key = oracle::linear(&f, "blocks.0.attention.key", &x);
            let (mut address, mut reads) = (vec![1.0], vec![1.0]);
            if entries > 1 {
                // A bias of the scores cancels in a softmax and plays no part here.
                let bias = oracle::vector(&f, "blocks.0.attention.key.bias");
                key.iter_mut().zip(bias).for_each(|(key, bias)| *key -= bias);
                address = oracle::linear(&f, "blocks.0.attention.token_key", &x);
                reads = oracle::linear(&f, "blocks.0.attention.token_query", &x);
                reads.iter_mut().for_each(|q| *q /= (entries as f64).sqrt());
            }
            let score: f64 = query.iter().zip(&key).map(|(q, k)| q * k).sum::<f64>() / 4.0;
            let value = oracle::linear(&f, "blocks.0.attention.value", &x);
            let raw = match recency {
                "learned" => -14.0,
                "gated" => oracle::linear(&f, "blocks.0.attention.gate", &x)[0],
                _ => f64::NEG_INFINITY,
            };
            Token { x, decay: 1.0 / (1.0 + raw.exp()), weight: score.exp(), value, address, reads }
        };
        let observations = [[0.3, -0.7], [1.1, 0.2], [-0.4, 0.9]];
        let return_token = with_weight("return", &[3.0]);
        let state_tokens = observations.map(|o| with_weight("state", &o));
        let action_tokens = [[1.0, 0.0], [0.0, 1.0]].map(|a| with_weight("action", &a));
        let phases = (positions == "rotary").then(|| oracle::vector(&f, "blocks.0.attention.phase"));
        // For each entry of the key the sum of weights, then those of values.
        let mut sums = vec![vec![0.0; 1 + 16]; entries];
        // A timestep begins with its return.
        let mut push = |token: &Token, begins: bool| {
            if let (Some(phases), true) = (&phases, begins) {
                for (pair, phase) in phases.iter().enumerate() {
                    let (sin, cos) = phase.sin_cos();
                    if entries == 1 {
                        let w = &mut sums[0][1 + 2 * pair..];
                        (w[0], w[1]) = (w[0] * cos - w[1] * sin, w[0] * sin + w[1] * cos);
                        continue;
                    }
                    // What stands back is addressed by keys that have turned back.
                    let (before, after) = sums.split_at_mut(2 * pair + 1);
                    for (a, b) in before[2 * pair].iter_mut().zip(&mut after[0]) {
                        (*a, *b) = (*a * cos + *b * sin, *b * cos - *a * sin);
                    }
                }
            }
            for (sums, key) in sums.iter_mut().zip(&token.address) {
                let terms = [1.0].iter().chain(&token.value).map(|term| token.weight * key * term);
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum = *sum * token.decay + term);
            }
            let read =
                |place: usize| -> f64 { sums.iter().zip(&token.reads).map(|(w, q)| q * w[place]).sum() };
            let least = if entries > 1 { 1.0 } else { 0.0 };
            let total = read(0).abs().max(least);
            (1..=16).map(|place| read(place) / total).collect::<Vec<f64>>()
        };

        let policy = Policy::from_bytes(&f.bytes()).unwrap();
        let mut stream = policy.stream();
        stream.reset(300.0);
        // What keys read is divided by q·u, where terms of both signs cancel; what is never forgotten keeps each rounding.
        let bound = if (entries, recency) == (4, "none") { 5e-4 } else { 1e-4 };
        let mut action = None;
        for t in 0..1_000_000 {
            action.map(|a: usize| push(&action_tokens[a], false));
            push(&return_token, true);
            let mixed = push(&state_tokens[t % 3], false);
            action = Some(stream.act(&observations[t % 3], 0.0).unwrap()[0] as usize);
            if t % 50_000 < 3 || t > 999_990 {
                let mixed = oracle::linear(&f, "blocks.0.attention.output", &mixed);
                let exact = oracle::read(&f, &oracle::after_attention(&f, 0, &state_tokens[t % 3].x, &mixed));
                let ours: Vec<f64> = stream.head_output().iter().map(|&x| x.into()).collect();
                let worst = difference(&[ours], &[exact]);
                assert!(
                    worst < bound,
                    "recency {recency}, {positions}, {entries} entries, step {t}: off by {worst:e}"
                );
            }
        }
        let last_action = stream.policy().header().action.size();
        assert_eq!(stream.state_bytes(), (1 + entries * (1 + 16) + last_action) * 4);
    }
}

/// What knows distances alone does after a million timesteps what it did after a thousand.
#[test]
fn a_million_steps_turn_as_a_thousand() {
    let observations = [[0.3, -0.7], [1.1, 0.2], [-0.4, 0.9]];
    for (encoder, regime) in [("transformer", Regime::Sliding(5)), ("gated-delta", Regime::Unbounded)] {
        let config = Config {
            positions: "rotary",
            past_actions: false,
            observation: 2,
            max_timesteps: 1,
            ..Config::new(encoder, 16, 2, 2)
        };
        let policy = Policy::from_bytes(&config.fixture(5).bytes()).unwrap();
        let mut stream = policy.stream_with(regime).unwrap();
        stream.reset(300.0);
        let mut heads = [const { Vec::new() }; 3];
        for t in 0..1_000_002 {
            stream.act(&observations[t % 3], 0.0).unwrap();
            let head: Vec<f64> = stream.head_output().iter().map(|&x| x.into()).collect();
            if t < 1002 {
                heads[t % 3] = head;
            } else if t >= 999_999 {
                let off = difference(&[head], std::slice::from_ref(&heads[t % 3]));
                assert!(off < 1e-4, "{encoder}, step {t}: off by {off:e}");
            }
        }
        assert!(difference(&heads[..1], &heads[1..2]) > 1e-2, "{encoder}: {heads:?}");
    }
}

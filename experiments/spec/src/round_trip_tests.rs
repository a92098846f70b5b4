//! Properties: the effective spec loads as itself, and no text brings the loader down.

use aaren_damaged_files::{Measuring, fuzz};
use aaren_format::{
    AgentConfig, CloningConfig, Context, ContextLength, DecisionConfig, Device, EncoderKind, EnvSpec,
    IqlConfig, Layout, Mixer, Model, Norm, Positions, Precision, Recency, Regime, ReturnIn, Schedule,
    Settings, Start, Td3BcConfig, Variation,
};
use proptest::prelude::*;

use super::tests::{EXAMPLE, MINIMAL, load};
use super::*;

#[global_allocator]
static MEASURING: Measuring = Measuring;

/// Damaged files: accepted or refused in one line, no panic, no memory beyond what the file justifies.
#[test]
fn damaged_files_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    let example = EXAMPLE.replace("../data/hopper-medium-expert.hdf5", "hopper-medium");
    let grid = format!("{MINIMAL}grid: {{train.learning_rate: [3e-4, 1e-3], context.train: [20, 100]}}\n");
    let originals = [example.into_bytes(), MINIMAL.into(), grid.into_bytes()];
    fuzz("YAML", &originals, |bytes| {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        let document = Document::read(&path, &[])?;
        match document.cells()? {
            Some((_, cells)) => cells.iter().try_for_each(|cell| cell.document.spec().map(drop)),
            None => document.spec().map(drop),
        }
    });
}

/// Any text but the three separators that are refused.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace(['\u{85}', '\u{2028}', '\u{2029}'], " "))
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        proptest::num::f64::NORMAL.prop_map(Into::into),
        text().prop_map(Into::into),
        "[-+.0-9eExXoOa-f_~:#'\"!&*?| \n\t]{0,12}".prop_map(Into::into),
        "(yes|no|on|off|true|null|~|Null|TRUE|\\.inf|-\\.INF|\\.nan|0x1F|0o17|1_000|1:30|=|<<|y|n)"
            .prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn context_length() -> impl Strategy<Value = ContextLength> {
    prop_oneof![(1usize..1000).prop_map(ContextLength::Timesteps), Just(ContextLength::Episode)]
}

prop_compose! {
    fn decision()(
        encoder in prop::sample::select(&EncoderKind::ALL[..]), heads in 1usize..9, head_width in 1usize..65,
        layers in 1usize..9, dropout in 0.0..1.0, pre in any::<bool>(), recency in prop::sample::select(&Recency::ALL[..]),
        context_length in context_length(), episode in any::<bool>(), carry in any::<bool>(), rollout in 0..4,
        (timesteps, layout, varied, noise) in (1usize..1000, 0..5, any::<bool>(), 0.0..2.0),
    ) -> AgentConfig {
        let carry = carry && encoder.constant_state() && context_length != ContextLength::Episode && !episode;
        let layout = match layout {
            0 => Layout::Separate,
            n => Layout::Joint {
                return_in: if n % 2 == 0 { ReturnIn::Head } else { ReturnIn::Token },
                rate: n > 2,
                bins: [0, 2, 256][n as usize % 3],
            },
        };
        AgentConfig::new(&DecisionConfig {
            model: Model {
                width: heads * head_width, layers,
                norm: if pre { Norm::Pre } else { Norm::Post },
                past_actions: !pre,
                positions: Positions::Timestep,
                mixer: Mixer::new(encoder, Settings { heads, recency, ..Settings::default() }),
            },
            dropout,
            context: Context {
                context_length,
                regime: match rollout {
                    1 => Regime::Window(timesteps),
                    2 => Regime::Reset(timesteps),
                    3 if !encoder.constant_state() => Regime::Sliding(timesteps),
                    _ => Regime::Unbounded,
                },
            },
            start: if episode { Start::Episode } else { Start::Uniform },
            carry,
            layout,
            variation: Variation {
                return_dropout: if varied && layout != Layout::Separate { dropout } else { 0.0 },
                history_noise: if varied { noise } else { 0.0 },
                random_length: varied && !carry,
                // As long as can be.
                band: if varied && !encoder.constant_state() { context_length.timesteps(1000) } else { 0 },
                frozen_scores: varied && encoder == EncoderKind::Aaren,
            },
        })
    }
}

prop_compose! {
    fn cloning()(
        width in 1usize..1000, layers in 1usize..9, dropout in 0.0..1.0, top in 1e-3..=1.0,
        context_length in context_length(),
    ) -> AgentConfig {
        AgentConfig::new(&CloningConfig { width, layers, dropout, top, context_length })
    }
}

prop_compose! {
    fn iql()(
        width in 1usize..1000, layers in 1usize..9, expectile in 1e-3..0.999, temperature in 0.0..100.0,
        discount in 0.0..=1.0, polyak in 1e-3..=1.0, normalise_rewards in any::<bool>(),
    ) -> AgentConfig {
        AgentConfig::new(&IqlConfig { width, layers, expectile, temperature, discount, polyak, normalise_rewards })
    }
}

prop_compose! {
    fn td3_bc()(
        width in 1usize..1000, layers in 1usize..9, alpha in 0.0..100.0, discount in 0.0..=1.0, polyak in 1e-3..=1.0,
        policy_noise in 0.0..2.0, noise_clip in 0.0..2.0, policy_delay in 1u64..100,
    ) -> AgentConfig {
        AgentConfig::new(&Td3BcConfig {
            width, layers, alpha, discount, polyak, policy_noise, noise_clip, policy_delay,
        })
    }
}

prop_compose! {
    fn policy(index: usize)(
        name in "[A-Za-z0-9][A-Za-z0-9._-]{0,20}", agent in prop_oneof![3 => decision(), 1 => cloning(), 1 => iql(), 1 => td3_bc()],
        updates in 1u64..1_000_000, batch in 1usize..1000, learning_rate in 1e-12..10.0, bfloat16 in any::<bool>(),
    ) -> PolicySpec {
        let bfloat16 = bfloat16 && agent.encoder().is_some();
        PolicySpec {
            name: format!("{name}-{index}"),
            agent,
            batch,
            updates,
            learning_rate,
            precision: if bfloat16 { Precision::Bfloat16 } else { Precision::Float32 },
        }
    }
}

prop_compose! {
    fn train()(
        updates in 1u64..1_000_000, batch in 1usize..1000, learning_rate in 1e-12..10.0, weight_decay in 0.0..1.0,
        warmup in 0.0..=1.0, constant in any::<bool>(), clip in 1e-3..1e3, bfloat16 in any::<bool>(),
        averaged in proptest::option::of(0.0..1.0),
        cuda in proptest::option::of(0usize..128), threads in proptest::option::of(1usize..65),
    ) -> TrainSpec {
        TrainSpec {
            updates, batch, learning_rate, weight_decay, clip, threads,
            warmup: (updates as f64 * warmup) as u64,
            ema: averaged.unwrap_or(0.0),
            schedule: if constant { Schedule::Constant } else { Schedule::Cosine },
            precision: if bfloat16 { Precision::Bfloat16 } else { Precision::Float32 },
            device: cuda.map_or(Device::Cpu, Device::Cuda),
        }
    }
}

prop_compose! {
    fn spec()(
        name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", id in "[a-zA-Z0-9/:=*' -]{1,20}[a-zé→]",
        kwargs in prop::collection::btree_map(text(), json(), 0..4),
        dataset in "[a-z][a-z0-9-]{0,9}-(random|medium|medium-replay|medium-expert|expert)",
        policies in (1usize..4).prop_flat_map(|count| (0..count).map(policy).collect::<Vec<_>>()),
        seeds in prop::collection::hash_set(any::<u64>(), 1..4), train in train(),
        every in 1u64.., episodes in 1usize..1000, return_scale in 1e-3..1e6,
        targets in proptest::option::of(prop::collection::hash_set(any::<i32>(), 1..4)),
        (keep_all, margin, guidance, auto, most) in
            (any::<bool>(), proptest::option::of(0.0..100.0), -3.0..3.0, any::<bool>(), any::<bool>()),
    ) -> Spec {
        // Of two policies one can be compared with the other.
        let primary = match (&policies[..], margin) {
            ([policy, against, ..], Some(margin)) => Some(PrimarySpec {
                policy: policy.name.clone(), against: against.name.clone(), endpoint: Endpoint::Mean, margin,
                datasets: vec![name.clone(), "another".into()], seeds: seeds.iter().copied().take(1).collect(),
            }),
            _ => None,
        };
        let most = most && policies.iter().all(|policy| !policy.agent.hears_of_returns() || policy.agent.predicts_max());
        let max = most.then_some(f64::INFINITY);
        Spec {
            primary,
            name, env: EnvSpec { kwargs: kwargs.into_iter().collect(), ..EnvSpec::new(id) },
            dataset: DatasetSource::Recipe(dataset), observe: None, actions: None, columns: None, policies,
            seeds: seeds.into_iter().collect(), train,
            evaluate: EvaluateSpec {
                every, episodes, guidance, hold_out: None,
                return_scale: (!auto).then_some(return_scale),
                keep: if keep_all { Keep::All } else { Keep::Last },
                target_returns: targets.map(|targets| targets.into_iter().map(|target| f64::from(target) / 7.0).chain(max).collect()),
            },
            compare: CompareSpec { margin },
        }
    }
}

proptest! {
    #[test]
    fn the_effective_spec_loads_as_itself(spec in spec()) {
        let yaml = spec.to_yaml();
        match load(&yaml, &[]) {
            Ok(again) => prop_assert_eq!(again, spec, "{}", yaml),
            Err(error) => prop_assert!(false, "{}\n{}", error, yaml),
        }
    }

    /// Mutations of a valid file: accepted or refused in one line, never a panic.
    #[test]
    fn mutilated_files_are_answered(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[-\\[\\]{}:,#&*!|>'\"%@`?~ \n\ta0é\u{feff}]{0,3}"), 1..6)) {
        let mut text: Vec<char> = EXAMPLE.replace("../data/hopper-medium-expert.hdf5", "hopper-medium").chars().collect();
        for (at, length, insert) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = load(&text, &[]) {
            let message = error.to_string();
            prop_assert!(message.starts_with("x.yaml:") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>(), set in any::<String>()) {
        drop(load(&text, &[]));
        drop(load(MINIMAL, &[&set]));
    }
}

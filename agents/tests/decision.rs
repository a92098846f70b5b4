//! What the streaming runtime does is what was trained, padding never counts, and training goes on bit for bit where a
//! checkpoint stands.

use aaren_agents::decision::{Batch, DecisionNetwork, Windows};
use aaren_agents::*;
use aaren_datasets::{Dataset, Transitions};
use aaren_encoders::{Gradients, Pass};
use aaren_envs::EnvSpec;
use aaren_format::{
    self as format, ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions,
    Precision, Recency, Regime, ReturnIn, Settings, Variation,
};
use tch::{Device, Kind, Tensor};

const OBSERVATIONS: usize = 3;

/// Libtorch's generator is one for the whole process: tests that draw from it take turns.
fn generator() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // Toy sizes: a second thread would only wait, and much longer where another process has its core.
    tch::set_num_threads(1);
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn config(encoder: EncoderKind, norm: Norm, recency: Recency) -> DecisionConfig {
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency, ..Settings::default() });
    DecisionConfig {
        model: Model {
            width: 16,
            layers: 3,
            norm,
            past_actions: true,
            positions: Positions::Timestep,
            mixer,
        },
        dropout: 0.1,
        context: Context { context_length: ContextLength::Timesteps(10), regime: Regime::Unbounded },
        start: Start::Uniform,
        carry: false,
        layout: Layout::Separate,
        variation: Variation::default(),
    }
}

fn configs() -> Vec<DecisionConfig> {
    let plain = |encoder| config(encoder, Norm::Post, Recency::None);
    let mut all: Vec<_> = EncoderKind::ALL.into_iter().map(plain).collect();
    all.push(config(EncoderKind::Aaren, Norm::Pre, Recency::Learned));
    all.push(config(EncoderKind::Aaren, Norm::Post, Recency::Gated));
    // Without past actions a timestep is two tokens.
    let two_tokens = |config: &DecisionConfig| DecisionConfig {
        model: Model { past_actions: false, ..config.model },
        ..*config
    };
    all.extend(all.clone().iter().map(two_tokens));
    for (encoder, positions, rotate, keys, recency) in [
        (EncoderKind::Aaren, Positions::None, 1.0, 4, Recency::None),
        (EncoderKind::Aaren, Positions::Rotary, 0.5, 1, Recency::None),
        (EncoderKind::Aaren, Positions::Rotary, 1.0, 4, Recency::None),
        (EncoderKind::Aaren, Positions::Rotary, 0.5, 4, Recency::Gated),
        (EncoderKind::Transformer, Positions::Rotary, 1.0, 1, Recency::None),
        (EncoderKind::Transformer, Positions::Alibi, 1.0, 1, Recency::None),
        (EncoderKind::GatedDelta, Positions::Rotary, 1.0, 1, Recency::None),
    ] {
        let config = config(encoder, Norm::Post, recency);
        let mixer = Mixer::new(encoder, Settings { heads: 2, recency, rotate, keys });
        all.push(DecisionConfig { model: Model { positions, mixer, ..config.model }, ..config });
    }
    // One token for each timestep: every encoder in two layouts, one with past actions and the next without.
    let layouts = [
        (ReturnIn::Token, false, 0),
        (ReturnIn::Head, true, 0),
        (ReturnIn::Head, false, 7),
        (ReturnIn::Token, true, 5),
    ];
    let joint = |(i, config): (usize, &DecisionConfig)| {
        let (return_in, rate, bins) = layouts[(i + i / 8) % layouts.len()];
        DecisionConfig { layout: Layout::Joint { return_in, rate, bins }, ..*config }
    };
    all.extend(all.clone().iter().enumerate().map(joint));
    all.push(default());
    all
}

/// What an Aaren is where a YAML says nothing of its form.
fn default() -> DecisionConfig {
    let config = config(EncoderKind::Aaren, Norm::Post, Recency::Learned);
    DecisionConfig {
        model: Model { positions: Positions::None, past_actions: false, ..config.model },
        layout: Layout::Joint { return_in: ReturnIn::Head, rate: false, bins: 0 },
        ..config
    }
}

fn cloning() -> CloningConfig {
    CloningConfig {
        width: 16,
        layers: 2,
        dropout: 0.1,
        top: 0.8,
        context_length: ContextLength::Timesteps(10),
    }
}

fn task() -> Task {
    Task {
        env: EnvSpec::new("Pendulum-v1"),
        observation_size: OBSERVATIONS,
        action: ActionSpace::Continuous { low: vec![-2.0], high: vec![2.0] },
        max_timesteps: 50,
        return_scale: 100.0,
        // An episode that asks for -150 begins below it and ends above.
        return_range: [-130.0, -90.0],
        observation_mean: vec![0.1, -0.2, 0.3],
        observation_std: vec![0.5, 1.0, 2.0],
    }
}

/// Pendulum-like episodes of 30 and 7 timesteps.
fn dataset() -> Dataset {
    let count = 37;
    let ends = |at: &[usize]| (0..count).map(|i| at.contains(&i)).collect();
    let transitions = Transitions {
        observations: (0..OBSERVATIONS * count).map(|i| (i as f32 * 0.7).sin()).collect(),
        actions: (0..count).map(|i| 2.0 * (i as f32).cos()).collect(),
        rewards: (0..count).map(|i| -(i as f32)).collect(),
        terminals: ends(&[]),
        timeouts: ends(&[29, 36]),
    };
    Dataset::new("toy", transitions, OBSERVATIONS, 1, false)
}

fn policy(network: &dyn Network) -> Vec<u8> {
    let (policy, dataset, target_returns) = ("test".into(), "toy".into(), vec![-150.0]);
    let (agent, fingerprint) = ("any".into(), None);
    let origin = Origin { policy, agent, seed: 0, updates: 0, fingerprint, dataset, target_returns };
    PolicyFile::new(network, origin).to_bytes()
}

fn observation(t: usize) -> Vec<f32> {
    (0..OBSERVATIONS).map(|i| ((3 * t + i) as f32 * 0.9).sin()).collect()
}

fn reward(t: usize) -> f64 {
    -(t as f64 * 0.3).cos().abs()
}

/// 120 timesteps pass the last timestep embedding and several windows.
const STEPS: usize = 120;

/// What the streaming runtime was told and answered in an episode of a network, as the network's own inputs.
struct Episode {
    returns: Vec<f32>,
    states: Vec<f32>,
    /// Action tokens, by which the encoder's outputs are compared.
    actions: Vec<f32>,
    /// What is asked for, and what came of the timestep before.
    asked: Vec<f32>,
    past: Vec<f32>,
}

impl Episode {
    fn of(bytes: &[u8], regime: Regime, task: &Task) -> Option<Self> {
        let policy = aaren_streaming::Policy::from_bytes(bytes).unwrap();
        let mut stream = policy.stream_with(regime).ok()?;
        stream.reset(-150.0);
        let none = Vec::new;
        let mut episode =
            Self { returns: none(), states: none(), actions: none(), asked: none(), past: none() };
        let layout = policy.header().decision().map_or(Layout::Separate, |decision| decision.layout);
        let bins = format::Bins::new(layout.bins(), task.return_range, task.return_scale);
        let mut left = -150.0;
        for t in 0..STEPS {
            let previous = if t == 0 { 0.0 } else { reward(t - 1) };
            left -= previous;
            let action = stream.act(&observation(t), previous).unwrap()[0];
            let scaled = (left / task.return_scale) as f32;
            episode.returns.push(scaled);
            let mut asked = vec![0.0; layout.asked_size()];
            layout.ask(scaled, t as u64, task.max_timesteps, &bins, &mut asked);
            episode.asked.extend(asked);
            let before = episode.actions.last().copied().unwrap_or(0.0);
            episode.past.extend([(previous * task.max_timesteps as f64 / task.return_scale) as f32, before]);
            let scale = task.observation_mean.iter().zip(&task.observation_std);
            episode.states.extend(observation(t).iter().zip(scale).map(|(o, (mean, std))| (o - mean) / std));
            episode.actions.push(action / 2.0);
        }
        Some(episode)
    }

    /// Its timesteps from `start` on, as a batch.
    fn batch(&self, start: usize, length: usize) -> Batch {
        let rows = |data: &[f32], columns: usize| {
            Tensor::from_slice(&data[columns * start..][..columns * length]).view([1, length as i64, -1])
        };
        let (first, steps) = (start as i64, length as i64);
        Batch {
            returns: rows(&self.returns, 1),
            asked: rows(&self.asked, self.asked.len() / STEPS),
            past: rows(&self.past, 2),
            states: rows(&self.states, OBSERVATIONS),
            actions: rows(&self.actions, 1),
            timesteps: Tensor::arange_start(first, first + steps, (Kind::Int64, Device::Cpu)).unsqueeze(0),
            mask: Tensor::ones([1, steps], (Kind::Float, Device::Cpu)),
            begins: None,
        }
    }
}

fn off(found: &Tensor, expected: &[f32]) -> f64 {
    (found.view([-1]) - Tensor::from_slice(expected)).abs().max().double_value(&[])
}

/// The streaming runtime remembers from step to step; the encoder's training pass on the same tokens sees them at once.
#[test]
fn a_streamed_roll_out_is_the_forward_pass_on_its_tokens() {
    let _turn = generator();
    let _guard = tch::no_grad_guard();
    for config in configs() {
        tch::manual_seed(3);
        let network = DecisionNetwork::new(&config, task(), Device::Cpu).unwrap();
        let bytes = policy(&network);
        let predict = |batch: &Batch| network.predict(batch, None, Pass::Inference).0;
        let whole = Episode::of(&bytes, Regime::Unbounded, &task()).unwrap();
        let error = off(&predict(&whole.batch(0, STEPS)), &whole.actions);
        assert!(error < 1e-4, "{config:?}: off by {error:e}");

        let reset = Episode::of(&bytes, Regime::Reset(7), &task()).unwrap();
        for start in (0..STEPS).step_by(7) {
            let length = 7.min(STEPS - start);
            let error = off(&predict(&reset.batch(start, length)), &reset.actions[start..start + length]);
            assert!(error < 1e-4, "{config:?}, reset at {start}: off by {error:e}");
        }

        let window = Episode::of(&bytes, Regime::Window(20), &task()).unwrap();
        for t in (0..STEPS).step_by(9) {
            let start = (t + 1).saturating_sub(20);
            let found = predict(&window.batch(start, t + 1 - start)).select(1, (t - start) as i64);
            let error = off(&found, &window.actions[t..=t]);
            assert!(error < 1e-4, "{config:?}, window at {t}: off by {error:e}");
        }

        // A cache of the whole episode drops nothing; one of a single timestep is a window of one.
        let sliding = Episode::of(&bytes, Regime::Sliding(STEPS), &task());
        assert_eq!(sliding.is_some(), !config.model.encoder().constant_state());
        if let Some(sliding) = sliding {
            let error = off(&predict(&sliding.batch(0, STEPS)), &sliding.actions);
            assert!(error < 1e-4, "{config:?}, sliding: off by {error:e}");
            let alone = Episode::of(&bytes, Regime::Sliding(1), &task()).unwrap();
            for t in [0, 1, 60] {
                let error = off(&predict(&alone.batch(t, 1)), &alone.actions[t..=t]);
                assert!(error < 1e-4, "{config:?}, sliding 1 at {t}: off by {error:e}");
            }
        }

        // What was trained with a band acts with a cache of so many timesteps.
        for band in [1, 7] {
            let Some(sliding) = Episode::of(&bytes, Regime::Sliding(band), &task()) else { continue };
            tch::manual_seed(3);
            let variation = Variation { band, ..config.variation };
            let banded = DecisionConfig { variation, ..config };
            let banded = DecisionNetwork::new(&banded, task(), Device::Cpu).unwrap();
            let (found, _) = banded.predict(&sliding.batch(0, STEPS), None, Pass::Inference);
            let error = off(&found, &sliding.actions);
            assert!(error < 1e-4, "{config:?}, band of {band}: off by {error:e}");
        }

        // So it is chunk by chunk, each from the state that the one before it left.
        let (mut state, mut start) = (None, 0);
        for length in [10, 7, 13, 90] {
            let (found, after) =
                network.predict(&whole.batch(start, length), state.as_ref(), Pass::Inference);
            state = Some(after);
            let error = off(&found, &whole.actions[start..start + length]);
            assert!(error < 1e-4, "{config:?}, chunk from {start}: off by {error:e}");
            start += length;
        }
    }
}

/// With them zero a head is a mean that forgets: nothing else stands still.
#[test]
fn frozen_scores_stay_zero() {
    let _turn = generator();
    let data = dataset();
    let mut config = config(EncoderKind::Aaren, Norm::Post, Recency::Gated);
    config.variation.frozen_scores = true;
    let agent = AgentConfig::new(&config);
    let mut trainer = Trainer::new(&agent, &task(), train_config(3), &data, Device::Cpu).unwrap();
    let weights = |trainer: &Trainer| -> Vec<(String, Tensor)> {
        let named = trainer.network().named_parameters().into_iter();
        named.map(|(name, tensor)| (name, tensor.detach().copy())).collect()
    };
    let before = weights(&trainer);
    (0..3).for_each(|_| drop(trainer.update().unwrap()));
    // What makes the scores of keys that are zero.
    let idle = ["key.bias", "attention.query.weight", "attention.query.bias", "query_token"];
    for ((name, before), (_, after)) in before.iter().zip(weights(&trainer)) {
        let still = before.equal(&after);
        if name.ends_with("attention.key.weight") {
            assert!(still && after.abs().max().double_value(&[]) == 0.0, "{name}");
        } else if !idle.iter().any(|end| name.ends_with(end)) {
            assert!(!still, "{name} did not change");
        }
    }
}

/// What training never saw has no embedding of its own to be read: neither in the runtime nor in libtorch.
#[test]
fn timesteps_beyond_the_longest_that_training_saw_are_that_one() {
    let _turn = generator();
    let data = dataset();
    let plain = config(EncoderKind::Aaren, Norm::Post, Recency::None);
    let whole = ContextLength::Episode;
    for (start, context_length, carry, longest) in [
        (Start::Uniform, ContextLength::Timesteps(10), false, 30),
        (Start::Episode, ContextLength::Timesteps(10), false, 10),
        (Start::Episode, whole, false, 30),
        (Start::Episode, ContextLength::Timesteps(10), true, 30),
    ] {
        let config =
            DecisionConfig { start, carry, context: Context { context_length, ..plain.context }, ..plain };
        let agent = AgentConfig::new(&config);
        let mut trainer = Trainer::new(&agent, &task(), train_config(2), &data, Device::Cpu).unwrap();
        trainer.update().unwrap();
        let network = trainer.network();
        let named = network.named_parameters();
        let (_, table) = named.iter().find(|(name, _)| name == "embed.timestep.weight").unwrap();
        assert_eq!(table.size()[0], longest, "{config:?}");
        let format::Network::Decision(decision) = network.describe() else { panic!("a decision network") };
        assert_eq!(decision.max_timesteps as i64, longest);
    }
}

#[test]
fn a_streamed_perceptron_is_the_trained_one() {
    let _turn = generator();
    let _guard = tch::no_grad_guard();
    let network = Perceptron::new(cloning().mlp(), 0.1, task(), Device::Cpu).unwrap();
    let episode = Episode::of(&policy(&network), Regime::Reset(1), &task()).unwrap();
    let states = episode.batch(0, STEPS).states.view([-1, OBSERVATIONS as i64]);
    let error = off(&network.forward(&states, false).tanh(), &episode.actions);
    assert!(error < 1e-5, "off by {error:e}");
}

#[test]
fn padding_changes_neither_loss_nor_predictions() {
    let _turn = generator();
    let data = dataset();
    for config in configs() {
        tch::manual_seed(5);
        let network = DecisionNetwork::new(&config, task(), Device::Cpu).unwrap();
        let windows = Windows::new(&data, &task(), 30, 1).unwrap().of(&config);
        // Squared errors of all real action entries, and how many timesteps are real.
        let loss = |starts: &[usize]| {
            let batch = windows.at(starts, Device::Cpu);
            let real = batch.mask.sum(Kind::Float).double_value(&[]);
            assert_eq!(
                batch.mask.numel() as f64 > real,
                starts.len() > 1,
                "one window is not padded, several are"
            );
            (network.loss(&batch, None, Pass::Inference).0.total().double_value(&[]) * real, real)
        };
        let starts = [0, 7, 25, 31, 33];
        let together = loss(&starts);
        let alone =
            starts.map(|start| loss(&[start])).into_iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        assert_eq!(together.1, alone.1);
        assert!((together.0 - alone.0).abs() < 1e-4 * alone.0, "{config:?}: {together:?} against {alone:?}");
    }
}

fn train_config(updates: u64) -> TrainConfig {
    TrainConfig {
        updates,
        batch: 4,
        learning_rate: 1e-3,
        weight_decay: 1e-4,
        warmup: 3,
        schedule: Schedule::Cosine,
        clip: 0.25,
        ema: 0.0,
        precision: Precision::Float32,
        seed: 11,
    }
}

#[test]
fn a_resumed_run_is_the_uninterrupted_run_bit_for_bit() {
    let aaren = config(EncoderKind::Aaren, Norm::Post, Recency::Learned);
    let constant = EncoderKind::ALL.into_iter().filter(|encoder| encoder.constant_state());
    let carried = constant.map(|encoder| config(encoder, Norm::Post, Recency::None));
    resumed_is_straight(&AgentConfig::new(&aaren));
    resumed_is_straight(&AgentConfig::new(&cloning()));
    resumed_is_straight(&AgentConfig::new(&IqlConfig { width: 16, ..IqlConfig::default() }));
    resumed_is_straight(&AgentConfig::new(&Td3BcConfig { width: 16, ..Td3BcConfig::default() }));
    resumed_is_straight(&AgentConfig::new(&DecisionConfig { start: Start::Episode, ..aaren }));
    carried
        .for_each(|agent| resumed_is_straight(&AgentConfig::new(&DecisionConfig { carry: true, ..agent })));
    // A carried state that turns: how far it is in time goes on too.
    for keys in [1, 4] {
        let rotary = Settings { heads: 2, recency: Recency::Gated, keys, ..Settings::default() };
        let mixer = Mixer::new(EncoderKind::Aaren, rotary);
        let model = Model { positions: Positions::Rotary, mixer, ..aaren.model };
        resumed_is_straight(&AgentConfig::new(&DecisionConfig { model, carry: true, ..aaren }));
    }
    let mixer = Mixer::new(EncoderKind::GatedDelta, Settings { heads: 2, ..Settings::default() });
    let model = Model { positions: Positions::Rotary, mixer, ..aaren.model };
    resumed_is_straight(&AgentConfig::new(&DecisionConfig { model, carry: true, ..aaren }));
    resumed_is_straight(&AgentConfig::new(&default()));
    resumed_is_straight(&AgentConfig::new(&config(EncoderKind::Transformer, Norm::Pre, Recency::None)));
    // Whole episodes that share rows.
    let whole = Context { context_length: ContextLength::Episode, ..aaren.context };
    let start = Start::Episode;
    resumed_is_straight(&AgentConfig::new(&DecisionConfig { context: whole, start, ..default() }));
    let gated = Settings { heads: 2, recency: Recency::Gated, keys: 3, rotate: 0.5 };
    let rotary = |mixer| Model { positions: Positions::Rotary, mixer, ..aaren.model };
    let model = rotary(Mixer::new(EncoderKind::Aaren, gated));
    resumed_is_straight(&AgentConfig::new(&DecisionConfig { context: whole, start, model, ..default() }));
    let transformer = Model {
        positions: Positions::Alibi,
        ..config(EncoderKind::Transformer, Norm::Pre, Recency::None).model
    };
    for model in [rotary(Mixer::new(EncoderKind::Transformer, gated)), transformer] {
        resumed_is_straight(&AgentConfig::new(&DecisionConfig { model, ..aaren }));
    }
    // All that training can change of its windows, and a head that hears what is asked for.
    resumed_is_straight(&AgentConfig::new(&DecisionConfig {
        layout: Layout::Joint { return_in: ReturnIn::Head, rate: true, bins: 6 },
        variation: Variation {
            return_dropout: 0.3,
            history_noise: 0.1,
            random_length: true,
            ..Variation::default()
        },
        ..aaren
    }));
}

/// Nothing of what is asked for gets into the encoder's state, and none of it reaches the action where nothing is asked.
#[test]
fn a_return_in_the_head_leaves_no_trace_in_the_state() {
    let _turn = generator();
    let (data, plain) = (dataset(), config(EncoderKind::Aaren, Norm::Post, Recency::Learned));
    for (return_in, overheard) in [(ReturnIn::Head, false), (ReturnIn::Token, true)] {
        let config = DecisionConfig { layout: Layout::Joint { return_in, rate: false, bins: 3 }, ..plain };
        let network = DecisionNetwork::new(&config, task(), Device::Cpu).unwrap();
        let windows = Windows::new(&data, &task(), 10, 1).unwrap().of(&config);
        let seen = |change: &dyn Fn(&Tensor) -> Tensor| {
            let mut batch = windows.at(&[3], Device::Cpu);
            batch.asked = change(&batch.asked);
            let (actions, after) = network.predict(&batch, None, Pass::Inference);
            (actions, after.tensors()[0].shallow_clone())
        };
        let free = |asked: &Tensor| asked.zeros_like();
        let (asked, state) = seen(&Tensor::shallow_clone);
        let (unasked, other_state) = seen(&free);
        assert_eq!(state != other_state, overheard, "{return_in:?}");
        assert!(asked != unasked, "{return_in:?}");
    }
}

#[test]
fn the_averaged_weights_are_those_that_are_saved() {
    let _turn = generator();
    let data = dataset();
    let agent = AgentConfig::new(&cloning());
    let run = |ema| {
        let config = TrainConfig { ema, ..train_config(12) };
        let mut trainer = Trainer::new(&agent, &task(), config, &data, Device::Cpu).unwrap();
        let weights = |trainer: &Trainer| {
            let named = trainer.network().named_parameters();
            Tensor::cat(&named.iter().map(|(_, weight)| weight.detach().view([-1])).collect::<Vec<_>>(), 0)
        };
        let mut all = vec![weights(&trainer).copy()];
        for _ in 0..12 {
            trainer.update().unwrap();
            all.push(weights(&trainer).copy());
        }
        all
    };
    let (trained, saved) = (run(0.0), run(0.4));
    let mut average = trained[0].copy();
    for (update, (weights, saved)) in trained[1..].iter().zip(&saved[1..]).enumerate() {
        let decay = 0.4f64.min((1 + update) as f64 / (10 + update) as f64);
        average = &average * decay + weights * (1.0 - decay);
        let off = (&average - saved).abs().max().double_value(&[]);
        assert!(off < 1e-6, "after update {update}: off by {off:e}");
    }
}

fn resumed_is_straight(agent: &AgentConfig) {
    let _turn = generator();
    let data = dataset();
    let config = TrainConfig { ema: 0.5, ..train_config(12) };
    let trainer = || Trainer::new(agent, &task(), config.clone(), &data, Device::Cpu).unwrap();
    let bytes = |trainer: &Trainer| policy(trainer.network());

    let mut straight = trainer();
    (0..12).for_each(|_| drop(straight.update().unwrap()));

    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("resume.safetensors");
    // One that is stopped before its first update has something to go on from too.
    trainer().checkpoint("spec", serde_json::json!({})).unwrap().save(&path).unwrap();
    let mut begun = trainer();
    begun.restore(&Checkpoint::load(&path, "spec").unwrap()).unwrap();
    (0..12).for_each(|_| drop(begun.update().unwrap()));
    assert!(
        bytes(&straight) == bytes(&begun),
        "{}: a checkpoint of no updates changed the weights",
        agent.name
    );

    let mut first = trainer();
    (0..5).for_each(|_| drop(first.update().unwrap()));
    first.checkpoint("spec", serde_json::json!({"seconds": 1})).unwrap().save(&path).unwrap();
    let checkpoint = Checkpoint::load(&path, "spec").unwrap();
    assert_eq!(checkpoint.progress["seconds"], 1);
    let mut resumed = trainer();
    resumed.restore(&checkpoint).unwrap();
    assert_eq!(resumed.done(), 5);
    (5..12).for_each(|_| drop(resumed.update().unwrap()));
    assert!(bytes(&straight) == bytes(&resumed), "{}: resuming changed the weights", agent.name);

    // Each tensor matters: with zeros in its place the run is another one.
    for (name, tensor) in &checkpoint.saved.tensors {
        // A bias of keys has no gradient, and cancels in attention.
        if name.ends_with("key.bias") {
            continue;
        }
        let mut zeroed = Checkpoint::load(&path, "spec").unwrap();
        let other = zeroed.saved.tensors.iter_mut().find(|(other, _)| other == name).unwrap();
        other.1 = tensor.zeros_like();
        let mut forgetful = trainer();
        forgetful.restore(&zeroed).unwrap();
        (5..12).for_each(|_| drop(forgetful.update().unwrap()));
        assert!(bytes(&straight) != bytes(&forgetful), "{}: {name} does not matter?", agent.name);
    }

    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        let broken = path.with_file_name("broken.safetensors");
        std::fs::write(&broken, bytes).unwrap();
        Checkpoint::load(&broken, "spec").unwrap_err().to_string()
    };
    let last = std::fs::metadata(&path).unwrap().len() as usize - 3;
    assert!(damaged(&|bytes| bytes[last] ^= 1).contains("checksum"));
    // Whatever a header says, it is the one that was written.
    let seconds = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(10).position(|part| part == br#"seconds\":"#).unwrap();
        assert_eq!(bytes[at + 10], b'1');
        bytes[at + 10] = b'2';
    };
    assert!(damaged(&seconds).contains("checksum"));
    let version = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(10).position(|part| part == br#"version\":"#).unwrap();
        bytes[at + 10] = b'9';
    };
    assert!(damaged(&version).contains("its format is aaren-checkpoint version 9"));
    assert!(damaged(&|bytes| bytes.truncate(last)).contains("not a safetensors file"));
    assert!(Checkpoint::load(&path, "other").unwrap_err().to_string().contains("made with other settings"));
}

/// `torch.optim.AdamW([p, q], lr=0.1, weight_decay=0.01)` on loss = Σ p³ + 0.01 Σ q² with `clip_grad_norm_([p, q], 1.0)`,
/// three updates from p = [1, -2, 0.5] and q = arange(40000) / 20000 - 1, which is more than one piece.
#[test]
fn adamw_is_pytorchs() {
    let p = Tensor::from_slice(&[1.0f32, -2.0, 0.5]).set_requires_grad(true);
    let q: Tensor = Tensor::arange(40_000, (Kind::Float, Device::Cpu)) / 20_000 - 1;
    let q = q.view([200, 200]).set_requires_grad(true);
    let mut optimizer = AdamW::new(vec![p.shallow_clone(), q.shallow_clone()], 0.01, 1.0);
    let mut norms = Vec::new();
    for update in 0..3 {
        let loss = p.pow_tensor_scalar(3).sum(Kind::Float) + q.square().sum(Kind::Float) * 0.01;
        let gradients = Gradients::of_graph(&loss, &[p.shallow_clone(), q.shallow_clone()]);
        norms.push(optimizer.update(update, &gradients, 0.1).double_value(&[]));
    }
    let found = Vec::<f32>::try_from(&p).unwrap();
    let of_q = [(0, 0), (100, 7), (199, 199)].map(|(i, j)| q.double_value(&[i, j]) as f32);
    let expected = [0.703_800_6, -2.293_863_5, 0.215_131_2, -0.700_607_8, 0.046_246_48, 0.700_558_1];
    for (found, expected) in found.iter().chain(&of_q).zip(expected) {
        assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
    }
    for (found, expected) in norms.iter().zip([12.605_389, 13.577_898, 14.689_463]) {
        assert!((found - expected).abs() < 1e-3, "{norms:?}");
    }
}

#[test]
fn a_dataset_of_other_dimensions_is_refused() {
    let data = dataset();
    let (env, observation_size) = (EnvSpec::new("Hopper-v4"), 11);
    let message = Task { env, observation_size, ..task() }.check_fit(&data).unwrap_err().to_string();
    assert!(
        message.contains("toy") && message.contains("have 3 entries, the environment's have 11"),
        "{message}"
    );
    let of = |choices: usize, actions: &[f32]| {
        let transitions = Transitions {
            observations: vec![0.0; OBSERVATIONS * actions.len()],
            actions: actions.to_vec(),
            rewards: vec![0.0; actions.len()],
            terminals: vec![false; actions.len()],
            timeouts: vec![false; actions.len()],
        };
        let data = Dataset::new("toy", transitions, OBSERVATIONS, 1, true);
        let fit = Task { action: ActionSpace::Discrete { choices }, ..task() }.check_fit(&data);
        fit.err().map(|error| error.to_string())
    };
    assert_eq!(of(3, &[0.0, 2.0]), None);
    let message = of(3, &[0.0, 2.0, 3.0]).unwrap();
    assert!(
        message.contains("action 3 at transition 2 is not one of the environment's 3 choices (0 to 2)"),
        "{message}"
    );
    assert!(of(3, &[0.5]).unwrap().contains("action 0.5 at transition 0"));
    let kind = Task { action: ActionSpace::Discrete { choices: 2 }, ..task() }
        .check_fit(&data)
        .unwrap_err()
        .to_string();
    assert!(kind.contains("its actions are continuous, the environment's are discrete"), "{kind}");
}

//! The decision agent: roll-outs agree with the training pass and with the streaming runtime, padding
//! never counts, and training goes on bit for bit where a checkpoint stands.

use aaren_agents::decision::{Batch, DecisionNetwork, Windows};
use aaren_agents::*;
use aaren_datasets::{Dataset, Transitions};
use aaren_encoders::{Gradients, Pass};
use aaren_envs::EnvSpec;
use aaren_format::CloningConfig;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Mixer, Mlp, Model, Norm, Precision, Recency, Regime,
    Settings,
};
use aaren_format::{DecisionConfig, Start};
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
    let mixer = Mixer::new(encoder, Settings { heads: 2, recency });
    DecisionConfig {
        model: Model { width: 16, layers: 3, norm, past_actions: true, mixer },
        dropout: 0.1,
        context: Context { context_length: ContextLength::Timesteps(10), regime: Regime::Unbounded },
        start: Start::Uniform,
        carry: false,
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
    all
}

fn cloning() -> CloningConfig {
    CloningConfig {
        mlp: Mlp { width: 16, layers: 2 },
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

fn policy(agent: &dyn Agent, network: &dyn Network) -> Vec<u8> {
    let (policy, dataset, target_returns) = ("test".into(), "toy".into(), vec![-150.0]);
    let origin = Origin { policy, seed: 0, updates: 0, fingerprint: None, dataset, target_returns };
    PolicyFile::new(network, task().header(agent, origin)).to_bytes()
}

fn observation(t: usize) -> Vec<f32> {
    (0..OBSERVATIONS).map(|i| ((3 * t + i) as f32 * 0.9).sin()).collect()
}

fn reward(t: usize) -> f64 {
    -(t as f64 * 0.3).cos().abs()
}

/// 120 timesteps pass the last timestep embedding and several windows.
const STEPS: usize = 120;

#[test]
fn libtorch_and_streaming_roll_outs_agree() {
    let _turn = generator();
    let agents = configs().into_iter().map(AgentConfig::Decision);
    for agent in agents.chain([AgentConfig::BehaviourCloning(cloning())]) {
        tch::manual_seed(3);
        let network = agent.network(&task(), Device::Cpu).unwrap();
        let bytes = policy(&agent, &*network);
        let streaming = aaren_streaming::Policy::from_bytes(&bytes).unwrap();
        let regimes = [Regime::Unbounded, Regime::Window(20), Regime::Reset(7)];
        let sliding = [1, 2, 7].map(Regime::Sliding);
        for regime in regimes.into_iter().chain(sliding) {
            if streaming.header().check_regime(regime).is_err() {
                assert!(network.actor(regime, &[0.0]).is_err());
                continue;
            }
            let mut stream = streaming.stream_with(regime).unwrap();
            stream.reset(-150.0);
            let mut actor = network.actor(regime, &[-150.0, -90.0]).unwrap();
            let mut previous = 0.0;
            for t in 0..STEPS {
                let rows = [observation(t), observation(t + 1)].concat();
                let expected = actor.act(&rows, &[previous, previous])[0][0];
                let found = stream.act(&observation(t), previous).unwrap()[0];
                previous = reward(t);
                assert!(
                    (found - expected).abs() < 2e-4,
                    "{agent:?}, {regime}, timestep {t}: streaming {found}, libtorch {expected}"
                );
            }
        }
    }
}

#[test]
fn an_unbounded_roll_out_is_the_training_pass_step_by_step_and_chunk_by_chunk() {
    let _turn = generator();
    let _guard = tch::no_grad_guard();
    for config in configs() {
        tch::manual_seed(4);
        let task = task();
        let network = DecisionNetwork::new(&config, task.clone(), Device::Cpu).unwrap();
        let mut actor = network.actor(Regime::Unbounded, &[-150.0]).unwrap();
        let (mut returns, mut states, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut left, mut expected) = (-150.0, Vec::new());
        for t in 0..30 {
            let previous = if t == 0 { 0.0 } else { reward(t - 1) };
            left -= previous;
            let action = actor.act(&observation(t), &[previous])[0][0];
            returns.push((left / task.return_scale) as f32);
            let scale = task.observation_mean.iter().zip(&task.observation_std);
            states.extend(observation(t).iter().zip(scale).map(|(o, (mean, std))| (o - mean) / std));
            actions.push(action / 2.0);
            expected.push(action / 2.0);
        }
        let tensor = |data: &[f32]| Tensor::from_slice(data).view([1, 30, -1]);
        let batch = Batch {
            returns: tensor(&returns),
            states: tensor(&states),
            actions: tensor(&actions),
            timesteps: Tensor::arange(30, (Kind::Int64, Device::Cpu)).unsqueeze(0),
            mask: Tensor::ones([1, 30], (Kind::Float, Device::Cpu)),
        };
        let found = network.predict(&batch, None, Pass::Inference).0.view([30]);
        let off = (found - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
        assert!(off < 1e-5, "{config:?}: off by {off:e}");

        // So it is chunk by chunk, each from the state that the one before it left.
        let mut state = None;
        for (start, length) in [(0, 10), (10, 7), (17, 13)] {
            let part = |tensor: &Tensor| tensor.narrow(1, start, length);
            let chunk = Batch {
                returns: part(&batch.returns),
                states: part(&batch.states),
                actions: part(&batch.actions),
                timesteps: part(&batch.timesteps),
                mask: part(&batch.mask),
            };
            let (found, after) = network.predict(&chunk, state.as_ref(), Pass::Inference);
            state = Some(after);
            let expected = Tensor::from_slice(&expected).narrow(0, start, length);
            let off = (found.view([length]) - expected).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{config:?}, chunk from {start}: off by {off:e}");
        }
    }
}

#[test]
fn padding_changes_neither_loss_nor_predictions() {
    let _turn = generator();
    let data = dataset();
    for config in configs() {
        tch::manual_seed(5);
        let network = DecisionNetwork::new(&config, task(), Device::Cpu).unwrap();
        let windows = Windows::new(&data, &task(), 30, 1).unwrap();
        // Squared errors of all real action entries, and how many timesteps are real.
        let loss = |starts: &[usize]| {
            let batch = windows.at(starts, Device::Cpu);
            let real = batch.mask.sum(Kind::Float).double_value(&[]);
            assert_eq!(
                batch.mask.numel() as f64 > real,
                starts.len() > 1,
                "one window is not padded, several are"
            );
            (network.loss(&batch, None, Pass::Inference).0.double_value(&[]) * real, real)
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
        precision: Precision::Float32,
        seed: 11,
    }
}

#[test]
fn a_resumed_run_is_the_uninterrupted_run_bit_for_bit() {
    let aaren = config(EncoderKind::Aaren, Norm::Post, Recency::Learned);
    let constant = EncoderKind::ALL.into_iter().filter(|encoder| encoder.constant_state());
    let carried = constant.map(|encoder| config(encoder, Norm::Post, Recency::None));
    resumed_is_straight(&aaren);
    resumed_is_straight(&cloning());
    resumed_is_straight(&DecisionConfig { start: Start::Episode, ..aaren });
    carried.for_each(|agent| resumed_is_straight(&DecisionConfig { carry: true, ..agent }));
}

fn resumed_is_straight(agent: &dyn Agent) {
    let _turn = generator();
    let data = dataset();
    let trainer = || Trainer::new(agent, &task(), train_config(12), &data, Device::Cpu).unwrap();
    let bytes = |trainer: &Trainer| policy(agent, trainer.network());

    let mut straight = trainer();
    (0..12).for_each(|_| drop(straight.update().unwrap()));

    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("resume.safetensors");
    let mut first = trainer();
    (0..5).for_each(|_| drop(first.update().unwrap()));
    first.checkpoint("spec", serde_json::json!({"seconds": 1})).unwrap().save(&path).unwrap();
    let checkpoint = Checkpoint::load(&path, "spec").unwrap();
    assert_eq!(checkpoint.progress["seconds"], 1);
    let mut resumed = trainer();
    resumed.restore(&checkpoint).unwrap();
    assert_eq!(resumed.done(), 5);
    (5..12).for_each(|_| drop(resumed.update().unwrap()));
    assert!(bytes(&straight) == bytes(&resumed), "resuming changed the weights");

    // Weights alone are not enough: without the moments the run is another one.
    let mut forgetful = trainer();
    forgetful.restore(&checkpoint).unwrap();
    forgetful.forget_moments();
    (5..12).for_each(|_| drop(forgetful.update().unwrap()));
    assert!(bytes(&straight) != bytes(&forgetful), "the optimiser's moments do not matter?");

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
    assert!(damaged(&|bytes| bytes.truncate(last)).contains("not a safetensors file"));
    assert!(Checkpoint::load(&path, "other").unwrap_err().to_string().contains("another spec"));
}

/// `torch.optim.AdamW([p], lr=0.1, weight_decay=0.01)` on loss = Σ p³ with `clip_grad_norm_([p], 1.0)`,
/// three updates from p = [1, -2, 0.5].
#[test]
fn adamw_is_pytorchs() {
    let parameter = Tensor::from_slice(&[1.0f32, -2.0, 0.5]).set_requires_grad(true);
    let mut optimizer = AdamW::new(vec![parameter.shallow_clone()], 0.01, 1.0);
    let mut norms = Vec::new();
    for _ in 0..3 {
        let loss = parameter.pow_tensor_scalar(3).sum(Kind::Float);
        let gradients = Gradients::of_graph(&loss, &[parameter.shallow_clone()]);
        norms.push(optimizer.update(&gradients, 0.1).double_value(&[]));
    }
    let found = Vec::<f32>::try_from(&parameter).unwrap();
    let expected = [0.7039876, -2.293818, 0.2153687];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    assert!((norms[0] - 12.3921).abs() < 1e-3, "{norms:?}");
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
}

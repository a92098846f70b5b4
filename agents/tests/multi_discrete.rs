//! Several columns of choices: the loss against a naive one, and the streaming runtime against libtorch.

use aaren_agents::decision::{DecisionNetwork, Windows};
use aaren_agents::{Network, Origin, PolicyFile, Task};
use aaren_datasets::{Dataset, Transitions};
use aaren_encoders::Pass;
use aaren_format::{
    ActionSpace, Context, ContextLength, DecisionConfig, EncoderKind, EnvSpec, Layout, Mixer, Model, Norm,
    Positions, Recency, Regime, Settings, Start, Variation,
};
use aaren_streaming::Policy;
use tch::{Device, Tensor};

const CHOICES: [usize; 2] = [2, 3];
const STEPS: usize = 12;

fn dataset() -> Dataset {
    let transitions = Transitions {
        observations: (0..2 * STEPS).map(|i| (i as f32 * 0.7).sin()).collect(),
        actions: (0..STEPS).flat_map(|t| [(t * t % 2) as f32, (t % 3) as f32]).collect(),
        rewards: (0..STEPS).map(|t| t as f32 / 4.0).collect(),
        terminals: (0..STEPS).map(|t| t + 1 == STEPS).collect(),
        timeouts: vec![false; STEPS],
    };
    Dataset::new("toy", transitions, 2, 2, true)
}

fn network(dataset: &Dataset) -> DecisionNetwork {
    let task = Task {
        env: EnvSpec::none(),
        observation_size: 2,
        action: ActionSpace::MultiDiscrete { choices: CHOICES.to_vec() },
        max_timesteps: STEPS,
        return_scale: 10.0,
        return_range: [0.0; 2],
        observation_mean: vec![0.0; 2],
        observation_std: vec![1.0; 2],
    };
    task.check_fit(dataset).unwrap();
    let mixer = Mixer::new(
        EncoderKind::Aaren,
        Settings { heads: 2, recency: Recency::Learned, ..Settings::default() },
    );
    let (norm, positions) = (Norm::Post, Positions::Timestep);
    let config = DecisionConfig {
        model: Model { width: 16, layers: 2, norm, past_actions: true, positions, mixer },
        dropout: 0.0,
        context: Context { context_length: ContextLength::Timesteps(STEPS), regime: Regime::Unbounded },
        start: Start::Uniform,
        carry: false,
        layout: Layout::Separate,
        variation: Variation::default(),
    };
    tch::manual_seed(1);
    DecisionNetwork::new(&config, task, Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(tch::Kind::Double).flatten(0, -1)).unwrap()
}

#[test]
fn a_head_of_choices_for_each_column() {
    let dataset = dataset();
    let network = network(&dataset);
    let batch = Windows::new(&dataset, network.task(), STEPS, 0).unwrap().at(&[0], Device::Cpu);
    let (logits, _) = network.predict(&batch, None, Pass::Inference);
    let logits = numbers(&logits);

    // The mean over timesteps and columns of −log softmax at the choice made.
    let mut sum = 0.0;
    for (row, action) in logits.chunks(5).zip(dataset.actions().chunks(2)) {
        for (column, choice) in [&row[..2], &row[2..]].into_iter().zip(action) {
            let total: f64 = column.iter().map(|x| x.exp()).sum();
            sum -= (column[*choice as usize].exp() / total).ln();
        }
    }
    let (loss, _) = network.loss(&batch, None, Pass::Inference);
    assert!((loss.action.double_value(&[]) - sum / (2 * STEPS) as f64).abs() < 1e-6);

    // The runtime, told the data's actions, says what libtorch says; and it answers with each column's best.
    let origin = Origin {
        policy: "test".into(),
        agent: "decision".into(),
        seed: 0,
        updates: 0,
        fingerprint: None,
        dataset: "toy".into(),
        target_returns: vec![0.0],
    };
    let policy = Policy::from_bytes(&PolicyFile::new(&network, origin).to_bytes()).unwrap();
    let mut stream = policy.stream();
    stream.reset(dataset.episodes()[0].total_return);
    let mut reward = 0.0;
    for (t, row) in logits.chunks(5).enumerate() {
        let action = stream.act(&dataset.observations()[2 * t..][..2], reward).unwrap().to_vec();
        let best = |column: &[f64]| {
            (0..column.len()).max_by(|&a, &b| column[a].total_cmp(&column[b])).unwrap() as f32
        };
        assert_eq!(action, [best(&row[..2]), best(&row[2..])], "{t}");
        for (found, expected) in stream.head_output().iter().zip(row) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{t}: {found} {expected}");
        }
        stream.took(&dataset.actions()[2 * t..][..2]);
        reward = dataset.rewards()[t].into();
    }
}

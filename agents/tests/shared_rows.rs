//! Whole episodes of different lengths share the rows of a batch, and nothing but its size changes.

use aaren_agents::decision::{DecisionNetwork, Windows};
use aaren_agents::{Network, Task};
use aaren_datasets::{Dataset, Transitions};
use aaren_encoders::Pass;
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, DecisionConfig, EncoderKind, Layout, Mixer, Model, Norm, Positions,
    Precision, Recency, Regime, ReturnIn, Settings, Start, Variation,
};
use tch::{Device, Tensor};

/// The loss and every gradient of a batch whose rows hold several episodes are those of one row for each.
#[test]
fn a_batch_of_shared_rows_is_the_padded_one() {
    let lengths = [3, 11, 1, 7, 15, 4, 2];
    let ends: Vec<bool> = lengths.iter().flat_map(|&length| (1..=length).map(move |t| t == length)).collect();
    let count = ends.len();
    let transitions = Transitions {
        observations: (0..3 * count).map(|i| (i as f32 * 0.7).sin()).collect(),
        actions: (0..count).map(|i| (i % 3) as f32).collect(),
        rewards: (0..count).map(|i| (i as f32).cos()).collect(),
        terminals: ends,
        timeouts: vec![false; count],
    };
    let dataset = Dataset::new("toy", transitions, 3, 1, true);
    let task = Task {
        env: EnvSpec::new("MountainCar-v0"),
        observation_size: 3,
        action: ActionSpace::Discrete { choices: 3 },
        max_timesteps: 15,
        return_scale: 1.0,
        return_range: [-1.0, 2.0],
        observation_mean: vec![0.0; 3],
        observation_std: vec![1.0; 3],
    };
    let (separate, joint) =
        (Layout::Separate, Layout::Joint { return_in: ReturnIn::Head, rate: true, bins: 4 });
    let (timestep, rotary) = (Positions::Timestep, Positions::Rotary);
    for (encoder, recency, keys, positions, layout) in [
        (EncoderKind::Aaren, Recency::None, 1, timestep, separate),
        (EncoderKind::Aaren, Recency::Learned, 1, rotary, separate),
        (EncoderKind::Aaren, Recency::Spread, 1, timestep, joint),
        (EncoderKind::Aaren, Recency::Gated, 1, rotary, joint),
        (EncoderKind::Aaren, Recency::Gated, 4, rotary, separate),
        (EncoderKind::Gru, Recency::None, 1, timestep, separate),
        (EncoderKind::MinGru, Recency::None, 1, timestep, joint),
        (EncoderKind::GatedDelta, Recency::None, 1, rotary, separate),
    ] {
        let mixer = Mixer::new(encoder, Settings { heads: 2, recency, keys, ..Settings::default() });
        let config = DecisionConfig {
            model: Model { width: 16, layers: 2, norm: Norm::Post, past_actions: true, positions, mixer },
            dropout: 0.0,
            context: Context { context_length: ContextLength::Episode, regime: Regime::Unbounded },
            start: Start::Episode,
            carry: false,
            layout,
            variation: Variation::default(),
        };
        let network = DecisionNetwork::new(&config, task.clone(), Device::Cpu).unwrap();
        let windows = |config: &DecisionConfig| Windows::new(&dataset, &task, 15, 0).unwrap().of(config);
        // Returns that are left out by row keep a row for each episode.
        let variation = Variation { return_dropout: 0.5, ..config.variation };
        let [shared, padded] = [config, DecisionConfig { variation, ..config }]
            .map(|config| windows(&config).batch(4, 12, Device::Cpu));
        let rows = |tensor: &Tensor| tensor.size()[0];
        assert!(rows(&shared.mask) < 12 && rows(&padded.mask) == 12 && padded.begins.is_none());
        let real = |tensor: &Tensor| tensor.sum(None).double_value(&[]);
        assert_eq!(real(&shared.mask), real(&padded.mask));
        let (expected, _, expected_gradients) = network.gradients(&padded, None, Precision::Float32);
        let largest = |x: &Tensor| x.abs().max().double_value(&[]);
        let named = network.named_parameters();
        let of = |name: &str, x: Option<&Tensor>| {
            x.unwrap_or_else(|| panic!("no gradient of {name}")).shallow_clone()
        };
        let most =
            named.iter().filter_map(|(_, p)| expected_gradients.get(p)).map(largest).fold(0.0, f64::max);
        for threads in [1, 3] {
            tch::set_num_threads(threads);
            let (loss, _, gradients) = network.gradients(&shared, None, Precision::Float32);
            let off = largest(&(loss.total() / expected.total() - 1.0));
            assert!(off < 1e-5, "{config:?}: the loss is off by {off:e}");
            for (name, parameter) in &named {
                if expected_gradients.get(parameter).is_none() {
                    continue;
                }
                let [found, exact] = [&gradients, &expected_gradients].map(|g| of(name, g.get(parameter)));
                let off = largest(&(found - exact)) / most;
                assert!(
                    off < 1e-5,
                    "{config:?}, {threads} threads: the gradient of {name} is off by {off:e}"
                );
            }
        }
        // The graph that a GPU trains by says the same.
        let graph = network.loss(&shared, None, Pass::Training(Precision::Float32)).0.total();
        assert!(largest(&(graph / expected.total() - 1.0)) < 1e-5, "{config:?}");
    }
}

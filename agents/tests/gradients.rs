//! An update computes the same with any number of threads, and the gradients of libtorch's graph.

use aaren_agents::decision::{DecisionNetwork, Windows};
use aaren_agents::{Network, Task};
use aaren_datasets::{Dataset, Transitions};
use aaren_encoders::{Gradients, Pass};
use aaren_envs::EnvSpec;
use aaren_format::{
    ActionSpace, Context, ContextLength, EncoderKind, Layout, Mixer, Model, Norm, Positions, Precision,
    Recency, Regime, ReturnIn, Settings, Variation,
};
use aaren_format::{DecisionConfig, Start};
use tch::{Device, Tensor};

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// One test: threads and generator are those of the process.
#[test]
fn threads_share_the_rows_of_a_batch() {
    let rows = 60;
    let transitions = Transitions {
        observations: (0..3 * rows).map(|i| (i as f32 * 0.7).sin()).collect(),
        actions: (0..rows).map(|i| (i % 3) as f32).collect(),
        rewards: (0..rows).map(|i| (i as f32).cos()).collect(),
        terminals: vec![false; rows],
        timeouts: (1..=rows).map(|i| i % 15 == 0).collect(),
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
    let joint = |return_in| Layout::Joint { return_in, rate: true, bins: 3 };
    for (encoder, past_actions, layout) in [
        (EncoderKind::Aaren, true, Layout::Separate),
        (EncoderKind::Aaren, false, Layout::Separate),
        (EncoderKind::Transformer, true, Layout::Separate),
        (EncoderKind::Gru, false, Layout::Separate),
        (EncoderKind::Lstm, true, Layout::Separate),
        (EncoderKind::MinGru, false, Layout::Separate),
        (EncoderKind::GatedDelta, true, Layout::Separate),
        (EncoderKind::Aaren, true, joint(ReturnIn::Head)),
        (EncoderKind::Gru, false, joint(ReturnIn::Head)),
        (EncoderKind::Transformer, true, joint(ReturnIn::Token)),
    ] {
        let mixer =
            Mixer::new(encoder, Settings { heads: 2, recency: Recency::Gated, ..Settings::default() });
        let config = DecisionConfig {
            model: Model {
                width: 16,
                layers: 2,
                norm: Norm::Post,
                past_actions,
                positions: Positions::Timestep,
                mixer,
            },
            dropout: 0.0,
            context: Context { context_length: ContextLength::Timesteps(10), regime: Regime::Unbounded },
            start: Start::Uniform,
            carry: false,
            layout,
            variation: Variation::default(),
        };
        tch::manual_seed(3);
        let network = DecisionNetwork::new(&config, task.clone(), Device::Cpu).unwrap();
        let windows = Windows::new(&dataset, &task, 10, 0).unwrap().of(&config);
        let [first, batch] = [0, 1].map(|update| windows.batch(update, 7, Device::Cpu));
        // A carried state too, where one can be.
        let state = encoder.constant_state().then(|| network.loss(&first, None, Pass::Inference).1.detach());
        let (loss, after) = network.loss(&batch, state.as_ref(), Pass::Training(Precision::Float32));
        let loss = loss.total();
        let named = network.named_parameters();
        let parameters: Vec<Tensor> = named.iter().map(|(_, parameter)| parameter.shallow_clone()).collect();
        let expected = Gradients::of_graph(&loss, &parameters);
        let most = parameters
            .iter()
            .filter_map(|parameter| expected.get(parameter))
            .map(largest)
            .fold(0.0, f64::max);
        for threads in [1, 2, 3, 9] {
            tch::set_num_threads(threads);
            let (found_loss, found_after, found) =
                network.gradients(&batch, state.as_ref(), Precision::Float32);
            assert_eq!(tch::get_num_threads(), threads, "they are given back");
            let off = largest(&(found_loss.total() - &loss)) / largest(&loss);
            assert!(off < 1e-5, "{encoder:?}, {threads} threads: the loss is off by {off:e}");
            for (name, parameter) in &named {
                let of = |gradients: &Gradients| {
                    gradients.get(parameter).map_or_else(|| parameter.zeros_like(), Tensor::shallow_clone)
                };
                let off = largest(&(of(&found) - of(&expected))) / most;
                assert!(
                    off < 1e-5,
                    "{encoder:?}, {threads} threads: the gradient of {name} is off by {off:e}"
                );
            }
            if let Some(found) = found_after {
                let goes_on =
                    |state| network.loss(&first, Some(state), Pass::Inference).0.total().double_value(&[]);
                let (found, expected) = (goes_on(&found), goes_on(&after));
                assert!((found / expected - 1.0).abs() < 1e-5, "{encoder:?}: {found} after, not {expected}");
            }
        }
    }
}

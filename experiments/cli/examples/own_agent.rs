//! `aaren` with an agent of one's own: reward-weighted regression (Peters and Schaal 2007), which imitates each action by
//! the exponential of the return that followed it. A program outside this workspace does the same, with `aaren-agents`,
//! `aaren-runs` and `aaren-cli` as dependencies.
//!
//! ```text
//! cargo run --example own_agent -- run my.yaml        # with `policies: [mine: {agent: reward-weighted}]`
//! ```

use std::process::ExitCode;

use aaren_agents::{
    Agent, AgentSettings, Descent, Error, Learner, Metrics, Network, Perceptron, Sampler, Saved, Task,
    TrainConfig,
};
use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use aaren_format::{Mlp, values};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// Its keys in YAML, beside `batch` and `learning_rate`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct RewardWeighted {
    width: usize,
    layers: usize,
    /// A return that is better by this weighs e times as much.
    #[serde(deserialize_with = "values::positive")]
    temperature: f64,
}

impl Default for RewardWeighted {
    fn default() -> Self {
        Self { width: 64, layers: 2, temperature: 100.0 }
    }
}

impl AgentSettings for RewardWeighted {
    const NAME: &'static str = "reward-weighted";
    // Where its entry does not say them, `model` does.
    const SHARED: &'static [&'static str] = &["width", "layers"];
}

impl Agent for RewardWeighted {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        task.check_continuous(Self::NAME)?;
        let mlp = Mlp { width: self.width, layers: self.layers };
        let policy = Perceptron::new(mlp, 0.0, task.clone(), device)?;
        let sampler = Sampler::new(dataset, task, (0..dataset.transitions()).collect(), config.seed);
        let best = dataset.returns_to_go().iter().copied().fold(f32::MIN, f32::max);
        let weigh = |to_go: &f32| ((f64::from(to_go - best)) / self.temperature).exp() as f32;
        let weights = dataset.returns_to_go().iter().map(weigh).collect();
        let descent = Descent::new(&policy, None, config);
        Ok(Box::new(Weighted { policy, sampler, weights, descent, batch: config.batch }))
    }
}

#[derive(Debug)]
struct Weighted<'d> {
    policy: Perceptron,
    sampler: Sampler<'d>,
    /// Of each transition.
    weights: Vec<f32>,
    descent: Descent,
    batch: usize,
}

impl Learner for Weighted<'_> {
    fn network(&self) -> &dyn Network {
        &self.policy
    }

    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let (transitions, device) = (self.sampler.draw(update, self.batch), self.policy.device());
        let weights: Vec<f32> = transitions.iter().map(|&index| self.weights[index]).collect();
        let weights = Tensor::from_slice(&weights).to_device(device).unsqueeze(1);
        let actions = self.policy.forward(&self.sampler.observations(&transitions, device), true).tanh();
        let errors = (actions - self.sampler.actions(&transitions, device)).square();
        let loss = (&weights * errors).sum(None) / weights.sum(None);
        let gradients = Gradients::of_graph(&loss, &self.policy.store().trainable_variables());
        Ok(self.descent.step(update, loss.detach(), &gradients))
    }

    fn save(&self) -> Saved {
        self.descent.save(&self.policy)
    }
}

fn main() -> ExitCode {
    aaren_runs::register::<RewardWeighted>();
    aaren_cli::main()
}

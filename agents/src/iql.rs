//! Implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169): values of the actions in the data alone, and a policy
//! that imitates those with an advantage. As in the authors' code, <https://github.com/ikostrikov/implicit_q_learning>.

use std::f64::consts::TAU;

use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use aaren_format::{AgentSettings, IqlConfig, Schedule};
use tch::{Device, Kind, Tensor, nn};

use crate::sampler::Outcome;
use crate::{
    AdamW, Agent, Critics, Error, Layers, Learner, Metrics, Network, Perceptron, Sampler, Saved, Task,
    TrainConfig, learning_rate_factor, named_parameters,
};

/// The largest weight of an action.
const LARGEST_WEIGHT: f64 = 100.0;
/// Bounds of the logarithm of the policy's standard deviation.
const LOG_STD: (f64, f64) = (-5.0, 2.0);
/// How far apart the returns of the data are made.
const RETURNS: f64 = 1000.0;

/// A policy, a value of states, and critics.
#[derive(Debug)]
struct IqlLearner<'d> {
    agent: IqlConfig,
    config: TrainConfig,
    sampler: Sampler<'d>,
    /// Rewards are multiplied by it.
    reward_scale: f64,
    policy: Perceptron,
    /// Beside the policy, which acts without it: the logarithm of its standard deviation, `[action size]`.
    log_std: Tensor,
    policy_optimizer: AdamW,
    value_store: nn::VarStore,
    value: Layers,
    value_optimizer: AdamW,
    critics: Critics,
}

impl Agent for IqlConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        task.check_continuous(Self::NAME)?;
        let policy = Perceptron::new(self.mlp(), 0.0, task.clone(), device)?;
        let log_std =
            Tensor::zeros([task.action.size() as i64], (Kind::Float, device)).set_requires_grad(true);
        let mut value_store = nn::VarStore::new(Device::Cpu);
        let inputs = task.observation_size as i64;
        let value = Layers::new(&value_store.root(), inputs, self.mlp(), 1, 0.0)?;
        value_store.set_device(device);
        let critics = Critics::new(self.mlp(), task, device)?;
        let adam = |parameters: Vec<(String, Tensor)>| {
            AdamW::new(parameters.into_iter().map(|(_, parameter)| parameter).collect(), 0.0, f64::INFINITY)
        };
        let policy_optimizer = adam(policy_parameters(&policy, &log_std));
        let value_optimizer = adam(named_parameters(&value_store));
        let sampler = Sampler::with_outcome(dataset, task, config.seed)?;
        let reward_scale = if self.normalise_rewards { reward_scale(dataset) } else { 1.0 };
        Ok(Box::new(IqlLearner {
            agent: *self,
            config: config.clone(),
            sampler,
            reward_scale,
            policy,
            log_std,
            policy_optimizer,
            value_store,
            value,
            value_optimizer,
            critics,
        }))
    }
}

impl IqlLearner<'_> {
    /// V(s) `[rows]`.
    fn value(&self, observations: &Tensor) -> Tensor {
        self.value.forward(observations, false).squeeze_dim(1)
    }

    /// log π(a | s) `[rows]` of a normal distribution around tanh of the head's output.
    fn log_probability(&self, observations: &Tensor, actions: &Tensor) -> Tensor {
        let mean = self.policy.forward(observations, false).tanh();
        log_density(&(actions - mean), &self.log_std)
    }
}

/// Of a normal distribution at so far from its mean `[rows, size]`.
fn log_density(off: &Tensor, log_std: &Tensor) -> Tensor {
    let log_std = log_std.clamp(LOG_STD.0, LOG_STD.1);
    let off = off / log_std.exp();
    (off.square() * -0.5 - log_std - 0.5 * TAU.ln()).sum_dim_intlist(-1, false, None::<Kind>)
}

/// How much actions with these advantages count.
fn imitation_weights(advantages: &Tensor, temperature: f64) -> Tensor {
    (advantages * temperature).exp().clamp_max(LARGEST_WEIGHT)
}

/// All that the policy is trained by.
fn policy_parameters(policy: &Perceptron, log_std: &Tensor) -> Vec<(String, Tensor)> {
    let mut named = policy.named_parameters();
    named.push(("log_std".into(), log_std.shallow_clone()));
    named
}

/// What makes the returns of the data lie [`RETURNS`] apart.
fn reward_scale(dataset: &Dataset) -> f64 {
    let returns = || dataset.episodes().iter().map(|episode| episode.total_return);
    let apart = returns().fold(f64::MIN, f64::max) - returns().fold(f64::MAX, f64::min);
    if apart > 0.0 { RETURNS / apart } else { 1.0 }
}

impl Learner for IqlLearner<'_> {
    fn network(&self) -> &dyn Network {
        &self.policy
    }

    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let (IqlConfig { expectile, temperature, discount, polyak, .. }, config) = (self.agent, &self.config);
        let (device, rate) = (self.policy.device(), config.learning_rate);
        let transitions = self.sampler.draw(update, config.batch);
        let observations = self.sampler.observations(&transitions, device);
        let actions = self.sampler.actions(&transitions, device);
        let Outcome { rewards, next_observations, goes_on } = self.sampler.outcome(&transitions, device);

        // Equation 5: the state's value is an expectile of the critics' over the actions of the data.
        let worth = self.critics.target(&observations, &actions);
        let difference = &worth - self.value(&observations);
        let weights = (difference.lt(0.0).to_kind(Kind::Float) - expectile).abs();
        let value_loss = (weights * difference.square()).mean(None::<Kind>);
        let gradients = Gradients::of_graph(&value_loss, &self.value_store.trainable_variables());
        let _ = self.value_optimizer.update(update, &gradients, rate);

        // Equation 7: the policy imitates each action by its advantage.
        let advantages = (&worth - self.value(&observations)).detach();
        let loss = -(imitation_weights(&advantages, temperature)
            * self.log_probability(&observations, &actions))
        .mean(None::<Kind>);
        let parameters = policy_parameters(&self.policy, &self.log_std);
        let parameters: Vec<Tensor> = parameters.into_iter().map(|(_, parameter)| parameter).collect();
        let gradients = Gradients::of_graph(&loss, &parameters);
        let learning_rate = rate * learning_rate_factor(Schedule::Cosine, update, 0, config.updates);
        let gradient_norm = self.policy_optimizer.update(update, &gradients, learning_rate);

        // Equation 6: what an action is worth is its reward and the value of the state that it leads to.
        let after = (self.value(&next_observations) * goes_on * discount).detach();
        let critic_loss =
            self.critics.learn(update, &observations, &actions, &(rewards * self.reward_scale + after), rate);
        self.critics.follow(polyak);
        let others = vec![
            ("gradient_norm", gradient_norm),
            ("value_loss", value_loss.detach()),
            ("critic_loss", critic_loss),
        ];
        Ok(Metrics { loss: loss.detach(), learning_rate, others })
    }

    fn save(&self) -> Saved {
        let mut saved = Saved::default();
        saved.add("", policy_parameters(&self.policy, &self.log_std));
        saved.add("optimizer.", self.policy_optimizer.moments());
        saved.add("value.", named_parameters(&self.value_store));
        saved.add("value-optimizer.", self.value_optimizer.moments());
        self.critics.save(&mut saved);
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in the authors' code: e³ of an advantage of 1 at temperature 3, and never above 100; log σ from −5 to 2.
    #[test]
    fn advantages_and_deviations_are_bounded() {
        let weights = imitation_weights(&Tensor::from_slice(&[-1.0, 0.0, 1.0, 1.6, 50.0]), 3.0);
        let expected = Tensor::from_slice(&[0.049787068367863944, 1.0, 20.085536923187668, 100.0, 100.0]);
        assert!((weights - expected).abs().max().double_value(&[]) < 1e-12);
        let density = |log_std: f64| {
            log_density(&Tensor::from_slice(&[0.5]).view([1, 1]), &Tensor::from_slice(&[log_std]))
                .double_value(&[0])
        };
        // scipy.stats.norm(0, e²).logpdf(0.5)
        assert!((density(2.0) - -2.9212279880657643).abs() < 1e-9, "{}", density(2.0));
        assert!(density(9.0) == density(2.0) && density(1.9) != density(2.0));
        assert!(density(-9.0) == density(-5.0) && density(-4.9) != density(-5.0));
    }
}

//! TD3+BC (Fujimoto and Gu 2021, arXiv 2106.06860): the policy does what its critic values, and stays near the data. As in
//! the authors' code, <https://github.com/sfujim/TD3_BC>.

use aaren_datasets::Dataset;
use aaren_encoders::Gradients;
use aaren_format::{AgentSettings, Td3BcConfig};
use tch::{Device, Kind, Tensor};

use crate::critics::follow;
use crate::sampler::Outcome;
use crate::{
    AdamW, Agent, Critics, Error, Learner, Metrics, Network, Perceptron, Sampler, Saved, Task, TrainConfig,
};

/// A policy, a target that follows it, and critics.
#[derive(Debug)]
struct Td3BcLearner<'d> {
    agent: Td3BcConfig,
    config: TrainConfig,
    sampler: Sampler<'d>,
    policy: Perceptron,
    target: Perceptron,
    optimizer: AdamW,
    critics: Critics,
}

impl Agent for Td3BcConfig {
    fn learner<'d>(
        &self,
        task: &Task,
        dataset: &'d Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Box<dyn Learner + 'd>, Error> {
        task.check_continuous(Self::NAME)?;
        let network = || Perceptron::new(self.mlp(), 0.0, task.clone(), device);
        let (policy, target) = (network()?, network()?);
        follow(target.store(), policy.store(), 1.0);
        let critics = Critics::new(self.mlp(), task, device)?;
        let parameters = policy.named_parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, 0.0, f64::INFINITY);
        let sampler = Sampler::with_outcome(dataset, task, config.seed)?;
        let (agent, config) = (*self, config.clone());
        Ok(Box::new(Td3BcLearner { agent, config, sampler, policy, target, optimizer, critics }))
    }
}

/// Actions with noise of at most `clip`, as actions are bounded.
fn smoothed(actions: &Tensor, noise: &Tensor, clip: f64) -> Tensor {
    (actions + noise.clamp(-clip, clip)).clamp(-1.0, 1.0)
}

impl Learner for Td3BcLearner<'_> {
    fn network(&self) -> &dyn Network {
        &self.policy
    }

    /// The loss is the critics'; in every `policy_delay`-th update there is a `policy_loss` and its `gradient_norm`.
    fn step(&mut self, update: u64) -> Result<Metrics, Error> {
        let Td3BcConfig { alpha, discount, polyak, policy_noise, noise_clip, policy_delay, .. } = self.agent;
        let (device, learning_rate) = (self.policy.device(), self.config.learning_rate);
        let transitions = self.sampler.draw(update, self.config.batch);
        let observations = self.sampler.observations(&transitions, device);
        let actions = self.sampler.actions(&transitions, device);
        let Outcome { rewards, next_observations, goes_on } = self.sampler.outcome(&transitions, device);

        // TD3: what an action is worth, where its successor is smoothed by noise (Fujimoto et al. 2018, §5.3).
        let next_actions = self.target.forward(&next_observations, false).tanh();
        let next_actions = smoothed(&next_actions, &(actions.randn_like() * policy_noise), noise_clip);
        let after = self.critics.target(&next_observations, &next_actions) * goes_on * discount;
        let loss =
            self.critics.learn(update, &observations, &actions, &(rewards + after).detach(), learning_rate);
        let mut others = Vec::new();
        if (update + 1).is_multiple_of(policy_delay) {
            // Equations 3 and 5 of TD3+BC.
            let chosen = self.policy.forward(&observations, false).tanh();
            let worth = self.critics.first(&observations, &chosen);
            let lambda = (alpha / worth.abs().mean(None::<Kind>)).detach();
            let imitation = (chosen - actions).square().mean(None::<Kind>);
            let policy_loss = imitation - lambda * worth.mean(None::<Kind>);
            let gradients = Gradients::of_graph(&policy_loss, &self.policy.store().trainable_variables());
            let gradient_norm: Tensor =
                self.optimizer.update(update / policy_delay, &gradients, learning_rate);
            self.critics.follow(polyak);
            follow(self.target.store(), self.policy.store(), polyak);
            others = vec![("gradient_norm", gradient_norm), ("policy_loss", policy_loss.detach())];
        }
        Ok(Metrics { loss, learning_rate, others })
    }

    fn save(&self) -> Saved {
        let mut saved = Saved::default();
        saved.add("", self.policy.named_parameters());
        saved.add("target.", self.target.named_parameters());
        saved.add("optimizer.", self.optimizer.moments());
        self.critics.save(&mut saved);
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_clipped_and_actions_stay_bounded() {
        let (actions, noise) =
            (Tensor::from_slice(&[0.0, 0.0, 0.0, 0.9]), Tensor::from_slice(&[0.3, 0.7, -9.0, 0.4]));
        let expected = Tensor::from_slice(&[0.3, 0.5, -0.5, 1.0]);
        assert_eq!(smoothed(&actions, &noise, 0.5), expected);
    }
}

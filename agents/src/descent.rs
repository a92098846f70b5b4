//! The optimisation that the section `train` describes: one loss, one AdamW, one schedule.

use aaren_encoders::Gradients;
use tch::Tensor;

use crate::optimizer::flatten;
use crate::{AdamW, Metrics, Network, Saved, TrainConfig};

/// Descends one loss of one network by AdamW, with the schedule and the clipping of a [`TrainConfig`].
#[derive(Debug)]
pub struct Descent {
    optimizer: AdamW,
    average: Option<Average>,
    config: TrainConfig,
}

impl Descent {
    /// Of all parameters of `network`. Those of `averaged`, another one of the same shape, begin as they do, and follow
    /// them with the decay that the configuration says.
    pub fn new(network: &dyn Network, averaged: Option<&dyn Network>, config: &TrainConfig) -> Self {
        let parameters = network.named_parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, config.weight_decay, config.clip);
        let average = averaged.map(|averaged| Average::new(averaged, &optimizer, config.ema));
        Self { optimizer, average, config: config.clone() }
    }

    /// One step down the gradients of `loss`, after `update` others.
    pub fn step(&mut self, update: u64, loss: Tensor, gradients: &Gradients) -> Metrics {
        let learning_rate = self.config.learning_rate_at(update);
        let gradient_norm = self.optimizer.update(update, gradients, learning_rate);
        if let Some(average) = &mut self.average {
            average.follow(&self.optimizer, update);
        }
        Metrics { loss, learning_rate, others: vec![("gradient_norm", gradient_norm)] }
    }

    /// The network's weights, the moments of the optimiser, and the averaged weights.
    pub fn save(&self, network: &dyn Network) -> Saved {
        let mut saved = Saved::default();
        saved.add("", network.named_parameters());
        saved.add("optimizer.", self.optimizer.moments());
        let averages = self.average.iter().flat_map(|average| &average.named);
        saved.add("average.", averages.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
        saved
    }
}

/// An exponential moving average of weights, views into one buffer.
#[derive(Debug)]
struct Average {
    flat: Tensor,
    named: Vec<(String, Tensor)>,
    decay: f64,
}

impl Average {
    fn new(averaged: &dyn Network, optimizer: &AdamW, decay: f64) -> Self {
        let _guard = tch::no_grad_guard();
        let mut named = averaged.named_parameters();
        let mut flat = flatten(named.iter_mut().map(|(_, parameter)| parameter));
        flat.copy_(optimizer.weights());
        Self { flat, named, decay }
    }

    /// Takes up the weights after an update. Early averages are over few updates, as in TensorFlow's
    /// `ExponentialMovingAverage`: the initial weights are soon forgotten.
    fn follow(&mut self, optimizer: &AdamW, update: u64) {
        let _guard = tch::no_grad_guard();
        let decay = self.decay.min((1 + update) as f64 / (10 + update) as f64);
        let _ = self.flat.lerp_(optimizer.weights(), 1.0 - decay);
    }
}

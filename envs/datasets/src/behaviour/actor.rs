//! The network of a behaviour policy, and the distribution of actions that it gives.

use aaren_envs::ActionSpace;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Bounds of the logarithm of the standard deviation (`SquashedGaussianActor` of sbx-rl).
const LOG_STD: (f64, f64) = (-20.0, 2.0);

/// Two hidden layers with ReLU and what follows them. The library computes it in float32 with sums in an order of
/// its own; here sums are float64, so that the rounded action does not depend on an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Actor {
    pub(super) hidden: [Linear; 2],
    pub(super) head: Head,
}

/// The last layers of an actor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Head {
    /// Of SAC: mean and logarithm of the standard deviation.
    SquashedGaussian { mean: Linear, log_std: Linear },
    /// Of PPO with discrete actions.
    Categorical { logits: Linear },
}

/// `y = W x + b`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Linear {
    /// `W` transposed: `[entries of x, entries of y]`, so that the sums of all entries of y run side by side.
    transposed: Vec<f64>,
    bias: Vec<f64>,
}

impl Linear {
    /// From `W`, `[entries of y, entries of x]`.
    pub(super) fn new(weight: &[f32], bias: &[f32]) -> Self {
        let (inputs, outputs) = (weight.len() / bias.len(), bias.len());
        let entry = |i: usize| f64::from(weight[(i % outputs) * inputs + i / outputs]);
        let transposed = (0..weight.len()).map(entry).collect();
        Self { transposed, bias: bias.iter().map(|&b| f64::from(b)).collect() }
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = self.bias.clone();
        for (x, weights) in x.iter().zip(self.transposed.chunks_exact(self.bias.len())) {
            y.iter_mut().zip(weights).for_each(|(y, w)| *y += x * w);
        }
        y
    }
}

/// How an actor draws its action for one observation.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// tanh(mean + std · noise), stretched to the bounds of the actions.
    SquashedGaussian {
        /// One for each entry of an action.
        mean: Vec<f64>,
        /// One for each entry of an action.
        std: Vec<f64>,
    },
    /// A choice with a probability in proportion to the exponential of its logit.
    Categorical {
        /// One for each choice.
        logits: Vec<f64>,
    },
}

impl Actor {
    /// The distribution of actions for an observation.
    pub fn distribution(&self, observation: &[f32]) -> Distribution {
        let relu = |mut x: Vec<f64>| {
            x.iter_mut().for_each(|x| *x = x.max(0.0));
            x
        };
        let [first, second] = &self.hidden;
        let observation: Vec<f64> = observation.iter().map(|&x| f64::from(x)).collect();
        let features = relu(second.apply(&relu(first.apply(&observation))));
        match &self.head {
            Head::SquashedGaussian { mean, log_std } => {
                let std = log_std.apply(&features);
                let std = std.iter().map(|s| s.clamp(LOG_STD.0, LOG_STD.1).exp()).collect();
                Distribution::SquashedGaussian { mean: mean.apply(&features), std }
            }
            Head::Categorical { logits } => Distribution::Categorical { logits: logits.apply(&features) },
        }
    }
}

impl Distribution {
    /// Draws an action of `space`.
    pub fn sample(&self, space: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
        match self {
            Distribution::SquashedGaussian { mean, .. } => {
                let noise: Vec<f32> = mean.iter().map(|_| random.sample(StandardNormal)).collect();
                self.squash(&noise, space, action);
            }
            Distribution::Categorical { logits } => {
                let largest = logits.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let weights = || logits.iter().map(|l| (l - largest).exp());
                let mut left = random.random::<f64>() * weights().sum::<f64>();
                let drawn = weights().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                // Rounding may leave a trace after the last.
                action[0] = drawn.unwrap_or(logits.len() - 1) as f32;
            }
        }
    }

    /// Writes the continuous action of `space` that a draw from the standard normal distribution gives, in the
    /// order of operations of sbx-rl and of stable-baselines3's `unscale_action`. Of a categorical distribution,
    /// which has no such action, it writes none.
    pub fn squash(&self, noise: &[f32], space: &ActionSpace, action: &mut [f32]) {
        let (Distribution::SquashedGaussian { mean, std }, ActionSpace::Continuous { low, high }) =
            (self, space)
        else {
            return;
        };
        for (entry, action) in action.iter_mut().enumerate() {
            let squashed = (mean[entry] + std[entry] * f64::from(noise[entry])).tanh() as f32;
            *action = low[entry] + 0.5 * (squashed + 1.0) * (high[entry] - low[entry]);
        }
    }
}

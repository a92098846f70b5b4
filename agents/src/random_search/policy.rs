use aaren_envs::ActionSpace;
use serde::{Deserialize, Serialize};

/// Running mean and variance of observations (Welford; merged as in Chan et al. 1979).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whitening {
    count: f64,
    mean: Vec<f64>,
    /// Sums of squared deviations from the mean.
    squares: Vec<f64>,
}

impl Whitening {
    /// Of no observation yet.
    pub fn new(size: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; size], squares: vec![0.0; size] }
    }

    /// Takes in one observation.
    pub fn add(&mut self, observation: &[f64]) {
        self.count += 1.0;
        for (entry, x) in observation.iter().enumerate() {
            let before = x - self.mean[entry];
            self.mean[entry] += before / self.count;
            self.squares[entry] += before * (x - self.mean[entry]);
        }
    }

    /// Takes in all observations of another.
    pub fn merge(&mut self, other: &Whitening) {
        let count = self.count + other.count;
        for entry in 0..self.mean.len() {
            let apart = other.mean[entry] - self.mean[entry];
            self.mean[entry] += apart * other.count / count;
            self.squares[entry] += other.squares[entry] + apart * apart * self.count * other.count / count;
        }
        self.count = count;
    }

    fn whiten(&self, entry: usize, x: f64) -> f64 {
        let variance = if self.count > 1.0 { self.squares[entry] / self.count } else { 1.0 };
        // An entry that never moves says nothing.
        if variance < 1e-14 { 0.0 } else { (x - self.mean[entry]) / variance.sqrt() }
    }
}

/// weights · whitened observation, cut to the bounds; of a discrete action the choice with the largest entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearPolicy {
    /// `[entries of an action, or choices, × entries of an observation]`.
    pub(super) weights: Vec<f64>,
    pub(super) whitening: Whitening,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl LinearPolicy {
    /// The policy that does nothing, or always the same.
    pub fn zero(observation_size: usize, actions: &ActionSpace) -> Self {
        let (low, high) = match actions {
            ActionSpace::Continuous { low, high } => (low.clone(), high.clone()),
            ActionSpace::Discrete { .. } => (Vec::new(), Vec::new()),
        };
        let weights = vec![0.0; actions.size() * observation_size];
        Self { weights, whitening: Whitening::new(observation_size), low, high }
    }

    /// The policy further along a direction.
    pub(super) fn moved(&self, direction: &[f64], by: f64) -> Self {
        let weights = self.weights.iter().zip(direction).map(|(w, d)| w + by * d).collect();
        Self { weights, ..self.clone() }
    }

    /// Writes the action for an observation.
    pub fn act(&self, observation: &[f64], action: &mut [f32]) {
        let rows = self.weights.chunks_exact(observation.len()).map(|weights| {
            let terms = weights.iter().enumerate().map(|(i, w)| w * self.whitening.whiten(i, observation[i]));
            terms.sum::<f64>() as f32
        });
        if self.low.is_empty() {
            let best = rows.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            action[0] = best.map_or(0.0, |(choice, _)| choice as f32);
        } else {
            for (row, (action, value)) in action.iter_mut().zip(rows).enumerate() {
                *action = self.cut(row, value);
            }
        }
    }

    /// The nearest value within the bounds of an action's entry.
    pub(crate) fn cut(&self, entry: usize, value: f32) -> f32 {
        value.clamp(self.low[entry], self.high[entry])
    }
}

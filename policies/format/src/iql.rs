//! The settings of implicit Q-learning.

use serde::{Deserialize, Serialize};

use crate::config::{DEEPEST, WIDEST};
use crate::values::{between, discount, not_negative, share, whole};
use crate::{AgentSettings, Mlp, Optimisation};

/// Implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169), with the settings of its authors' code for
/// locomotion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IqlConfig {
    /// Units of a hidden layer of each network.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    /// Number of hidden layers of each network.
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    /// The expectile τ of the state value, in (0, 1): 0.5 is the mean, towards 1 the best action of the data.
    #[serde(deserialize_with = "between")]
    pub expectile: f64,
    /// The inverse temperature β of the advantage weights: 0 is behaviour cloning.
    #[serde(deserialize_with = "not_negative")]
    pub temperature: f64,
    /// Discount of the return.
    #[serde(deserialize_with = "discount")]
    pub discount: f64,
    /// Share of the critics that goes into their targets at each update.
    #[serde(deserialize_with = "share")]
    pub polyak: f64,
    /// Whether rewards are scaled so that the returns of the data lie 1000 apart.
    pub normalise_rewards: bool,
}

impl Default for IqlConfig {
    fn default() -> Self {
        Self {
            width: 256,
            layers: 2,
            expectile: 0.7,
            temperature: 3.0,
            discount: 0.99,
            polyak: 0.005,
            normalise_rewards: true,
        }
    }
}

impl AgentSettings for IqlConfig {
    const NAME: &'static str = "iql";
    const OPTIMISATION: Option<Optimisation> = Some(Optimisation { batch: 256, learning_rate: 3e-4 });
}

impl IqlConfig {
    /// The shape of each of its networks.
    pub fn mlp(&self) -> Mlp {
        Mlp { width: self.width, layers: self.layers }
    }
}

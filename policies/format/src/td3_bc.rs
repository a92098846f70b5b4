//! The settings of TD3+BC.

use serde::{Deserialize, Serialize};

use crate::config::{DEEPEST, WIDEST};
use crate::values::{ANY, discount, not_negative, share, whole};
use crate::{AgentSettings, Mlp, Optimisation};

/// TD3+BC (Fujimoto and Gu 2021, arXiv 2106.06860), with the settings of its authors' code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Td3BcConfig {
    /// Units of a hidden layer of each network.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    /// Number of hidden layers of each network.
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    /// Weight α of the critic beside imitation: 0 is behaviour cloning.
    #[serde(deserialize_with = "not_negative")]
    pub alpha: f64,
    /// Discount of the return.
    #[serde(deserialize_with = "discount")]
    pub discount: f64,
    /// Share of the networks that goes into their targets at each update of the policy.
    #[serde(deserialize_with = "share")]
    pub polyak: f64,
    /// Standard deviation of the noise on the target policy's actions, which lie in [−1, 1].
    #[serde(deserialize_with = "not_negative")]
    pub policy_noise: f64,
    /// Bound of that noise.
    #[serde(deserialize_with = "not_negative")]
    pub noise_clip: f64,
    /// Updates of the critics for one of the policy.
    #[serde(deserialize_with = "whole::<_, _, 1, ANY>")]
    pub policy_delay: u64,
}

impl Default for Td3BcConfig {
    fn default() -> Self {
        Self {
            width: 256,
            layers: 2,
            alpha: 2.5,
            discount: 0.99,
            polyak: 0.005,
            policy_noise: 0.2,
            noise_clip: 0.5,
            policy_delay: 2,
        }
    }
}

impl AgentSettings for Td3BcConfig {
    const NAME: &'static str = "td3-bc";
    const OPTIMISATION: Option<Optimisation> = Some(Optimisation { batch: 256, learning_rate: 3e-4 });
}

impl Td3BcConfig {
    /// The shape of each of its networks.
    pub fn mlp(&self) -> Mlp {
        Mlp { width: self.width, layers: self.layers }
    }
}

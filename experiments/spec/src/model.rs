//! `model:` the architecture that the policies share, and what an entry of `policies` overrides.

use aaren_format::{Model, Norm, Positions, Recency};
use serde::Deserialize;

use super::values::{probability, whole};

const WIDEST: u64 = Model::WIDEST as u64;
const DEEPEST: u64 = Model::DEEPEST as u64;

/// The section as written, with its defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ModelSection {
    /// Size of a token's embedding.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    /// Number of blocks; for a perceptron, of hidden layers.
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    /// Attention heads of a block; must divide the width.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub heads: usize,
    /// Dropout probability in training, after attention and after the MLP.
    #[serde(deserialize_with = "probability")]
    pub dropout: f64,
    /// Where a block normalises: after each residual sum, as in the paper's code, or before attention and MLP, as in
    /// GPT-2.
    pub norm: Norm,
    /// How an Aaren's heads forget: never (the paper's form), by a learned decay, by one that begins with many time
    /// constants, or by one that each token decides.
    pub recency: Recency,
    /// Whether past actions are tokens of the context.
    pub past_actions: bool,
    /// How a policy knows when something was: `timestep` (default), an embedding for each timestep of an episode, or
    /// `none`.
    pub positions: Positions,
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            width: 128,
            layers: 3,
            heads: 1,
            dropout: 0.1,
            norm: Norm::Post,
            recency: Recency::None,
            past_actions: true,
            positions: Positions::Timestep,
        }
    }
}

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
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub heads: usize,
    #[serde(deserialize_with = "probability")]
    pub dropout: f64,
    pub norm: Norm,
    pub recency: Recency,
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

//! The actions of an environment, and the tokens they become.

use alloc::{format, vec, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The actions an environment takes and a policy gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ActionSpace {
    /// A vector inside a box. Its token is scaled to [−1, 1] by the bounds; a policy's head ends in tanh.
    Continuous {
        /// Lower bounds.
        low: Vec<f32>,
        /// Upper bounds.
        high: Vec<f32>,
    },
    /// One of so many choices, given by its index. Its token is one-hot; a policy's head gives logits.
    Discrete {
        /// How many.
        choices: usize,
    },
}

impl ActionSpace {
    /// Dimensions, or choices: entries of a token, and outputs of a policy's head.
    pub fn size(&self) -> usize {
        match self {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { choices } => *choices,
        }
    }

    /// Entries of an action as an environment takes it: a discrete one is a single entry, its index.
    pub fn entries(&self) -> usize {
        match self {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { .. } => 1,
        }
    }

    /// `discrete` or `continuous`.
    pub fn kind(&self) -> &'static str {
        match self {
            ActionSpace::Continuous { .. } => "continuous",
            ActionSpace::Discrete { .. } => "discrete",
        }
    }

    /// Whether `action` has the right number of entries and, if discrete, is one of the choices.
    pub fn takes(&self, action: &[f32]) -> bool {
        match self {
            ActionSpace::Continuous { low, .. } => action.len() == low.len(),
            ActionSpace::Discrete { choices } => {
                matches!(action, [index] if (0.0..*choices as f32).contains(index) && *index as usize as f32 == *index)
            }
        }
    }

    /// Appends the token of one action of the environment.
    pub fn push_token(&self, action: &[f32], token: &mut Vec<f32>) {
        match self {
            ActionSpace::Continuous { low, high } => {
                let bounds = low.iter().zip(high);
                token.extend(
                    action.iter().zip(bounds).map(|(a, (l, h))| (a - (l + h) / 2.0) / ((h - l) / 2.0)),
                );
            }
            ActionSpace::Discrete { choices } => {
                token.extend((0..*choices).map(|choice| f32::from(choice == action[0] as usize)));
            }
        }
    }

    /// The environment's action for a token, or for the logits of one.
    pub fn action(&self, token: &[f32]) -> Vec<f32> {
        match self {
            ActionSpace::Continuous { low, high } => {
                let bounds = low.iter().zip(high);
                token.iter().zip(bounds).map(|(a, (l, h))| (l + h) / 2.0 + (h - l) / 2.0 * a).collect()
            }
            ActionSpace::Discrete { .. } => {
                let best = token.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                vec![best.map_or(0.0, |(choice, _)| choice as f32)]
            }
        }
    }

    /// Whether there is an action at all, and every bound is one.
    ///
    /// # Errors
    /// The key of a policy header that holds something else.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            ActionSpace::Discrete { choices } => {
                Invalid::unless(*choices > 0, "action.choices", choices, "at least 1")
            }
            ActionSpace::Continuous { low, high } => {
                Invalid::unless(!low.is_empty(), "action.low", "no entries", "one per action dimension")?;
                let as_many = format!("{} entries, as in `action.low`", low.len());
                Invalid::unless(low.len() == high.len(), "action.high", high.len(), as_many)?;
                low.iter().zip(high).try_for_each(|(l, h)| {
                    let usable = l < h && (h - l).is_finite();
                    let found = format!("bounds [{l}, {h}]");
                    Invalid::unless(usable, "action", found, "finite bounds, low < high")
                })
            }
        }
    }
}

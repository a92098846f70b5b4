//! The actions of an environment, and the tokens they become.

use alloc::{format, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The action space of an environment, and so of its policies.
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
    /// An index in each of several columns of choices. Its token is the columns' one-hot tokens, one behind another; a
    /// policy's head gives logits for each.
    #[serde(rename = "multi-discrete")]
    MultiDiscrete {
        /// How many in each column.
        choices: Vec<usize>,
    },
}

impl ActionSpace {
    /// Dimensions, or choices: entries of a token, and outputs of a policy's head.
    pub fn size(&self) -> usize {
        match self {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => self.choices().iter().sum(),
        }
    }

    /// Entries of an action as an environment takes it: of a discrete one an index for each column of choices.
    pub fn entries(&self) -> usize {
        match self {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => self.choices().len(),
        }
    }

    /// Choices of each column; none of continuous actions.
    pub fn choices(&self) -> &[usize] {
        match self {
            ActionSpace::Continuous { .. } => &[],
            ActionSpace::Discrete { choices } => core::slice::from_ref(choices),
            ActionSpace::MultiDiscrete { choices } => choices,
        }
    }

    /// `discrete`, `multi-discrete` or `continuous`.
    pub fn kind(&self) -> &'static str {
        match self {
            ActionSpace::Continuous { .. } => "continuous",
            ActionSpace::Discrete { .. } => "discrete",
            ActionSpace::MultiDiscrete { .. } => "multi-discrete",
        }
    }

    /// Whether `action` has the right number of entries and, if discrete, is one of the choices.
    pub fn takes(&self, action: &[f32]) -> bool {
        match self {
            ActionSpace::Continuous { low, .. } => action.len() == low.len(),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
                let is_choice = |(index, choices): (&f32, &usize)| {
                    (0.0..*choices as f32).contains(index) && *index as usize as f32 == *index
                };
                let choices = self.choices();
                action.len() == choices.len() && action.iter().zip(choices).all(is_choice)
            }
        }
    }

    /// Whether actions of the one are actions of the other, but for their bounds.
    pub fn is_like(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.size() == other.size() && self.choices() == other.choices()
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
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
                for (&choices, &index) in self.choices().iter().zip(action) {
                    token.extend((0..choices).map(|choice| f32::from(choice == index as usize)));
                }
            }
        }
    }

    /// Checks that there is an action, and that each lower bound is finite and below its upper bound.
    ///
    /// # Errors
    /// The key of a policy header that holds something else.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            ActionSpace::Discrete { choices } => {
                Invalid::unless(*choices > 0, "action.choices", choices, "at least 1")
            }
            ActionSpace::MultiDiscrete { choices } => {
                let sum = choices.iter().try_fold(0usize, |sum, &choices| sum.checked_add(choices));
                let sound = !choices.is_empty() && !choices.contains(&0) && sum.is_some();
                let found = format!("{choices:?}");
                Invalid::unless(sound, "action.choices", found, "at least 1 in each of at least one column")
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::ActionSpace::{self, Continuous, Discrete, MultiDiscrete};

    #[test]
    fn actions_are_alike_by_kind_size_and_choices() {
        let torque = |bound: f32| Continuous { low: vec![-bound; 2], high: vec![bound; 2] };
        let all: [ActionSpace; 5] = [
            torque(1.0),
            Discrete { choices: 2 },
            Discrete { choices: 4 },
            MultiDiscrete { choices: vec![2, 2] },
            MultiDiscrete { choices: vec![1, 3] },
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one.is_like(other), i == j, "{i} and {j}");
            }
        }
        assert!(torque(1.0).is_like(&torque(2.0)));
    }
}

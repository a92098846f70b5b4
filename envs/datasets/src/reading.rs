//! How a file is read, as a user says it.

use serde::{Deserialize, Serialize};

use crate::space::Space;

/// How a file is read, beside what it says itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Keys of a dictionary of observations, in the order in which they are seen; all unless given.
    pub observe: Option<Vec<String>>,
    /// What the numbers of actions mean; the environment or the data decide unless given.
    pub actions: Option<Actions>,
    /// Which columns of a table are what.
    pub columns: Option<Columns>,
    /// What observations and actions are, where the data do not say it.
    pub spaces: (Option<Space>, Option<Space>),
}

/// How the numbers of actions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actions {
    /// Vectors.
    Continuous,
    /// An index of one choice.
    Discrete,
    /// One choice, as a vector with a 1 at its index.
    OneHot,
    /// An index of a choice in each column.
    MultiDiscrete,
}

impl Actions {
    /// All of them, as they are written.
    pub const NAMES: [&str; 4] = ["continuous", "discrete", "one-hot", "multi-discrete"];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl std::str::FromStr for Actions {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let all = [Actions::Continuous, Actions::Discrete, Actions::OneHot, Actions::MultiDiscrete];
        all.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}

/// Which columns of a table are what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Entries of an observation, in this order.
    pub observation: Vec<String>,
    /// Entries of an action.
    pub action: Vec<String>,
    /// The reward; zeros unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<String>,
    /// What is the same in all rows of an episode, and another in the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    /// Where the task ended an episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// Where a time limit ended one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

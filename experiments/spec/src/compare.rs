//! `compare:` what was fixed before there were scores.

use aaren_envs::reference_scores;
use serde::{Deserialize, Deserializer, Serialize};

use super::values::not_negative;

/// How policies are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareSpec {
    /// By how much a policy may fall short and still count as non-inferior: points of normalised score, 2 unless
    /// given; in environments without reference scores returns, and none unless given.
    #[serde(deserialize_with = "margin", skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
}

impl CompareSpec {
    /// Fills in what follows from the environment.
    pub(super) fn complete(&mut self, env: &str) {
        self.margin = self.margin.or_else(|| reference_scores(env).map(|_| 2.0));
    }
}

fn margin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    not_negative(deserializer).map(Some)
}

//! The state of an environment between two steps.

use serde::{Deserialize, Serialize};

/// The state of an environment between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvState {
    /// Of a MuJoCo environment.
    Mujoco {
        /// Generalised positions.
        qpos: Vec<f64>,
        /// Generalised velocities.
        qvel: Vec<f64>,
    },
    /// Of every other environment.
    Classic {
        /// The entries of Gymnasium's `state`.
        state: Vec<f64>,
    },
}

//! The robots of Gymnasium's `envs/mujoco`, on the same MuJoCo and the same models.

mod ant;
mod humanoid;
mod inverted_double_pendulum;
mod inverted_pendulum;
mod model;
mod planar;
mod pusher;
mod reacher;
mod robot;
mod simulation;

pub(crate) use ant::ant;
pub(crate) use humanoid::{humanoid, humanoid_standup};
pub(crate) use inverted_double_pendulum::inverted_double_pendulum;
pub(crate) use inverted_pendulum::inverted_pendulum;
pub(crate) use planar::{half_cheetah, hopper, swimmer, walker2d};
pub(crate) use pusher::pusher;
pub(crate) use reacher::reacher;
pub use simulation::{mujoco_models, mujoco_version};

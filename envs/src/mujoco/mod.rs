//! The robots of Gymnasium's `envs/mujoco`, on the same MuJoCo and the same models.

mod ant;
mod arms;
mod humanoid;
mod inverted;
mod model;
mod planar;
mod robot;
mod simulation;

pub(crate) use ant::ant;
pub(crate) use arms::{pusher, reacher};
pub(crate) use humanoid::{humanoid, humanoid_standup};
pub(crate) use inverted::{inverted_double_pendulum, inverted_pendulum};
pub(crate) use planar::{half_cheetah, hopper, swimmer, walker2d};
pub use simulation::mujoco_models;

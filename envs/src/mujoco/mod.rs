//! The locomotion environments of Gymnasium's `envs/mujoco`, on the same MuJoCo and the same models.

mod ant;
mod half_cheetah;
mod hopper;
mod locomotion;
mod model;
mod simulation;
mod walker2d;

pub(crate) use ant::ant;
pub(crate) use half_cheetah::half_cheetah;
pub(crate) use hopper::hopper;
pub(crate) use locomotion::Version;
pub use simulation::mujoco_version;
pub(crate) use walker2d::walker2d;

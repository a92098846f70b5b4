//! The environments of Gymnasium's `envs/classic_control`.

mod acrobot;
mod cart_pole;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;

pub(crate) use acrobot::Acrobot;
pub(crate) use cart_pole::CartPole;
pub(crate) use mountain_car::MountainCar;
pub(crate) use mountain_car_continuous::MountainCarContinuous;
pub(crate) use pendulum::Pendulum;

use crate::environment::EnvState;
use crate::kwargs::Observe;

/// Writes the observation, which is float32 in Gymnasium; `positions` of its `entries` are no velocities.
fn observe<const N: usize>(entries: [f64; N], positions: &[usize], what: Observe, observation: &mut [f64]) {
    let single = entries.map(|x| f64::from(x as f32));
    match what {
        Observe::All => observation.copy_from_slice(&single),
        Observe::Positions => {
            observation.iter_mut().zip(positions).for_each(|(out, &index)| *out = single[index]);
        }
    }
}

/// The `N` finite entries of a state.
fn entries<const N: usize>(state: &EnvState) -> Result<[f64; N], String> {
    let EnvState::Classic { state } = state else {
        return Err("expected an entry `state`".into());
    };
    match <[f64; N]>::try_from(state.as_slice()) {
        Ok(entries) if entries.iter().all(|x| x.is_finite()) => Ok(entries),
        _ => Err(format!("found the state {state:?}, expected {N} finite numbers")),
    }
}

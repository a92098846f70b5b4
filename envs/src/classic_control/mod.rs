//! The environments of Gymnasium's `envs/classic_control`.

mod acrobot;
mod cart_pole;
mod mountain_car;
mod pendulum;

pub(crate) use acrobot::Acrobot;
pub(crate) use cart_pole::CartPole;
pub(crate) use mountain_car::MountainCar;
pub(crate) use pendulum::Pendulum;

use crate::EnvState;
use crate::drawing::{Drawing, Shape, colour};

/// Writes the observation, which is float32 in Gymnasium.
fn observe<const N: usize>(entries: [f64; N], observation: &mut [f64]) {
    observation.copy_from_slice(&entries.map(|x| f64::from(x as f32)));
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

/// A car in the valley between both ends, with a flag at the goal.
fn valley(position: f64, [low, high]: [f64; 2], goal: f64) -> Drawing {
    const STEPS: usize = 100;
    let ground = |x: f64| [x, (3.0 * x).sin() * 0.45 + 0.55];
    let along = |step: usize| ground(low + (high - low) * step as f64 / STEPS as f64);
    let [x, y] = ground(goal);
    let [car_x, car_y] = ground(position);
    let shapes = vec![
        Shape::curve((0..=STEPS).map(along).collect(), 0.015, colour::BLACK),
        Shape::line([x, y], [x, y + 0.2], 0.01, colour::BLACK),
        Shape::rectangle([x, y + 0.13], [0.1, 0.07], colour::ORANGE),
        Shape::disc([car_x, car_y + 0.05], 0.05, colour::BLUE),
    ];
    Drawing { low: [low, 0.0], high: [high, 1.6], shapes }
}

//! Acrobot-v1.

use std::f64::consts::PI;

use super::{entries, observe};
use crate::drawing::{Drawing, Shape, colour};
use crate::dynamics::{Dynamics, Step};
use crate::kwargs::{Arguments, NoKwargs, parse};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState, Error};

const DT: f64 = 0.2;
const GRAVITY: f64 = 9.8;
const MAX_VELOCITIES: [f64; 2] = [4.0 * PI, 9.0 * PI];

/// Acrobot of Gymnasium (`envs/classic_control/acrobot.py`): swing two links up by the joint between them.
pub(crate) struct Acrobot {
    action_space: ActionSpace,
    /// Both angles in rad (the second one relative to the first), both velocities in rad/s.
    state: [f64; 4],
}

impl Acrobot {
    pub(crate) fn new(id: &str, kwargs: Arguments) -> Result<Self, Error> {
        let NoKwargs {} = parse(id, kwargs, &NoKwargs {}, |_| true)?;
        Ok(Self { action_space: ActionSpace::Discrete { choices: 3 }, state: [0.0; 4] })
    }
}

/// Time derivative of the state, "book" form; masses, lengths and moments of inertia are 1, centres of
/// mass at 0.5.
fn derivative([theta1, theta2, dtheta1, dtheta2]: [f64; 4], torque: f64) -> [f64; 4] {
    let (sin, cos) = (theta2.sin(), theta2.cos());
    let d1 = 0.25 + (1.25 + cos) + 1.0 + 1.0;
    let d2 = 0.25 + 0.5 * cos + 1.0;
    let phi2 = 0.5 * GRAVITY * (theta1 + theta2 - PI / 2.0).cos();
    let phi1 = -0.5 * (dtheta2 * dtheta2) * sin - dtheta2 * dtheta1 * sin
        + 1.5 * GRAVITY * (theta1 - PI / 2.0).cos()
        + phi2;
    let ddtheta2 =
        (torque + d2 / d1 * phi1 - 0.5 * (dtheta1 * dtheta1) * sin - phi2) / (0.25 + 1.0 - d2 * d2 / d1);
    let ddtheta1 = -(d2 * ddtheta2 + phi1) / d1;
    [dtheta1, dtheta2, ddtheta1, ddtheta2]
}

/// One Runge-Kutta step of the fourth order.
fn integrate(state: [f64; 4], torque: f64) -> [f64; 4] {
    let along = |k: [f64; 4], dt: f64| std::array::from_fn(|i| state[i] + dt * k[i]);
    let k1 = derivative(state, torque);
    let k2 = derivative(along(k1, DT / 2.0), torque);
    let k3 = derivative(along(k2, DT / 2.0), torque);
    let k4 = derivative(along(k3, DT), torque);
    std::array::from_fn(|i| state[i] + DT / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// The angle within ±π, by whole turns.
fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

/// Cosine and sine as NumPy's float32 loops compute them on a processor with fused multiply-add, within ±π/4.
fn single_cos_sin(angle: f32) -> [f32; 2] {
    // 0x1.98e616p-16, -0x1.6c06dcp-10, 0x1.55553cp-5, -0x1p-1, 1
    const COS: [u32; 5] = [0x37cc_730b, 0xbab6_036e, 0x3d2a_aa9e, 0xbf00_0000, 0x3f80_0000];
    // 0x1.7d3bbcp-19, -0x1.a06bbap-13, 0x1.11119ap-7, -0x1.555556p-3, 0
    const SIN: [u32; 5] = [0x363e_9dde, 0xb950_35dd, 0x3c08_88cd, 0xbe2a_aaab, 0];
    let square = angle * angle;
    let polynomial = |bits: [u32; 5]| {
        bits.map(f32::from_bits).into_iter().reduce(|sum, next| sum.mul_add(square, next)).unwrap_or_default()
    };
    [polynomial(COS), polynomial(SIN).mul_add(angle, angle)]
}

impl Dynamics for Acrobot {
    fn observation_size(&self) -> usize {
        6
    }

    fn positions(&self) -> Option<Vec<usize>> {
        // Cosines and sines of the angles.
        Some(vec![0, 1, 2, 3])
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        Some((-(steps as f64), 0.0))
    }

    fn reset(&mut self, random: &mut Generator) {
        // Gymnasium's first state is float32.
        self.state = std::array::from_fn(|_| f64::from(random.uniform(-0.1, 0.1) as f32));
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let [theta1, theta2, dtheta1, dtheta2] = integrate(self.state, f64::from(action[0]) - 1.0);
        let [fastest1, fastest2] = MAX_VELOCITIES;
        let (theta1, theta2) = (wrap(theta1), wrap(theta2));
        let velocities = (dtheta1.clamp(-fastest1, fastest1), dtheta2.clamp(-fastest2, fastest2));
        self.state = [theta1, theta2, velocities.0, velocities.1];
        let terminated = -theta1.cos() - (theta2 + theta1).cos() > 1.0;
        Step { reward: if terminated { 0.0 } else { -1.0 }, terminated, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        let [theta1, theta2, dtheta1, dtheta2] = self.state;
        // Gymnasium's state is float32 after a reset and float64 after a step, and so are its cosines.
        let single = self.state.iter().all(|&x| f64::from(x as f32) == x);
        let cos_sin = |angle: f64| {
            if single && angle.abs() < PI / 4.0 {
                single_cos_sin(angle as f32).map(f64::from)
            } else {
                [angle.cos(), angle.sin()]
            }
        };
        let [[cos1, sin1], [cos2, sin2]] = [cos_sin(theta1), cos_sin(theta2)];
        let entries = [cos1, sin1, cos2, sin2, dtheta1, dtheta2];
        observe(entries, observation);
    }

    fn state(&self) -> Option<EnvState> {
        Some(EnvState::Classic { state: self.state.to_vec() })
    }

    fn drawing(&self) -> Option<Drawing> {
        let [theta1, theta2, ..] = self.state;
        let elbow = [theta1.sin(), -theta1.cos()];
        let tip = [elbow[0] + (theta1 + theta2).sin(), elbow[1] - (theta1 + theta2).cos()];
        let mut shapes = vec![
            // The height that the tip has to reach.
            Shape::line([-2.2, 1.0], [2.2, 1.0], 0.02, colour::GREY),
            Shape::line([0.0, 0.0], elbow, 0.2, colour::BLUE),
            Shape::line(elbow, tip, 0.2, colour::ORANGE),
        ];
        shapes.extend([[0.0, 0.0], elbow].map(|joint| Shape::disc(joint, 0.06, colour::BLACK)));
        Some(Drawing { low: [-2.4, -2.2], high: [2.4, 2.6], shapes })
    }

    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        let found: [f64; 4] = entries(state)?;
        let [fastest1, fastest2] = MAX_VELOCITIES;
        if found.iter().zip([PI, PI, fastest1, fastest2]).any(|(x, most)| x.abs() > most) {
            return Err(format!("found {found:?}, expected angles within ±π and velocities within ±4π, ±9π"));
        }
        self.state = found;
        Ok(())
    }
}

use std::collections::HashMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::Error;
use crate::environment::{ActionSpace, Dynamics, Step};
use crate::mujoco::Mujoco;

/// Hopper of Gymnasium (`envs/mujoco/hopper_v4.py`, `hopper_v5.py`): hop forward without falling.
///
/// -v4 and -v5 differ in the healthy reward: -v4 gives it on the falling step too.
pub(crate) struct Hopper {
    simulation: Mujoco,
    kwargs: Kwargs,
    v5: bool,
    action_space: ActionSpace,
}

/// Gymnasium's keyword arguments, and ours.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kwargs {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_state_range: (f64, f64),
    healthy_z_range: (f64, f64),
    healthy_angle_range: (f64, f64),
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    observe: Observe,
}

/// What an observation holds; `positions` hides the velocities, so that the task needs memory.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Observe {
    All,
    Positions,
}

impl Default for Kwargs {
    fn default() -> Self {
        Self {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            healthy_reward: 1.0,
            terminate_when_unhealthy: true,
            healthy_state_range: (-100.0, 100.0),
            healthy_z_range: (0.7, f64::INFINITY),
            healthy_angle_range: (-0.2, 0.2),
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
            observe: Observe::All,
        }
    }
}

impl Hopper {
    pub(crate) fn new(id: &str, v5: bool, kwargs: Kwargs) -> Result<Self, Error> {
        if kwargs.reset_noise_scale.is_nan() || kwargs.reset_noise_scale < 0.0 {
            let reason = format!("reset_noise_scale is {}, expected at least 0", kwargs.reset_noise_scale);
            return Err(Error::Kwargs { id: id.to_owned(), reason });
        }
        let simulation = Mujoco::new(id, "hopper.xml", 4)?;
        let actuators = simulation.actuators();
        let action_space = ActionSpace::Continuous { low: vec![-1.0; actuators], high: vec![1.0; actuators] };
        Ok(Self { simulation, kwargs, v5, action_space })
    }

    fn healthy(&self) -> bool {
        let within = |x: f64, (low, high): (f64, f64)| low < x && x < high;
        let (qpos, qvel) = (self.simulation.qpos(), self.simulation.qvel());
        let kwargs = &self.kwargs;
        qpos[2..].iter().chain(qvel).all(|&x| within(x, kwargs.healthy_state_range))
            && within(qpos[1], kwargs.healthy_z_range)
            && within(qpos[2], kwargs.healthy_angle_range)
    }

    fn skipped(&self) -> usize {
        usize::from(self.kwargs.exclude_current_positions_from_observation)
    }
}

impl Dynamics for Hopper {
    fn observation_size(&self) -> usize {
        let positions = self.simulation.qpos().len() - self.skipped();
        match self.kwargs.observe {
            Observe::All => positions + self.simulation.qvel().len(),
            Observe::Positions => positions,
        }
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn reset(&mut self, random: &mut ChaCha8Rng) {
        let scale = self.kwargs.reset_noise_scale;
        self.simulation.reset(|qpos, qvel| {
            qpos.iter_mut().chain(qvel).for_each(|x| *x += random.random_range(-1.0..=1.0) * scale);
        });
    }

    fn step(&mut self, action: &[f32]) -> Step {
        let before = self.simulation.qpos()[0];
        self.simulation.step(action);
        let velocity = (self.simulation.qpos()[0] - before) / self.simulation.dt();
        let healthy = self.healthy();
        let kwargs = &self.kwargs;
        let paid = healthy || (!self.v5 && kwargs.terminate_when_unhealthy);
        let survived = if paid { kwargs.healthy_reward } else { 0.0 };
        // NumPy keeps the control cost of a float32 action in float32.
        let cost = kwargs.ctrl_cost_weight as f32 * action.iter().map(|a| a * a).sum::<f32>();
        Step {
            reward: kwargs.forward_reward_weight * velocity + survived - f64::from(cost),
            terminated: !healthy && kwargs.terminate_when_unhealthy,
            truncated: false,
            unstable: self.simulation.unstable(),
        }
    }

    fn observe(&self, observation: &mut [f64]) {
        let positions = &self.simulation.qpos()[self.skipped()..];
        let (first, rest) = observation.split_at_mut(positions.len());
        first.copy_from_slice(positions);
        for (entry, velocity) in rest.iter_mut().zip(self.simulation.qvel()) {
            *entry = velocity.clamp(-10.0, 10.0);
        }
    }

    fn set_state(&mut self, state: &HashMap<String, Vec<f64>>) -> Result<(), String> {
        self.simulation.set_state(state)
    }
}

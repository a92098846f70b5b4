//! Humanoid and HumanoidStandup, -v4 and -v5.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::robot::{Robot, Task, Version, healthy_reward, jitter, numpy_sum};
use super::simulation::Simulation;
use crate::Error;
use crate::kwargs::{Arguments, Range, parse, scale};
use crate::numpy::Generator;

/// What both tasks share.
#[derive(Serialize, Deserialize)]
struct Body {
    frame_skip: NonZeroU32,
    ctrl_cost_weight: f64,
    #[serde(deserialize_with = "scale")]
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    include_cinert_in_observation: bool,
    include_cvel_in_observation: bool,
    include_qfrc_actuator_in_observation: bool,
    include_cfrc_ext_in_observation: bool,
}

const BODY: Body = Body {
    frame_skip: NonZeroU32::new(5).unwrap(),
    ctrl_cost_weight: 0.1,
    reset_noise_scale: 0.01,
    exclude_current_positions_from_observation: true,
    include_cinert_in_observation: true,
    include_cvel_in_observation: true,
    include_qfrc_actuator_in_observation: true,
    include_cfrc_ext_in_observation: true,
};

impl Body {
    /// Leading positions that are not observed.
    fn hidden(&self) -> usize {
        if self.exclude_current_positions_from_observation { 2 } else { 0 }
    }

    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        jitter(qpos, self.reset_noise_scale, random);
        jitter(qvel, self.reset_noise_scale, random);
    }

    /// In float64, as MuJoCo has the controls.
    fn control_cost(&self, simulation: &Simulation) -> f64 {
        self.ctrl_cost_weight * squares(simulation.ctrl())
    }

    /// Positions, velocities, inertia and velocity of each body, forces of the actuators, external forces on each body.
    /// -v4 observes the world too, a body that never moves, and the forces on the root, which has no actuator.
    fn observation(&self, version: Version, simulation: &Simulation) -> impl Iterator<Item = f64> {
        let first = if version == Version::V4 { 0 } else { 1 };
        let state = [&simulation.qpos()[self.hidden()..], simulation.qvel()];
        let parts = [
            (self.include_cinert_in_observation, simulation.cinert()[first..].as_flattened()),
            (self.include_cvel_in_observation, simulation.cvel()[first..].as_flattened()),
            (self.include_qfrc_actuator_in_observation, &simulation.qfrc_actuator()[6 * first..]),
            (self.include_cfrc_ext_in_observation, simulation.cfrc_ext()[first..].as_flattened()),
        ];
        let parts = parts.into_iter().filter_map(|(included, entries)| included.then_some(entries));
        state.into_iter().chain(parts).flatten().copied()
    }
}

fn squares(entries: &[f64]) -> f64 {
    numpy_sum(entries.iter().map(|x| x * x))
}

/// What the external forces cost.
fn contact_cost(weight: f64, range: Range, simulation: &Simulation) -> f64 {
    range.clip(weight * squares(simulation.cfrc_ext().as_flattened()))
}

/// Humanoid of Gymnasium (`envs/mujoco/humanoid_v4.py`, `humanoid_v5.py`): walk forward on two legs without falling.
///
/// -v5 charges for external forces, too.
pub(crate) struct Humanoid {
    version: Version,
    kwargs: HumanoidKwargs,
}

#[derive(Serialize, Deserialize)]
struct HumanoidKwargs {
    forward_reward_weight: f64,
    contact_cost_weight: f64,
    contact_cost_range: Range,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    #[serde(flatten)]
    body: Body,
}

const HUMANOID: HumanoidKwargs = HumanoidKwargs {
    forward_reward_weight: 1.25,
    contact_cost_weight: 5e-7,
    contact_cost_range: Range { low: f64::NEG_INFINITY, high: 10.0 },
    healthy_reward: 5.0,
    terminate_when_unhealthy: true,
    healthy_z_range: Range { low: 1.0, high: 2.0 },
    body: BODY,
};

pub(crate) fn humanoid(id: &str, kwargs: Arguments) -> Result<Robot<Humanoid>, Error> {
    let version = Version::of(id);
    let only_v5 =
        |name: &str| name == "frame_skip" || name.starts_with("contact_cost") || name.starts_with("include");
    let kwargs = parse(id, kwargs, &HUMANOID, |name| version == Version::V5 || !only_v5(name))?;
    let simulation = Simulation::new(id, "humanoid.xml", kwargs.body.frame_skip)?;
    let positions = simulation.qpos().len() - kwargs.body.hidden();
    Ok(Robot::new(simulation, Humanoid { version, kwargs }, positions..usize::MAX))
}

/// Forward coordinate of the centre of mass.
fn centre(simulation: &Simulation) -> f64 {
    let masses = simulation.model.body_mass();
    let moments = masses.iter().zip(simulation.xipos()).map(|(mass, place)| mass * place[0]);
    moments.sum::<f64>() / numpy_sum(masses.iter().copied())
}

impl Task for Humanoid {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        self.kwargs.body.reset(qpos, qvel, random);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        let before = centre(simulation);
        simulation.step(action);
        // What `mj_step` leaves out: the external forces.
        simulation.rne_post_constraint();
        let velocity = (centre(simulation) - before) / simulation.dt();
        let healthy = kwargs.healthy_z_range.within(simulation.qpos()[2]);
        let terminates = kwargs.terminate_when_unhealthy;
        let mut cost = kwargs.body.control_cost(simulation);
        if self.version == Version::V5 {
            cost += contact_cost(kwargs.contact_cost_weight, kwargs.contact_cost_range, simulation);
        }
        let reward = kwargs.forward_reward_weight * velocity
            + healthy_reward(self.version, kwargs.healthy_reward, healthy, terminates)
            - cost;
        (reward, terminates && !healthy)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        self.kwargs.body.observation(self.version, simulation)
    }
}

/// HumanoidStandup of Gymnasium (`envs/mujoco/humanoidstandup_v4.py`, `humanoidstandup_v5.py`): get up from the ground.
///
/// It never terminates; -v4 and -v5 are paid alike. As in Gymnasium 1.4.0 `uph_cost_weight` changes nothing.
pub(crate) struct HumanoidStandup {
    version: Version,
    kwargs: StandupKwargs,
}

#[derive(Serialize, Deserialize)]
struct StandupKwargs {
    uph_cost_weight: f64,
    impact_cost_weight: f64,
    impact_cost_range: Range,
    #[serde(flatten)]
    body: Body,
}

const STANDUP: StandupKwargs = StandupKwargs {
    uph_cost_weight: 1.0,
    impact_cost_weight: 5e-7,
    impact_cost_range: Range { low: f64::NEG_INFINITY, high: 10.0 },
    body: BODY,
};

pub(crate) fn humanoid_standup(id: &str, kwargs: Arguments) -> Result<Robot<HumanoidStandup>, Error> {
    let version = Version::of(id);
    let kwargs = parse(id, kwargs, &STANDUP, |name| version == Version::V5 || name == "observe")?;
    let simulation = Simulation::new(id, "humanoidstandup.xml", kwargs.body.frame_skip)?;
    let positions = simulation.qpos().len() - kwargs.body.hidden();
    Ok(Robot::new(simulation, HumanoidStandup { version, kwargs }, positions..usize::MAX))
}

impl Task for HumanoidStandup {
    fn reset(&self, qpos: &mut [f64], qvel: &mut [f64], random: &mut Generator) {
        self.kwargs.body.reset(qpos, qvel, random);
    }

    fn step(&self, simulation: &mut Simulation, action: &[f32]) -> (f64, bool) {
        let kwargs = &self.kwargs;
        simulation.step(action);
        // What `mj_step` leaves out: the external forces.
        simulation.rne_post_constraint();
        let height = simulation.qpos()[2] / simulation.timestep();
        let impact = contact_cost(kwargs.impact_cost_weight, kwargs.impact_cost_range, simulation);
        (height - kwargs.body.control_cost(simulation) - impact + 1.0, false)
    }

    fn observation(&self, simulation: &Simulation) -> impl Iterator<Item = f64> {
        self.kwargs.body.observation(self.version, simulation)
    }
}

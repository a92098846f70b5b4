//! One MuJoCo simulation, stepped in Gymnasium's order.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use mujoco_rs::mujoco_c::mjtWarning;
use mujoco_rs::wrappers::{MjData, MjModel, MjtObjBase};

use super::model::load;
use crate::ActionSpace;
use crate::Error;
use crate::environment::EnvState;
use crate::numpy::Generator;

/// A MuJoCo simulation in the order of Gymnasium's `MujocoEnv` (`envs/mujoco/mujoco_env.py`).
pub(crate) struct Simulation {
    data: MjData<Arc<MjModel>>,
    model: Arc<MjModel>,
    frame_skip: u32,
    action_space: ActionSpace,
}

/// How a reset departs from the model's initial state, with its scale.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noise {
    /// Uniform within ± the scale.
    Uniform(f64),
    /// The positions so, the velocities normal with the scale as standard deviation.
    NormalVelocities(f64),
}

/// Version of the MuJoCo library in use.
pub fn mujoco_version() -> &'static str {
    mujoco_rs::mujoco_version()
}

impl Simulation {
    /// Loads `file` of Gymnasium's assets; a model is loaded once and shared.
    pub(super) fn new(id: &str, file: &str, frame_skip: NonZeroU32) -> Result<Self, Error> {
        let path = assets().join(file);
        let fail = |reason: String| Error::Mujoco { id: id.to_owned(), path: path.clone(), reason };
        let model = load(&path).map_err(fail)?;
        let data = MjData::try_new(Arc::clone(&model)).map_err(|e| fail(e.to_string()))?;
        let (low, high) = model.actuator_ctrlrange().iter().map(|r| (r[0] as f32, r[1] as f32)).unzip();
        let action_space = ActionSpace::Continuous { low, high };
        Ok(Self { data, model, frame_skip: frame_skip.get(), action_space })
    }

    pub(super) fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    pub(super) fn model(&self) -> Arc<MjModel> {
        Arc::clone(&self.model)
    }

    pub(super) fn qpos(&self) -> &[f64] {
        self.data.qpos()
    }

    pub(super) fn qvel(&self) -> &[f64] {
        self.data.qvel()
    }

    /// Seconds of one environment step.
    pub(super) fn dt(&self) -> f64 {
        self.model.opt().timestep * f64::from(self.frame_skip)
    }

    /// Number of bodies, the world included.
    pub(super) fn bodies(&self) -> usize {
        self.data.xpos().len()
    }

    /// Number of the body of that name.
    pub(super) fn body(&self, name: &str) -> Option<usize> {
        // A C string holds no NUL.
        (!name.contains('\0')).then(|| self.model.name_to_id(MjtObjBase::mjOBJ_BODY, name))?
    }

    /// Cartesian position of a body as of the last frame's start, where MuJoCo computes it.
    pub(super) fn body_position(&self, body: usize) -> [f64; 3] {
        self.data.xpos()[body]
    }

    /// The model's initial state with noise.
    pub(super) fn reset(&mut self, noise: Noise, random: &mut Generator) {
        self.start(|qpos, qvel| {
            let (Noise::Uniform(scale) | Noise::NormalVelocities(scale)) = noise;
            qpos.iter_mut().for_each(|x| *x += random.uniform(-scale, scale));
            qvel.iter_mut().for_each(|x| {
                *x += match noise {
                    Noise::Uniform(_) => random.uniform(-scale, scale),
                    Noise::NormalVelocities(_) => scale * random.standard_normal(),
                }
            });
        });
    }

    /// Controls, then the frames.
    pub(super) fn step(&mut self, action: &[f32]) {
        for (control, action) in self.data.ctrl_mut().iter_mut().zip(action) {
            *control = f64::from(*action);
        }
        for _ in 0..self.frame_skip {
            self.data.step();
        }
    }

    /// What `mj_step` leaves out (`mj_rnePostConstraint`). Nothing else depends on it, so that tasks
    /// without contact forces save the time.
    pub(super) fn compute_contact_forces(&mut self) {
        self.data.rne_post_constraint();
    }

    /// External torque and force on each body, 6 entries a body; zero after a reset, else as computed last.
    pub(super) fn contact_forces(&self) -> &[f64] {
        self.data.cfrc_ext().as_flattened()
    }

    /// Whether MuJoCo gave up on the state of this episode (it then starts over by itself).
    pub(super) fn unstable(&self) -> bool {
        let bad = [
            mjtWarning::mjWARN_BADQPOS,
            mjtWarning::mjWARN_BADQVEL,
            mjtWarning::mjWARN_BADQACC,
            mjtWarning::mjWARN_BADCTRL,
        ];
        let warnings = &self.data.ffi().warning;
        bad.iter().any(|&kind| warnings[kind as usize].number > 0)
            || self.qpos().iter().chain(self.qvel()).any(|x| !x.is_finite())
    }

    pub(super) fn state(&self) -> EnvState {
        EnvState::Mujoco { qpos: self.qpos().to_vec(), qvel: self.qvel().to_vec() }
    }

    pub(super) fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        let EnvState::Mujoco { qpos, qvel } = state else {
            return Err("expected qpos and qvel".into());
        };
        let (positions, velocities) = (self.qpos().len(), self.qvel().len());
        if (qpos.len(), qvel.len()) != (positions, velocities) {
            let (p, v) = (qpos.len(), qvel.len());
            return Err(format!(
                "found {p} entries in qpos and {v} in qvel, expected {positions} and {velocities}"
            ));
        }
        self.start(|p, v| {
            p.copy_from_slice(qpos);
            v.copy_from_slice(qvel);
        });
        Ok(())
    }

    /// mj_resetData (which clears warm start, controls and warnings), the state, mj_forward.
    fn start(&mut self, set: impl FnOnce(&mut [f64], &mut [f64])) {
        self.data.reset();
        // SAFETY: two distinct arrays of the data, borrowed for this call only.
        let (qpos, qvel) = unsafe {
            let qpos: *mut [f64] = self.data.qpos_mut();
            (&mut *qpos, self.data.qvel_mut())
        };
        set(qpos, qvel);
        self.data.forward();
    }
}

/// The `envs/mujoco/assets` folder of the gymnasium wheel: set now, else when this was built.
pub(super) fn assets() -> PathBuf {
    std::env::var_os("AAREN_MUJOCO_ASSETS")
        .or_else(|| option_env!("AAREN_MUJOCO_ASSETS").map(Into::into))
        .map_or_else(|| PathBuf::from("assets"), PathBuf::from)
}

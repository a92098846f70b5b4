use std::collections::HashMap;
use std::ffi::c_char;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use mujoco_rs::mujoco_c::{mjtWarning, mju_user_warning};
use mujoco_rs::wrappers::{MjData, MjModel};

use crate::Error;

/// A MuJoCo simulation in the order of Gymnasium's `MujocoEnv` (`gymnasium/envs/mujoco/mujoco_env.py`).
pub(crate) struct Mujoco {
    data: MjData<Arc<MjModel>>,
    model: Arc<MjModel>,
    frame_skip: usize,
}

/// Version of the MuJoCo library in use.
pub fn mujoco_version() -> &'static str {
    mujoco_rs::mujoco_version()
}

impl Mujoco {
    /// Loads `file` of Gymnasium's assets; a model is loaded once and shared.
    pub(crate) fn new(id: &str, file: &str, frame_skip: usize) -> Result<Self, Error> {
        let path = assets().join(file);
        let fail = |reason: String| Error::Mujoco { id: id.to_owned(), path: path.clone(), reason };
        let model = load(&path).map_err(fail)?;
        let data = MjData::try_new(Arc::clone(&model)).map_err(|e| fail(e.to_string()))?;
        Ok(Self { data, model, frame_skip })
    }

    pub(crate) fn qpos(&self) -> &[f64] {
        self.data.qpos()
    }

    pub(crate) fn qvel(&self) -> &[f64] {
        self.data.qvel()
    }

    /// Seconds of one environment step.
    pub(crate) fn dt(&self) -> f64 {
        self.model.opt().timestep * self.frame_skip as f64
    }

    /// Number of actuators.
    pub(crate) fn actuators(&self) -> usize {
        self.data.ctrl().len()
    }

    /// mj_resetData (which clears warm start, controls and warnings), the state, mj_forward.
    pub(crate) fn reset(&mut self, mut noise: impl FnMut(&mut [f64], &mut [f64])) {
        self.data.reset();
        // SAFETY: two distinct arrays of the data, borrowed for this call only.
        let (qpos, qvel) = unsafe {
            let qpos: *mut [f64] = self.data.qpos_mut();
            (&mut *qpos, self.data.qvel_mut())
        };
        noise(qpos, qvel);
        self.data.forward();
    }

    /// Controls, frames, then the forces that a step leaves out (mj_rnePostConstraint).
    pub(crate) fn step(&mut self, action: &[f32]) {
        for (control, action) in self.data.ctrl_mut().iter_mut().zip(action) {
            *control = f64::from(*action);
        }
        for _ in 0..self.frame_skip {
            self.data.step();
        }
        self.data.rne_post_constraint();
    }

    /// Whether MuJoCo gave up on the state of this episode (it then starts over by itself).
    pub(crate) fn unstable(&self) -> bool {
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

    pub(crate) fn set_state(&mut self, state: &HashMap<String, Vec<f64>>) -> Result<(), String> {
        let part = |key: &str, length: usize| match state.get(key) {
            Some(values) if values.len() == length => Ok(values.clone()),
            Some(values) => Err(format!("{key} has {} entries, expected {length}", values.len())),
            None => Err(format!("the state has no {key}")),
        };
        let (qpos, qvel) = (part("qpos", self.qpos().len())?, part("qvel", self.qvel().len())?);
        self.reset(|p, v| {
            p.copy_from_slice(&qpos);
            v.copy_from_slice(&qvel);
        });
        Ok(())
    }
}

fn assets() -> PathBuf {
    std::env::var_os("AAREN_MUJOCO_ASSETS")
        .or_else(|| option_env!("AAREN_MUJOCO_ASSETS").map(Into::into))
        .map_or_else(|| PathBuf::from("assets"), PathBuf::from)
}

fn load(path: &Path) -> Result<Arc<MjModel>, String> {
    static MODELS: Mutex<Option<HashMap<PathBuf, Arc<MjModel>>>> = Mutex::new(None);
    static QUIET: Once = Once::new();
    extern "C" fn ignore(_message: *const c_char) {}
    // Warnings are counted in the data, where `unstable` finds them; MuJoCo would print them and leave
    // a log file behind.
    // SAFETY: the handler is set once, before any model is loaded.
    QUIET.call_once(|| unsafe {
        mju_user_warning = Some(std::mem::transmute::<
            extern "C" fn(*const c_char),
            unsafe extern "C" fn(*const c_char),
        >(ignore))
    });
    let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    let models = models.get_or_insert_default();
    if let Some(model) = models.get(path) {
        return Ok(Arc::clone(model));
    }
    std::fs::metadata(path).map_err(|e| e.to_string())?;
    let model = Arc::new(MjModel::from_xml(path).map_err(|e| e.to_string())?);
    models.insert(path.to_owned(), Arc::clone(&model));
    Ok(model)
}

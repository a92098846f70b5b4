//! One MuJoCo simulation, stepped in Gymnasium's order.

use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mujoco_rs::mujoco_c::mjtWarning;
use mujoco_rs::wrappers::{MjData, MjModel, MjtObjBase};

use super::model::load;
use crate::{ActionSpace, Error};

/// A MuJoCo simulation in the order of Gymnasium's `MujocoEnv` (`envs/mujoco/mujoco_env.py`).
pub(crate) struct Simulation {
    data: MjData<Arc<MjModel>>,
    pub(super) model: Arc<MjModel>,
    frame_skip: u32,
    pub(super) action_space: ActionSpace,
    path: PathBuf,
}

/// What MuJoCo computed; places of bodies are as of the last frame's start, where it computes them.
impl Deref for Simulation {
    type Target = MjData<Arc<MjModel>>;

    fn deref(&self) -> &Self::Target {
        &self.data
    }
}

impl DerefMut for Simulation {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.data
    }
}

impl Simulation {
    /// Loads `file` of Gymnasium's assets; a model is loaded once and shared.
    pub(super) fn new(id: &str, file: &str, frame_skip: NonZeroU32) -> Result<Self, Error> {
        let path = mujoco_models().join(file);
        let fail = |reason: String| Error::Mujoco { id: id.to_owned(), path: path.clone(), reason };
        let model = load(&path).map_err(fail)?;
        let data = MjData::try_new(Arc::clone(&model)).map_err(|e| fail(e.to_string()))?;
        let (low, high) = model.actuator_ctrlrange().iter().map(|r| (r[0] as f32, r[1] as f32)).unzip();
        let action_space = ActionSpace::Continuous { low, high };
        Ok(Self { data, model, frame_skip: frame_skip.get(), action_space, path })
    }

    /// Seconds of one frame.
    pub(super) fn timestep(&self) -> f64 {
        self.model.opt().timestep
    }

    /// Seconds of one environment step.
    pub(super) fn dt(&self) -> f64 {
        self.timestep() * f64::from(self.frame_skip)
    }

    /// Number of the body of that name.
    pub(super) fn body(&self, name: &str) -> Option<usize> {
        // A C string holds no NUL.
        (!name.contains('\0')).then(|| self.model.name_to_id(MjtObjBase::mjOBJ_BODY, name))?
    }

    /// Numbers of the bodies of those names, which environment `id` needs.
    pub(super) fn named<const N: usize>(&self, id: &str, names: [&str; N]) -> Result<[usize; N], Error> {
        let mut bodies = [0; N];
        for (body, name) in bodies.iter_mut().zip(names) {
            *body = self.body(name).ok_or_else(|| Error::Mujoco {
                id: id.to_owned(),
                path: self.path.clone(),
                reason: format!("it has no body `{name}`"),
            })?;
        }
        Ok(bodies)
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

    /// mj_resetData (which clears warm start, controls and warnings), the state, mj_forward.
    pub(super) fn start(&mut self, set: impl FnOnce(&mut [f64], &mut [f64])) {
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

/// The folder of MuJoCo models of the gymnasium wheel, its `envs/mujoco/assets`: `AAREN_MUJOCO_ASSETS`, else `assets`
/// beside this program, as in a wheel of it, else that of the package `gymnasium` beside the package `mujoco` whose
/// library is loaded.
pub fn mujoco_models() -> PathBuf {
    static MODELS: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let set = std::env::var_os("AAREN_MUJOCO_ASSETS").map(PathBuf::from);
        let known = set.or_else(beside_program).or_else(beside_library);
        known.unwrap_or_else(|| PathBuf::from("gymnasium/envs/mujoco/assets"))
    };
    MODELS.get_or_init(find).clone()
}

fn beside_program() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.with_file_name("assets");
    folder.join("hopper.xml").is_file().then_some(folder)
}

/// By the list of this process's mapped files, whose paths have no links in them.
fn beside_library() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find_map(|line| {
        let start = line.find('/')?;
        Path::new(&line[start..]).file_name()?.to_str()?.starts_with("libmujoco.so").then(|| &line[start..])
    })?;
    let packages = Path::new(path).parent()?.parent()?;
    Some(packages.join("gymnasium/envs/mujoco/assets"))
}

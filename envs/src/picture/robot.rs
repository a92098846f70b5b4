//! Pictures of MuJoCo's models, drawn without a window through EGL.

use std::error::Error;
use std::sync::Arc;

use mujoco_rs::renderer::MjRenderer;
use mujoco_rs::wrappers::{MjData, MjModel, MjtObjBase, MjvCamera};

use crate::{EnvState, Scene};

/// What to install where EGL is not there, or does not work.
const CURE: &str = "install EGL and Mesa, which draws without a graphics card too (Debian and Ubuntu: `apt install libegl1 libgl1-mesa-dri`; Fedora: `dnf install mesa-libEGL mesa-dri-drivers`)";

/// A model, a state of it to draw, and what draws it.
pub(super) struct Robot {
    data: MjData<Arc<MjModel>>,
    renderer: MjRenderer,
}

impl Robot {
    /// What Gymnasium's free camera looks at unless told depends on `state`, where the first picture is taken.
    pub(super) fn new(
        scene: &Scene,
        state: Option<&EnvState>,
        width: usize,
        height: usize,
    ) -> Result<Self, String> {
        let mut model = MjModel::clone(&scene.model);
        // The largest picture is the model's own affair.
        let global = &mut model.vis_mut().global;
        (global.offwidth, global.offheight) = (width as i32, height as i32);
        let track = model.name_to_id(MjtObjBase::mjOBJ_CAMERA, "track");
        let data = MjData::try_new(Arc::new(model)).map_err(|e| e.to_string())?;
        let renderer = MjRenderer::new(data.model(), width, height, 0).map_err(|error| {
            // What glutin says is the cause, not the error itself.
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("robots are drawn through EGL (libEGL.so.1): {cause}; {CURE}")
        })?;
        let mut robot = Self { data, renderer };
        robot.place(state)?;
        let camera = match track {
            Some(track) => MjvCamera::new_fixed(track),
            None => MjvCamera {
                lookat: scene.lookat.unwrap_or_else(|| robot.middle()),
                distance: scene.distance.unwrap_or(scene.model.stat().extent),
                ..MjvCamera::new_free(&scene.model)
            },
        };
        robot.renderer = robot.renderer.with_camera(camera);
        Ok(robot)
    }

    /// The medians of the geoms' coordinates.
    fn middle(&self) -> [f64; 3] {
        std::array::from_fn(|axis| {
            let mut places: Vec<f64> = self.data.geom_xpos().iter().map(|place| place[axis]).collect();
            places.sort_by(f64::total_cmp);
            let half = places.len() / 2;
            if places.len() % 2 == 1 { places[half] } else { (places[half - 1] + places[half]) / 2.0 }
        })
    }

    /// Takes a state over.
    fn place(&mut self, state: Option<&EnvState>) -> Result<(), String> {
        let Some(EnvState::Mujoco { qpos, qvel }) = state else {
            return Err("found an environment without MuJoCo, expected one of the camera's model".into());
        };
        let (positions, velocities) = (self.data.qpos().len(), self.data.qvel().len());
        if (qpos.len(), qvel.len()) != (positions, velocities) {
            let (p, v) = (qpos.len(), qvel.len());
            return Err(format!(
                "found a state of {p} positions and {v} velocities, expected {positions} and {velocities}, those of the camera's model"
            ));
        }
        self.data.qpos_mut().copy_from_slice(qpos);
        self.data.qvel_mut().copy_from_slice(qvel);
        self.data.forward();
        Ok(())
    }

    /// The pixels `[height, width, 3]` of a state.
    pub(super) fn rgb(&mut self, state: Option<&EnvState>) -> Result<Vec<u8>, String> {
        self.place(state)?;
        self.renderer.sync_data(&mut self.data).map_err(|e| e.to_string())?;
        self.renderer.render().map_err(|e| e.to_string())?;
        Ok(self.renderer.rgb_flat().unwrap_or_default().to_vec())
    }
}

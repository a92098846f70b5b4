//! MuJoCo models from Gymnasium's MJCF.

use std::collections::HashMap;
use std::ffi::c_char;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use mujoco_rs::mujoco_c::{mjtDisableBit, mju_user_warning};
use mujoco_rs::wrappers::MjModel;
use mujoco_rs::wrappers::mj_editing::{MjSpec, SpecItem};

/// The model in a file of Gymnasium's assets; it is loaded once and shared.
pub(super) fn load(path: &Path) -> Result<Arc<MjModel>, String> {
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
    let model = Arc::new(compile(path).map_err(|e| e.to_string())?);
    models.insert(path.to_owned(), Arc::clone(&model));
    Ok(model)
}

/// Gymnasium's model with less work, and the same numbers bit for bit.
///
/// MuJoCo looks at every step for the bodies that are near each other, and splits what touches into islands.
/// Here the pairs of geoms that can touch at all are named beforehand, with the parameters
/// that MuJoCo would give their contacts (`mj_contactParam`); and one robot is one island. Where more than a robot moves
/// (Pusher, Reacher), the model stays as it is.
fn compile(path: &Path) -> Result<MjModel, Box<dyn std::error::Error>> {
    let mut spec = MjSpec::from_xml(path)?;
    for (index, geom) in spec.geom_iter_mut().enumerate() {
        geom.set_name(&format!("geom{index}"))?;
    }
    let whole = spec.compile()?;
    // Solved as one island, several bodies that move apart have other roundings.
    if whole.ffi().ntree > 1 {
        return Ok(whole);
    }
    add_pairs(&mut spec, &whole);
    for geom in spec.geom_iter_mut() {
        geom.set_contype(0);
        geom.set_conaffinity(0);
    }
    let mut model = spec.compile()?;
    let unneeded = mjtDisableBit::mjDSBL_ISLAND as i32 | mjtDisableBit::mjDSBL_MIDPHASE as i32;
    model.opt_mut().disableflags |= unneeded;
    Ok(model)
}

/// Names the pairs that MuJoCo's filters let through: by type and affinity, and of bodies that are neither one nor
/// parent and child.
fn add_pairs(spec: &mut MjSpec, model: &MjModel) {
    let (types, affinities, body) = (model.geom_contype(), model.geom_conaffinity(), model.geom_bodyid());
    let weld = |body: i32| model.body_weldid()[body as usize];
    let parent = |body: i32| weld(model.body_parentid()[body as usize]);
    for two in 0..types.len() {
        for one in 0..two {
            let bodies = [weld(body[one]), weld(body[two])];
            let related = bodies[0] == bodies[1]
                || !bodies.contains(&0) && (parent(bodies[0]) == bodies[1] || parent(bodies[1]) == bodies[0]);
            if related || types[one] & affinities[two] == 0 && types[two] & affinities[one] == 0 {
                continue;
            }
            let mean = |a: f64, b: f64| 0.5 * a + 0.5 * b;
            let frictions = model.geom_friction();
            let friction = |direction: usize| frictions[one][direction].max(frictions[two][direction]);
            let [slide, spin, roll] = [friction(0), friction(1), friction(2)];
            let (solref, solimp) = (model.geom_solref(), model.geom_solimp());
            let pair = spec.add_pair();
            pair.set_geomname1(&format!("geom{one}"));
            pair.set_geomname2(&format!("geom{two}"));
            pair.set_condim(model.geom_condim()[one].max(model.geom_condim()[two]));
            pair.set_margin(model.geom_margin()[one] + model.geom_margin()[two]);
            pair.set_gap(model.geom_gap()[one].max(model.geom_gap()[two]));
            *pair.solref_mut() = std::array::from_fn(|i| mean(solref[one][i], solref[two][i]));
            *pair.solimp_mut() = std::array::from_fn(|i| mean(solimp[one][i], solimp[two][i]));
            *pair.friction_mut() = [slide, slide, spin, roll, roll];
        }
    }
}

#[cfg(test)]
mod tests {
    use mujoco_rs::wrappers::MjData;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// State, contacts and their forces while a robot falls about, bit for bit.
    fn trace(model: &MjModel) -> Vec<u64> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut data = MjData::new(model);
        let mut trace = Vec::new();
        for step in 0..4000 {
            if step % 500 == 0 {
                data.reset();
                data.qvel_mut().iter_mut().for_each(|x| *x = random.random_range(-1.0..1.0));
            }
            data.ctrl_mut().iter_mut().for_each(|x| *x = random.random_range(-1.0..1.0));
            data.step();
            if step % 5 == 0 {
                data.rne_post_constraint();
                let numbers = data.qpos().iter().chain(data.qvel()).chain(data.cfrc_ext().as_flattened());
                trace.extend(numbers.map(|x| x.to_bits()));
                trace.push(data.ffi().ncon as u64);
            }
        }
        trace
    }

    #[test]
    fn less_work_gives_the_same_numbers() {
        for file in [
            "ant.xml",
            "half_cheetah.xml",
            "hopper.xml",
            "humanoid.xml",
            "humanoidstandup.xml",
            "inverted_double_pendulum.xml",
            "inverted_pendulum.xml",
            "pusher_v5.xml",
            "reacher.xml",
            "swimmer.xml",
            "walker2d.xml",
        ] {
            let path = super::super::simulation::mujoco_models().join(file);
            // Loaded first, as that keeps MuJoCo quiet.
            let found = trace(&load(&path).unwrap());
            let expected = trace(&MjModel::from_xml(&path).unwrap());
            assert!(expected == found, "{file}");
        }
    }
}

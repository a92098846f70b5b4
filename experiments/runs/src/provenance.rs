//! What made a result: the program, its source, and the machine.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use aaren_envs::describe;
use aaren_spec::Spec;
pub use aaren_spec::{Machine, Provenance};
use serde_json::Value;

use crate::Result;

/// Instructions that decide how fast numbers come: those of libtorch's and the streaming runtime's kernels.
const INSTRUCTIONS: [&str; 6] = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"];

/// The version of libtorch that this program is built for.
pub const LIBTORCH: &str = env!("AAREN_LIBTORCH");

/// Of this process.
pub fn here() -> Provenance {
    Provenance {
        aaren: env!("CARGO_PKG_VERSION").into(),
        commit: env!("AAREN_COMMIT").into(),
        dirty: option_env!("AAREN_DIRTY").map(|dirty| dirty == "true"),
        mujoco: aaren_envs::mujoco_version().into(),
        python: Default::default(),
        machine: Some(machine()),
    }
}

/// Versions of the Python packages that decide what the environment of an experiment does; none where none is played.
pub fn of_python(spec: &Spec) -> Result<BTreeMap<String, String>> {
    let description = spec.played_in().map(describe).transpose()?;
    Ok(description.map(|its| its.versions).unwrap_or_default())
}

/// `protocol`, a JSON object, with the provenance of this process in it.
pub fn within(protocol: Value) -> Value {
    let mut protocol = protocol;
    if let (Some(map), Ok(Value::Object(own))) = (protocol.as_object_mut(), serde_json::to_value(here())) {
        map.extend(own);
    }
    protocol
}

fn machine() -> Machine {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = about.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    };
    let flags: Vec<&str> = value("flags").split_whitespace().collect();
    let has = INSTRUCTIONS.into_iter().filter(|name| flags.contains(name));
    let processor = value("model name");
    Machine {
        processor: if processor.is_empty() { std::env::consts::ARCH.into() } else { processor.into() },
        cores: available_parallelism().map_or(1, |cores| cores.get()),
        instructions: has.map(str::to_owned).collect(),
    }
}

//! What made a result: the program, its source, and the machine.

use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Instructions that decide how fast numbers come: those of libtorch's and the streaming runtime's kernels.
const INSTRUCTIONS: [&str; 6] = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"];

/// What made a result. It is part of the protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// This program's version.
    pub aaren: String,
    /// The commit it was built from.
    pub commit: String,
    /// Whether its source differed from that commit; unknown without a repository, and in older files.
    #[serde(default)]
    pub dirty: Option<bool>,
    /// MuJoCo's version.
    pub mujoco: String,
    /// Where it ran; absent from older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// What speeds depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Which of the instructions that matter it has.
    pub instructions: Vec<String>,
}

impl Provenance {
    /// Of this process.
    pub fn here() -> Self {
        Self {
            aaren: env!("CARGO_PKG_VERSION").into(),
            commit: env!("AAREN_COMMIT").into(),
            dirty: option_env!("AAREN_DIRTY").map(|dirty| dirty == "true"),
            mujoco: aaren_envs::mujoco_version().into(),
            machine: Some(Machine::here()),
        }
    }

    /// `protocol`, a JSON object, with this in it.
    pub fn within(protocol: Value) -> Value {
        let mut protocol = protocol;
        if let (Some(map), Ok(Value::Object(own))) =
            (protocol.as_object_mut(), serde_json::to_value(Self::here()))
        {
            map.extend(own);
        }
        protocol
    }
}

impl Machine {
    fn here() -> Self {
        let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let value = |key: &str| {
            let line = about.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
        };
        let flags: Vec<&str> = value("flags").split_whitespace().collect();
        let has = INSTRUCTIONS.into_iter().filter(|name| flags.contains(name));
        let processor = value("model name");
        Self {
            processor: if processor.is_empty() { std::env::consts::ARCH.into() } else { processor.into() },
            cores: available_parallelism().map_or(1, |cores| cores.get()),
            instructions: has.map(str::to_owned).collect(),
        }
    }
}

//! Gymnasium's spaces and environment specifications, as Minari writes them into `metadata.json`.

use serde_json::json;

use aaren_envs::{ActionSpace, Environment};

/// Observations without bounds. Written by hand, since Python's JSON has an `Infinity` that is none of ours.
pub(super) fn observation_space(size: usize) -> String {
    let bounds = |bound: &str| vec![bound; size].join(", ");
    format!(
        r#"{{"type": "Box", "dtype": "float64", "shape": [{size}], "low": [{}], "high": [{}]}}"#,
        bounds("-Infinity"),
        bounds("Infinity")
    )
}

pub(super) fn action_space(space: &ActionSpace) -> String {
    match space {
        ActionSpace::Discrete { choices: n } => {
            json!({ "type": "Discrete", "dtype": "int64", "start": 0, "n": n })
        }
        ActionSpace::Continuous { low, high } => {
            json!({ "type": "Box", "dtype": "float32", "shape": [low.len()], "low": low, "high": high })
        }
    }
    .to_string()
}

/// What `gymnasium.make` takes; none for an environment that is not Gymnasium's.
pub(super) fn env_spec(environment: &Environment) -> Option<String> {
    let id = &environment.spec().id;
    let spec = json!({
        "id": id,
        "entry_point": format!("gymnasium.envs.{}", entry_point(id)?),
        "reward_threshold": null,
        "nondeterministic": false,
        "max_episode_steps": environment.max_episode_steps(),
        "order_enforce": true,
        "disable_env_checker": false,
        "kwargs": {},
        "additional_wrappers": [],
        "vector_entry_point": null,
    });
    Some(spec.to_string())
}

/// As registered by Gymnasium 1, below `gymnasium.envs`.
fn entry_point(id: &str) -> Option<&'static str> {
    Some(match id {
        "Acrobot-v1" => "classic_control.acrobot:AcrobotEnv",
        "Ant-v4" => "mujoco.ant_v4:AntEnv",
        "Ant-v5" => "mujoco.ant_v5:AntEnv",
        "CartPole-v1" => "classic_control.cartpole:CartPoleEnv",
        "HalfCheetah-v4" => "mujoco.half_cheetah_v4:HalfCheetahEnv",
        "HalfCheetah-v5" => "mujoco.half_cheetah_v5:HalfCheetahEnv",
        "Hopper-v4" => "mujoco.hopper_v4:HopperEnv",
        "Hopper-v5" => "mujoco.hopper_v5:HopperEnv",
        "MountainCar-v0" => "classic_control.mountain_car:MountainCarEnv",
        "MountainCarContinuous-v0" => "classic_control.continuous_mountain_car:Continuous_MountainCarEnv",
        "Pendulum-v1" => "classic_control.pendulum:PendulumEnv",
        "Walker2d-v4" => "mujoco.walker2d_v4:Walker2dEnv",
        "Walker2d-v5" => "mujoco.walker2d_v5:Walker2dEnv",
        _ => return None,
    })
}

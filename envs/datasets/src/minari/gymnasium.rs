//! Gymnasium's spaces and environment specifications, as Minari writes them into `metadata.json`.

use serde_json::json;

use aaren_envs::{ActionSpace, Description, ids};

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
        ActionSpace::MultiDiscrete { choices } => {
            json!({
                "type": "MultiDiscrete", "dtype": "int64", "shape": [choices.len()], "nvec": choices,
                "start": vec![0; choices.len()],
            })
        }
        ActionSpace::Continuous { low, high } => {
            json!({ "type": "Box", "dtype": "float32", "shape": [low.len()], "low": low, "high": high })
        }
    }
    .to_string()
}

/// What `gymnasium.make` takes; none for an environment that is not Gymnasium's, or that hides what Gymnasium's shows.
pub(super) fn env_spec(environment: &Description) -> Option<String> {
    let id = &environment.spec.id;
    let mut kwargs = environment.spec.kwargs.clone();
    kwargs.remove("max_episode_steps");
    if kwargs.remove("observe").is_some_and(|what| what != "all") {
        return None;
    }
    let spec = json!({
        "id": id,
        "entry_point": format!("gymnasium.envs.{}", entry_point(id)?),
        "reward_threshold": null,
        "nondeterministic": false,
        "max_episode_steps": environment.max_episode_steps,
        "order_enforce": true,
        "disable_env_checker": false,
        "kwargs": kwargs,
        "additional_wrappers": [],
        "vector_entry_point": null,
    });
    Some(spec.to_string())
}

/// As registered by Gymnasium 1, below `gymnasium.envs`.
fn entry_point(id: &str) -> Option<String> {
    let (name, version) = ids().iter().find(|&&known| known == id)?.split_once('-')?;
    let module = match name {
        "Acrobot" => "classic_control.acrobot",
        "CartPole" => "classic_control.cartpole",
        "MountainCar" => "classic_control.mountain_car",
        "MountainCarContinuous" => {
            return Some("classic_control.continuous_mountain_car:Continuous_MountainCarEnv".into());
        }
        "Pendulum" => "classic_control.pendulum",
        "Ant" => "mujoco.ant",
        "HalfCheetah" => "mujoco.half_cheetah",
        "Hopper" => "mujoco.hopper",
        "Humanoid" => "mujoco.humanoid",
        "HumanoidStandup" => "mujoco.humanoidstandup",
        "InvertedDoublePendulum" => "mujoco.inverted_double_pendulum",
        "InvertedPendulum" => "mujoco.inverted_pendulum",
        "Pusher" => "mujoco.pusher",
        "Reacher" => "mujoco.reacher",
        "Swimmer" => "mujoco.swimmer",
        "Walker2d" => "mujoco.walker2d",
        _ => return None,
    };
    let version = if module.starts_with("mujoco") { format!("_{version}") } else { String::new() };
    Some(format!("{module}{version}:{name}Env"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_keeps_its_arguments() {
        let spec = |id: &str, kwargs: serde_json::Value| {
            let kwargs = kwargs.as_object().unwrap().clone();
            env_spec(
                &aaren_envs::describe(&aaren_envs::EnvSpec { kwargs, ..aaren_envs::EnvSpec::new(id) })
                    .unwrap(),
            )
        };
        let read = |text: Option<String>| serde_json::from_str::<serde_json::Value>(&text.unwrap()).unwrap();
        let its = read(spec("Pendulum-v1", json!({"g": 9.5, "max_episode_steps": 50})));
        assert_eq!((&its["kwargs"], &its["max_episode_steps"]), (&json!({"g": 9.5}), &json!(50)));
        assert_eq!(read(spec("CartPole-v1", json!({"observe": "all"})))["kwargs"], json!({}));
        assert_eq!(spec("CartPole-v1", json!({"observe": "positions"})), None);
    }

    /// As `gymnasium.registry[id].entry_point`.
    #[test]
    fn entry_points_are_gymnasiums() {
        for (id, expected) in [
            ("Acrobot-v1", "classic_control.acrobot:AcrobotEnv"),
            ("MountainCarContinuous-v0", "classic_control.continuous_mountain_car:Continuous_MountainCarEnv"),
            ("HumanoidStandup-v5", "mujoco.humanoidstandup_v5:HumanoidStandupEnv"),
            ("Walker2d-v4", "mujoco.walker2d_v4:Walker2dEnv"),
        ] {
            assert_eq!(entry_point(id).as_deref(), Some(expected));
        }
        assert_eq!(entry_point("Hopper-Mine-v0"), None);
        let none = ids().iter().filter(|id| entry_point(id).is_none());
        assert!(none.into_iter().all(|id| id.starts_with("popgym-") || id.contains("TMaze")));
    }
}

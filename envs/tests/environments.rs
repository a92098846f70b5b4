//! The environments against trajectories of Python Gymnasium 1.4.0 with MuJoCo 3.17.0, which
//! `oracle/rollout.py` printed (`make oracle` compares many more, afresh).

use std::io::BufReader;

use aaren_envs::{EnvSpec, check};

fn differences(trajectory: &str) -> (f64, f64, usize) {
    let path = format!("{}/tests/trajectories/{trajectory}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(path).unwrap();
    let check = check(BufReader::new(file)).unwrap();
    assert!(check.flags_equal && check.steps > 0, "{check:?}");
    (check.max_observation_difference, check.max_reward_difference, check.steps)
}

#[test]
fn hopper_equals_gymnasiums() {
    for trajectory in ["hopper-v4", "hopper-v5", "hopper-v5-kwargs"] {
        let (observation, reward, steps) = differences(trajectory);
        println!("{trajectory}: {steps} steps, observation {observation:e}, reward {reward:e}");
        assert!(observation == 0.0 && reward < 1e-9, "{trajectory}: {observation:e}, {reward:e}");
    }
}

#[test]
fn pendulum_equals_gymnasiums() {
    for trajectory in ["pendulum-v1", "pendulum-v1-kwargs"] {
        let (observation, reward, _) = differences(trajectory);
        assert!(observation < 1e-6 && reward < 1e-6, "{trajectory}: {observation:e}, {reward:e}");
    }
}

#[test]
fn a_reset_after_a_dirty_episode_is_a_fresh_environment() {
    for id in aaren_envs::ids() {
        let episode = |environment: &mut aaren_envs::Environment| {
            let mut observation = vec![0.0; environment.observation_size()];
            environment.reset(5, &mut observation);
            let mut trace = observation.clone();
            for t in 0..40 {
                let action = vec![(t as f32).sin(); environment.action_space().size()];
                let step = environment.step(&action, &mut observation);
                trace.extend(&observation);
                trace.push(step.reward);
            }
            trace.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let mut dirty = EnvSpec::new(*id).make().unwrap();
        let mut observation = vec![0.0; dirty.observation_size()];
        dirty.reset(9, &mut observation);
        for _ in 0..100 {
            dirty.step(&vec![1.0; dirty.action_space().size()], &mut observation);
        }
        assert_eq!(episode(&mut dirty), episode(&mut EnvSpec::new(*id).make().unwrap()), "{id}");
    }
}

#[test]
fn a_simulation_that_blows_up_ends_its_episode() {
    let mut hopper = EnvSpec::new("Hopper-v5").make().unwrap();
    let mut observation = vec![0.0; 11];
    hopper.reset(0, &mut observation);
    let step = hopper.step(&[f32::NAN, 0.0, 0.0], &mut observation);
    assert!(step.unstable && step.done());
    hopper.reset(0, &mut observation);
    assert!(!hopper.step(&[0.0; 3], &mut observation).unstable, "a reset forgets it");
}

#[test]
fn hidden_velocities_leave_five_entries() {
    let spec: EnvSpec =
        serde_json::from_str(r#"{"id": "Hopper-v4", "kwargs": {"observe": "positions"}}"#).unwrap();
    let mut hopper = spec.make().unwrap();
    let mut observation = [f64::NAN; 5];
    hopper.reset(0, &mut observation);
    assert!(hopper.observation_size() == 5 && observation.iter().all(|x| x.is_finite()));
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let message = EnvSpec::new("Hoper-v4").make().unwrap_err().to_string();
    assert!(message.contains("Hoper-v4") && message.contains("Hopper-v4"), "{message}");
    let spec: EnvSpec = serde_json::from_str(r#"{"id": "Hopper-v5", "kwargs": {"noise": 1}}"#).unwrap();
    let message = spec.make().unwrap_err().to_string();
    assert!(message.contains("unknown field `noise`") && message.contains("reset_noise_scale"), "{message}");
}

/// D4RL's `infos.py`: hopper-random 0, hopper-expert 100.
#[test]
fn normalised_scores_are_d4rls() {
    let scores = aaren_envs::reference_scores("hopper-medium-v2").unwrap();
    assert_eq!(scores.normalised(-20.272305), 0.0);
    assert_eq!(scores.normalised(3234.3), 100.0);
    assert_eq!(aaren_envs::reference_scores("Hopper-v5"), Some(scores));
    assert_eq!(aaren_envs::reference_scores("Pendulum-v1"), None);
}

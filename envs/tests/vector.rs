//! Many environments at once, and the gymnasium-rs interface.

use aaren_envs::{EnvSpec, Environment, Step, VectorEnv, make, reference_scores, register};
use gymnasium_rs::core::{Env, Space};
use gymnasium_rs::envs::cartpole::CartPole;
use ndarray::Array1;
use serde_json::json;

/// Episode n starts from seed + n, whichever environment plays it: a vector of 3 plays, step for step,
/// what single environments play.
#[test]
fn episodes_of_a_vector_are_those_of_single_environments() {
    let spec: EnvSpec =
        serde_json::from_value(json!({"id": "Hopper-v4", "kwargs": {"max_episode_steps": 15}})).unwrap();
    let mut vector = VectorEnv::new(&spec, 3).unwrap();
    let size = vector.observation_size();
    let mut observations = vec![0.0; 3 * size];
    let mut steps = [Step::default(); 3];
    let mut singles: Vec<Environment> = (0..3).map(|_| make(&spec).unwrap()).collect();
    let mut expected = observations.clone();
    vector.reset(40, &mut observations).unwrap();
    for (n, single) in singles.iter_mut().enumerate() {
        single.reset(40 + n as u64, &mut expected[n * size..][..size]);
    }
    let (mut next, mut ended) = (3, 0);
    for t in 0..100 {
        assert_eq!(observations, expected, "step {t}");
        let actions: Vec<f32> = (0..9).map(|i| ((t * i) as f32).sin()).collect();
        vector.step(&actions, &mut observations, &mut steps).unwrap();
        for (n, single) in singles.iter_mut().enumerate() {
            let observation = &mut expected[n * size..][..size];
            assert_eq!(single.step(&actions[3 * n..][..3], observation), steps[n], "step {t}");
            if steps[n].done() {
                assert_eq!(vector.final_observation(n), observation);
                assert_eq!(vector.episodes()[n], next);
                single.reset(40 + next, observation);
                next += 1;
                ended += 1;
            }
        }
    }
    assert!(ended > 10);

    // Those kept go on undisturbed.
    vector.keep(&[0, 2]);
    let playing = vector.episodes().to_vec();
    observations.copy_within(2 * size.., size);
    observations.truncate(2 * size);
    vector.step(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], &mut observations, &mut steps[..2]).unwrap();
    for (n, (single, action)) in [(0, [0.1, 0.2, 0.3]), (2, [0.4, 0.5, 0.6])].into_iter().enumerate() {
        let observation = &mut expected[..size];
        assert_eq!(singles[single].step(&action, observation), steps[n]);
        if !steps[n].done() {
            assert_eq!(vector.episodes()[n], playing[n]);
            assert_eq!(observations[n * size..][..size], *observation);
        }
    }
    assert!(vector.count() == 2 && !steps[..2].iter().all(Step::done));
}

#[test]
fn an_environment_is_one_of_gymnasium_rs() {
    fn play(env: &mut dyn Env<Array1<f64>, Array1<f32>>) -> f32 {
        let Space::Box { low, .. } = env.action_space() else { panic!("Pendulum takes a torque") };
        let (observation, _) = env.reset(Some(7), Default::default());
        assert_eq!((observation.len(), low.to_vec()), (3, vec![-2.0]));
        let (_, reward, terminated, truncated, info) = env.step(Array1::from_elem(1, 0.5));
        assert!(!terminated && !truncated && info["unstable"] == json!(false));
        reward
    }
    let mut pendulum = make(&EnvSpec::new("Pendulum-v1")).unwrap();
    let reward = play(&mut pendulum);
    let mut observation = [0.0; 3];
    pendulum.reset(7, &mut observation);
    assert_eq!(pendulum.step(&[0.5], &mut observation).reward as f32, reward);
}

/// The constructor of one environment makes another one and registers a third.
#[test]
fn a_constructor_may_make_and_register() {
    register("LateHopper-v0", |spec| {
        register("LatestHopper-v0", |_| make(&EnvSpec::new("Hopper-v5")));
        make(&EnvSpec { kwargs: spec.kwargs.clone(), ..EnvSpec::new("LatestHopper-v0") })
    });
    // A lock that is held all the while would stop this for ever.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(make(&EnvSpec::new("LateHopper-v0")).unwrap().observation_size()));
    assert_eq!(receiver.recv_timeout(std::time::Duration::from_secs(60)), Ok(11));
    assert_eq!(reference_scores("LateHopper-v0"), None);

    // What replaces a known id is another task.
    assert!(reference_scores("Walker2d-v4").is_some());
    register("Walker2d-v4", |_| make(&EnvSpec::new("Pendulum-v1")));
    assert_eq!(reference_scores("Walker2d-v4"), None);
}

#[test]
fn a_registered_gymnasium_rs_environment_is_made_by_its_id() {
    register("TheirCartPole-v0", |spec| {
        Ok(Environment::from_gymnasium(spec.clone(), CartPole::new(), 30, |action| action[0] as i32))
    });
    let mut vector = VectorEnv::new(&EnvSpec::new("TheirCartPole-v0"), 2).unwrap();
    let mut runs = [[1.0; 8], [2.0; 8]];
    let mut steps = [Step::default(); 2];
    for observations in &mut runs {
        vector.reset(1, observations).unwrap();
        for t in 0..9 {
            vector.step(&[(t % 2) as f32, 1.0], observations, &mut steps).unwrap();
        }
    }
    assert_eq!(runs[0], runs[1], "one seed, one episode");
    assert!(runs[0][..4] != runs[0][4..] && vector.max_episode_steps() == 30);
}
